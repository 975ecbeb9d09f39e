package event

// The fast path of MessagePack maps: quickEvents reads whole events, and quickFields those fields of other ones that come
// as expected.

import (
	"math"
	"math/bits"
	"unicode/utf8"
)

// packedName is how MessagePack writes a field's name: as a string with the shortest header.
func packedName(name string) string {
	switch n := len(name); {
	case n < 32:
		return string([]byte{0xa0 | byte(n)}) + name
	case n < 256:
		return string([]byte{0xd9, byte(n)}) + name
	}
	return ""
}

// quickEvents reads whole events from the beginning of b on, at most so many, for as long as each has a value for every
// column of the batch, in order. This is what nearly all events of nearly all bodies are, and what begin and end do for an
// event is done once for all of them. It returns how many it read.
//
// At anything else it stops: between two events, or within one that has then begun, with what was read of it.
func (m *msgpackReader) quickEvents(most int) (n int) {
	const mostFields = 15 // of a map whose header is one byte
	r, b, i := m.r, m.b, 0
	hints, columns := m.quick.all(r)
	fields := len(hints)
	if most = min(most, r.spare(fields)); most <= 0 || fields == 0 || fields > mostFields || !r.stamped(hints) {
		return 0
	}
	r.batch.cache.drop()
	took, end := 0, 0
	r.when = r.o.Arrival // unless a field says otherwise
	for n < most && i+2*fields < len(b) && b[i] == 0x80|byte(fields) {
		took, end = r.packedFields(b, i+1, hints, columns)
		if took < fields || r.when > r.latest {
			break
		}
		r.batch.Times = append(r.batch.Times, r.when)
		i, took = end, 0
		n++
	}
	r.result.Accepted += n
	if m.b = b[i:]; took > 0 {
		m.begun, m.left, m.b = m.b, uint32(fields-took), b[end:]
		r.resume(hints[:took])
	}
	return n
}

// packedFields appends a value to each of the columns, for as long as b[i:] has their names before plain values. It returns
// how many it took and where they end.
//
// What comes most is read in place, since a call would cost as much as it does: names of up to eight bytes, header
// included, strings of up to sixteen, and small numbers.
func (r *rows) packedFields(b []byte, i int, hints []hint, columns []Column) (took, end int) {
	columns = columns[:len(hints)]
	short, most := min(shortText, r.limits.StringBytes), math.MaxUint32-len(b) // the latter as in addText
	for k := range hints {
		h, c := &hints[k], &columns[k]
		if !h.begins(b, i) || !h.ends(b, i) {
			return k, i
		}
		at := i + len(h.text) // more than eight bytes from the end
		lead := b[at]
		if from, n := len(c.Bytes), int(lead^0xa0); n <= short && from <= min(most, cap(c.Bytes)-shortText) && at+1 <= len(b)-shortText {
			first, second := word(b, at+1), word(b, at+9)
			// Of the two words what is past the end counts as no character, and is overwritten by the next string.
			if (first&below(min(n, 8))|second&below(max(n, 8)-8))&highs != 0 && !utf8.Valid(b[at+1:at+1+n]) {
				return k, i
			}
			room := c.Bytes[from : from+shortText]
			putWord(room, 0, first)
			putWord(room, 8, second)
			c.Bytes = c.Bytes[:from+n]
			c.push(String, uint64(from)<<32|uint64(n))
			at += 1 + n
		} else if lead < 0x80 {
			c.push(Int, uint64(lead))
			at++
		} else if at = r.packedValue(c, b, at); at < 0 {
			return k, i
		}
		if h.time && !r.timeIn(c) {
			return k, i
		}
		i = at
	}
	return len(hints), i
}

// packedValue appends the value at b[at] to the column and gives where it ends; negative where the general path must look
// at it.
func (r *rows) packedValue(c *Column, b []byte, at int) int {
	if n, from := packedText(b, at); n >= 0 {
		if !c.takeCounted(b, from, n, r.limits.StringBytes) {
			return -1
		}
		return from + n
	}
	kind, value, at := packedScalar(b, at)
	if at >= 0 {
		c.push(kind, value)
	}
	return at
}

// quickFields reads the fields of a map, of which n are left, from the beginning of b on for as long as they are the ones
// expected, with scalar values. It returns how many are left then, from the beginning of b.
func (m *msgpackReader) quickFields(n uint32) (left uint32) {
	r := m.r
	hints, columns := m.quick.expected(r)
	hints = hints[:min(len(hints), int(n), r.unset(columns))]
	took, end := r.packedFields(m.b, 0, hints, columns[:len(hints)])
	m.b = m.b[end:]
	r.took(took)
	return n - uint32(took)
}

// packedText returns the length of the string at b[at], and where its bytes begin; a negative length if it is no string
// of less than 256 bytes.
func packedText(b []byte, at int) (length, from int) {
	switch lead := b[at]; {
	case lead&0xe0 == 0xa0:
		return int(lead & 0x1f), at + 1
	case lead == 0xd9:
		return int(b[at+1]), at + 2
	}
	return -1, 0
}

// packedScalar reads the number, boolean or nil at b[at] and gives where it ends; negative where the general path must
// look at it.
func packedScalar(b []byte, at int) (kind Kind, value uint64, end int) {
	lead := b[at]
	switch {
	case lead < 0x80, lead >= 0xe0: // small ones, negative ones too
		return Int, uint64(int8(lead)), at + 1
	case lead == 0xc0:
		return Null, 0, at + 1
	case lead&0xfe == 0xc2:
		return False + Kind(lead&1), 0, at + 1
	case lead < 0xca || lead > 0xd3 || at+9 > len(b):
		return Null, 0, -1
	}
	v := bits.ReverseBytes64(word(b, at+1))
	switch lead {
	case 0xca:
		kind, value = floatBits(float64(math.Float32frombits(uint32(v >> 32))))
		end = at + 5
	case 0xcb:
		kind, value = floatBits(math.Float64frombits(v))
		end = at + 9
	case 0xcc, 0xcd, 0xce, 0xcf:
		size := 1 << (lead - 0xcc)
		kind, value, end = Int, v>>(64-8*size), at+1+size
	default:
		size := 1 << (lead - 0xd0)
		kind, value, end = Int, uint64(int64(v)>>(64-8*size)), at+1+size
	}
	if kind == Null || lead == 0xcf && int64(value) < 0 { // not finite; beyond int64
		return Null, 0, -1
	}
	return kind, value, end
}
