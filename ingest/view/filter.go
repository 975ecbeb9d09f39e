package view

// This file evaluates filters: condition by condition over a batch's columns,
// with a truth value a row.
//
// A comparison with null, with a field that the event does not have, or with a
// value of another type is false, != included; ! turns the truth value of what
// follows, so !(a == 1) holds where a is null. Numbers compare exactly, whole
// or not; strings compare by bytes; booleans have no order. A field alone holds
// where it is true.

import (
	"bytes"
	"cmp"
	"math"

	"sketchlog/ingest/event"
)

// filter selects events. It is immutable and may be shared.
type filter struct {
	root   condition
	fields []string
}

// condition is true or false for each row.
type condition interface {
	// eval sets out[row] for every row.
	eval(e *evaluation, out []bool)
}

// evaluation is the scratch of one worker's filter; it is reused from batch to
// batch.
type evaluation struct {
	columns []*event.Column // by field; nil: no event has it
	free    [][]bool
	out     []bool
}

// appendRows appends the rows of b that f selects to rows.
func (e *evaluation) appendRows(rows []int32, f *filter, b *event.Batch) []int32 {
	n := b.Rows()
	if f == nil {
		for row := range n {
			rows = append(rows, int32(row))
		}
		return rows
	}
	e.columns = e.columns[:0]
	for _, name := range f.fields {
		e.columns = append(e.columns, b.Column(name))
	}
	e.out = grown(e.out, n)
	f.root.eval(e, e.out)
	for row, selected := range e.out {
		if selected {
			rows = append(rows, int32(row))
		}
	}
	clear(e.columns)
	return rows
}

// grown returns a slice of length n, s itself where it has room; what it holds
// is undefined.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

func (e *evaluation) borrow(n int) []bool {
	if k := len(e.free); k > 0 {
		s := e.free[k-1]
		e.free = e.free[:k-1]
		return grown(s, n)
	}
	return make([]bool, n)
}

type constant bool

func (c constant) eval(_ *evaluation, out []bool) {
	for i := range out {
		out[i] = bool(c)
	}
}

type negation struct{ inner condition }

func (c *negation) eval(e *evaluation, out []bool) {
	c.inner.eval(e, out)
	for i, v := range out {
		out[i] = !v
	}
}

type conjunction struct{ left, right condition }

func (c *conjunction) eval(e *evaluation, out []bool) {
	c.left.eval(e, out)
	right := e.borrow(len(out))
	c.right.eval(e, right)
	for i, v := range right {
		out[i] = out[i] && v
	}
	e.free = append(e.free, right)
}

type disjunction struct{ left, right condition }

func (c *disjunction) eval(e *evaluation, out []bool) {
	c.left.eval(e, out)
	right := e.borrow(len(out))
	c.right.eval(e, right)
	for i, v := range right {
		out[i] = out[i] || v
	}
	e.free = append(e.free, right)
}

// truth holds where a field is true.
type truth struct{ field int }

func (c *truth) eval(e *evaluation, out []bool) {
	column := e.columns[c.field]
	if column == nil {
		clear(out)
		return
	}
	for i, kind := range column.Kinds {
		out[i] = kind == event.True
	}
}

// operator is a set of outcomes of a comparison for which it holds.
type operator uint8

const (
	less operator = 1 << iota
	equal
	greater
)

var operators = map[string]operator{
	"==": equal, "!=": less | greater,
	"<": less, "<=": less | equal,
	">": greater, ">=": greater | equal,
}

// mirrored returns the operator for exchanged sides.
func (op operator) mirrored() operator {
	return op&equal | op&less<<2 | op&greater>>2
}

// of tells whether the operator holds for an outcome of cmp.Compare.
func (op operator) of(outcome int) bool { return op>>(outcome+1)&1 != 0 }

// unordered tells whether the operator can be asked of values without order.
func (op operator) unordered() bool { return op == equal || op == less|greater }

