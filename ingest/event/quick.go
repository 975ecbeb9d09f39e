package event

// The fast path that decoders of objects share: most events of a body have the fields of the event before, in the same
// order, with plain values. A field name is then compared with the one expected, eight bytes at a time, and not looked
// up, and a value goes from the body into its column without a call a byte.
//
// The fast path takes a subset of what the general path takes and gives the same rows for it; whatever else comes (other
// names, escapes, wide numbers, nested values, faults) it leaves where it stands, and the general path reads it and says
// what is wrong. TestQuickPathAgrees and FuzzQuick hold the two together.

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"
	"unsafe"
)

// hint is how a body writes the name of a column.
type hint struct {
	text string // all of it, quotes and headers included
	room int    // bytes that must be there to look at it
	time bool   // the field holds the event time
	// The first and the last eight bytes, which overlap in a text of less than sixteen; of a text of less than eight the
	// bytes under mask.
	head, tail, mask uint64
}

// newHint makes a hint of a name as it is written; "" is found nowhere.
func newHint(text string, time bool) hint {
	if text == "" {
		return hint{room: math.MaxInt}
	}
	h := hint{text: text, room: len(text) + 8, time: time, mask: math.MaxUint64}
	var w [8]byte
	copy(w[:], text)
	h.head = word(w[:], 0)
	if len(text) < 8 {
		h.mask = 1<<(8*len(text)) - 1
		return h
	}
	h.tail = word([]byte(text), len(text)-8)
	return h
}

// begins says whether b[i:] begins with the name, as far as its first eight bytes; ends, which must be asked too, whether
// it goes on so. Within eight bytes of the end of b begins says no. They are two for the compiler, which puts both in line.
func (h *hint) begins(b []byte, i int) bool {
	return i <= len(b)-h.room && word(b, i)&h.mask == h.head
}

func (h *hint) ends(b []byte, i int) bool {
	size := len(h.text)
	return size <= 8 || word(b, i+size-8) == h.tail && (size <= 16 || string(b[i:i+size]) == h.text)
}

// quickRows is what the fast path knows besides the columns.
type quickRows struct {
	hints []hint                   // by column
	event int                      // the number of the event that they were looked at for
	write func(name string) string // how the body writes a name; "" if it may do so in several ways
}

// learn makes the hints those of the batch's columns.
func (q *quickRows) learn(r *rows) {
	for i := len(q.hints); i < len(r.batch.Columns); i++ {
		name := r.batch.Columns[i].Name
		text := q.write(name)
		if r.general {
			text = ""
		}
		q.hints = append(q.hints, newHint(text, len(r.time) > 0 && name == string(r.time)))
	}
}

// expected returns the columns that are expected next, in this order, and their names; no more than an event may have.
func (q *quickRows) expected(r *rows) ([]hint, []Column) {
	if event := r.result.Accepted + r.result.Rejected; event != q.event {
		q.event = event
		// The event before may have brought columns, and taken them along when it turned out bad.
		q.hints = q.hints[:min(len(q.hints), r.build.columns)]
	}
	if len(q.hints) < len(r.batch.Columns) {
		q.learn(r)
	}
	from := r.build.next
	to := min(len(q.hints), from+max(0, r.limits.Fields-r.fields))
	return q.hints[from:to], r.batch.Columns[from:to]
}

// all returns all columns, between two events, and their names.
func (q *quickRows) all(r *rows) ([]hint, []Column) {
	q.hints = q.hints[:min(len(q.hints), len(r.batch.Columns))] // as in expected
	q.learn(r)
	return q.hints, r.batch.Columns
}

// took counts n of the columns expected that have got a value.
func (r *rows) took(n int) {
	r.fields += n
	r.build.next += n
	r.build.set += n
}

// unset counts the columns that the row begun has not set, up to the first that it has.
func (r *rows) unset(columns []Column) (n int) {
	for n < len(columns) && len(columns[n].Kinds) == r.build.rows {
		n++
	}
	return n
}

// resume begins an event of which columns with these names have a value already, and when its time if one of them holds it.
func (r *rows) resume(hints []hint) {
	when := r.when
	r.begin()
	if r.took(len(hints)); len(r.time) > 0 && r.stamped(hints) {
		r.when, r.stamp = when, stampGood
	}
}

// stamped says whether events of these fields have a time: one of them holds it, or it is that of their arrival.
func (r *rows) stamped(hints []hint) bool {
	return len(r.time) == 0 || slices.ContainsFunc(hints, func(h hint) bool { return h.time })
}

// spare returns how many events of so many columns can be taken as they are.
func (r *rows) spare(columns int) int {
	if r.err != nil || columns == 0 || r.result.Rejected > 0 && !r.o.Skip || columns > r.limits.Fields {
		return 0
	}
	return min(r.limits.Events-r.result.Accepted-r.result.Rejected, min(MaxRows, MaxCells/columns)-len(r.batch.Times))
}

