package event

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"
)

// This file computes item hashes and item bytes of a batch's columns.

// hashCache holds the hashes that were asked for. Every view of a stream asks the same
// shared batch, mostly for the same few fields.
type hashCache struct {
	mu    sync.Mutex
	held  []*hashedFields
	coded []codedField
}

// codedField is the dictionary that the encoder made of a field of strings.
type codedField struct {
	field   string
	codes   []uint16 // by row
	entries []uint64 // by code: the Bits of a string that is equal
}

// hashedFields is one list of fields and its hashes.
type hashedFields struct {
	fields []string
	once   sync.Once
	hashes []uint64
}

// drop forgets everything; for the batch's writer only.
func (c *hashCache) drop() {
	if len(c.held)+len(c.coded) > 0 {
		clear(c.held)
		clear(c.coded)
		c.held, c.coded = c.held[:0], c.coded[:0]
	}
}

// code keeps a copy of the dictionary of a field.
func (c *hashCache) code(field string, codes []uint16, entries []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.coded {
		if c.coded[i].field == field {
			return
		}
	}
	c.coded = append(c.coded, codedField{field, slices.Clone(codes), slices.Clone(entries)})
}

// codesOf returns the dictionary of a field; nil when there is none.
func (c *hashCache) codesOf(field string) (codes []uint16, entries []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.coded {
		if c.coded[i].field == field {
			return c.coded[i].codes, c.coded[i].entries
		}
	}
	return nil, nil
}

// Codes numbers the values of a field where every row holds a string and the batch's
// record has a dictionary of them: rows have the same code if they hold the same string.
// Codes lie below entries. They are nil for any other field, and for a batch that was
// neither encoded nor decoded; they are shared and must not be changed. Safe for
// concurrent callers.
func (b *Batch) Codes(field string) (codes []uint16, entries int) {
	codes, refs := b.dictionary(b.Column(field))
	return codes, len(refs)
}

// dictionary returns the codes of a column's rows and the Bits of each code's string; nil
// where the column may be nil, has none, or has rows that are no strings.
func (b *Batch) dictionary(c *Column) (codes []uint16, entries []uint64) {
	if c == nil || c.codes != nil && c.gaps {
		return nil, nil
	} else if c.codes != nil {
		return c.codes, c.entries
	}
	return b.cache.codesOf(c.Name)
}

// of returns the entry of a list of fields, which may not be computed yet.
func (c *hashCache) of(fields []string) *hashedFields {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held {
		if slices.Equal(h.fields, fields) {
			return h
		}
	}
	h := &hashedFields{fields: slices.Clone(fields)}
	c.held = append(c.held, h)
	return h
}

// bytes returns how many bytes are held for each row.
func (c *hashCache) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 8*len(c.held) + 2*len(c.coded)
	for i := range c.coded {
		n += 8 * len(c.coded[i].entries) / max(len(c.coded[i].codes), 1)
	}
	return n
}

// Hashes returns the item hashes of a list of fields, one a row; they equal HashItem of
// the canonical bytes that Items gives, and are 0 where the item is null. They are
// computed once for a batch and list, are shared, and must not be changed. Safe for
// concurrent callers.
func (b *Batch) Hashes(fields []string) []uint64 {
	h := b.cache.of(fields)
	h.once.Do(func() {
		h.hashes = make([]uint64, len(b.Times))
		if len(fields) != 1 || wholeEvent(fields) {
			b.Items(fields).hash(h.hashes)
		} else if c := b.Column(fields[0]); c != nil {
			if codes, entries := b.dictionary(c); codes != nil {
				c.hashCoded(h.hashes, codes, entries)
			} else {
				c.hash(h.hashes)
			}
		}
	})
	return h.hashes
}

// wholeEvent says whether a list of fields asks for whole events.
func wholeEvent(fields []string) bool { return len(fields) == 1 && fields[0] == "*" }

// hashCoded is hash of a column of strings that has a dictionary.
func (c *Column) hashCoded(out []uint64, codes []uint16, entries []uint64) {
	words := make([]uint64, len(entries))
	HashTexts(words, c.Bytes, entries)
	for row, code := range codes[:len(out)] {
		out[row] = words[code]
	}
}

