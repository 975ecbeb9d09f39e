package event

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync"
	"unsafe"

	"github.com/tinylib/msgp/msgp"
)

// This file encodes the columns of a record: their kinds, and one section for each kind
// that has a payload.

// First bytes of a section of kinds of several kinds; a section of one byte is the kind
// of all rows.
const (
	kindRuns   = 0x10 // pairs of a kind and the varint length of its run
	kindPacked = 0x11 // four bits a row, the lower four first
)

// maxTimeTexts is how many string columns of a record may be stored as repeating the
// event time. Restoring one takes 24 bytes a row that the record does not hold.
const maxTimeTexts = 4

const columnFields = 5

// tally counts the rows of a column by kind.
type tally [kinds]int

func tallyKinds(ks []Kind) (t tally) {
	// Counting a byte takes a fraction of a cycle a row, and most columns have one kind.
	kinds, left := unsafe.Slice((*byte)(unsafe.SliceData(ks)), len(ks)), len(ks)
	for at := 0; left > 0; at++ {
		if k := ks[at]; t[k] == 0 {
			t[k] = bytes.Count(kinds, []byte{byte(k)})
			left -= t[k]
		}
	}
	return t
}

// columnWriter encodes the columns of one batch. Its memory serves one batch after another.
type columnWriter struct {
	b         *Batch
	timeTexts int
	tallies   []tally
	ints      []uint64
	strings   stringWriter
}

var columnWriters = sync.Pool{New: func() any { return new(columnWriter) }}

// release gives the writer back, unless it has grown to more than common batches need.
func (w *columnWriter) release() {
	const most = 1 << 20
	w.b = nil
	if cap(w.ints)+cap(w.strings.table)+cap(w.strings.entries) <= most {
		columnWriters.Put(w)
	}
}

func (w *columnWriter) appendColumns(dst []byte, b *Batch) []byte {
	w.b, w.timeTexts, w.tallies = b, 0, w.tallies[:0]
	n := 0
	for i := range b.Columns {
		w.tallies = append(w.tallies, tallyKinds(b.Columns[i].Kinds))
		if w.tallies[i][Null] < len(b.Times) {
			n++
		}
	}
	dst = msgp.AppendArrayHeader(dst, uint32(n))
	for i := range b.Columns {
		if w.tallies[i][Null] < len(b.Times) {
			dst = w.appendColumn(dst, &b.Columns[i], &w.tallies[i])
		}
	}
	return dst
}

func (w *columnWriter) appendColumn(dst []byte, c *Column, t *tally) []byte {
	dst = msgp.AppendArrayHeader(dst, columnFields)
	dst = msgp.AppendString(dst, c.Name)

	dst, at := openSection(dst)
	dst = appendKinds(dst, c.Kinds, t)
	dst = closeSection(dst, at)

	if t[Int] == 0 {
		dst = msgp.AppendNil(dst)
	} else {
		dst, at = openSection(dst)
		dst = w.appendIntValues(dst, c, t)
		dst = closeSection(dst, at)
	}
	if t[Float] == 0 {
		dst = msgp.AppendNil(dst)
	} else {
		dst, at = openSection(dst)
		for row, kind := range c.Kinds {
			if kind == Float {
				dst = binary.LittleEndian.AppendUint64(dst, c.Bits[row])
			}
		}
		dst = closeSection(dst, at)
	}
	if t[String] == 0 {
		return msgp.AppendNil(dst)
	}
	dst, at = openSection(dst)
	dst = w.appendStringValues(dst, c, t)
	return closeSection(dst, at)
}

