package event

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
)

// This file encodes the strings of a column: plain, or by a dictionary where it pays.

// Encodings of strings; the first byte of the section.
const (
	stringsTimeMillis  = iota // RFC 3339 with milliseconds of the event times; no payload
	stringsTimeSeconds        // RFC 3339 with seconds of the event times; no payload
	stringsPlain              // varint lengths, then the bytes
	stringsDictionary         // varint count, varint lengths and bytes of the entries, then a code a string
)

const (
	maxEntries = 1 << 16 // of a dictionary: codes take two bytes at most
	firstCheck = 512     // strings after which repetition is judged first
)

// tableSeed and tableKeys are of the hashes by which strings are found while a dictionary is
// made. The dictionary does not depend on them, and a sender cannot choose strings that collide.
var (
	tableSeed = maphash.MakeSeed()
	tableKeys = [2]uint64{maphash.String(tableSeed, "first"), maphash.String(tableSeed, "second")}
)

// codeBits are the bits of a slot of the table that hold a code + 1; those above are of the
// hash, whose lower ones say which slot comes first.
const (
	codeBits = 17
	codeMask = 1<<codeBits - 1
)

// stringWriter encodes string columns; its memory serves one column after another.
type stringWriter struct {
	table   []uint64 // hash and code, open addressing; 0 is free
	entries []uint64 // by code: the Bits of the first string that is equal
	codes   []uint16 // by string
}

// append appends the section of the n strings of a column. coded says whether it is a
// dictionary; codes then holds the code of each.
//
// The dictionary is taken when it is built to the end and smaller than the plain form. It
// is given up when more than three of four strings were new at 512, 1024, 2048 … strings,
// or at 65,536 entries. The rule looks at nothing but the strings, so the same rows always
// give the same record.
func (w *stringWriter) append(dst []byte, c *Column, n int) (out []byte, coded bool) {
	if w.build(c, n) && w.size(c) < plainSize(c) {
		return w.appendDictionary(dst, c), true
	}
	return c.appendPlain(append(dst, stringsPlain)), false
}

// appendPlain appends the lengths of the strings of a column, then their bytes.
func (c *Column) appendPlain(dst []byte) []byte {
	begin, end, packed := uint64(0), uint64(0), true // the strings so far are what lies between
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		at, length := c.Bits[row]>>32, c.Bits[row]&math.MaxUint32
		dst = binary.AppendUvarint(dst, length)
		if begin == end {
			begin, end = at, at
		}
		packed = packed && at == end
		end += length
	}
	if packed {
		return append(dst, c.Bytes[begin:end]...) // fast path: as they are when they were gathered
	}
	for row, kind := range c.Kinds {
		if kind == String {
			dst = append(dst, c.text(c.Bits[row])...)
		}
	}
	return dst
}

// build makes the dictionary; false when it was given up.
func (w *stringWriter) build(c *Column, n int) bool {
	size := 1 << bits.Len(uint(2*min(n, maxEntries)-1)) // at most half of the table gets used
	w.table = slices.Grow(w.table[:0], size)[:size]
	clear(w.table)
	w.codes, w.entries = slices.Grow(w.codes[:0], n)[:n], w.entries[:0]
	at, check := 0, firstCheck
	last, code := uint64(math.MaxUint64), 0
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		if ref := c.Bits[row]; ref != last {
			if code = w.code(c, ref); code == maxEntries {
				return false
			}
			last = ref
		}
		w.codes[at] = uint16(code)
		if at++; at == check {
			if 4*len(w.entries) > 3*check {
				return false
			}
			check *= 2
		}
	}
	return true
}

// code returns the code of a string, which becomes an entry if it is none; maxEntries when
// there are too many.
func (w *stringWriter) code(c *Column, ref uint64) int {
	hash := c.tableHash(ref)
	mask := uint64(len(w.table) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := w.table[at]
		if slot == 0 {
			code := len(w.entries)
			if code < maxEntries {
				w.entries = append(w.entries, ref)
				w.table[at] = hash&^codeMask | uint64(code+1)
			}
			return code
		}
		if code := int(slot&codeMask) - 1; (slot^hash)>>codeBits == 0 && c.same(w.entries[code], ref) {
			return code
		}
	}
}

// tableHash is the hash of a string of the column for the table.
func (c *Column) tableHash(ref uint64) uint64 {
	from, at, n := c.Bytes, int(ref>>32), uint(uint32(ref))
	if n > 16 {
		return maphash.Bytes(tableSeed, c.text(ref))
	}
	var last [16]byte
	if at > len(from)-16 { // to be read as two whole words, as all others are
		copy(last[:], c.text(ref))
		from, at = last[:], 0
	}
	first, second := word(from, at), uint64(0)
	if n <= 8 {
		first <<= 64 - 8*n
	} else {
		second = word(from, at+8) << (128 - 8*n)
	}
	high, low := bits.Mul64(first^tableKeys[0], second^tableKeys[1]^uint64(n))
	return high ^ low
}

