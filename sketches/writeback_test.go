package sketches

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// cachedSpecs is a column with every kind of sketch that a cache can stand before or beside.
func cachedSpecs(bloomCapacity uint64) []Spec {
	return []Spec{
		{Name: "distinct", Kind: KindHLL, Precision: 9},
		{Name: "seen", Kind: KindBloom, Capacity: bloomCapacity, Error: 0.01},
		{Name: "seen too", Kind: KindBloom, Bits: 4096, Hashes: 5},
		{Name: "often", Kind: KindCountMin, Weight: -1, Width: 256, Depth: 4},
		{Name: "weighs", Kind: KindCountMin, Weight: 0, Width: 256, Depth: 3},
		{Name: "hot", Kind: KindHotList, Weight: -1, Size: 20},
		{Name: "hotter", Kind: KindHotList, Weight: -1, Size: 7},
		{Name: "heavy", Kind: KindHotList, Weight: 0, Size: 9},
	}
}

const cachedHot = 5 // the sketch that is the cache

// direct is a layout of the same panes without a cache.
func direct(t testing.TB, specs []Spec) *Layout {
	l := mustLayout(t, specs)
	for c := range l.columns {
		l.columns[c].cache = -1
	}
	return l
}

// batched cuts rows into pieces of several lengths, some too short for the detour.
func batched(events []sketchtest.Event, seed uint64, f func(piece []sketchtest.Event)) {
	rng := rand.New(rand.NewPCG(seed, 5))
	for len(events) > 0 {
		n := min(len(events), 1+rng.IntN([]int{10, 100, 1500}[rng.IntN(3)]))
		f(events[:n:n])
		events = events[n:]
	}
}

// holed makes every tenth item null; null events stay in the stream without an item.
func holed(events []sketchtest.Event) []sketchtest.Event {
	out := make([]sketchtest.Event, len(events))
	for i, e := range events {
		e.Weight = 1
		if i%10 == 3 {
			e.Hash, e.Item, e.Weight = 0, nil, 0
		}
		out[i] = e
	}
	return out
}

// sameButHotLists compares the states that must not depend upon the path, bit by bit.
func sameButHotLists(t *testing.T, what string, got, want *Pane) {
	t.Helper()
	for i, s := range got.layout.specs {
		if s.Kind == KindHotList {
			continue
		}
		if !bytes.Equal(appendState(nil, got.wide.sketches[i]), appendState(nil, want.wide.sketches[i])) {
			t.Fatalf("%s: sketch %q is not what the direct path makes", what, s.Name)
		}
	}
}

// checkCovered: no item of the cache would change a HyperLogLog or a Bloom filter.
func checkCovered(t *testing.T, p *Pane) {
	t.Helper()
	if p.Column(0) {
		return
	}
	for _, hash := range sketchAs[*HotList](p.wide, cachedHot).tags {
		if hash != 0 && !p.wide.holds(p.layout, p.layout.columns[0].tabled, hash) {
			t.Fatalf("item %x is in the hot list but not in the column's other sketches", hash)
		}
	}
}

// TestWriteBackEqualsDirect: the same bits by way of the cache and without it,
// with filters that grow, with nulls, and after merging and decoding.
func TestWriteBackEqualsDirect(t *testing.T) {
	streams := append(sketchtest.Streams(6000, 20, 3), sketchtest.Stream{Name: "zipf 1.1", Events: zipfEvents(8000, 20_000, 1.1, 2)})
	for _, capacity := range []uint64{3000, 200} {
		for i, stream := range streams {
			what := fmt.Sprintf("%s, capacity %d", stream.Name, capacity)
			l, plain := mustLayout(t, cachedSpecs(capacity)), direct(t, cachedSpecs(capacity))
			if l.columns[0].cache != cachedHot {
				t.Fatal("the layout has no cache")
			}
			got, want := l.NewPane(), plain.NewPane()
			events := holed(stream.Events)
			batched(events, uint64(i), func(piece []sketchtest.Event) {
				got.Apply(rowsOf(piece))
				want.Apply(rowsOf(piece))
				checkCovered(t, got)
			})
			if got.Column(0) {
				continue
			}
			sameButHotLists(t, what, got, want)
			var counted []sketchtest.Event
			for _, e := range events {
				if e.Hash != 0 {
					counted = append(counted, e)
				}
			}
			checkHotList(t, sketchAs[*HotList](got.wide, cachedHot), 20, counted)
			checkHotList(t, sketchAs[*HotList](got.wide, cachedHot+1), 7, counted)

			if err := got.Merge(got.Clone(), l.All()); err != nil {
				t.Fatal(err)
			}
			if err := want.Merge(want.Clone(), plain.All()); err != nil {
				t.Fatal(err)
			}
			checkCovered(t, got)
			got.Apply(rowsOf(events))
			want.Apply(rowsOf(events))
			sameButHotLists(t, what+", after a merge", got, want)
		}
	}
}

