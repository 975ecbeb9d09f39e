package event

// This file copies rows of one batch to the end of another: a request's rows of one
// partition into the batch that the partition gathers.

import (
	"math"
	"slices"
)

// Reserve says that the batch is going to have so many rows. AppendRows then takes memory
// for them at once, where it does not suffice.
func (b *Batch) Reserve(rows int) { b.room = rows }

// AppendRows appends rows of src, by column. Fields that one side lacks are null. Segments
// are not touched. src is only read, and not kept.
func (b *Batch) AppendRows(src *Batch, rows []int32) {
	b.cache.drop()
	before := len(b.Times)
	times := grownTo(b.Times, len(rows), b.room)[:before+len(rows)]
	for i, row := range rows {
		times[before+i] = src.Times[row]
	}
	b.Times = times
	for i := range src.Columns {
		from := &src.Columns[i]
		// Batches of one stream mostly have the same columns in the same order.
		at := i
		if at >= len(b.Columns) || b.Columns[at].Name != from.Name {
			at = find(b, from.Name)
		}
		if at < 0 {
			at = addColumn(b, from.Name, before)
		}
		b.Columns[at].gather(from, rows, b.room)
	}
	for i := range b.Columns {
		b.Columns[i].pad(len(b.Times))
	}
}

// grownTo returns s with room for n more elements; for all in all if it has to be moved.
func grownTo[T any](s []T, n, all int) []T {
	if n <= cap(s)-len(s) {
		return s
	}
	if len(s) == 0 {
		// slices.Grow would write zeros over memory that the kernel has just cleared.
		return make([]T, 0, max(n, all))
	}
	return slices.Grow(s, max(n, all-len(s)))
}

// gather appends rows of another column, and takes memory for a column of room rows.
func (c *Column) gather(from *Column, rows []int32, room int) {
	c.entries, c.codes, c.gaps = nil, nil, false
	before := len(c.Kinds)
	c.Kinds = grownTo(c.Kinds, len(rows), room)[:before+len(rows)]
	c.Bits = grownTo(c.Bits, len(rows), room)[:before+len(rows)]
	kinds, bits := c.Kinds[before:], c.Bits[before:]
	text, last := 0, uint64(math.MaxUint64) // of no string
	for i, row := range rows {
		kind, v := from.Kinds[row], from.Bits[row]
		kinds[i], bits[i] = kind, v
		if kind == String && v != last {
			text, last = text+int(v&math.MaxUint32), v
		}
	}
	if last != math.MaxUint64 {
		c.growText(text, float64(room)/float64(len(c.Kinds)))
		c.gatherText(from, kinds, bits)
	}
}

// shortText is the length up to which texts are copied as two whole words: what is copied
// past the end is overwritten by the text after it.
const shortText = 16

// growText takes memory for n more bytes of text, and some to copy into; for more times what
// there is then if it has to be moved.
func (c *Column) growText(n int, more float64) {
	n += shortText
	have := len(c.Bytes)
	// As in addText.
	if uint64(have)+uint64(n) > math.MaxUint32 {
		panic("event: more than 4 GiB of text in column " + c.Name)
	}
	c.Bytes = grownTo(c.Bytes, n, min(int(more*float64(have+n)), math.MaxUint32))
}

// gatherText copies the texts of which bits hold the references in another column, and
// makes them references in c, which has the memory for them. Equal references that follow
// one another, as a decoded dictionary gives, are copied once.
func (c *Column) gatherText(from *Column, kinds []Kind, bits []uint64) {
	source, target := from.Bytes, c.Bytes[:cap(c.Bytes)]
	at := len(c.Bytes)
	last, copied := uint64(math.MaxUint64), uint64(0)
	for i, v := range bits {
		if kinds[i] != String {
			continue
		}
		if v != last {
			begin, n := int(v>>32), int(v&math.MaxUint32)
			if n <= shortText && begin+shortText <= len(source) {
				putWord(target, at, word(source, begin))
				putWord(target, at+8, word(source, begin+8))
			} else {
				copy(target[at:at+n], source[begin:begin+n])
			}
			last, copied = v, uint64(at)<<32|uint64(n)
			at += n
		}
		bits[i] = copied
	}
	c.Bytes = target[:at]
}