// appendIntValues appends the section of a column's Int values.
func (w *columnWriter) appendIntValues(dst []byte, c *Column, t *tally) []byte {
	repeats := true
	for row, kind := range c.Kinds {
		if kind == Int && int64(c.Bits[row]) != w.b.Times[row] {
			repeats = false
			break
		}
	}
	if repeats {
		return append(dst, intsTimes)
	}
	if t[Int] == len(c.Kinds) {
		return appendInts(dst, c.Bits)
	}
	w.ints = w.ints[:0]
	for row, kind := range c.Kinds {
		if kind == Int {
			w.ints = append(w.ints, c.Bits[row])
		}
	}
	return appendInts(dst, w.ints)
}

// appendStringValues appends the section of a column's strings.
func (w *columnWriter) appendStringValues(dst []byte, c *Column, t *tally) []byte {
	if w.timeTexts < maxTimeTexts {
		switch repeatsTimes(c, w.b.Times) {
		case timeMillisLength:
			w.timeTexts++
			return append(dst, stringsTimeMillis)
		case timeSecondsLength:
			w.timeTexts++
			return append(dst, stringsTimeSeconds)
		}
	}
	dst, coded := w.strings.append(dst, c, t[String])
	if coded && t[String] == len(c.Kinds) && c.codes == nil {
		w.b.cache.code(c.Name, w.strings.codes, w.strings.entries)
	}
	return dst
}

// appendKinds appends a section of kinds: uniform, else as runs or packed, whichever
// takes fewer bytes (runs when equal).
func appendKinds(dst []byte, ks []Kind, t *tally) []byte {
	if t[ks[0]] == len(ks) {
		return append(dst, byte(ks[0]))
	}
	size, start := 0, 0
	for row := 1; row <= len(ks); row++ {
		if row == len(ks) || ks[row] != ks[start] {
			size += 1 + varintSize(uint64(row-start))
			start = row
		}
	}
	if size > (len(ks)+1)/2 {
		dst = append(dst, kindPacked)
		for row := 0; row+1 < len(ks); row += 2 {
			dst = append(dst, byte(ks[row]|ks[row+1]<<4))
		}
		if len(ks)%2 == 1 {
			dst = append(dst, byte(ks[len(ks)-1]))
		}
		return dst
	}
	dst, start = append(dst, kindRuns), 0
	for row := 1; row <= len(ks); row++ {
		if row == len(ks) || ks[row] != ks[start] {
			dst = binary.AppendUvarint(append(dst, byte(ks[start])), uint64(row-start))
			start = row
		}
	}
	return dst
}

// columns reads the columns of a record, whose times are known.
func (r *recordReader) columns(b *Batch) {
	const least = 6
	n := r.array(least)
	rows := len(b.Times)
	if !fits(rows, n) || n > 0 && rows == 0 {
		r.fail("%d columns of %d rows", n, rows)
		return
	}
	if r.err != nil {
		return
	}
	b.Columns = make([]Column, 0, n)
	timeTexts := 0
	for range n {
		if r.array(1) != columnFields {
			r.fail("column has another number of fields")
		}
		name := r.text()
		if r.err != nil {
			return
		}
		if find(b, name) >= 0 {
			r.fail("two columns %q", name)
			return
		}
		b.Columns = append(b.Columns, Column{Name: name})
		b.indexColumns()
		r.column(&b.Columns[len(b.Columns)-1], b.Times, &timeTexts)
	}
}

// column reads what follows a column's name.
func (r *recordReader) column(c *Column, times []int64, timeTexts *int) {
	section := r.section()
	if section == nil {
		r.fail("column %q: no kinds", c.Name)
		return
	}
	c.Kinds = make([]Kind, len(times))
	t, wrong := decodeKinds(c.Kinds, section)
	if wrong != "" {
		r.fail("column %q: %s", c.Name, wrong)
		return
	}
	ints, floats, texts := r.section(), r.section(), r.section()
	if r.err != nil {
		return
	}
	if (ints != nil) != (t[Int] > 0) || (floats != nil) != (t[Float] > 0) || (texts != nil) != (t[String] > 0) {
		r.fail("column %q: sections do not fit the kinds", c.Name)
		return
	}
	if len(texts) > 0 && texts[0] <= stringsTimeSeconds {
		if *timeTexts++; *timeTexts > maxTimeTexts {
			r.fail("more than %d columns repeat the event time", maxTimeTexts)
			return
		}
	}
	c.Bits = make([]uint64, len(times))
	wrong = decodeIntValues(c, times, ints, &t)
	if wrong == "" {
		wrong = decodeFloats(c, floats, &t)
	}
	if wrong == "" {
		wrong = decodeStrings(c, times, texts, &t)
	}
	if wrong != "" {
		r.fail("column %q: %s", c.Name, wrong)
	}
}

