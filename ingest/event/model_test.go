package event

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// This file holds what the tests of batches share: a dumb model of events, and golden files.

var rewriteGolden = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares got with a golden file, or rewrites the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewriteGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s: the format changed:\n got %x\nwant %x", path, got, want)
	}
}

// modelEvent is an event as a test thinks of it; nulls are absent.
type modelEvent struct {
	time   int64
	fields map[string]Value
}

// modelValue draws from few values of every kind, or from many of one.
func modelValue(r *rand.Rand, style int) Value {
	switch style {
	case 0: // any kind
		return []Value{
			{}, BoolValue(false), BoolValue(true), IntValue(0), IntValue(-1), IntValue(math.MinInt64), IntValue(math.MaxInt64),
			FloatValue(0.5), FloatValue(-0.25), FloatValue(1e300), FloatValue(-1e19), FloatValue(7),
			StringValue(""), StringValue("a"), StringValue("a\x00b"), StringValue("1"), StringValue("größe\n\"x\""),
		}[r.IntN(17)]
	case 1: // strings with much repetition
		return StringValue(fmt.Sprintf("word%d", r.IntN(40)))
	case 2: // strings with none
		return StringValue(fmt.Sprintf("%016x", r.Uint64()))
	case 3: // numbers
		return IntValue(r.Int64N(1000) - 500)
	case 4:
		return FloatValue(r.NormFloat64())
	case 5: // sparse
		if r.IntN(20) == 0 {
			return IntValue(r.Int64())
		}
		return Value{}
	}
	return BoolValue(r.IntN(2) == 0)
}

// randomEvents draws events; each field has its own style.
func randomEvents(r *rand.Rand, rows, columns int) []modelEvent {
	styles := make([]int, columns)
	for i := range styles {
		styles[i] = r.IntN(9)
	}
	events := make([]modelEvent, rows)
	now := int64(1_700_000_000_000)
	var text timeText
	for i := range events {
		now += r.Int64N(2000) - 300
		e := modelEvent{time: now, fields: map[string]Value{}}
		for c, style := range styles {
			name := fmt.Sprintf("field%d", c)
			v := modelValue(r, style)
			switch style {
			case 7:
				v = StringValue(string(text.format(now, timeMillisLength)))
			case 8:
				v = IntValue(now)
			}
			if v.Kind != Null {
				e.fields[name] = v
			}
		}
		events[i] = e
	}
	return events
}

// buildBatch builds a batch of events; the fields of a row come in a random order at times.
func buildBatch(t testing.TB, r *rand.Rand, events []modelEvent) *Batch {
	t.Helper()
	b := &Batch{}
	builder := NewBuilder(b)
	for _, e := range events {
		names := make([]string, 0, len(e.fields))
		for name := range e.fields {
			names = append(names, name)
		}
		slices.Sort(names)
		if r.IntN(4) == 0 {
			r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}
		builder.Begin()
		for _, name := range names {
			setField(builder, name, e.fields[name])
		}
		if err := builder.End(e.time); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func setField(builder *Builder, name string, v Value) {
	switch v.Kind {
	case Null:
		builder.Null([]byte(name))
	case False, True:
		builder.Bool([]byte(name), v.Kind == True)
	case Int:
		builder.Int([]byte(name), int64(v.Bits))
	case Float:
		builder.Float([]byte(name), math.Float64frombits(v.Bits))
	case String:
		builder.String([]byte(name), []byte(v.Text))
	}
}

// sameEvents fails the test unless the batch holds the events.
func sameEvents(t testing.TB, b *Batch, events []modelEvent) {
	t.Helper()
	if b.Rows() != len(events) {
		t.Fatalf("%d rows, want %d", b.Rows(), len(events))
	}
	for i := range b.Columns {
		if c := &b.Columns[i]; len(c.Kinds) != len(events) || len(c.Bits) != len(events) {
			t.Fatalf("column %s has %d kinds and %d bits for %d rows", c.Name, len(c.Kinds), len(c.Bits), len(events))
		}
	}
	for row, e := range events {
		if b.Times[row] != e.time {
			t.Fatalf("row %d: time %d, want %d", row, b.Times[row], e.time)
		}
		seen := 0
		for i := range b.Columns {
			c := &b.Columns[i]
			got := c.Value(row)
			if got != e.fields[c.Name] {
				t.Fatalf("row %d: %s = %v, want %v", row, c.Name, got, e.fields[c.Name])
			}
			if got.Kind != Null {
				seen++
			}
		}
		if seen != len(e.fields) {
			t.Fatalf("row %d has %d fields, want %d", row, seen, len(e.fields))
		}
	}
}

// random returns a seeded source.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
