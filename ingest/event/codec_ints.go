package event

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// This file encodes whole numbers: event times and the Int values of a column.

// Encodings of whole numbers; the first byte of the section.
const (
	intsTimes = iota // equal to the event times of their rows; no payload
	intsPlain        // zigzag varints
	intsDelta        // zigzag varints of the differences, the first from 0
)

// whole is how whole numbers are held: int64 in times, its bits in columns.
type whole interface{ int64 | uint64 }

// appendInts appends a section of whole numbers, plain or as differences, whichever takes
// fewer bytes (plain when equal). Differences wrap around, so any numbers can be encoded.
func appendInts[T whole](dst []byte, values []T) []byte {
	plain, delta := 0, 0
	last := T(0)
	for _, v := range values {
		plain += varintSize(zigzag(int64(v)))
		delta += varintSize(zigzag(int64(v - last)))
		last = v
	}
	if plain <= delta {
		dst = append(slices.Grow(dst, 1+plain), intsPlain)
		for _, v := range values {
			dst = appendVarint(dst, zigzag(int64(v)))
		}
		return dst
	}
	dst = append(slices.Grow(dst, 1+delta), intsDelta)
	last = 0
	for _, v := range values {
		dst = appendVarint(dst, zigzag(int64(v-last)))
		last = v
	}
	return dst
}

// appendVarint is binary.AppendUvarint, with the case of one byte inline.
func appendVarint(dst []byte, u uint64) []byte {
	if u < 0x80 {
		return append(dst, byte(u))
	}
	return binary.AppendUvarint(dst, u)
}

// decodeInts fills values from a section that appendInts wrote. It returns what is wrong, "" if nothing.
func decodeInts[T whole](values []T, section []byte) string {
	if len(section) == 0 || section[0] != intsPlain && section[0] != intsDelta {
		return "unknown encoding of whole numbers"
	}
	delta, rest := section[0] == intsDelta, section[1:]
	last := T(0)
	for i := range values {
		var u uint64
		if len(rest) > 0 && rest[0] < 0x80 { // fast path
			u, rest = uint64(rest[0]), rest[1:]
		} else {
			n := 0
			if u, n = binary.Uvarint(rest); n <= 0 {
				return "whole numbers end early"
			}
			rest = rest[n:]
		}
		v := T(unzigzag(u))
		if delta {
			v += last
			last = v
		}
		values[i] = v
	}
	if len(rest) > 0 {
		return "more bytes than whole numbers"
	}
	return ""
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// varintSize returns the bytes that a varint takes: its bits divided by 7, rounded up.
func varintSize(u uint64) int { return (bits.Len64(u|1)*9 + 64) >> 6 }
