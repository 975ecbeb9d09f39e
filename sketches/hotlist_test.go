package sketches

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// zipfEvents are n events of items with frequencies as 1/rank^s.
func zipfEvents(n, items int, s float64, seed uint64) []sketchtest.Event {
	rng := rand.New(rand.NewPCG(seed, 1))
	sums := make([]float64, items)
	total := 0.0
	for i := range sums {
		total += math.Pow(float64(i+1), -s)
		sums[i] = total
	}
	events := make([]sketchtest.Event, n)
	for i := range events {
		rank, _ := slices.BinarySearch(sums, rng.Float64()*total)
		e := &events[i]
		e.Hash, e.Item = sketchtest.Item(rank)
		e.Time, e.Position, e.Weight, e.Value = int64(i), sketchtest.Mix(seed<<32+uint64(i)), 1, 1
	}
	return events
}

// TestHotListFindsTheHead: on a skewed stream a list of 256 holds the true top
// 100 with counts that are all but exact, in one piece and merged from 64.
func TestHotListFindsTheHead(t *testing.T) {
	const k, n = 256, 200_000
	events := zipfEvents(n, 100_000, 1.1, 1)
	truth := sketchtest.Exact(events)
	u := hotListSubject(k)
	whole, merged := u.New(), u.New()
	u.Add(whole, events)
	for _, part := range sketchtest.Split(events, 64, rand.New(rand.NewPCG(1, 1))) {
		h := u.New()
		u.Add(h, part)
		if err := merged.Merge(h); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		list      *HotList
		found     int
		meanError float64
	}{"whole": {whole, 100, 0.005}, "merged": {merged, 100, 0.05}} {
		checkHotList(t, c.list, k, events)
		found, sum := 0, 0.0
		for rank := range 100 {
			hash, _ := sketchtest.Item(rank)
			if slot := c.list.find(hash); slot >= 0 {
				found++
				f := float64(truth.Weights[hash])
				sum += math.Abs(f-c.list.estimate(hash).Value) / f
			}
		}
		t.Logf("%s: %d of the top 100, mean error %.5f, error bound %d of %d", name, found, sum/float64(found), c.list.ErrorBound(), n/(k+1))
		if found < c.found || sum/float64(found) > c.meanError {
			t.Errorf("%s: %d of the top 100 with mean error %v", name, found, sum/float64(found))
		}
	}
}

// TestHotListExactWhileSmall: nothing is lost before the table is full.
func TestHotListExactWhileSmall(t *testing.T) {
	u := hotListSubject(16)
	h := u.New()
	events := sketchtest.Streams(500, 15, 1)[4].Events // 16 items, round robin
	u.Add(h, events)
	if h.ErrorBound() != 0 {
		t.Errorf("error bound %d for 16 items in a list of 16", h.ErrorBound())
	}
}

// TestHotListOverflow: weights beyond all measure saturate, without breaking anything.
func TestHotListOverflow(t *testing.T) {
	h, _ := NewHotList(2)
	for i := range 40 {
		hash, item := sketchtest.Item(i % 5)
		h.Add(hash, math.MaxInt64, item)
		h.AddRows([]uint64{hash, hash}, []int64{math.MaxInt64, 3}, batchItems{{Item: item}}, []int32{0, 0})
	}
	if err := h.Merge(h); err != nil {
		t.Fatal(err)
	}
	if h.Total() != math.MaxUint64 {
		t.Errorf("total %d", h.Total())
	}
	if _, _, err := DecodeHotList(h.AppendBinary(nil), 2); err != nil {
		t.Error(err)
	}
	if err := h.Merge(&HotList{size: 3}); !errors.Is(err, ErrMismatch) {
		t.Errorf("merging lists of other sizes: %v", err)
	}
}

// TestDoor compares the doorkeeper with a map.
func TestDoor(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	const size = 20
	var d door
	model := map[uint64]bool{}
	for range 20000 {
		hash := sketchtest.Mix(rng.Uint64N(40)) &^ (3 << 24) // crowded homes
		switch {
		case len(model) == size && rng.IntN(3) == 0:
			d.reset()
			clear(model)
		case model[hash] && rng.IntN(2) == 0:
			delete(model, hash)
			if !d.remove(hash) {
				t.Fatal("not there to be removed")
			}
		case !model[hash] && len(model) < size:
			model[hash] = true
			d.add(hash, size)
		}
		if d.n != len(model) {
			t.Fatalf("%d hashes, want %d", d.n, len(model))
		}
		d.all(func(x uint64) {
			if !model[x] || !d.has(x) {
				t.Fatalf("%x should not be there, or cannot be found", x)
			}
		})
	}
}

func BenchmarkHotList(b *testing.B) {
	for name, events := range map[string][]sketchtest.Event{
		"zipf": zipfEvents(1<<16, 1<<20, 1.1, 1), "uniform": sketchtest.Streams(1<<16, 1<<18, 1)[2].Events,
	} {
		r := rowsOf(events)
		b.Run(name, func(b *testing.B) {
			h, _ := NewHotList(256)
			b.ReportAllocs()
			for range b.N {
				h.AddRows(r.Hashes[0], nil, r.Items[0], r.Index)
			}
			perEvent(b, len(events))
		})
	}
}

func perEvent(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}

func BenchmarkPaneApply(b *testing.B) {
	specs := sixSpecs(-1)[:6]
	specs[0].Precision, specs[1].Capacity, specs[2].Width, specs[3].Size, specs[4].Size = 14, 1_000_000, 1<<16, 256, 100
	l := mustLayout(b, specs)
	for name, events := range map[string][]sketchtest.Event{
		"zipf": zipfEvents(1<<16, 1<<20, 1.1, 1), "uniform": sketchtest.Streams(1<<16, 1<<18, 1)[2].Events,
	} {
		r := rowsOf(events)
		b.Run("promoted/"+name, func(b *testing.B) {
			p := l.NewPane()
			p.Apply(r)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				p.Apply(r)
			}
			perEvent(b, len(events))
		})
	}
	few := rowsOf(sketchtest.Streams(10, 4, 1)[8].Events)
	b.Run("small", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			p := l.NewPane()
			p.Apply(few)
		}
		perEvent(b, 10)
	})
	one := rowsOf(sketchtest.Streams(1, 4, 1)[8].Events)
	tabled := mustLayout(b, append(specs[:4:4], specs[5])) // without a sample, blocks stay small
	b.Run("small again", func(b *testing.B) {
		p := tabled.NewPane()
		p.Apply(few)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			p.Apply(one)
		}
	})
}

func BenchmarkPaneMerge(b *testing.B) {
	specs := sixSpecs(-1)[:6]
	specs[0].Precision, specs[2].Width, specs[3].Size = 14, 1<<16, 256
	l := mustLayout(b, specs)
	for name, n := range map[string]int{"small": 10, "large": 20000} {
		var panes []*Pane
		for i := range 60 {
			p := l.NewPane()
			p.Apply(rowsOf(zipfEvents(n, 100_000, 1.1, uint64(i))))
			panes = append(panes, p)
		}
		for _, i := range []int{0, 3} {
			b.Run(name+"/"+specs[i].Name, func(b *testing.B) {
				for range b.N {
					dst := l.NewPane()
					for _, p := range panes {
						if err := dst.Merge(p, Only(i)); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
