package sketches

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// wideOf is a copy of a pane that has left its block: what merging does then is the dumb version.
func wideOf(p *Pane) *Pane {
	c := p.Clone()
	c.open()
	c.widen()
	return c
}

// someSketches is a choice of a layout's sketches: all, or all of some columns, or any.
func someSketches(l *Layout, rng *rand.Rand) Set {
	switch rng.IntN(4) {
	case 0:
		return Set(rng.Uint64()) & l.All()
	case 1:
		which := Set(rng.Uint64()) & l.All()
		for c := range l.columns {
			all := l.columns[c].tabled | l.columns[c].samples
			if which &^= all; rng.IntN(2) == 0 {
				which |= all
			}
		}
		return which
	}
	return l.All()
}

// mergedEvents are blockEvents, with items so short, if wanted, that a block has room for many.
func mergedEvents(n, distinct int, seed uint64, short bool) []sketchtest.Event {
	events := blockEvents(n, distinct, seed)
	for i := range events {
		if e := &events[i]; short {
			e.Item = e.Item[:min(1, len(e.Item))]
		}
	}
	return events
}

// TestMergeBlocks: panes that are merged in their blocks, in any order and grouping, by all
// sketches or a part of them, are those that left their blocks before, byte by byte, and
// so is what more events make of them. None of them keeps anything of another.
func TestMergeBlocks(t *testing.T) {
	for name, l := range blockLayouts(t) {
		stayed := 0
		for seed := range uint64(60) {
			rng := rand.New(rand.NewPCG(seed, 31))
			which := someSketches(l, rng)
			distinct, most := []int{3, 12, 30, 200}[seed%4], []int{2, 8, 30, 60, 130}[seed%5]
			panes := make([]*Pane, 2+rng.IntN(6))
			plain := make([]*Pane, len(panes))
			for i := range panes {
				panes[i] = l.NewPane()
				if n := rng.IntN(most); n > 0 {
					r := hashed(l, threeColumns(mergedEvents(n, distinct, seed*100+uint64(i), seed%7 < 3)))
					r.Late = rng.IntN(n + 1)
					panes[i].Apply(r)
				}
				if rng.IntN(3) == 0 {
					panes[i].Compact()
				}
				plain[i] = wideOf(panes[i])
			}
			for len(panes) > 1 {
				i, j := rng.IntN(len(panes)), rng.IntN(len(panes)-1)
				if j >= i {
					j++
				}
				before := panes[j].AppendBinary(nil)
				mergeEither(t, rng, &panes[i], panes[j], plain[i], plain[j], which)
				if got, want := panes[i].AppendBinary(nil), plain[i].AppendBinary(nil); !bytes.Equal(got, want) {
					t.Fatalf("%s, seed %d, sketches %b: merged in a block, the encoding is another", name, seed, which)
				}
				checkLog(t, panes[i])
				if !bytes.Equal(panes[j].AppendBinary(nil), before) {
					t.Fatalf("%s, seed %d: merging has changed the other pane", name, seed)
				}
				r := hashed(l, threeColumns(mergedEvents(1+rng.IntN(4), distinct, seed*100+50+uint64(len(panes)), seed%7 < 3)))
				panes[j].Apply(r) // what is kept of it would show
				if panes[i].wide == nil {
					stayed++
				}
				panes[i].Apply(r)
				plain[i].Apply(r)
				if !bytes.Equal(panes[i].AppendBinary(nil), plain[i].AppendBinary(nil)) {
					t.Fatalf("%s, seed %d, sketches %b: after merging in a block, events make another pane", name, seed, which)
				}
				panes[j], plain[j] = panes[len(panes)-1], plain[len(plain)-1]
				panes, plain = panes[:len(panes)-1], plain[:len(plain)-1]
			}
		}
		if stayed < 40 && name != "no room" {
			t.Errorf("%s: only %d of the merged panes are in a block", name, stayed)
		}
	}
}

