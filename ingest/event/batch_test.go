package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
)

func TestBuilderMatchesModel(t *testing.T) {
	for seed := range uint64(30) {
		r := random(seed)
		events := randomEvents(r, 1+r.IntN(100), 1+r.IntN(20))
		sameEvents(t, buildBatch(t, r, events), events)
	}
}

func TestBuilderLastHolds(t *testing.T) {
	b := &Batch{}
	builder := NewBuilder(b)
	builder.Begin()
	builder.Int([]byte("a"), 1)
	builder.String([]byte("a"), []byte("x"))
	builder.Int([]byte("b"), 1)
	builder.Null([]byte("b"))
	builder.Null([]byte("never"))
	if err := builder.End(5); err != nil {
		t.Fatal(err)
	}
	sameEvents(t, b, []modelEvent{{5, map[string]Value{"a": StringValue("x")}}})
	if b.Column("never") != nil {
		t.Error("a null made a column")
	}
}

func TestBuilderAbandon(t *testing.T) {
	b := &Batch{}
	builder := NewBuilder(b)
	row := func(keep bool, names ...string) {
		builder.Begin()
		for i, name := range names {
			builder.Int([]byte(name), int64(i))
		}
		if !keep {
			builder.Abandon()
		} else if err := builder.End(1); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprint("n", i)
	}
	row(false, "a", "b")
	row(true, "b")
	row(false, many...)
	row(true, "c", "b")
	row(true, many[:20]...)
	row(false, many...)
	if len(b.Columns) != 22 || b.Column("a") != nil || b.Column("n25") != nil || b.Column("n19") == nil {
		t.Fatalf("%d columns", len(b.Columns))
	}
	want := []modelEvent{
		{1, map[string]Value{"b": IntValue(0)}},
		{1, map[string]Value{"c": IntValue(0), "b": IntValue(1)}},
		{1, map[string]Value{}},
	}
	for i := range 20 {
		want[2].fields[many[i]] = IntValue(int64(i))
	}
	sameEvents(t, b, want)
}

func TestBuilderLimits(t *testing.T) {
	b := &Batch{}
	builder := NewBuilder(b)
	builder.Begin()
	for i := range MaxColumns {
		builder.Int([]byte(fmt.Sprint(i)), 1)
	}
	if err := builder.End(1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		builder.Begin()
		builder.String([]byte("one more"), []byte("x"))
		builder.String([]byte("and more"), []byte("x"))
		builder.Int([]byte("7"), 2)
		if err := builder.End(2); !errors.Is(err, ErrBatchTooLarge) {
			t.Fatalf("too many columns: %v", err)
		}
	}
	if err := b.Check(); err != nil || b.Rows() != 1 || len(b.Columns) != MaxColumns {
		t.Fatalf("%d rows of %d columns: %v", b.Rows(), len(b.Columns), err)
	}
	for _, c := range []struct {
		rows, columns int
		want          bool
	}{
		{MaxRows, MaxCells / MaxRows, true},
		{MaxRows, MaxCells/MaxRows + 1, false},
		{MaxCells / MaxColumns, MaxColumns, true},
		{MaxCells/MaxColumns + 1, MaxColumns, false},
		{MaxRows + 1, 1, false},
		{1, MaxColumns + 1, false},
	} {
		if got := fits(c.rows, c.columns); got != c.want {
			t.Errorf("fits(%d, %d) = %v", c.rows, c.columns, got)
		}
	}
}

func TestBuilderRowLimit(t *testing.T) {
	b := &Batch{Times: make([]int64, MaxRows)}
	builder := NewBuilder(b)
	builder.Begin()
	if err := builder.End(1); !errors.Is(err, ErrBatchTooLarge) || b.Rows() != MaxRows {
		t.Fatalf("%d rows: %v", b.Rows(), err)
	}
}