// TestWriteBackForgetsNothing: a pane that was stored and read, or copied, goes
// on exactly as the one that stayed: no state beside the encoding decides anything.
func TestWriteBackForgetsNothing(t *testing.T) {
	l := mustLayout(t, cachedSpecs(3000))
	p := l.NewPane()
	batched(holed(zipfEvents(12_000, 20_000, 1.05, 4)), 1, func(piece []sketchtest.Event) {
		read, err := l.DecodePane(p.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		clone := p.Clone()
		for _, q := range []*Pane{p, read, clone} {
			q.Apply(rowsOf(piece))
		}
		if b := p.AppendBinary(nil); !bytes.Equal(read.AppendBinary(nil), b) || !bytes.Equal(clone.AppendBinary(nil), b) {
			t.Fatal("a pane that was read or copied went another way")
		}
	})
}

// TestWriteBackDistrusts: where the hot list knows items that the others do not,
// every event goes to every sketch.
func TestWriteBackDistrusts(t *testing.T) {
	specs := cachedSpecs(3000)
	l, plain := mustLayout(t, specs), direct(t, specs)
	events := zipfEvents(6000, 20_000, 1.1, 6)
	partial := func(l *Layout) *Pane {
		full, p := l.NewPane(), l.NewPane()
		full.Apply(rowsOf(events[:4000]))
		if err := p.Merge(full, Only(cachedHot)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	got, want := partial(l), partial(plain)
	again, err := l.DecodePane(got.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	want.Apply(rowsOf(events[2000:]))
	for what, p := range map[string]*Pane{"merged in part": got, "decoded": again} {
		p.Apply(rowsOf(events[2000:]))
		if p.wide.columns[0].trust != distrusted {
			t.Fatalf("%s: the cache is trusted", what)
		}
		sameButHotLists(t, what, p, want)
	}
}

// TestWriteBackAllocates: nothing an event, once the scratch is there.
func TestWriteBackAllocates(t *testing.T) {
	l := mustLayout(t, cachedSpecs(1_000_000))
	p := l.NewPane()
	rows := rowsOf(zipfEvents(4096, 100, 1.1, 7)) // few enough items to stay in the list's order
	p.Apply(rows)
	p.Apply(rows)
	if n := testing.AllocsPerRun(20, func() { p.Apply(rows) }); n > 4096/100 {
		t.Errorf("%v allocations in 4096 events", n)
	}
}

func BenchmarkWriteBack(b *testing.B) {
	specs := sixSpecs(-1)[:6]
	specs[0].Precision, specs[1].Capacity, specs[2].Width, specs[3].Size, specs[4].Size = 14, 1_000_000, 1<<16, 256, 1000
	for name, skew := range map[string]float64{"zipf": 1.1, "uniform": 0} {
		var batches []*Rows
		for events := zipfEvents(1<<18, 1<<20, skew, 1); len(events) > 0; events = events[1<<13:] {
			batches = append(batches, rowsOf(events[:1<<13:1<<13]))
		}
		for path, l := range map[string]*Layout{"cache": mustLayout(b, specs), "direct": direct(b, specs)} {
			b.Run(name+"/"+path, func(b *testing.B) {
				p := l.NewPane()
				p.Apply(batches[0])
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					p.Apply(batches[i%len(batches)])
				}
				perEvent(b, len(batches[0].Times))
			})
		}
	}
}