// mergeEither merges in place or into a new pane, by Merge or by Follow, and the dumb panes likewise.
func mergeEither(t *testing.T, rng *rand.Rand, p **Pane, o, plain, other *Pane, which Set) {
	t.Helper()
	var err, wrong error
	switch rng.IntN(3) {
	case 0:
		err, wrong = (*p).Merge(o, which), plain.Merge(other, which)
	case 1:
		err, wrong = (*p).Follow(o, which), plain.Follow(other, which)
	default:
		before := (*p).AppendBinary(nil)
		merged, failed := (*p).Merged(o, which)
		if !bytes.Equal((*p).AppendBinary(nil), before) {
			t.Fatal("the pane has changed of which a merged copy was made")
		}
		size := merged.Size()
		if merged.Compact(); merged.Size() != size {
			t.Fatalf("a merged copy of %d bytes takes %d when compacted", size, merged.Size())
		}
		*p, err, wrong = merged, failed, plain.Merge(other, which)
	}
	if err != nil || wrong != nil {
		t.Fatal(err, wrong)
	}
}

// checkLog: what a block says of its log is so.
func checkLog(t *testing.T, p *Pane) {
	t.Helper()
	if p.wide != nil || p.block.first == nil {
		return
	}
	if p.block.size > blockLimit && p.layout.block.log <= blockLimit || p.block.log > p.block.size {
		t.Fatalf("a block of %d bytes, used up to %d, of %d words", p.block.size, p.block.log, p.block.words)
	}
	all, records := 0, 0
	for c := range p.layout.columns {
		plan, words := &p.layout.columns[c], 0
		for r := range p.records(c) {
			words++
			if plan.samples != 0 {
				words += int(plan.events(r)) - 1
			}
			records += len(r)
		}
		if all += words; words > plan.most {
			t.Fatalf("%d words of column %d, more than %d", words, c, plan.most)
		}
	}
	if all != int(p.block.words) || records != len(p.log()) {
		t.Fatalf("%d words, not %d, in records of %d bytes of %d", all, p.block.words, records, len(p.log()))
	}
}

// TestMergeBlocksAtLimits: the union leaves its block where the sample or the block would
// overflow, and is the same on both sides.
func TestMergeBlocksAtLimits(t *testing.T) {
	specs := []Spec{{Name: "hot", Kind: KindHotList, Weight: -1, Size: 100}, {Name: "some", Kind: KindReservoir, Size: 20}}
	for _, test := range []struct {
		name        string
		specs       []Spec
		distinct    int
		least, most int // events of the largest union that stays
	}{{"sample", specs, 3, 20, 20}, {"bytes", specs[:1], 100_000, 40, 100}} {
		l := mustLayout(t, test.specs)
		last := 0
		for n := 2; n <= 120; n++ {
			events := make([]sketchtest.Event, n)
			for i := range events {
				e := &events[i]
				e.Hash, e.Item = sketchtest.Item(i % test.distinct)
				e.Position = sketchtest.Mix(uint64(i))
			}
			p, o := l.NewPane(), l.NewPane()
			p.Apply(rowsOf(events[:n/3]))
			o.Apply(rowsOf(events[n/3:]))
			plain := wideOf(p)
			if err := errors.Join(p.Merge(o, l.All()), plain.Merge(o, l.All())); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.AppendBinary(nil), plain.AppendBinary(nil)) {
				t.Fatalf("%s: %d events have another encoding", test.name, n)
			}
			if p.wide == nil {
				last = n
			}
		}
		if last < test.least || last > test.most {
			t.Errorf("%s: up to %d events stay in the block, want %d to %d", test.name, last, test.least, test.most)
		}
	}
}

// TestMergeBlocksOfOneHash: where two items have the same hash, a sample has the bytes of
// both, which a block could not hold.
func TestMergeBlocksOfOneHash(t *testing.T) {
	l := mustLayout(t, manyKeysSpecs())
	events := blockEvents(40, 5, 1)
	other := blockEvents(40, 5, 2)
	for i := range other {
		other[i].Item = append([]byte("another "), other[i].Item...)
	}
	p, o := l.NewPane(), l.NewPane()
	p.Apply(rowsOf(events[:8]))
	o.Apply(rowsOf(other[:8]))
	plain := wideOf(p)
	if err := errors.Join(p.Merge(o, l.All()), plain.Merge(wideOf(o), l.All())); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.AppendBinary(nil), plain.AppendBinary(nil)) {
		t.Error("items of the same hash have another encoding when merged in a block")
	}
}
