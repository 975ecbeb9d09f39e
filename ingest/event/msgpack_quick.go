package event

// The fast path of MessagePack maps.

import (
	"math"
	"math/bits"
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

// quickFields reads the fields of a map, of which n are left, from the beginning of b on for as long as they are the ones
// expected, with scalar values. It returns how many are left then, from the beginning of b.
func (m *msgpackReader) quickFields(n uint32) (left uint32) {
	b, r, i := m.b, m.r, 0
	hints, columns := m.quick.expected(r)
	took := 0
	for ; n > 0 && took < len(hints) && took < len(columns); took++ {
		h, c := &hints[took], &columns[took]
		if !h.at(b, i) || len(c.Kinds) != r.build.rows {
			break
		}
		at := i + len(h.text) // more than eight bytes from the end
		if length, from := packedText(b, at); length >= 0 {
			if !c.takeCounted(b, from, length, r.limits.StringBytes) {
				break
			}
			at = from + length
		} else {
			var kind Kind
			var value uint64
			if kind, value, at = packedScalar(b, at); at < 0 {
				break
			}
			c.push(kind, value)
		}
		if h.time && !r.timeIn(c) {
			break
		}
		i = at
		n--
	}
	m.b = b[i:]
	r.took(took)
	return n
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
