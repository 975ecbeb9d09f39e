package view

// This file tests the grouping of a batch against a map, and measures applying.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/shedding"
)

func TestGroupAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	values := []any{nil, "a", "b", 1, 2.5, true, "", "a\x00"}
	names, numbered := []string{"a", "b", "cc", "", "a\x00b"}, 0
	for _, by := range [][]string{{}, {"x"}, {"x", "y"}, {"nowhere"}, {"y", "nowhere", "x"}, {"name"}} {
		for round := range 30 {
			n := r.IntN(200)
			events := make([]testEvent, n)
			for i := range events {
				events[i] = testEvent{time: int64(i), fields: map[string]any{"x": values[r.IntN(len(values))], "y": values[r.IntN(len(values))], "w": r.IntN(5) - 1, "name": names[r.IntN(len(names))]}}
			}
			b := batchOf(t, events)
			// As it comes from a request, as an appender leaves it, and as it is read from the log.
			if record := b.AppendBinary(nil); round%3 == 2 {
				var err error
				if b, err = event.DecodeBatch(record); err != nil {
					t.Fatal(err)
				}
			} else if round%3 == 0 {
				b = batchOf(t, events)
			}
			w := batchWork{spans: []spanID{{0, 10}, {10, 10}, {20, 10}}}
			type at struct {
				span int32
				key  string
			}
			want, late := map[at][]int32{}, map[at]int32{}
			var order []at
			for i := range n {
				if r.IntN(4) == 0 {
					continue // a row that a filter dropped
				}
				span, behind := int32(r.IntN(3)), r.IntN(2) == 0
				w.rows, w.spanOf, w.late = append(w.rows, int32(i)), append(w.spanOf, span), append(w.late, behind)
				where := at{span, string(b.Items(by).AppendTuple(nil, int32(i)))}
				if want[where] == nil {
					order = append(order, where)
				}
				want[where] = append(want[where], int32(i))
				if behind {
					late[where]++
				}
			}
			w.hashKeys(b, by)
			if w.codes != nil {
				numbered++
			}
			w.group()
			d, err := ParseDefinition([]byte(`{"stream": "s", "sketches": {"a": {"kind": "hotlist", "of": "x", "weight": "w"}, "b": {"kind": "decay", "of": "w", "factor": 0.5}}}`))
			if err != nil {
				t.Fatal(err)
			}
			p, err := newPlan(&d)
			if err != nil {
				t.Fatal(err)
			}
			w.gather(b, p, 7)
			if len(w.groups) != len(order) {
				t.Fatalf("%v: %d groups, want %d", by, len(w.groups), len(order))
			}
			for i, g := range w.groups {
				where := at{g.span, string(w.keys.AppendTuple(nil, g.first))}
				rows := w.sorted.part(g.end-g.rows, g.end, int(g.late))
				if where != order[i] || !slices.Equal(rows.Index, want[where]) || int32(rows.Late) != late[where] {
					t.Fatalf("%v: group %d is %q of %v, want %q of %v", by, i, where, rows.Index, order[i], want[order[i]])
				}
				for j, row := range rows.Index {
					x, weight := b.Hashes([]string{"x"})[row], int64(events[row].fields["w"].(int))
					if rows.Hashes[0][j] != x || rows.Weights[0][j] != weight || rows.Values[0][j] != float64(weight) || rows.Times[j] != int64(row) || rows.Positions[j] != mix(7+golden*uint64(row)) {
						t.Fatalf("row %d was gathered wrongly", row)
					}
				}
			}
		}
	}
	if numbered < 10 {
		t.Errorf("keys were numbered %d times: the fast path was hardly tested", numbered)
	}
}

// BenchmarkGroup groups batches by key and minute and gathers the columns of six
// sketches, without applying them.
func BenchmarkGroup(b *testing.B) {
	const rows = 5000
	d, err := ParseDefinition([]byte(`{"stream": "s", "by": ["key"], "sketches": {
		"distinct": {"kind": "hll", "of": "item"}, "hot": {"kind": "hotlist", "of": "item", "weight": "value"}, "recent": {"kind": "decay", "of": "value", "half_life": "10m"}}}`))
	if err != nil {
		b.Fatal(err)
	}
	p, err := newPlan(&d)
	if err != nil {
		b.Fatal(err)
	}
	batches := benchmarkBatches(b, 8, rows)
	w := batchWork{spans: []spanID{{0, 10}}, spanOf: make([]int32, rows), late: make([]bool, rows)}
	b.ReportAllocs()
	for b.Loop() {
		for _, batch := range batches {
			w.rows = w.filter.appendRows(w.rows[:0], nil, batch)
			w.hashKeys(batch, p.by)
			w.group()
			w.gather(batch, p, 7)
			w.release()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batches)*rows), "ns/event")
}

func TestWeightsAndValues(t *testing.T) {
	given := []any{nil, "5", true, 0, 7, -3, 2.5, 2.4, -0.4, -0.6, 1e300, -1e300, 0x1p63, 0x1p62, math.MaxInt64}
	weights := []int64{-1, -1, -1, 0, 7, -1, 3, 2, 0, -1, -1, -1, -1, 1 << 62, math.MaxInt64}
	var events []testEvent
	var rows []int32
	for i, v := range given {
		events = append(events, testEvent{fields: map[string]any{"w": v, "i": i}})
		rows = append(rows, int32(i))
	}
	b := batchOf(t, events)
	got, values := make([]int64, len(rows)), make([]float64, len(rows))
	weight(got, b.Column("w"), rows)
	value(values, b.Column("w"), rows)
	if !slices.Equal(got, weights) {
		t.Errorf("weights %v, want %v", got, weights)
	}
	for i, v := range given {
		n, ok := valueOf(v).Number()
		if ok != !math.IsNaN(values[i]) || ok && n != values[i] {
			t.Errorf("value of %v is %v", v, values[i])
		}
	}
	weight(got[:1], nil, rows[:1])
	value(values[:1], nil, rows[:1])
	if got[0] != -1 || !math.IsNaN(values[0]) {
		t.Errorf("of a missing column: %v, %v", got[0], values[0])
	}
}

