package sketches

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// tablePlans are of a column with items and a weight sum, and of one with neither.
func tablePlans() []*columnPlan {
	return []*columnPlan{{items: true, weights: []int{0}}, {}}
}

// someTable draws entries of few items, of few weights, some of them the greatest.
func someTable(r *rand.Rand, plan *columnPlan, entries int) *table {
	t := newTable(plan)
	for t.len() < entries {
		n := r.IntN(3 * entries)
		hash := sketchtest.Mix(uint64(n))
		if t.find(hash) >= 0 {
			continue
		}
		words := t.open(hash)
		for j := 1; j < len(words); j++ {
			words[j] = []uint64{1, 1, 1, 2, uint64(r.IntN(9)), math.MaxUint64 - 1}[r.IntN(6)]
		}
		t.putItem(bytes.Repeat([]byte{byte(n)}, []int{n % 20, 127, 128, 300}[max(0, n%40-36)]))
	}
	return t
}

// dumbUnion adds one entry after the other.
func dumbUnion(t, o *table) {
	for _, e := range o.entries() {
		var words []uint64
		if i := t.find(e.words[0]); i >= 0 {
			words = t.entry(i)
		} else {
			words = t.open(e.words[0])
			t.putItem(e.item)
		}
		for j := 1; j < len(words); j++ {
			words[j] = saturatingAdd(words[j], e.words[j])
		}
	}
}

func TestUnionOfTablesIsThatOfTheirEntries(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for round := range 300 {
		for _, plan := range tablePlans() {
			got, want := newTable(plan), newTable(plan)
			for range 1 + r.IntN(6) {
				o := someTable(r, plan, r.IntN(1+round))
				if r.IntN(2) == 0 {
					o.index = nil // as one out of a block
				}
				before := o.clone()
				got.union(o)
				dumbUnion(want, before)
				if !slices.Equal(o.words, before.words) || !bytes.Equal(o.items, before.items) {
					t.Fatal("a union changes the table that is added")
				}
			}
			if !slices.Equal(got.words, want.words) || !bytes.Equal(got.items, want.items) || got.bytes != want.bytes {
				t.Fatalf("a union of %d entries and %d bytes of items, want %d and %d, or of others", got.len(), got.bytes, want.len(), want.bytes)
			}
			for i := range want.len() {
				if got.find(want.entry(i)[0]) != i {
					t.Fatalf("entry %d of %d is not found", i, want.len())
				}
			}
			if n := got.len(); n > scanned && 2*n > len(got.index) {
				t.Fatalf("%d entries in an index of %d", n, len(got.index))
			}
		}
	}
}

func TestHeaviestOfATable(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	scratch := new(tableScratch)
	for round := range 1000 {
		o := someTable(r, tablePlans()[0], round%100)
		slot, n := 1+r.IntN(2), 1+r.IntN(100)
		var total uint64
		var weights []uint64
		for _, e := range o.entries() {
			total = saturatingAdd(total, e.words[slot])
			if e.words[slot] > 0 {
				weights = append(weights, e.words[slot])
			}
		}
		nth, sum, some := o.ranked(slot, n, scratch)
		slices.Sort(weights)
		if sum != total || some != len(weights) || n <= some && nth != weights[some-n] || n > some && nth != 0 {
			t.Fatalf("the %d-th of %v is %d, their total %d, and %d of them", n, weights, nth, sum, some)
		}
		want := slices.DeleteFunc(o.entries(), func(e tableEntryView) bool { return e.words[slot] <= nth })
		if !slices.EqualFunc(o.heavier(slot, nth, scratch), want, func(a weighed, b tableEntryView) bool {
			return a.hash == b.words[0] && a.weight == b.words[slot] && bytes.Equal(a.item, b.item)
		}) {
			t.Fatalf("those above %d are not those of %v", nth, want)
		}
	}
}

// dumbHotListOf is the list that a table stands for.
func dumbHotListOf(size, slot int, es []tableEntryView) *HotList {
	h := newHotList(size, minSlots)
	slices.SortFunc(es, func(a, b tableEntryView) int { return cmp.Compare(b.words[slot], a.words[slot]) })
	some := 0
	for some < len(es) && es[some].words[slot] > 0 {
		some++
	}
	if some > h.limit() {
		h.offset = es[size].words[slot]
	}
	for i := range es[:some] {
		weight := es[i].words[slot]
		h.total = saturatingAdd(h.total, weight)
		if weight > h.offset {
			h.put(&hotEntry{hash: es[i].words[0], seen: weight, counter: weight - h.offset, item: es[i].item})
		}
	}
	return h
}

