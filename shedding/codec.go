package shedding

// This file writes a ledger. FORMAT.md holds the table.

import "encoding/binary"

const codecVersion = 1

// Bits of an entry's flag byte.
const (
	flagJudged = 1 << iota
	flagBefore
	flagSealed
	flagsKnown = 1<<iota - 1
)

// AppendBinary appends the ledger to dst: its state without its limits. Equal
// states have equal bytes.
func (l *Ledger) AppendBinary(dst []byte) []byte {
	dst = append(dst, codecVersion)
	dst = binary.AppendUvarint(dst, l.next)
	dst = binary.AppendUvarint(dst, uint64(len(l.entries)))
	end := uint64(0)
	for i := range l.entries {
		dst = l.entries[i].appendBinary(dst, end)
		end = l.entries[i].Last
	}
	dst = binary.AppendUvarint(dst, l.lost.events)
	dst = binary.AppendUvarint(dst, uint64(len(l.lost.spans)))
	for _, s := range l.lost.spans {
		dst = binary.AppendUvarint(dst, s.events)
		dst = binary.AppendVarint(dst, s.least)
		dst = binary.AppendVarint(dst, s.greatest)
	}
	return dst
}

// appendBinary writes an entry; end is the last offset of the one before it.
func (e *Entry) appendBinary(dst []byte, end uint64) []byte {
	dst = binary.AppendUvarint(dst, e.Number)
	dst = binary.AppendUvarint(dst, e.First-end-1)
	dst = binary.AppendUvarint(dst, e.Last-e.First)
	dst = append(dst, byte(e.Rate), e.flags())
	dst = binary.AppendUvarint(dst, e.Events)
	dst = binary.AppendVarint(dst, e.Least)
	dst = binary.AppendVarint(dst, e.Greatest)
	if e.HasBefore {
		dst = binary.AppendVarint(dst, e.Before)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Repeats)))
	at := e.First
	for _, r := range e.Repeats {
		dst = binary.AppendUvarint(dst, r.Offset-at)
		dst = binary.AppendUvarint(dst, uint64(r.Segment))
		at = r.Offset
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Holes)))
	at = e.First
	for _, h := range e.Holes {
		dst = binary.AppendUvarint(dst, h.First-at-1)
		dst = binary.AppendUvarint(dst, h.Last-h.First)
		at = h.Last + 1
	}
	return dst
}

func (e *Entry) flags() (flags byte) {
	if e.Judged {
		flags |= flagJudged
	}
	if e.HasBefore {
		flags |= flagBefore
	}
	if e.Sealed {
		flags |= flagSealed
	}
	return flags
}
