package sketches

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"sketchlog/sketches/sketchtest"
)

const testHalfLife = 20000

// sixSpecs is a layout of all kinds over one item column; small sizes promote early.
func sixSpecs(weight int) []Spec {
	return []Spec{
		{Name: "users", Kind: KindHLL, Precision: 9},
		{Name: "seen", Kind: KindBloom, Capacity: 5000, Error: 0.01},
		{Name: "often", Kind: KindCountMin, Weight: weight, Width: 256, Depth: 4, Confidence: 0.98},
		{Name: "hot", Kind: KindHotList, Weight: weight, Size: 40},
		{Name: "some", Kind: KindReservoir, Size: 20},
		{Name: "lately", Kind: KindDecay, HalfLife: testHalfLife},
		{Name: "all", Kind: KindDecay, Factor: 1},
		{Name: "fine", Kind: KindHLL, Precision: 14},
	}
}

// commuting are the kinds whose update commutes, to the bit.
func commuting() []Spec {
	six := sixSpecs(0)
	return []Spec{six[0], six[1], six[2], six[4], six[6], {Name: "plain", Kind: KindCountMin, Weight: -1, Width: 512, Depth: 3}}
}

func mustLayout(t testing.TB, specs []Spec) *Layout {
	t.Helper()
	l, err := NewLayout(1, 1, 1, specs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// mustHashed is mustLayout of a layout that knows the hashes of items, as those of views do.
func mustHashed(t testing.TB, specs []Spec) *Layout {
	t.Helper()
	l, err := NewHashedLayout(sketchtest.Hash, 1, 1, 1, specs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func paneSubject(l *Layout, canonical, symmetric bool, which Set) sketchtest.Subject[*Pane] {
	return sketchtest.Subject[*Pane]{
		New:       l.NewPane,
		Add:       func(p *Pane, events []sketchtest.Event) { p.Apply(rowsOf(events)) },
		Merge:     func(dst, src *Pane) error { return dst.Merge(src, which) },
		Encode:    func(p *Pane) []byte { return p.AppendBinary(nil) },
		Decode:    l.DecodePane,
		Canonical: canonical, Symmetric: symmetric,
		Check:   func(t testing.TB, p *Pane, events []sketchtest.Event) { t.Helper(); checkPane(t, p, events) },
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}
}

func TestPaneLaws(t *testing.T) {
	streams := sketchtest.Streams(1500, 40, 5)
	layouts := map[string][]Spec{
		"six": sixSpecs(-1), "weighted": sixSpecs(0), "sample alone": {{Name: "some", Kind: KindReservoir, Size: 20}},
		"sum alone": {{Name: "lately", Kind: KindDecay, HalfLife: testHalfLife}}, "counts": {},
		"hot alone": {{Name: "hot", Kind: KindHotList, Weight: -1, Size: 3}},
	}
	for name, specs := range layouts {
		l := mustLayout(t, specs)
		canonical := name == "counts" || name == "sample alone"
		t.Run(name, func(t *testing.T) {
			sketchtest.Laws(t, paneSubject(l, canonical, true, l.All()), streams)
		})
	}
	l := mustLayout(t, commuting())
	t.Run("commuting", func(t *testing.T) {
		sketchtest.Laws(t, paneSubject(l, true, true, l.All()), streams)
	})
}

// TestPaneColumns: columns do not disturb one another.
func TestPaneColumns(t *testing.T) {
	specs := []Spec{
		{Name: "a", Kind: KindReservoir, Column: 0, Size: 30},
		{Name: "b", Kind: KindHotList, Column: 1, Weight: 1, Size: 10},
		{Name: "c", Kind: KindHotList, Column: 1, Weight: 0, Size: 10},
		{Name: "d", Kind: KindReservoir, Column: 1, Size: 25},
		{Name: "e", Kind: KindReservoir, Column: 1, Size: 2000},
		{Name: "f", Kind: KindHLL, Column: 3, Precision: 4},
	}
	l, err := NewLayout(4, 2, 0, specs)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 5, 24, 25, 26, 40, 300, 3000} {
		p := l.NewPane()
		events := sketchtest.Streams(n, 10, 3)[0].Events
		other := sketchtest.Streams(n, 10, 4)[8].Events
		a, b := rowsOf(events), rowsOf(other)
		r := &Rows{Index: a.Index, Times: a.Times, Positions: a.Positions, Late: a.Late,
			Hashes: [][]uint64{a.Hashes[0], b.Hashes[0], a.Hashes[0], b.Hashes[0]}, Items: []Items{a.Items[0], b.Items[0], a.Items[0], b.Items[0]},
			Weights: [][]int64{a.Weights[0], make([]int64, n)}}
		for i := range n {
			r.Weights[1][i] = int64(i % 3)
		}
		p.Apply(r)
		q, err := l.DecodePane(p.AppendBinary(nil))
		if err != nil {
			t.Fatalf("%d events: %v", n, err)
		}
		want := map[string]uint64{}
		for i, e := range other {
			want[string(e.Item)] += uint64(i % 3)
		}
		for _, p := range []*Pane{p, q} {
			items, population := p.Sample(0, 30)
			checkSample(t, items, population, 30, events)
			items, population = p.Sample(4, 2000)
			checkSample(t, items, population, 2000, other)
			top, bound, exact := p.TopK(1, 7)
			if !exact || bound != 0 {
				t.Fatalf("%d events of seven items: exact %v, bound %v", n, exact, bound)
			}
			for _, c := range top {
				if uint64(c.Value) != want[string(c.Item)] {
					t.Errorf("%q weighs %v, want %v", c.Item, c.Value, want[string(c.Item)])
				}
			}
			if got := p.Distinct(5, 0.95); got.Value != float64(len(want)) || !got.Exact {
				t.Errorf("distinct %+v, want %d", got, len(want))
			}
		}
	}
}

// checkPane checks every answer of a pane of one item column.
func checkPane(t testing.TB, p *Pane, events []sketchtest.Event) {
	t.Helper()
	truth := sketchtest.Exact(events)
	var late, ignored uint64
	bytes := 0
	for _, e := range events {
		if e.Late {
			late++
		}
		if e.Weight < 0 && e.Hash != 0 {
			ignored++
		}
	}
	seen := map[uint64]bool{}
	for _, e := range events {
		if e.Hash != 0 && !seen[e.Hash] {
			seen[e.Hash] = true
			bytes += len(e.Item)
		}
	}
	if p.Events() != uint64(len(events)) || p.Late() != late {
		t.Fatalf("%d events, %d late; want %d, %d", p.Events(), p.Late(), len(events), late)
	}
	if least, greatest := p.Times(); len(events) > 0 {
		byTime := func(a, b sketchtest.Event) int { return int(a.Time - b.Time) }
		if least != slices.MinFunc(events, byTime).Time || greatest != slices.MaxFunc(events, byTime).Time {
			t.Fatalf("times %d..%d", least, greatest)
		}
	}
	plan := &p.layout.columns[0]
	if !plan.items {
		bytes = 0
	}
	if plan.tabled != 0 {
		if exact := plan.fits(len(truth.Counts), bytes); exact != p.Column(0) {
			t.Fatalf("%d distinct items of %d bytes: exact is %v", len(truth.Counts), bytes, p.Column(0))
		}
	}
	for i, s := range p.layout.specs {
		if s.weighted() && p.Ignored(i) != ignored {
			t.Errorf("%d ignored, want %d", p.Ignored(i), ignored)
		}
		checkAnswer(t, p, i, truth, events)
	}
}

func checkAnswer(t testing.TB, p *Pane, i int, truth sketchtest.Truth, events []sketchtest.Event) {
	t.Helper()
	s := &p.layout.specs[i]
	weights := truth.Counts
	total := truth.Total
	if s.weighted() {
		weights, total = truth.Weights, truth.Weight
	}
	absent, _ := sketchtest.Item(-77)
	holds := func(e Estimate, f float64, what any) {
		t.Helper()
		if e.Low > e.Value || e.Value > e.High || f < e.Low || f > e.High || e.Exact && e.High != e.Low {
			t.Fatalf("%s: %v is %v, answered with %+v", s.Name, what, f, e)
		}
		if e.Exact != p.Column(s.Column) {
			t.Fatalf("%s: exact is %v", s.Name, e.Exact)
		}
	}
	switch s.Kind {
	case KindHLL:
		holds(p.Distinct(i, 0.99999), float64(len(truth.Counts)), "distinct")
	case KindBloom:
		hashes := slices.Collect(maps.Keys(truth.Counts))
		all, _ := p.ContainsAll(i, append(hashes, 0))
		for j, hash := range hashes {
			if !all[j] {
				t.Fatalf("item %x was forgotten", hash)
			}
		}
		if all[len(hashes)] {
			t.Fatal("a null item was seen")
		}
		if maybe, rate := p.Contains(i, absent); maybe && rate == 0 || rate > 0.011 {
			t.Fatalf("absent item: %v at rate %v", maybe, rate)
		}
	case KindCountMin:
		for hash := range truth.Counts {
			e := p.Frequency(i, hash, 0.999)
			if f := float64(weights[hash]); f > e.High || e.Exact && e.Value != f {
				t.Fatalf("item %x weighs %v, answered with %+v", hash, f, e)
			}
		}
	case KindHotList:
		for hash := range truth.Counts {
			holds(p.Frequency(i, hash, 0.95), float64(weights[hash]), hash)
		}
		holds(p.Frequency(i, absent, 0.95), 0, "absent")
		top, bound, exact := p.TopK(i, 10)
		if bound > float64(total)/float64(s.Size+1)+1 || exact != p.Column(0) || exact && bound != 0 {
			t.Fatalf("error bound %v of %d, exact %v", bound, total, exact)
		}
		for j, c := range top {
			holds(c.Estimate, float64(weights[c.Hash]), string(c.Item))
			if j > 0 && c.Value > top[j-1].Value || c.High-c.Low > bound {
				t.Fatalf("place %d: %+v", j, c)
			}
		}
	case KindReservoir:
		items, population := p.Sample(i, s.Size)
		checkSample(t, items, population, s.Size, events)
	case KindDecay:
		if s.HalfLife > 0 {
			checkDecay(t, func(at int64) float64 { return p.Sum(i, at).Value }, float64(s.HalfLife), events)
		}
	}
}

// TestMergeOnly: a query merges and holds only what it asks for.
func TestMergeOnly(t *testing.T) {
	l := mustLayout(t, sixSpecs(-1))
	events := sketchtest.Streams(3000, 40, 9)[0].Events
	parts := sketchtest.Split(events, 12, rand.New(rand.NewPCG(1, 2)))
	small := sketchtest.Split(events[:60], 30, rand.New(rand.NewPCG(1, 3)))
	for _, parts := range [][][]sketchtest.Event{parts, small, append(slices.Clone(small), parts...)} {
		var all []sketchtest.Event
		for _, part := range parts {
			all = append(all, part...)
		}
		truth := sketchtest.Exact(all)
		for i := range l.specs {
			dst := l.NewPane()
			for _, part := range parts {
				p := l.NewPane()
				p.Apply(rowsOf(part))
				if err := dst.Merge(p, Only(i)); err != nil {
					t.Fatal(err)
				}
			}
			if dst.Events() != uint64(len(all)) {
				t.Fatalf("%d events, want %d", dst.Events(), len(all))
			}
			checkAnswer(t, dst, i, truth, all)
			if dst.wide != nil {
				for j, s := range dst.wide.sketches {
					if s != nil && j != i {
						t.Errorf("merging sketch %d made sketch %d", i, j)
					}
				}
			}
			again, err := l.DecodePane(dst.AppendBinary(nil))
			if err != nil {
				t.Fatalf("a partial pane does not decode: %v", err)
			}
			checkAnswer(t, again, i, truth, all)
		}
		counts := l.NewPane()
		p := l.NewPane()
		p.Apply(rowsOf(all))
		if err := counts.Merge(p, Only(-1)); err != nil || counts.Events() != p.Events() || counts.block.first != nil {
			t.Errorf("merging counts alone: %v, %d events", err, counts.Events())
		}
	}
}

// TestFollow: panes of one key in order are as one pane, for decay by factor as well.
func TestFollow(t *testing.T) {
	l := mustLayout(t, []Spec{{Name: "s", Kind: KindDecay, Factor: 0.97}})
	events := sketchtest.Streams(1000, 4, 1)[0].Events
	whole, parts := l.NewPane(), l.NewPane()
	whole.Apply(rowsOf(events))
	for len(events) > 0 {
		n := min(len(events), 130)
		p := l.NewPane()
		p.Apply(rowsOf(events[:n]))
		events = events[n:]
		if err := parts.Follow(p, l.All()); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := whole.Sum(0, 0).Value, parts.Sum(0, 0).Value; math.Abs(a-b) > 1e-12*a {
		t.Errorf("one pane has %v, eight have %v", a, b)
	}
}

func TestLayoutFaults(t *testing.T) {
	_, err := NewLayout(1, 1, 0, []Spec{
		{Name: "a", Kind: KindHLL, Precision: 3},
		{Name: "b", Kind: KindBloom, Column: 1, Error: 7},
		{Name: "b", Kind: KindCountMin, Width: 100, Depth: 99, Weight: 1},
		{Name: "d", Kind: KindHotList, Size: -1, Weight: -1},
		{Name: "e", Kind: KindReservoir, Size: 1 << 30},
		{Name: "f", Kind: KindDecay, Factor: 2},
		{Name: "g", Kind: "median"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"precision 3", "item column 1", "error 7", "capacity is 0", "used twice", "width 100", "depth 99", "weight column 1",
		"size -1", "size 1073741824", "value column 0", "not 2", `kind "median"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s:\n%v", want, err)
		}
	}
}

func TestMismatch(t *testing.T) {
	a, b := mustLayout(t, sixSpecs(-1)), mustLayout(t, sixSpecs(0))
	p := a.NewPane()
	if err := p.Merge(b.NewPane(), 0); !errors.Is(err, ErrMismatch) {
		t.Errorf("merge: %v", err)
	}
	if _, err := b.DecodePane(p.AppendBinary(nil)); !errors.Is(err, ErrMismatch) {
		t.Errorf("decode: %v", err)
	}
	if i, ok := a.Index("hot"); !ok || i != 3 {
		t.Errorf("index of hot: %d, %v", i, ok)
	}
}

// manyKeysSpecs are six sketches on one item column, of usual sizes.
func manyKeysSpecs() []Spec {
	return []Spec{
		{Name: "a", Kind: KindHLL, Precision: 14},
		{Name: "b", Kind: KindBloom, Capacity: 100000, Error: 0.01},
		{Name: "c", Kind: KindCountMin, Weight: -1, Width: 1 << 16, Depth: 4},
		{Name: "d", Kind: KindHotList, Weight: -1, Size: 256},
		{Name: "e", Kind: KindReservoir, Size: 100},
		{Name: "f", Kind: KindDecay, HalfLife: 600000},
	}
}

// keyMemory fills so many panes with the same events, one at a time as they
// would come, and returns the live heap of one, and what one says that it takes.
func keyMemory(l *Layout, keys int, events []sketchtest.Event) (perKey, size int) {
	var rows []*Rows
	for i := range events {
		rows = append(rows, rowsOf(events[i:i+1]))
	}
	panes := make([]*Pane, keys)
	before := liveHeap()
	for i := range panes {
		panes[i] = l.NewPane()
		for _, r := range rows {
			panes[i].Apply(r)
		}
	}
	perKey = int(liveHeap()-before) / keys
	size = panes[0].Size()
	runtime.KeepAlive(panes)
	return perKey, size
}

// TestCompactMemory bounds what a key with few items costs, pane included, and
// compares what Size says with what the heap holds, also past the block and the sample.
func TestCompactMemory(t *testing.T) {
	l := mustHashed(t, manyKeysSpecs())
	for _, c := range []struct{ items, keys, limit int }{{1, 5000, 200}, {10, 5000, 500}, {40, 1000, 2500}, {300, 200, 30_000}} {
		perKey, size := keyMemory(l, c.keys, sketchtest.Streams(c.items, 4, 1)[5].Events)
		t.Logf("%d items: %d bytes a key, Size says %d", c.items, perKey, size)
		if perKey > c.limit {
			t.Errorf("%d items take %d bytes a key, above %d", c.items, perKey, c.limit)
		}
		if size < perKey*3/4 || size > perKey*5/4 {
			t.Errorf("Size says %d where a key of %d items takes %d", size, c.items, perKey)
		}
	}
}

// BenchmarkMillionKeys: a million keys of one item each fit in 200 MB, of ten in 500 MB.
func BenchmarkMillionKeys(b *testing.B) {
	l := mustHashed(b, manyKeysSpecs())
	for _, c := range []struct{ items, limit int }{{1, 200}, {10, 500}} {
		b.Run(fmt.Sprintf("items=%d", c.items), func(b *testing.B) {
			for range b.N {
				perKey, _ := keyMemory(l, 1_000_000, sketchtest.Streams(c.items, 4, 1)[5].Events)
				b.ReportMetric(float64(perKey), "B/key")
				if perKey > c.limit {
					b.Errorf("%d items take %d bytes a key, above %d", c.items, perKey, c.limit)
				}
			}
		})
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestConcurrentReaders: reading never changes a pane; the race detector watches.
func TestConcurrentReaders(t *testing.T) {
	l := mustLayout(t, sixSpecs(-1))
	events := sketchtest.Streams(1500, 40, 9)[0].Events
	truth := sketchtest.Exact(events)
	for _, n := range []int{10, 300, len(events)} {
		p := l.NewPane()
		p.Apply(rowsOf(events[:n]))
		want := p.AppendBinary(nil)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				dst := l.NewPane()
				if err := dst.Merge(p, l.All()); err != nil {
					t.Error(err)
				}
				for i := range l.specs {
					if n == len(events) {
						checkAnswer(t, p, i, truth, events)
					}
				}
				p.Size()
				if !slices.Equal(want, p.AppendBinary(nil)) {
					t.Error("reading changed the pane")
				}
			})
		}
		wait.Wait()
	}
}

// Which sketches a table becomes must not depend on the order in which its items came,
// also where they are too many for the first Bloom filter.
func TestPromotionForgetsTheOrder(t *testing.T) {
	for _, seen := range []Spec{
		{Name: "seen", Kind: KindBloom, Capacity: 8, Error: 0.01},
		{Name: "seen", Kind: KindBloom, Capacity: 5000, Error: 0.01},
		{Name: "seen", Kind: KindBloom, Bits: 512, Hashes: 16},
	} {
		l := mustLayout(t, []Spec{{Name: "users", Kind: KindHLL, Precision: 9}, seen, {Name: "often", Kind: KindCountMin, Weight: -1, Width: 64, Depth: 4}})
		events := sketchtest.Streams(2*tableEntries, 10, 3)[5].Events // all distinct
		n, p := 0, l.NewPane()
		for ; p.Column(0) && n < len(events); n++ {
			p.Apply(rowsOf(events[n : n+1]))
		}
		if p.Column(0) {
			t.Fatalf("%+v: never promoted", seen)
		}
		backwards := slices.Clone(events[:n])
		slices.Reverse(backwards)
		q := l.NewPane()
		q.Apply(rowsOf(backwards))
		if !bytes.Equal(appendState(nil, p.wide.sketches[1]), appendState(nil, q.wide.sketches[1])) {
			t.Errorf("%+v: the filter depends on the order of %d items", seen, n)
		}
	}
}
