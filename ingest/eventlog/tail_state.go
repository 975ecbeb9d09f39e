package eventlog

// This file is what a Tail knows of its partition, and the bytes of its
// checkpoint:
//
//	bytes   what
//	4       "SLT" and the version, 2
//	varint  offset, events, bytes of the head, and the greatest time (zigzag)
//	1       1 if there was a time, else 0
//	1       1 if the head is a record, 0 if it is a gap
//	4       CRC-32C of that record, little endian
//	varint  step of the index; points: their number, then per point offset and events, as differences,
//	        and if there were events the greatest time, as a difference, and how far below it the least is (zigzag)
//	varint  least time after the last point (zigzag)
//	varint  holes: their number, then per hole first and last, as differences
//	varint  offset from which on times and repeats are known
//	varint  repeats: their number, then per repeat its offset, as a difference, and its segment
//	rest    the producers' numbers, as event.Producers encodes them
//	4       CRC-32C of all before, little endian
//
// Version 1 had no times in the index and no repeats; it is read, and its
// records count as ones of which these are not known.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"sketchlog/ingest/event"
)

const (
	checkpointVersion = 2
	checkpointUntimed = 1 // the version before
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCheckpoint = errors.New("damaged checkpoint")

// state is a function of the records up to the head alone.
type state struct {
	head      Head
	timed     bool   // head.Greatest is one
	sum       uint32 // CRC-32C of the last record, if summed
	summed    bool   // false after a gap
	producers *event.Producers
	index     index
	known     uint64   // offset from which on the index has times, and repeats are complete
	repeats   []Repeat // ascending
}

func newState() state {
	return state{producers: event.NewProducers(), index: newIndex(), known: 1}
}

// mostRepeats bounds the repeats that are remembered; past it the older half goes.
const mostRepeats = 1 << 16

// note moves the head over an entry of size bytes, which begins right after it.
func (s *state) note(e Entry, size int, sum uint32) {
	s.head.Offset = e.Offset
	s.sum, s.summed = sum, e.Batch != nil
	least := int64(noLeast)
	if e.Batch != nil {
		s.head.Events += uint64(e.Batch.Rows())
		s.head.Bytes += uint64(size)
		for _, t := range e.Batch.Times {
			if !s.timed || t > s.head.Greatest {
				s.head.Greatest, s.timed = t, true
			}
			least = min(least, t)
		}
		for i, g := range e.Batch.Segments {
			if g.Producer != "" && s.producers.Note(g.Producer, g.Number, g.Partitions) != event.Fresh {
				s.repeat(Repeat{e.Offset, uint32(i)})
			}
		}
	}
	s.index.note(e.First, point{Offset: e.Offset, Events: s.head.Events, Greatest: s.greatest(), Least: least}, e.Batch == nil)
}

// greatest is the greatest event time so far.
func (s *state) greatest() int64 {
	if !s.timed {
		return noGreatest
	}
	return s.head.Greatest
}

func (s *state) repeat(r Repeat) {
	s.repeats = append(s.repeats, r)
	if len(s.repeats) <= mostRepeats {
		return
	}
	drop := len(s.repeats) / 2
	s.known = s.repeats[drop-1].Offset + 1
	for drop < len(s.repeats) && s.repeats[drop].Offset < s.known {
		drop++ // of a record all repeats are known, or none
	}
	s.repeats = append([]Repeat{}, s.repeats[drop:]...)
}

func (s *state) appendBinary(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 'S', 'L', 'T', checkpointVersion)
	dst = binary.AppendUvarint(dst, s.head.Offset)
	dst = binary.AppendUvarint(dst, s.head.Events)
	dst = binary.AppendUvarint(dst, s.head.Bytes)
	dst = binary.AppendVarint(dst, s.head.Greatest)
	dst = append(dst, bit(s.timed), bit(s.summed))
	dst = binary.LittleEndian.AppendUint32(dst, s.sum)
	dst = binary.AppendUvarint(dst, s.index.step)
	dst = binary.AppendUvarint(dst, uint64(len(s.index.points)))
	last := origin
	for _, p := range s.index.points {
		dst = binary.AppendUvarint(dst, p.Offset-last.Offset)
		dst = binary.AppendUvarint(dst, p.Events-last.Events)
		if p.Events > last.Events {
			dst = binary.AppendVarint(dst, p.Greatest-last.base())
			dst = binary.AppendVarint(dst, p.Greatest-p.Least)
		}
		last = p
	}
	dst = binary.AppendVarint(dst, s.index.least)
	dst = binary.AppendUvarint(dst, uint64(len(s.index.holes)))
	at := uint64(0)
	for _, h := range s.index.holes {
		dst = binary.AppendUvarint(dst, h.First-at)
		dst = binary.AppendUvarint(dst, h.Last-h.First)
		at = h.Last
	}
	dst = binary.AppendUvarint(dst, s.known)
	dst = binary.AppendUvarint(dst, uint64(len(s.repeats)))
	at = 0
	for _, r := range s.repeats {
		dst = binary.AppendUvarint(dst, r.Offset-at)
		dst = binary.AppendUvarint(dst, uint64(r.Segment))
		at = r.Offset
	}
	dst = s.producers.AppendBinary(dst)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// base is what the time of the next point is written relative to. Differences
// of times may overflow, and then the sum does so too.
func (p *point) base() int64 {
	if p.Greatest == noGreatest {
		return 0
	}
	return p.Greatest
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// numbers reads varints from a checkpoint; after the first fault all are 0.
type numbers struct {
	b   []byte
	bad bool
}

func (n *numbers) next() uint64 {
	v, size := binary.Uvarint(n.b)
	if n.bad = n.bad || size <= 0; n.bad {
		return 0
	}
	n.b = n.b[size:]
	return v
}

func (n *numbers) signed() int64 {
	v, size := binary.Varint(n.b)
	if n.bad = n.bad || size <= 0; n.bad {
		return 0
	}
	n.b = n.b[size:]
	return v
}

func (n *numbers) fixed() uint32 {
	if n.bad = n.bad || len(n.b) < 4; n.bad {
		return 0
	}
	v := binary.LittleEndian.Uint32(n.b)
	n.b = n.b[4:]
	return v
}

// count reads a number of things that are at most limit.
func (n *numbers) count(limit uint64) int {
	v := n.next()
	if n.bad = n.bad || v > limit; n.bad {
		return 0
	}
	return int(v)
}

// sum adds a difference to a number that may not pass limit.
func (n *numbers) sum(to, limit uint64) uint64 {
	v := n.next()
	if n.bad = n.bad || to > limit || v > limit-to; n.bad {
		return to
	}
	return to + v
}

func decodeState(b []byte) (state, error) {
	if len(b) < 8 || string(b[:3]) != "SLT" {
		return state{}, errCheckpoint
	}
	if b[3] != checkpointVersion && b[3] != checkpointUntimed {
		return state{}, fmt.Errorf("checkpoint of version %d, not %d", b[3], checkpointVersion)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return state{}, fmt.Errorf("checksum differs: %w", errCheckpoint)
	}
	n := numbers{b: body[4:]}
	s := newState()
	s.head = Head{Offset: n.next(), Events: n.next(), Bytes: n.next(), Greatest: n.signed()}
	s.timed, s.summed = n.count(1) == 1, n.count(1) == 1
	s.sum = n.fixed()
	s.index.step = n.next()
	timed := b[3] != checkpointUntimed
	n.points(&s, timed)
	at := uint64(0)
	for range n.count(indexHoles) {
		h := hole{First: n.sum(at, s.head.Offset)}
		h.Last = n.sum(h.First, s.head.Offset)
		at = h.Last
		s.index.holes = append(s.index.holes, h)
	}
	if s.known = s.head.Offset + 1; timed {
		n.repeats(&s)
	}
	if n.bad || s.index.step < indexStep || s.known < 1 || s.known > s.head.Offset+1 || s.index.step&(s.index.step-1) != 0 {
		return state{}, errCheckpoint
	}
	var err error
	if s.producers, err = event.DecodeProducers(n.b); err != nil {
		return state{}, fmt.Errorf("producers: %w: %w", err, errCheckpoint)
	}
	return s, nil
}

// points reads those of the index, and what is known after the last.
func (n *numbers) points(s *state, timed bool) {
	last := origin
	for range n.count(indexPoints) {
		p := point{Offset: n.sum(last.Offset, s.head.Offset), Events: n.sum(last.Events, s.head.Events), Greatest: last.Greatest, Least: noLeast}
		if timed && p.Events > last.Events {
			p.Greatest = last.base() + n.signed()
			p.Least = p.Greatest - n.signed()
		}
		s.index.points = append(s.index.points, p)
		last = p
	}
	if timed {
		s.index.least = n.signed()
	}
}

// repeats reads those that are remembered, and from which offset on.
func (n *numbers) repeats(s *state) {
	s.known = n.next()
	at := Repeat{}
	for i := range n.count(mostRepeats) {
		r := Repeat{Offset: n.sum(at.Offset, s.head.Offset), Segment: uint32(n.count(math.MaxUint32))}
		if n.bad = n.bad || r.Offset < s.known || i > 0 && r.Offset == at.Offset && r.Segment <= at.Segment; n.bad {
			return
		}
		s.repeats = append(s.repeats, r)
		at = r
	}
}
