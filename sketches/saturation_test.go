package sketches

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// Weights near the greatest int64, of which three are more than a counter holds: answers
// hold or say that there is no upper bound, whether the column is a table or promoted, and
// whatever was merged and decoded.
func TestSaturatedWeights(t *testing.T) {
	l := mustLayout(t, []Spec{
		{Name: "often", Kind: KindCountMin, Weight: 0, Width: 64, Depth: 3, Confidence: 0.95},
		{Name: "hot", Kind: KindHotList, Weight: 0, Size: 8},
	})
	for _, light := range []int{0, 3, 60, 2000} {
		for _, heavy := range [][]int64{{math.MaxInt64}, {1 << 62, 1 << 62, 1 << 62}, {math.MaxInt64, math.MaxInt64, math.MaxInt64}} {
			var events []sketchtest.Event
			add := func(n int, weight int64) {
				hash, item := sketchtest.Item(n)
				events = append(events, sketchtest.Event{Hash: hash, Item: item, Weight: weight, Position: uint64(len(events))})
			}
			for n := range light {
				add(n, 1)
			}
			for _, w := range heavy {
				add(-1, w)
				add(-2, w)
			}
			for n := range light / 2 {
				add(n, 2)
			}
			whole, half, rest := l.NewPane(), l.NewPane(), l.NewPane()
			whole.Apply(rowsOf(events))
			half.Apply(rowsOf(events[:len(events)/2]))
			rest.Apply(rowsOf(events[len(events)/2:]))
			if err := half.Merge(rest, l.All()); err != nil {
				t.Fatal(err)
			}
			for _, p := range []*Pane{whole, half} {
				checkHeavy(t, p, events)
				d, err := l.DecodePane(p.AppendBinary(nil))
				if err != nil {
					t.Fatal(err)
				}
				checkHeavy(t, d, events)
			}
			if states := [2][]byte{}; !whole.Column(0) {
				for i, p := range []*Pane{whole, half} {
					states[i] = sketchAs[*CountMin](p.wide, 0).AppendBinary(nil)
				}
				if !bytes.Equal(states[0], states[1]) {
					t.Errorf("%d light items, heavy ones of %v: Count-Min depends on when the table was promoted", light, heavy)
				}
			}
		}
	}
}

// checkHeavy checks what always holds: upper ends, and both ends of hot lists.
func checkHeavy(t *testing.T, p *Pane, events []sketchtest.Event) {
	t.Helper()
	truth := make(map[uint64]*big.Int)
	for _, e := range events {
		if truth[e.Hash] == nil {
			truth[e.Hash] = new(big.Int)
		}
		truth[e.Hash].Add(truth[e.Hash], big.NewInt(e.Weight))
	}
	for hash, sum := range truth {
		f, _ := new(big.Float).SetInt(sum).Float64()
		for sketch := range 2 {
			e := p.Frequency(sketch, hash, 0.95)
			if f > e.High || e.Exact && f != e.Value || sketch == 1 && f < e.Low {
				t.Errorf("sketch %d: %v is not in %+v", sketch, f, e)
			}
		}
	}
	top, bound, exact := p.TopK(1, 2)
	for _, c := range top {
		if f, _ := new(big.Float).SetInt(truth[c.Hash]).Float64(); f < c.Low || f > c.High || exact && !c.Exact {
			t.Errorf("top: %v is not in %+v; exact: %v", f, c, exact)
		}
	}
	for hash, sum := range truth {
		listed := false
		for _, c := range top {
			listed = listed || c.Hash == hash
		}
		if f, _ := new(big.Float).SetInt(sum).Float64(); !p.Column(0) && sketchAs[*HotList](p.wide, 1).find(hash) < 0 && !listed && f > bound {
			t.Errorf("an item of weight %v is in no list, whose bound is %v", f, bound)
		}
	}
}

// A mixture's answers about such weights are numbers, too.
func TestSaturatedMixture(t *testing.T) {
	l := mustLayout(t, sixSpecs(0))
	events := zipfEvents(3000, 2000, 1, 5)
	for i := range events {
		events[i].Weight = math.MaxInt64
	}
	m, sampled := l.NewMixture(), l.NewProvisional(1)
	sampled.Apply(rowsOf(events))
	if err := m.MergeProvisional(sampled, l.All()); err != nil {
		t.Fatal(err)
	}
	m.Owe(1, uint64(len(events)))
	for _, sketch := range []int{2, 3} {
		e := m.Frequency(sketch, events[0].Hash, 0.95)
		if !(e.Low <= e.Value && e.Value <= e.High && e.High >= math.MaxInt64) || e.Exact {
			t.Errorf("sketch %d: %+v", sketch, e)
		}
	}
	if _, bound, _ := m.TopK(3, 5, 0.95); !(bound >= math.MaxInt64) {
		t.Errorf("an error bound of %v", bound)
	}
}

// However often lists of such weights are merged, what they encode can be decoded.
func TestSaturatedHotLists(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		k := 1 + r.IntN(5)
		lists := make([]*HotList, 2+r.IntN(4))
		for i := range lists {
			lists[i], _ = NewHotList(k)
			for range r.IntN(60) {
				hash, item := sketchtest.Item(r.IntN(3 * k))
				lists[i].Add(hash, r.Uint64()>>(r.IntN(2)*r.IntN(64)), item)
			}
		}
		for range 5 {
			h := lists[r.IntN(len(lists))]
			if err := h.Merge(lists[r.IntN(len(lists))]); err != nil {
				t.Fatal(err)
			}
			b := h.AppendBinary(nil)
			d, _, err := DecodeHotList(b, k)
			if err != nil {
				t.Fatalf("total %d, offset %d: %v", h.total, h.offset, err)
			}
			if !bytes.Equal(d.AppendBinary(nil), b) {
				t.Fatal("decoding and encoding gives other bytes")
			}
		}
	}
}
