package event

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// This file holds the batch: events of one partition or request, stored by column.

// Limits of one batch. A record that claims more is refused before memory is allocated.
const (
	MaxRows    = 1 << 20 // events
	MaxColumns = 1 << 10 // different field names
	MaxCells   = 1 << 25 // rows times columns
)

// ErrBatchTooLarge is returned for batches past MaxRows, MaxColumns or MaxCells.
var ErrBatchTooLarge = errors.New("event: batch too large")

// fits says whether a batch of that shape is within the limits.
func fits(rows, columns int) bool {
	return rows <= MaxRows && columns <= MaxColumns && rows*columns <= MaxCells
}

// oversize is the error for a shape that does not fit.
func oversize(rows, columns int) error {
	return fmt.Errorf("%w: %d events with %d different field names (limits: %d events, %d names, %d events times names): send fewer events a request",
		ErrBatchTooLarge, rows, columns, MaxRows, MaxColumns, MaxCells)
}

// Column is one field of a batch. Kinds and Bits have one entry a row.
//
//	kind                bits
//	Null, False, True   0
//	Int                 the int64
//	Float               math.Float64bits; never of a whole number within int64
//	String              offset<<32 | length, into Bytes
type Column struct {
	Name  string
	Kinds []Kind
	Bits  []uint64
	Bytes []byte

	// A column that was decoded from a dictionary keeps it, so that each entry is hashed
	// once: entries holds the Bits of each entry, codes the entry of each row (0 where the
	// row is no string). Appending to the column drops both.
	entries []uint64
	codes   []uint16
	gaps    bool // some rows are no strings
}

// Segment is a run of rows that came with one request, in order.
type Segment struct {
	Producer   string // "": the request was not numbered
	Number     uint64 // the producer's number of the request
	Partitions int    // the stream's partition count when the request was placed
	Rows       int
}

// Batch is events of one partition (or, before placement, of one request), by column.
// It has one writer; once it is shared it is read-only, and every method that does not
// append or reset may then be called by any number of readers. The zero Batch is empty
// and ready for use.
type Batch struct {
	Times    []int64 // event times, Unix ms, one a row
	Columns  []Column
	Segments []Segment

	index map[string]int // column by name; kept only when there are many columns
	room  int            // rows for which AppendRows takes memory at once
	cache hashCache
}

// indexFrom is the number of columns from which names are looked up in a map; below it a
// scan is quicker.
const indexFrom = 12

// Rows returns the number of events.
func (b *Batch) Rows() int { return len(b.Times) }

// Column returns the column of a field, nil when no event has the field. It is the batch's own.
func (b *Batch) Column(name string) *Column {
	if i := find(b, name); i >= 0 {
		return &b.Columns[i]
	}
	return nil
}

