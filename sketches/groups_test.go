package sketches

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// TestApplyGroups: many panes that are given their rows together, by groups of any
// size of which some are of the same pane, are those that are given them one by
// one, byte by byte, and those that never had a block.
func TestApplyGroups(t *testing.T) {
	for name, l := range blockLayouts(t) {
		for seed := range uint64(6) {
			rng := rand.New(rand.NewPCG(seed, 21))
			var together, alone, plain [45]*Pane
			for i := range together {
				together[i], alone[i], plain[i] = l.NewPane(), l.NewPane(), l.NewPane()
				plain[i].open()
				plain[i].widen()
			}
			for round := range uint64(20) {
				events := blockEvents(400, []int{30, 200}[seed%2], seed*100+round)
				r := hashed(l, threeColumns(events))
				var groups []Group
				cutGroups(rng, r, len(together), func(i, from, to int, part *Rows) {
					if rng.IntN(9) == 0 {
						return // these rows are of no group
					}
					groups = append(groups, Group{together[i], int32(from), int32(to), int32(part.Late)})
					alone[i].Apply(part)
					plain[i].Apply(part)
				})
				Apply(groups, r)
			}
			for i := range together {
				checkLog(t, together[i])
				got := together[i].AppendBinary(nil)
				if !bytes.Equal(got, alone[i].AppendBinary(nil)) || !bytes.Equal(got, plain[i].AppendBinary(nil)) {
					t.Fatalf("%s, seed %d: pane %d has another encoding", name, seed, i)
				}
			}
		}
	}
	Apply(nil, &Rows{})
}

// cutGroups deals rows out to panes, by groups of any size, none included, of which some are
// of the same pane soon again.
func cutGroups(rng *rand.Rand, r *Rows, panes int, fn func(pane, from, to int, part *Rows)) {
	for from := 0; from < len(r.Times); {
		size := rng.IntN(3)
		if rng.IntN(30) == 0 {
			size = rng.IntN(100)
		}
		to := min(from+size, len(r.Times))
		pane := rng.IntN(panes)
		if rng.IntN(4) == 0 {
			pane = rng.IntN(1 + pane)
		}
		part := *r.between(from, to)
		part.Late = rng.IntN(to - from + 1)
		fn(pane, from, to, &part)
		from = to
	}
}

// TestApplyAllocates: a pane that has room takes events without allocating.
func TestApplyAllocates(t *testing.T) {
	l := mustHashed(t, manyKeysSpecs())
	r := rowsOf(sketchtest.Streams(2, 2, 1)[0].Events)
	p := l.NewPane()
	p.Apply(r)
	group := []Group{{Pane: p, To: 1}}
	if n := testing.AllocsPerRun(3, func() { Apply(group, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