// A list that takes in a table is the list merged with the one that the table stands for.
func TestHotListTakesInATable(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	scratch := new(tableScratch)
	for round := range 400 {
		size := 1 + r.IntN(20)
		got, _ := NewHotList(size)
		for i := range r.IntN(200) {
			n := r.IntN(1 + round)
			got.Add(sketchtest.Mix(uint64(n)), 1+uint64(i%2*r.IntN(3)), []byte{byte(n)})
		}
		want := got.Clone()
		for range 4 {
			o, slot := someTable(r, tablePlans()[0], r.IntN(60)), 1+r.IntN(2)
			for i := range o.len() { // some are near the greatest weight elsewhere
				o.entry(i)[slot] &= 15
			}
			got.mergeTable(o, slot, scratch)
			if err := want.Merge(dumbHotListOf(size, slot, o.entries())); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.AppendBinary(nil), want.AppendBinary(nil)) {
				t.Fatalf("a list of size %d differs from one that was merged with a list", size)
			}
		}
	}
}

// A pane for a question is what any other would be, though its memory was another's, and
// what was cloned of it stays as it was when that goes on to the next.
func TestUnionsShareNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	layouts := []*Layout{mustLayout(t, sixSpecs(-1)), mustLayout(t, sixSpecs(0)), mustLayout(t, commuting())}
	type kept struct {
		pane *Pane
		want []byte
	}
	var all []kept
	for range 60 {
		l := layouts[r.IntN(len(layouts))]
		union, plain := l.NewUnion(), l.NewPane()
		for range r.IntN(8) {
			p := l.NewPane()
			p.Apply(rowsOf(sketchtest.Streams(1+r.IntN(120), 20, r.Uint64())[r.IntN(9)].Events))
			for _, dst := range []*Pane{union, plain} {
				if err := dst.Merge(p, l.All()); err != nil {
					t.Fatal(err)
				}
			}
			if r.IntN(4) == 0 {
				before := union
				union = union.Union()
				before.Release()
			}
		}
		want := plain.AppendBinary(nil)
		if !bytes.Equal(union.AppendBinary(nil), want) {
			t.Fatalf("a union of %d events differs from a plain pane", plain.Events())
		}
		all = append(all, kept{union.Clone(), want})
		union.Release()
		for i, k := range all {
			if !bytes.Equal(k.pane.AppendBinary(nil), k.want) {
				t.Fatalf("clone %d of %d changed", i, len(all))
			}
		}
	}
	plain := layouts[0].NewPane()
	plain.Apply(rowsOf(sketchtest.Streams(100, 20, 1)[0].Events))
	want := plain.AppendBinary(nil)
	plain.Release()
	if !bytes.Equal(plain.AppendBinary(nil), want) {
		t.Error("a pane that is for keeping was given back")
	}
}

// A clone of a pane for a question goes on as any other pane does, also where its table
// was lent the memory of a larger one, which had an index.
func TestUnionClonesGoOn(t *testing.T) {
	l := mustLayout(t, sixSpecs(-1))
	large, small := sketchtest.Streams(300, 100, 1)[0].Events, sketchtest.Streams(6, 2, 2)[0].Events
	for range 10 {
		var clones, plain []Group
		for i, events := range [][]sketchtest.Event{large, small[:3], small[3:]} {
			p, u := l.NewPane(), l.NewUnion()
			p.Apply(rowsOf(events))
			if err := u.Merge(p, l.All()); err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				plain = append(plain, Group{Pane: p, From: int32(i), To: int32(i + 1)})
				clones = append(clones, Group{Pane: u.Clone(), From: int32(i), To: int32(i + 1)})
			}
			u.Release()
		}
		Apply(clones, rowsOf(small))
		Apply(plain, rowsOf(small))
		for i := range plain {
			if !bytes.Equal(clones[i].Pane.AppendBinary(nil), plain[i].Pane.AppendBinary(nil)) {
				t.Fatalf("clone %d went on otherwise", i)
			}
		}
	}
}

// Whatever panes there are, to touch them changes none.
func TestTouchOnlyReads(t *testing.T) {
	l := mustLayout(t, sixSpecs(-1))
	var panes []*Pane
	for i, n := range []int{0, 1, 20, 300, 5000} {
		p := l.NewPane()
		p.Apply(rowsOf(sketchtest.Streams(n, 30, uint64(i))[0].Events))
		panes = append(panes, p, nil)
	}
	for range 3 {
		before := make([][]byte, len(panes))
		for i, p := range panes {
			if p != nil {
				before[i] = p.AppendBinary(nil)
			}
		}
		Touch(panes, l.All())
		for i, p := range panes {
			if p != nil && !bytes.Equal(p.AppendBinary(nil), before[i]) {
				t.Fatalf("pane %d changed", i)
			}
		}
		panes = append(panes, panes...)
	}
	Touch(nil, l.All())
}