// find returns the index of a column, -1 when there is none.
func find[T string | []byte](b *Batch, name T) int {
	if len(b.index) == len(b.Columns) && len(b.index) > 0 {
		if i, ok := b.index[string(name)]; ok {
			return i
		}
		return -1
	}
	for i := range b.Columns {
		if b.Columns[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// addColumn adds a column of rows nulls and returns its index. It reuses the memory of
// the column that stood there before a Reset.
func addColumn[T string | []byte](b *Batch, name T, rows int) int {
	at := len(b.Columns)
	if at < cap(b.Columns) {
		b.Columns = b.Columns[:at+1]
	} else {
		b.Columns = append(b.Columns, Column{})
	}
	c := &b.Columns[at]
	if c.Name != string(name) {
		c.Name = string(name)
	}
	c.truncate(0)
	c.pad(rows)
	b.indexColumns()
	return at
}

// indexColumns brings the map of names up to date with columns that were added.
func (b *Batch) indexColumns() {
	if len(b.Columns) < indexFrom {
		return
	}
	if b.index == nil {
		b.index = make(map[string]int, 2*indexFrom)
	}
	for i := len(b.index); i < len(b.Columns); i++ {
		b.index[b.Columns[i].Name] = i
	}
}

// dropColumns removes the columns from index n on.
func (b *Batch) dropColumns(n int) {
	for i := n; i < len(b.Columns) && len(b.index) > 0; i++ {
		delete(b.index, b.Columns[i].Name)
	}
	b.Columns = b.Columns[:n]
}

// truncate cuts the column to its first rows.
func (c *Column) truncate(rows int) {
	if rows == 0 {
		c.Bytes = c.Bytes[:0]
	}
	c.Kinds, c.Bits = c.Kinds[:rows], c.Bits[:rows]
	c.entries, c.codes, c.gaps = nil, nil, false
}

// pad makes the column rows long with nulls.
func (c *Column) pad(rows int) {
	if n := rows - len(c.Kinds); n == 1 {
		c.Kinds, c.Bits = append(c.Kinds, Null), append(c.Bits, 0)
	} else if n > 0 {
		from := len(c.Kinds)
		c.Kinds = slices.Grow(c.Kinds, n)[:rows]
		c.Bits = slices.Grow(c.Bits, n)[:rows]
		clear(c.Kinds[from:])
		clear(c.Bits[from:])
	}
}

// addText appends s to the column's bytes and returns its bits.
func (c *Column) addText(s []byte) uint64 {
	at := uint64(len(c.Bytes))
	// Request and batch budgets lie far below 4 GiB, so this is a fault of the program.
	if at+uint64(len(s)) > math.MaxUint32 {
		panic("event: more than 4 GiB of text in column " + c.Name)
	}
	c.Bytes = append(c.Bytes, s...)
	return at<<32 | uint64(len(s))
}

// text returns the bytes that bits of a string refer to.
func (c *Column) text(bits uint64) []byte {
	at := bits >> 32
	return c.Bytes[at : at+bits&math.MaxUint32]
}

// Value returns the value of a row. Its Text aliases the column's bytes: it is valid while
// the batch is neither reset nor appended to.
func (c *Column) Value(row int) Value {
	if c.Kinds[row] == String {
		text := c.text(c.Bits[row])
		return Value{Kind: String, Text: unsafe.String(unsafe.SliceData(text), len(text))}
	}
	return Value{Kind: c.Kinds[row], Bits: c.Bits[row]}
}

// String returns the bytes of a row's string, nil when the row is no string. They are the
// column's own: valid while the batch is, and not to be changed.
func (c *Column) String(row int) []byte {
	if c.Kinds[row] != String {
		return nil
	}
	return c.text(c.Bits[row])
}

// Reset empties the batch and keeps its memory for reuse. It must not be called on a
// batch that is shared.
func (b *Batch) Reset() {
	b.cache.drop()
	b.Times, b.Columns, b.Segments = b.Times[:0], b.Columns[:0], b.Segments[:0]
	clear(b.index)
}

// Bytes returns the approximate size of the batch in memory, cached hashes and room for
// more rows included.
func (b *Batch) Bytes() int {
	const column, segment = 160, 48
	n := 200 + 8*cap(b.Times) + segment*len(b.Segments) + len(b.Times)*b.cache.bytes()
	for i := range b.Columns {
		c := &b.Columns[i]
		n += column + len(c.Name) + cap(c.Kinds) + 8*cap(c.Bits) + cap(c.Bytes) + 8*len(c.entries) + 2*len(c.codes)
	}
	return n
}

// Check says whether the batch is within the limits of a record, and whether its segments,
// if it has any, cover its rows. DecodeBatch refuses the record of a batch that fails.
func (b *Batch) Check() error {
	if rows, columns := len(b.Times), len(b.Columns); !fits(rows, columns) {
		return oversize(rows, columns)
	}
	if len(b.Segments) == 0 {
		return nil
	}
	sum := 0
	for _, s := range b.Segments {
		if s.Rows < 0 || s.Partitions < 0 {
			return fmt.Errorf("event: segment of %d rows over %d partitions", s.Rows, s.Partitions)
		}
		sum += s.Rows
	}
	if sum != len(b.Times) {
		return fmt.Errorf("event: segments cover %d rows of %d", sum, len(b.Times))
	}
	return nil
}
