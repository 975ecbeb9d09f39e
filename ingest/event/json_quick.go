package event

// The fast path of JSON objects.

import (
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// quickLines reads whole lines from b[at] on, for as long as each is an object with a value for every column of the batch,
// in order, and nothing else: what quickEvents is to MessagePack. It returns where the next line begins.
//
// At anything else it stops, between two lines, or within one: then that event has begun, with the fields before b[j.i].
func (j *jsonReader) quickLines(at int) (next int, begun bool) {
	r, b, n, took, end := j.r, j.r.body, 0, 0, 0
	hints, columns := j.quick.all(r)
	fields := len(hints)
	most := r.spare(fields)
	if most <= 0 || !r.stamped(hints) {
		return at, false
	}
	r.batch.cache.drop()
	r.when = r.o.Arrival // unless a field says otherwise
	for n < most && at < len(b) && b[at] == '{' {
		took, end, j.closed = r.plainFields(b, at+1, hints, columns)
		if took < fields || !j.closed || end == len(b) || b[end] != '\n' || r.when > r.latest {
			break
		}
		r.batch.Times = append(r.batch.Times, r.when)
		at, took = end+1, 0
		n++
	}
	r.result.Accepted += n
	if took > 0 {
		j.i = end
		r.resume(hints[:took])
	}
	return at, took > 0
}

// quickFields reads the fields from the name at b[i] on for as long as they are the ones expected, in plain form, and
// each is followed by a comma or the object's end. It leaves i at the first name that it does not take, and says whether
// it read the object to its end.
func (j *jsonReader) quickFields() (closed bool) {
	hints, columns := j.quick.expected(j.r)
	n := j.r.unset(columns)
	took := 0
	took, j.i, closed = j.r.plainFields(j.b, j.i, hints[:n], columns[:n])
	j.r.took(took)
	return closed
}

// plainFields appends a value to each of the columns, for as long as b[i:] has their names before plain values, each with
// a comma or the object's end behind it. It returns how many it took, where the next name is or what comes after the
// object, and whether that has ended.
func (r *rows) plainFields(b []byte, i int, hints []hint, columns []Column) (took, end int, closed bool) {
	for k := range hints {
		h, c := &hints[k], &columns[k]
		if !h.begins(b, i) || !h.ends(b, i) {
			return k, i, false
		}
		at := i + len(h.text)
		if b[at] == ' ' { // as many writers do it
			at++
		}
		if b[at] == '"' {
			at = c.takeQuoted(b, at+1, r.limits.StringBytes)
		} else {
			at = c.takeScalar(b, at)
		}
		if at < 0 || h.time && !r.timeIn(c) {
			return k, i, false
		}
		i = at + 1
		if b[at] == '}' {
			return k + 1, i, true
		}
		if b[i] == ' ' {
			i++
		}
	}
	return len(hints), i, false
}

// takeQuoted appends the string whose content begins at b[at], of at most so many bytes, to the column, and returns the
// place of the comma or bracket behind it, which is not the last byte; negative where the general path must look at it.
//
// Words are copied whole: what is copied past the end of the string is overwritten by the next one.
func (c *Column) takeQuoted(b []byte, at, most int) int {
	from := len(c.Bytes)
	if from > math.MaxUint32-len(b) {
		return -1 // as in addText
	}
	room := c.Bytes[from:cap(c.Bytes)]
	high := uint64(0)
	for k := 0; k <= len(room)-8; k += 8 {
		if at+k > len(b)-16 {
			return -1
		}
		w := word(b, at+k)
		putWord(room, k, w)
		// As in plainRun.
		quotes, slashes := w^(ones*'"'), w^(ones*'\\')
		found := ((w-ones*0x20)&^w | (quotes-ones)&^quotes | (slashes-ones)&^slashes) & highs
		if found == 0 {
			high |= w
			continue
		}
		n := bits.TrailingZeros64(found) / 8
		high |= w & (1<<(8*uint(n)&63) - 1)
		n += k
		end := at + n + 1
		if b[end-1] != '"' || b[end] != ',' && b[end] != '}' || n > most || high&highs != 0 && !utf8.Valid(b[at:at+n]) {
			return -1
		}
		c.Bytes = c.Bytes[:from+n]
		c.push(String, uint64(from)<<32|uint64(n))
		return end
	}
	c.Bytes = slices.Grow(c.Bytes, len(room)+256)
	return -1
}

// takeScalar is takeQuoted for numbers, booleans and null.
func (c *Column) takeScalar(b []byte, at int) int {
	var kind Kind
	var value uint64
	if lead := b[at]; lead == '-' || isDigit(lead) {
		kind, value, at = plainNumber(b, at)
	} else {
		kind, at = plainWord(b, at)
	}
	if at < 0 || at >= len(b)-1 || b[at] != ',' && b[at] != '}' {
		return -1
	}
	c.push(kind, value)
	return at
}

// plainWord reads true, false or null at b[at] and gives where it ends; negative where the general path must look at it.
func plainWord(b []byte, at int) (kind Kind, end int) {
	if at+8 > len(b) {
		return Null, -1
	}
	switch {
	case string(b[at:at+4]) == "true":
		return True, at + 4
	case string(b[at:at+4]) == "null":
		return Null, at + 4
	case string(b[at:at+5]) == "false":
		return False, at + 5
	}
	return Null, -1
}