// A position is a function of partition, offset and index, and hardly two of
// them are alike.
func TestPositions(t *testing.T) {
	seen := map[uint64]bool{}
	for partition := range 5 {
		for offset := range uint64(50) {
			base := positionBase(partition, offset)
			for row := range uint64(50) {
				seen[mix(base+golden*row)] = true
			}
		}
	}
	if len(seen) != 5*50*50 {
		t.Errorf("%d different positions of %d", len(seen), 5*50*50)
	}
}

// A sample is what the rate keeps by position, or by an item that is none of null.
func TestSampleKeepsWhatTheRateDoes(t *testing.T) {
	s := dating(t, `{"stream": "s", "sketches": {"d": {"kind": "hll", "of": "item"}, "b": {"kind": "bloom", "of": ["key", "n"]}, "c": {"kind": "countmin", "of": "ok"}}}`, 0)
	r := rand.New(rand.NewPCG(1, 2))
	for rate := shedding.Rate(1); rate <= shedding.Coarsest; rate++ {
		events := zipfEvents(uint64(rate), 3000)
		for i := range events {
			if r.IntN(3) == 0 {
				events[i].fields["item"] = nil
			}
		}
		b, base, w := batchOf(t, events), positionBase(3, uint64(rate)), &s.work
		w.rows = w.rows[:0]
		var want []int32
		for row := range int32(len(events)) {
			if r.IntN(4) == 0 {
				continue
			}
			w.rows = append(w.rows, row)
			item, pair := b.Hashes([]string{"item"})[row], b.Hashes([]string{"key", "n"})[row]
			if rate.Keeps(mix(base+golden*uint64(row))) || item != 0 && rate.Keeps(item) || pair != 0 && rate.Keeps(pair) {
				want = append(want, row)
			}
		}
		if w.sample(b, s.view.plan, base, rate); !slices.Equal(w.rows, want) {
			t.Errorf("at rate %v %d rows are kept, want %d", rate.Value(), len(w.rows), len(want))
		}
	}
}

// benchmarkBatches are records of 1,000 keys and a million items.
func benchmarkBatches(b *testing.B, records, rows int) []*event.Batch {
	r := rand.New(rand.NewPCG(1, 1))
	keys, items := rand.NewZipf(r, 1.1, 1, 999), rand.NewZipf(r, 1.05, 1, 1_000_000)
	out := make([]*event.Batch, records)
	at := int64(1_700_000_000_000)
	for i := range out {
		events := make([]testEvent, rows)
		for j := range events {
			at += 1
			events[j] = testEvent{time: at, fields: map[string]any{"key": fmt.Sprintf("key-%d", keys.Uint64()), "item": fmt.Sprintf("item-%d", items.Uint64()), "value": int(1 + r.Uint64N(100))}}
		}
		record := batchOf(b, events).AppendBinary(nil)
		var err error
		if out[i], err = event.DecodeBatch(record); err != nil { // with its dictionaries
			b.Fatal(err)
		}
	}
	return out
}

// BenchmarkApply applies records of 10,000 events to a view of six sketches by
// minute. Custom metrics are per event.
func BenchmarkApply(b *testing.B) {
	const six = `{"stream": "s", "by": ["key"], "pane": "1m", "sketches": {
		"distinct": {"kind": "hll", "of": "item"}, "seen": {"kind": "bloom", "of": "item", "capacity": 10000},
		"often": {"kind": "countmin", "of": "item"}, "hot": {"kind": "hotlist", "of": "item", "weight": "value"},
		"sample": {"kind": "reservoir", "of": "item"}, "recent": {"kind": "decay", "of": "value", "half_life": "10m"}}}`
	for name, text := range map[string]string{
		"six":    six,
		"where":  `{"stream": "s", "by": ["key"], "where": "value > 50 && item != \"x\"", "pane": "1m", "sketches": {"d": {"kind": "hll", "of": "item"}}}`,
		"counts": `{"stream": "s", "by": ["key"], "pane": "1m"}`,
	} {
		b.Run(name, func(b *testing.B) {
			const rows = 10_000
			batches := benchmarkBatches(b, 60, rows)
			t := &testing.T{}
			streams := newTestStreams(t)
			streams.make("s", 1)
			store, err := OpenStore(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			shard := benchmarkShard(b, store, streams, text)
			offset := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for _, batch := range batches {
					offset++
					if err := shard.apply(entryOf(offset, batch), shedding.Full); err != nil {
						b.Fatal(err)
					}
				}
			}
			events := float64(b.N * len(batches) * rows)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
		})
	}
}

func benchmarkShard(b testing.TB, store *Store, streams *testStreams, text string) *Shard {
	views, err := Open(b.Context(), Config{Store: store, Streams: streams, Catalog: streams.log.Catalog()})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := views.Put(b.Context(), "v", []byte(text)); err != nil {
		b.Fatal(err)
	}
	v, err := views.Get("v")
	if err != nil {
		b.Fatal(err)
	}
	return v.Partitions()[0]
}

func entryOf(offset uint64, b *event.Batch) eventlog.Entry {
	return eventlog.Entry{First: offset, Offset: offset, Batch: b}
}