// same says whether two strings of the column are equal.
func (c *Column) same(a, b uint64) bool {
	if uint32(a) != uint32(b) {
		return false
	}
	// Fast path, without a call: at most sixteen bytes, which are not the last of the column.
	n, i, j := uint(uint32(a)), int(a>>32), int(b>>32)
	if n > 16 || max(i, j) > len(c.Bytes)-16 {
		return bytes.Equal(c.text(a), c.text(b))
	}
	first := word(c.Bytes, i) ^ word(c.Bytes, j)
	if n <= 8 {
		return first<<(64-8*n) == 0
	}
	second := word(c.Bytes, i+8) ^ word(c.Bytes, j+8)
	return first|second<<(128-8*n) == 0
}

// codeWidth returns the bytes of a code.
func codeWidth(entries int) int {
	switch {
	case entries <= 1:
		return 0
	case entries <= 1<<8:
		return 1
	}
	return 2
}

// size returns the bytes of the dictionary form, its encoding byte left out.
func (w *stringWriter) size(c *Column) int {
	n := varintSize(uint64(len(w.entries))) + codeWidth(len(w.entries))*len(w.codes)
	for _, ref := range w.entries {
		length := ref & math.MaxUint32
		n += varintSize(length) + int(length)
	}
	return n
}

// plainSize returns the bytes of the plain form, its encoding byte left out.
func plainSize(c *Column) int {
	n := 0
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		length := c.Bits[row] & math.MaxUint32
		n += int(length) + 1
		if length >= 0x80 {
			n += varintSize(length) - 1
		}
	}
	return n
}

func (w *stringWriter) appendDictionary(dst []byte, c *Column) []byte {
	dst = binary.AppendUvarint(append(dst, stringsDictionary), uint64(len(w.entries)))
	for _, ref := range w.entries {
		dst = binary.AppendUvarint(dst, ref&math.MaxUint32)
	}
	for _, ref := range w.entries {
		dst = append(dst, c.text(ref)...)
	}
	switch codeWidth(len(w.entries)) {
	case 1:
		for _, code := range w.codes {
			dst = append(dst, byte(code))
		}
	case 2:
		for _, code := range w.codes {
			dst = binary.LittleEndian.AppendUint16(dst, code)
		}
	}
	return dst
}

// decodeStrings sets the strings of a column; it returns what is wrong.
func decodeStrings(c *Column, times []int64, section []byte, t *tally) string {
	if t[String] == 0 {
		return ""
	}
	switch rest := section[1:]; section[0] {
	case stringsTimeMillis, stringsTimeSeconds:
		length := timeMillisLength
		if section[0] == stringsTimeSeconds {
			length = timeSecondsLength
		}
		if len(rest) > 0 || !restoreTimes(c, times, t[String], length) {
			return "strings do not repeat the event time"
		}
		return ""
	case stringsPlain:
		return decodePlain(c, rest)
	case stringsDictionary:
		return decodeDictionary(c, rest, t[String])
	}
	return "unknown encoding of strings"
}

// readLength reads the length of a string whose bytes begin at offset at, and returns its
// bits and what follows; false when the bytes could not be there.
func readLength(rest []byte, at uint64) (ref uint64, after []byte, ok bool) {
	var length uint64
	if len(rest) > 0 && rest[0] < 0x80 { // fast path
		length, rest = uint64(rest[0]), rest[1:]
	} else {
		n := 0
		if length, n = binary.Uvarint(rest); n <= 0 {
			return 0, nil, false
		}
		rest = rest[n:]
	}
	if length > uint64(len(rest)) || at+length > math.MaxUint32 {
		return 0, nil, false
	}
	return at<<32 | length, rest, true
}

func decodePlain(c *Column, rest []byte) string {
	at := uint64(0)
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		ref, after, ok := readLength(rest, at)
		if !ok {
			return "length of a string"
		}
		c.Bits[row], rest = ref, after
		at += ref & math.MaxUint32
	}
	if at != uint64(len(rest)) {
		return "strings of another length than their bytes"
	}
	c.Bytes = bytes.Clone(rest)
	return ""
}

// decodeDictionary reads a dictionary and the codes of n strings.
func decodeDictionary(c *Column, rest []byte, n int) string {
	count, size := binary.Uvarint(rest)
	if size <= 0 || count == 0 || count > maxEntries || count > uint64(n) || count > uint64(len(rest)-size) {
		return "count of a dictionary"
	}
	rest = rest[size:]
	entries := make([]uint64, count)
	at := uint64(0)
	for i := range entries {
		ref, after, ok := readLength(rest, at)
		if !ok {
			return "length of a dictionary's entry"
		}
		entries[i], rest = ref, after
		at += ref & math.MaxUint32
	}
	width := codeWidth(len(entries))
	if uint64(len(rest)) != at+uint64(n*width) {
		return "dictionary of another length than its bytes"
	}
	c.Bytes = bytes.Clone(rest[:at])
	return setCodes(c, entries, rest[at:], width)
}

// setCodes sets the strings of a column from codes of a width in bytes, and keeps the
// dictionary in the column.
func setCodes(c *Column, entries []uint64, packed []byte, width int) string {
	codes := make([]uint16, len(c.Kinds))
	i := 0
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		code := uint16(0)
		switch width {
		case 1:
			code = uint16(packed[i])
		case 2:
			code = binary.LittleEndian.Uint16(packed[2*i:])
		}
		if int(code) >= len(entries) {
			return "code past the dictionary"
		}
		c.Bits[row], codes[row] = entries[code], code
		i++
	}
	c.entries, c.codes, c.gaps = entries, codes, i < len(codes)
	return ""
}
