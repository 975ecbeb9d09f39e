package sketches

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestApplySampled: provisional panes that are given their rows together, by groups of
// any size of which some are of the same pane, are those that are given them one by one, byte
// by byte; and their panes have the rows that their rate keeps, and no others.
func TestApplySampled(t *testing.T) {
	for name, l := range blockLayouts(t) {
		for seed := range uint64(6) {
			rng := rand.New(rand.NewPCG(seed, 22))
			rate := 1 + int(seed)%3
			var together, alone [45]*Provisional
			var positions, items [45]*Pane
			for i := range together {
				together[i], alone[i] = l.NewProvisional(rate), l.NewProvisional(rate)
				positions[i], items[i] = l.NewPane(), together[i].ByItem.layout.NewPane()
			}
			for round := range uint64(20) {
				events := blockEvents(400, []int{30, 200}[seed%2], seed*100+round)
				r := hashed(l, threeColumns(events))
				var groups []SampledGroup
				cutGroups(rng, r, len(together), func(i, from, to int, part *Rows) {
					groups = append(groups, SampledGroup{together[i], int32(from), int32(to), int32(part.Late)})
					alone[i].Apply(part)
					keep(positions[i], items[i], part, rate)
				})
				ApplySampled(groups, r)
			}
			for i, p := range together {
				if !bytes.Equal(p.AppendBinary(nil), alone[i].AppendBinary(nil)) {
					t.Fatalf("%s, seed %d: provisional pane %d has another encoding than alone", name, seed, i)
				}
				if !bytes.Equal(p.ByPosition.AppendBinary(nil), positions[i].AppendBinary(nil)) || !bytes.Equal(p.ByItem.AppendBinary(nil), items[i].AppendBinary(nil)) {
					t.Fatalf("%s, seed %d: provisional pane %d does not have the rows of its rate", name, seed, i)
				}
			}
		}
	}
	ApplySampled(nil, &Rows{})
}

// keep is the dumb version: it copies the rows that the rate keeps, one after the other.
func keep(position, item *Pane, r *Rows, rate int) {
	limit := sampleLimit(rate)
	empty := func() *Rows {
		return &Rows{Hashes: make([][]uint64, len(r.Hashes)), Weights: make([][]int64, len(r.Weights)), Values: make([][]float64, len(r.Values)), Items: r.Items}
	}
	byPosition, byItem := empty(), empty()
	byItem.Weights, byItem.Values = nil, nil
	for i := range r.Times {
		add := func(to *Rows, kept func(hash uint64) bool) {
			to.Index, to.Times, to.Positions = append(to.Index, r.Index[i]), append(to.Times, r.Times[i]), append(to.Positions, r.Positions[i])
			for c := range to.Hashes {
				x := r.Hashes[c][i]
				if !kept(x) {
					x = 0
				}
				to.Hashes[c] = append(to.Hashes[c], x)
			}
			for w := range to.Weights {
				to.Weights[w] = append(to.Weights[w], r.Weights[w][i])
			}
			for v := range to.Values {
				to.Values[v] = append(to.Values[v], r.Values[v][i])
			}
		}
		if r.Positions[i] < limit {
			add(byPosition, func(uint64) bool { return true })
		}
		if slices.ContainsFunc(r.Hashes, func(hashes []uint64) bool { return hashes[i] != 0 && hashes[i] < limit }) {
			add(byItem, func(hash uint64) bool { return hash < limit })
		}
	}
	for pane, rows := range map[*Pane]*Rows{position: byPosition, item: byItem} {
		if kept, n := len(rows.Times), len(r.Times); kept > 0 {
			rows.Late = (r.Late*kept + n/2) / n
			pane.Apply(rows)
		}
	}
}