// timeIn notes the event time from the value that a column has just been given; if it is none it takes the value back,
// and the general path tells.
func (r *rows) timeIn(c *Column) bool {
	row := len(c.Kinds) - 1
	kind, value := c.Kinds[row], c.Bits[row]
	t, ok := int64(value), kind == Int && leastTime <= int64(value) && int64(value) <= greatestTime
	if kind == String {
		t, ok = parseTime(c.text(value))
	}
	if ok {
		r.when, r.stamp = t, stampGood
		return true
	}
	if kind == String {
		c.Bytes = c.Bytes[:value>>32]
	}
	c.Kinds, c.Bits = c.Kinds[:row], c.Bits[:row]
	return false
}

// push appends a row.
func (c *Column) push(kind Kind, bits uint64) {
	c.Kinds, c.Bits = append(c.Kinds, kind), append(c.Bits, bits)
}

// word reads eight bytes at b[i], as binary.LittleEndian.Uint64 of b[i:] does, with one check of bounds and no slice.
func word(b []byte, i int) uint64 {
	if i < 0 || i > len(b)-8 {
		panic("event: word past the end")
	}
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:])
}

// putWord writes eight bytes at b[i].
func putWord(b []byte, i int, w uint64) {
	if i < 0 || i > len(b)-8 {
		panic("event: word past the end")
	}
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:], w)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// below is a mask of the n lowest bytes of a word, of which there are eight.
func below(n int) uint64 { return 1<<(8*uint(n)) - 1 }

// takeCounted appends the string of n bytes at b[at] to the column, of at most so many bytes; false where the general path
// must look at it. It copies words as takeQuoted does.
func (c *Column) takeCounted(b []byte, at, n, most int) bool {
	from := len(c.Bytes)
	room := c.Bytes[from:cap(c.Bytes)]
	if n+8 > len(room) {
		c.Bytes = slices.Grow(c.Bytes, len(room)+n+256)
		return false
	}
	if at > len(b)-n-8 || n > most || from > math.MaxUint32-len(b) {
		return false
	}
	high := uint64(0)
	for k := 0; k < n; k += 8 {
		w := word(b, at+k)
		putWord(room, k, w)
		if n-k < 8 {
			w &= 1<<(8*uint(n-k)&63) - 1
		}
		high |= w
	}
	if high&highs != 0 && !utf8.Valid(b[at:at+n]) {
		return false
	}
	c.Bytes = c.Bytes[:from+n]
	c.push(String, uint64(from)<<32|uint64(n))
	return true
}

// tens holds the powers of ten that a float64 holds exactly, as far as they are needed.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// scale holds powers of ten by the number of digits read at once.
var scale = [9]uint64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000}

// digits reads the digits at the beginning of a word, its lowest byte first, and returns their number and how many they are.
func digits(w uint64) (n uint64, count int) {
	w ^= ones * '0'
	// A carry may mark bytes after the first that is no digit, never before it.
	switch others := (w + ones*0x76 | w) & highs; {
	case others == 0:
		count = 8
	case others&0x80 != 0:
		return 0, 0
	default:
		count = bits.TrailingZeros64(others) / 8
	}
	w <<= (64 - 8*uint(count)) & 63 // the digits that are not there are leading zeros
	w = w*10 + w>>8                 // pairs, in every other byte
	w = (w&0x000000ff000000ff*0x000f424000000064 + w>>16&0x000000ff000000ff*0x0000271000000001) >> 32
	return w & math.MaxUint32, count
}

// plainNumber reads the number at b[at], of up to 15 digits and without exponent, and gives where it ends; negative where
// the general path must look at it.
func plainNumber(b []byte, at int) (kind Kind, value uint64, end int) {
	i := at
	if b[i] == '-' {
		i++
	}
	const room = 24 // for two words of digits, a point and what follows
	if i+room > len(b) {
		return Null, 0, -1
	}
	first := b[i]
	n, count := digits(word(b, i))
	if count == 8 {
		more, k := digits(word(b, i+8))
		n, count = n*scale[k]+more, 8+k
	}
	if count == 0 || count > 15 || first == '0' && count > 1 {
		return Null, 0, -1
	}
	i += count
	switch c := b[i]; {
	case c == '.':
		return plainFraction(b, at, i+1, n, count)
	case c|0x20 == 'e':
		return Null, 0, -1
	}
	if b[at] == '-' {
		return Int, -n, i
	}
	return Int, n, i
}

// plainFraction is plainNumber behind the point at b[i-1]; whole are the count digits before it.
func plainFraction(b []byte, at, i int, whole uint64, count int) (kind Kind, value uint64, end int) {
	if i+8 >= len(b) {
		return Null, 0, -1
	}
	n, k := digits(word(b, i))
	i += k
	// Both the digits and the power of ten are exact as floats, so that their quotient is the nearest float.
	if k == 0 || count+k > 15 || isDigit(b[i]) || b[i]|0x20 == 'e' {
		return Null, 0, -1
	}
	f := float64(whole*scale[k]+n) / tens[k]
	if b[at] == '-' {
		f = -f
	}
	kind, value = floatBits(f)
	return kind, value, i
}
