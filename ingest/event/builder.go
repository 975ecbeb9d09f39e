package event

// This file holds the Builder, by which decoders fill a batch row by row.

// Builder appends events to a batch, field by field. It allocates nothing a row once the
// batch's slices have capacity. Names and strings are copied. Between Begin and End (or
// Abandon) the batch must not be used otherwise.
type Builder struct {
	b       *Batch
	rows    int // rows before the one begun
	columns int // columns before it
	next    int // where the next field is looked for first
	set     int // columns that have a value in the row begun

	full  bool   // the row begun names a field that the batch has no room for
	spare Column // takes the values of such fields
}

// NewBuilder returns a Builder that appends to b.
func NewBuilder(b *Batch) *Builder { return &Builder{b: b} }

// Begin starts a row.
func (b *Builder) Begin() {
	b.b.cache.drop()
	b.rows, b.columns, b.next, b.set, b.full = len(b.b.Times), len(b.b.Columns), 0, 0, false
}

// Null sets a field to null, which is the same as not setting it unless the row has set it before.
func (b *Builder) Null(name []byte) {
	// A column is not made for a null: a field that no event has costs nothing.
	at := b.next
	if at >= len(b.b.Columns) || b.b.Columns[at].Name != string(name) {
		if at = find(b.b, name); at < 0 {
			return
		}
	}
	b.put(b.at(at), Null, 0)
}

// Bool sets a field. A field set twice in a row holds what it was set to last; the same
// is true of the other kinds.
func (b *Builder) Bool(name []byte, v bool) {
	kind := False
	if v {
		kind = True
	}
	b.put(b.column(name), kind, 0)
}

// Int sets a field.
func (b *Builder) Int(name []byte, v int64) { b.put(b.column(name), Int, uint64(v)) }

// Float sets a field, as an Int when v is a whole number within int64. What is not finite
// becomes null: decoders refuse it before.
func (b *Builder) Float(name []byte, v float64) {
	kind, bits := floatBits(v)
	b.put(b.column(name), kind, bits)
}

// String sets a field. v should be valid UTF-8.
func (b *Builder) String(name, v []byte) {
	c := b.column(name)
	b.put(c, String, c.addText(v))
}

// column returns the column of a field and makes it if need be.
func (b *Builder) column(name []byte) *Column {
	// Fast path: the field that came next in the row before.
	if b.next < len(b.b.Columns) && b.b.Columns[b.next].Name == string(name) {
		return b.at(b.next)
	}
	// Slow path.
	if i := find(b.b, name); i >= 0 {
		return b.at(i)
	}
	// The limit is checked before the nulls of the rows above are allocated.
	if !fits(b.rows+1, len(b.b.Columns)+1) {
		b.full = true
		b.spare.truncate(0)
		return &b.spare
	}
	return b.at(addColumn(b.b, name, b.rows))
}

// at returns column i and guesses that the one after it comes next.
func (b *Builder) at(i int) *Column {
	b.next = i + 1
	return &b.b.Columns[i]
}

// put sets the value of the row begun.
func (b *Builder) put(c *Column, kind Kind, bits uint64) {
	if len(c.Kinds) > b.rows {
		c.Kinds[b.rows], c.Bits[b.rows] = kind, bits
		return
	}
	if c == &b.spare {
		return
	}
	b.set++
	c.Kinds, c.Bits = append(c.Kinds, kind), append(c.Bits, bits)
}

// End finishes the row. It fails with ErrBatchTooLarge, and drops the row, when the batch
// would have too many rows, columns or cells; the batch then stays as it was.
func (b *Builder) End(time int64) error {
	rows, columns := b.rows+1, len(b.b.Columns)
	if b.full {
		columns++
	}
	if !fits(rows, columns) {
		b.Abandon()
		return oversize(rows, columns)
	}
	b.b.Times = append(b.b.Times, time)
	if b.set < columns {
		for i := range b.b.Columns {
			b.b.Columns[i].pad(rows)
		}
	}
	return nil
}

// Abandon drops the row begun, and with it the columns that it was the first to name.
func (b *Builder) Abandon() {
	b.b.dropColumns(b.columns)
	for i := range b.b.Columns {
		c := &b.b.Columns[i]
		if len(c.Kinds) > b.rows {
			c.truncate(b.rows)
		}
	}
}
