package event

import (
	"bytes"
	"sync"
	"testing"
)

// checkHashes compares Hashes and Items with items built from the model.
func checkHashes(t *testing.T, b *Batch, events []modelEvent, fields ...string) {
	t.Helper()
	hashes, items := b.Hashes(fields), b.Items(fields)
	if len(hashes) != len(events) {
		t.Fatalf("%d hashes for %d rows", len(hashes), len(events))
	}
	for row, e := range events {
		values := make([]Value, len(fields))
		for i, name := range fields {
			values[i] = e.fields[name]
		}
		want := AppendTuple(nil, values)
		if key := items.AppendTuple(nil, int32(row)); !bytes.Equal(key, want) {
			t.Fatalf("row %d %v: key %x, want %x", row, fields, key, want)
		}
		if len(fields) == 1 {
			want = AppendItem(nil, values[0])
		}
		if got := items.AppendItem([]byte("x"), int32(row)); !bytes.Equal(got[1:], want) {
			t.Fatalf("row %d %v: item %x, want %x", row, fields, got[1:], want)
		}
		if hashes[row] != HashItem(want) {
			t.Fatalf("row %d %v: hash %x, want %x", row, fields, hashes[row], HashItem(want))
		}
	}
	checkAppendItems(t, items, len(events))
	checkAppendItems(t, b.Items([]string{"*"}), len(events))
}

// checkAppendItems compares AppendItems with AppendItem, over rows in any order, with any gap
// and any length to cut at, in memory that is too small and that is not.
func checkAppendItems(t *testing.T, items *ItemColumn, n int) {
	t.Helper()
	r := random(uint64(n))
	for _, gap := range []int{0, 1, 17} {
		rows := make([]int32, r.IntN(40))
		for i := range rows {
			rows[i] = int32(r.IntN(n))
		}
		ends := make([]int32, len(rows))
		most := []int{1, 9, 254}[r.IntN(3)]
		all := items.AppendItems(append(make([]byte, 0, r.IntN(2000)), "before"...), rows, ends, gap, most)
		at := len("before")
		for i, row := range rows {
			want := items.AppendItem(nil, row)
			want = want[:min(len(want), most+1)]
			if got := all[at+gap : ends[i]]; !bytes.Equal(got, want) {
				t.Fatalf("row %d behind a gap of %d: %x, want %x", row, gap, got, want)
			}
			at = int(ends[i])
		}
		if at != len(all) || string(all[:6]) != "before" {
			t.Fatalf("%x: %d items end at %d of %d", all[:6], len(rows), at, len(all))
		}
	}
}

func TestHashesMatchItems(t *testing.T) {
	for seed := range uint64(20) {
		r := random(seed)
		events := randomEvents(r, 1+r.IntN(600), 9)
		built := buildBatch(t, r, events)
		decoded, err := DecodeBatch(built.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range []*Batch{built, decoded} {
			for i := range b.Columns {
				checkHashes(t, b, events, b.Columns[i].Name)
			}
			checkHashes(t, b, events, "missing")
			checkHashes(t, b, events)
			checkHashes(t, b, events, "field0", "missing", "field1")
			checkHashes(t, b, events, "field1", "field0")
		}
	}
}

// TestWholeEventItems checks that an event's item does not depend on its neighbours.
func TestWholeEventItems(t *testing.T) {
	r := random(5)
	events := randomEvents(r, 40, 8)
	whole := buildBatch(t, r, events)
	items, hashes := whole.Items([]string{"*"}), whole.Hashes([]string{"*"})
	for row := range events {
		alone := &Batch{}
		builder := NewBuilder(alone)
		builder.Begin()
		for name, v := range events[row].fields { // in any order
			setField(builder, name, v)
		}
		if err := builder.End(events[row].time); err != nil {
			t.Fatal(err)
		}
		got, want := items.AppendItem(nil, int32(row)), alone.Items([]string{"*"}).AppendItem(nil, 0)
		if !bytes.Equal(got, want) {
			t.Fatalf("row %d: %s among others, %s alone", row, got, want)
		}
		if _, err := DecodeItem(got); err != nil {
			t.Fatal(err)
		}
		if hashes[row] != HashItem(got) {
			t.Fatalf("row %d: hash %x, want %x", row, hashes[row], HashItem(got))
		}
	}
}

func TestHashesAreShared(t *testing.T) {
	r := random(6)
	b := buildBatch(t, r, randomEvents(r, 500, 6))
	var wait sync.WaitGroup
	got := make([][]uint64, 8)
	for i := range got {
		wait.Go(func() {
			b.Hashes([]string{"field1", "field2"})
			got[i] = b.Hashes([]string{"field0"})
			b.Bytes()
		})
	}
	wait.Wait()
	for i := range got {
		if &got[i][0] != &got[0][0] {
			t.Error("hashes were computed twice")
		}
	}
}

func TestAppendingDropsHashes(t *testing.T) {
	r := random(7)
	events := randomEvents(r, 10, 3)
	b := buildBatch(t, r, events)
	b.Hashes([]string{"field0"})
	b.AppendRows(buildBatch(t, r, events), []int32{3})
	checkHashes(t, b, append(events, events[3]), "field0")
}