// holds compares two values.
func holds(op operator, a, b event.Value) bool {
	switch {
	case a.Kind == event.String && b.Kind == event.String:
		return op.of(cmp.Compare(a.Text, b.Text))
	case number(a.Kind) && number(b.Kind):
		return op.of(compareNumbers(a.Kind, a.Bits, b.Kind, b.Bits))
	case boolean(a.Kind) && boolean(b.Kind):
		return op.unordered() && op.of(cmp.Compare(a.Kind, b.Kind))
	}
	return false
}

func number(k event.Kind) bool  { return k == event.Int || k == event.Float }
func boolean(k event.Kind) bool { return k == event.True || k == event.False }

// compareNumbers compares exactly: an integer is not rounded to a float.
func compareNumbers(a event.Kind, abits uint64, b event.Kind, bbits uint64) int {
	switch {
	case a == event.Int && b == event.Int:
		return cmp.Compare(int64(abits), int64(bbits))
	case a == event.Int:
		return compareMixed(int64(abits), math.Float64frombits(bbits))
	case b == event.Int:
		return -compareMixed(int64(bbits), math.Float64frombits(abits))
	}
	return cmp.Compare(math.Float64frombits(abits), math.Float64frombits(bbits))
}

func compareMixed(a int64, b float64) int {
	switch {
	case b >= 0x1p63:
		return -1
	case b < -0x1p63:
		return 1
	}
	whole := math.Floor(b)
	if c := cmp.Compare(a, int64(whole)); c != 0 || whole == b {
		return c
	}
	return -1 // a is the floor of b
}

// comparison compares a field with a literal.
type comparison struct {
	field int
	op    operator
	value event.Value
}

func (c *comparison) eval(e *evaluation, out []bool) {
	column := e.columns[c.field]
	switch {
	case column == nil || c.value.Kind == event.Null:
		clear(out)
	case c.value.Kind == event.String:
		c.evalText(column, out)
	case number(c.value.Kind):
		for i, kind := range column.Kinds {
			out[i] = number(kind) && c.op.of(compareNumbers(kind, column.Bits[i], c.value.Kind, c.value.Bits))
		}
	default:
		for i, kind := range column.Kinds {
			out[i] = boolean(kind) && c.op.unordered() && c.op.of(cmp.Compare(kind, c.value.Kind))
		}
	}
}

func (c *comparison) evalText(column *event.Column, out []bool) {
	text := []byte(c.value.Text)
	// Rows that follow one another with one reference, as a dictionary gives,
	// are compared once.
	last, verdict := uint64(math.MaxUint64), false
	for i, kind := range column.Kinds {
		if kind != event.String {
			out[i] = false
			continue
		}
		if bits := column.Bits[i]; bits != last {
			last, verdict = bits, c.op.of(bytes.Compare(column.String(i), text))
		}
		out[i] = verdict
	}
}

// fieldComparison compares two fields.
type fieldComparison struct {
	left  int
	op    operator
	right int
}

func (c *fieldComparison) eval(e *evaluation, out []bool) {
	left, right := e.columns[c.left], e.columns[c.right]
	if left == nil || right == nil {
		clear(out)
		return
	}
	for i := range out {
		out[i] = holds(c.op, left.Value(i), right.Value(i))
	}
}

// membership holds where a field equals one of several literals.
type membership struct {
	field  int
	texts  map[string]bool
	others map[event.Value]bool // values are normal: equal ones have equal kinds and bits
}

func newMembership(field int, values []event.Value) *membership {
	m := &membership{field: field, texts: map[string]bool{}, others: map[event.Value]bool{}}
	for _, v := range values {
		switch v.Kind {
		case event.Null: // equals nothing
		case event.String:
			m.texts[v.Text] = true
		default:
			m.others[v] = true
		}
	}
	return m
}

func (c *membership) eval(e *evaluation, out []bool) {
	column := e.columns[c.field]
	if column == nil {
		clear(out)
		return
	}
	for i, kind := range column.Kinds {
		if kind == event.String {
			out[i] = c.texts[string(column.String(i))]
		} else {
			out[i] = c.others[event.Value{Kind: kind, Bits: column.Bits[i]}]
		}
	}
}