// decodeKinds fills ks from a section. It returns how many there are of each kind, and
// what is wrong.
func decodeKinds(ks []Kind, section []byte) (t tally, wrong string) {
	switch rest := section[1:]; section[0] {
	case kindRuns:
		at := 0
		for len(rest) > 0 {
			kind := rest[0]
			run, n := binary.Uvarint(rest[1:])
			if kind >= kinds || n <= 0 || run == 0 || run > uint64(len(ks)-at) {
				return t, "run of kinds"
			}
			fill(ks[at:at+int(run)], Kind(kind))
			at, rest = at+int(run), rest[1+n:]
			t[kind] += int(run)
		}
		if at != len(ks) {
			return t, "runs of kinds end early"
		}
	case kindPacked:
		if len(rest) != (len(ks)+1)/2 {
			return t, "packed kinds of another length"
		}
		for row := range ks {
			kind := rest[row/2] >> (row % 2 * 4) & 15
			if kind >= kinds {
				return t, "unknown kind"
			}
			ks[row] = Kind(kind)
			t[kind]++
		}
		if len(ks)%2 == 1 && rest[len(rest)-1] > 15 {
			return t, "packed kinds past the last row"
		}
	default:
		if section[0] >= kinds || len(rest) > 0 {
			return t, "unknown kinds"
		}
		fill(ks, Kind(section[0]))
		t[section[0]] = len(ks)
	}
	if t[Null] == len(ks) {
		return t, "no value"
	}
	return t, ""
}

// fill sets all kinds by doubling copies.
func fill(ks []Kind, kind Kind) {
	if kind == Null || len(ks) == 0 {
		return
	}
	ks[0] = kind
	for n := 1; n < len(ks); n *= 2 {
		copy(ks[n:], ks[:n])
	}
}

// decodeIntValues sets the Int values of a column; it returns what is wrong.
func decodeIntValues(c *Column, times []int64, section []byte, t *tally) string {
	if t[Int] == 0 {
		return ""
	}
	if section[0] == intsTimes {
		for row, kind := range c.Kinds {
			if kind == Int {
				c.Bits[row] = uint64(times[row])
			}
		}
		if len(section) > 1 {
			return "bytes after a repeated event time"
		}
		return ""
	}
	if t[Int] == len(c.Kinds) {
		return decodeInts(c.Bits, section)
	}
	if t[Int] > len(section) {
		return "whole numbers end early"
	}
	values := make([]uint64, t[Int])
	if wrong := decodeInts(values, section); wrong != "" {
		return wrong
	}
	for row, kind := range c.Kinds {
		if kind == Int {
			c.Bits[row], values = values[0], values[1:]
		}
	}
	return ""
}

// decodeFloats sets the Float values of a column; it returns what is wrong.
func decodeFloats(c *Column, section []byte, t *tally) string {
	if len(section) != 8*t[Float] {
		return "floats of another length"
	}
	if t[Float] == 0 {
		return ""
	}
	for row, kind := range c.Kinds {
		if kind != Float {
			continue
		}
		c.Bits[row] = binary.LittleEndian.Uint64(section)
		section = section[8:]
		// 1.0 would be another item than 1.
		if k, _ := floatBits(math.Float64frombits(c.Bits[row])); k != Float {
			return "float is whole or not finite"
		}
	}
	return ""
}