// hash computes the hashes of a column by row, from the values themselves: no item bytes
// are built.
func (c *Column) hash(out []uint64) {
	var number [8]byte
	var words []uint64
	if c.codes != nil {
		words = make([]uint64, len(c.entries))
		HashTexts(words, c.Bytes, c.entries)
	} else if !slices.ContainsFunc(c.Kinds, func(k Kind) bool { return k != String }) {
		HashTexts(out, c.Bytes, c.Bits)
		return
	}
	no, yes := nonZero(xxh3.HashSeed(nil, seeds[False])), nonZero(xxh3.HashSeed(nil, seeds[True]))
	// Equal references that follow one another are equal strings.
	last, hashed := uint64(math.MaxUint64), uint64(0)
	for row, kind := range c.Kinds {
		switch kind {
		case False:
			out[row] = no
		case True:
			out[row] = yes
		case Int, Float:
			binary.BigEndian.PutUint64(number[:], orderedBits(kind, c.Bits[row]))
			out[row] = nonZero(xxh3.HashSeed(number[:], seeds[kind]))
		case String:
			if words != nil {
				out[row] = words[c.codes[row]]
				continue
			}
			if bits := c.Bits[row]; bits != last {
				last, hashed = bits, HashText(c.text(bits))
			}
			out[row] = hashed
		}
	}
}

// ItemColumn gives the canonical item bytes of a list of fields by row. It is read-only
// and valid while its batch is.
type ItemColumn struct {
	b       *Batch
	columns []*Column // one a field; nil where no event has it
	tuple   bool
	whole   bool
	order   []*Column // whole events: the columns by name
}

// Items returns the items of a list of fields: of one field its value, of several a
// tuple, of ["*"] the whole event as a JSON object with its fields in order of name.
func (b *Batch) Items(fields []string) *ItemColumn {
	items := &ItemColumn{b: b, tuple: len(fields) != 1, whole: wholeEvent(fields)}
	if items.whole {
		items.order = b.byName()
		return items
	}
	items.columns = make([]*Column, len(fields))
	for i, name := range fields {
		items.columns[i] = b.Column(name)
	}
	return items
}

// AppendItem appends the canonical bytes of a row's item to dst and returns it.
func (i *ItemColumn) AppendItem(dst []byte, row int32) []byte {
	if i.whole {
		return appendFields(append(dst, tagEvent), i.order, int(row))
	}
	if i.tuple {
		return i.AppendTuple(dst, row)
	}
	c := i.columns[0]
	if c == nil {
		return append(dst, byte(Null))
	}
	if kind := c.Kinds[row]; kind != String {
		return appendElement(dst, kind, c.Bits[row], nil)
	}
	return append(append(dst, byte(String)), c.text(c.Bits[row])...)
}

// AppendItems appends the items of rows, each behind a gap of so many bytes, which may be
// any, and sets in ends, which is as long as rows, where each item ends in dst. An item
// longer than most bytes is cut to one more: whole events would add up to megabytes.
func (i *ItemColumn) AppendItems(dst []byte, rows, ends []int32, gap, most int) []byte {
	if !i.whole && !i.tuple && i.columns[0].texts(rows) { // Fast path: strings of one field.
		return AppendTexts(dst, rows, ends, gap, most, i.columns[0].Bytes, i.columns[0].Bits)
	}
	for k, row := range rows {
		at := len(dst) + gap
		dst = slices.Grow(dst, gap)
		dst = i.AppendItem(dst[:at], row)
		dst = dst[:min(len(dst), at+most+1)]
		ends[k] = int32(len(dst))
	}
	return dst
}

// texts tells whether the column has a string in each of rows. The column may be nil.
func (c *Column) texts(rows []int32) bool {
	if c == nil {
		return false
	}
	for _, row := range rows {
		if c.Kinds[row] != String {
			return false
		}
	}
	return true
}

// AppendTuple appends the row's fields as a tuple, also where they are one or none: the
// canonical bytes of a key. Items of ["*"] have no such form.
func (i *ItemColumn) AppendTuple(dst []byte, row int32) []byte {
	dst = append(dst, tagTuple)
	for _, c := range i.columns {
		if c == nil {
			dst = append(dst, byte(Null))
			continue
		}
		var text []byte
		if c.Kinds[row] == String {
			text = c.text(c.Bits[row])
		}
		dst = appendElement(dst, c.Kinds[row], c.Bits[row], text)
	}
	return dst
}

// hash computes hashes from item bytes: the slow path of Hashes.
func (i *ItemColumn) hash(out []uint64) {
	var item []byte
	for row := range out {
		item = i.AppendItem(item[:0], int32(row))
		out[row] = HashItem(item)
	}
}