func TestAppendRowsMatchesModel(t *testing.T) {
	for seed := range uint64(30) {
		r := random(seed)
		dst := &Batch{}
		var want []modelEvent
		for range 4 {
			events := randomEvents(r, 1+r.IntN(50), 1+r.IntN(20))
			src := buildBatch(t, r, events)
			if r.IntN(2) == 0 {
				var err error
				if src, err = DecodeBatch(src.AppendBinary(nil)); err != nil {
					t.Fatal(err)
				}
			}
			var rows []int32
			for range r.IntN(60) {
				row := r.IntN(len(events))
				rows, want = append(rows, int32(row)), append(want, events[row])
			}
			dst.AppendRows(src, rows)
			sameEvents(t, src, events)
		}
		sameEvents(t, dst, want)
		checkHashes(t, dst, want, "field0")
	}
}

func TestResetReusesMemory(t *testing.T) {
	r := random(3)
	first, second := randomEvents(r, 200, 20), randomEvents(r, 100, 15)
	src := buildBatch(t, r, second)
	b := buildBatch(t, r, first)
	b.Segments = append(b.Segments, Segment{Rows: 200})
	b.Hashes([]string{"field0"})
	b.Reset()
	if b.Rows() != 0 || len(b.Columns) != 0 || len(b.Segments) != 0 || b.Column("field0") != nil {
		t.Fatal("not empty after Reset")
	}
	var rows []int32
	for i := range second {
		rows = append(rows, int32(i))
	}
	b.AppendRows(src, rows)
	sameEvents(t, b, second)
	allocated := testing.AllocsPerRun(20, func() {
		b.Reset()
		b.AppendRows(src, rows)
	})
	if allocated > 0 {
		t.Errorf("%v allocations for a batch that is used again", allocated)
	}
}

func TestBuilderAllocatesNothing(t *testing.T) {
	b := &Batch{}
	builder := NewBuilder(b)
	user, page, added := []byte("user"), []byte("page"), []byte("added")
	fill := func() {
		b.Reset()
		for i := range 1000 {
			builder.Begin()
			builder.String(user, []byte("somebody"))
			builder.String(page, []byte("Main page"))
			builder.Int(added, int64(i))
			if err := builder.End(int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := testing.AllocsPerRun(10, fill); n > 0 {
		t.Errorf("%v allocations for 1000 rows", n)
	}
}

func TestCheck(t *testing.T) {
	b := &Batch{Times: make([]int64, 3)}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	b.Segments = []Segment{{Rows: 2}}
	if err := b.Check(); err == nil {
		t.Error("segments that miss a row pass")
	}
	b.Segments = []Segment{{Rows: 4}, {Rows: -1}}
	if err := b.Check(); err == nil {
		t.Error("a segment of negative length passes")
	}
	b.Segments, b.Times = nil, make([]int64, MaxRows+1)
	if err := b.Check(); !errors.Is(err, ErrBatchTooLarge) {
		t.Errorf("too many rows: %v", err)
	}
}

func TestBytesCountsStrings(t *testing.T) {
	b := &Batch{}
	builder := NewBuilder(b)
	builder.Begin()
	builder.String([]byte("a"), bytes.Repeat([]byte("x"), 10_000))
	if err := builder.End(0); err != nil {
		t.Fatal(err)
	}
	if n := b.Bytes(); n < 10_000 || n > 11_000 {
		t.Errorf("%d bytes", n)
	}
}

func TestAppendJSON(t *testing.T) {
	r := random(4)
	events := randomEvents(r, 50, 14)
	b := buildBatch(t, r, events)
	for row, e := range events {
		for _, place := range []*Place{nil, {Partition: 2, Offset: 1 << 60, Index: row}} {
			out := b.AppendJSON([]byte("x"), row, place)
			var got map[string]Value
			if err := json.Unmarshal(out[1:], &got); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			want := maps.Clone(e.fields)
			if place != nil {
				want["_partition"], want["_offset"], want["_index"] = IntValue(2), IntValue(1<<60), IntValue(int64(row))
			}
			if !maps.Equal(got, want) {
				t.Fatalf("%s, want %v", out, want)
			}
		}
	}
	if got := string((&Batch{Times: []int64{0}}).AppendJSON(nil, 0, nil)); got != "{}" {
		t.Errorf("event without fields: %s", got)
	}
	if got := string((&Batch{Times: []int64{0}}).AppendJSON(nil, 0, &Place{1, 2, 3})); got != `{"_partition":1,"_offset":2,"_index":3}` {
		t.Errorf("event without fields: %s", got)
	}
}
