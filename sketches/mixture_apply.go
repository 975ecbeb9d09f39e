package sketches

import "slices"

// How events are sampled into provisional panes.

// SampledGroup is rows of one provisional pane, among those of many.
type SampledGroup struct {
	Pane     *Provisional
	From, To int32 // the rows from one to another
	Late     int32 // how many of them were behind the watermark
}

// Apply samples events and counts those that are kept. It may be given all
// events of the range, or any part of them in which at least those are that it
// would keep, by position or by item; whoever gives it all of them lets it know the greatest
// weights and values better. Late events are shared out to those kept in proportion.
func (p *Provisional) Apply(r *Rows) {
	ApplySampled([]SampledGroup{{Pane: p, To: int32(len(r.Times)), Late: int32(r.Late)}}, r)
}

// ApplySampled samples the events of many provisional panes of one layout and rate. It
// is the same as to give each pane its rows, group by group, but faster, for the
// reason that Apply is, and because what is kept is copied for many panes at once. Rows.Late
// is ignored.
func ApplySampled(groups []SampledGroup, r *Rows) {
	if len(groups) == 0 {
		return
	}
	pool := &groups[0].Pane.layout.samplingPlan().kept
	kept := pool.Get().(*keptRows)
	for len(groups) > 0 {
		few := groups[:min(len(groups), appliedTogether)]
		groups = groups[len(few):]
		for i := range few {
			few[i].see(r)
		}
		kept.byPosition(few, r)
		Apply(kept.groups, &kept.rows)
		for i, g := range kept.groups {
			few[kept.of[i]].Pane.addMoments(kept, int(g.From), int(g.To))
		}
		kept.byItem(few, r)
		Apply(kept.groups, &kept.items)
	}
	kept.release()
	pool.Put(kept)
}

// see notes the extremes of all rows of the group, kept or not.
func (g *SampledGroup) see(r *Rows) {
	p := g.Pane
	for w := range p.weights {
		p.weights[w].see(r.Weights[w][g.From:g.To])
	}
	for k := range p.sums {
		p.sums[k].see(r.Values[p.layout.specs[p.layout.sums[k]].Column][g.From:g.To])
	}
}

// addMoments adds rows that were sampled by position to the moments.
func (p *Provisional) addMoments(kept *keptRows, from, to int) {
	r := &kept.rows
	for w := range p.weights {
		p.weights[w].add(r.Weights[w][from:to])
	}
	if len(p.sums) == 0 {
		return
	}
	kept.times = append(kept.times[:0], r.Times[from:to]...)
	for i := range kept.times {
		kept.times[i] = 2 * min(max(kept.times[i], -decayTimeLimit), decayTimeLimit)
	}
	for k := range p.sums {
		values := r.Values[p.layout.specs[p.layout.sums[k]].Column][from:to]
		kept.squares = append(kept.squares[:0], values...)
		for i, v := range kept.squares {
			if usable(v) {
				kept.squares[i] = min(v*v, decayLimit)
			}
		}
		m := &p.sums[k]
		if m.byTime() {
			m.squares.AddValues(kept.times, kept.squares)
			continue
		}
		m.aged.AddValues(values)
		m.agedSquares.AddValues(kept.squares)
	}
}

// keptRows is room for the rows of some groups that are kept, with groups for them.
type keptRows struct {
	rows    Rows // by position
	items   Rows // by item: without weights and values
	groups  []Group
	of      []int32 // by group: of which sampled group its rows are
	picked  []int32 // by row: which it was
	times   []int64
	squares []float64
}

func newKeptRows(l *Layout) *keptRows {
	n := len(l.columns)
	return &keptRows{
		rows: Rows{Hashes: make([][]uint64, n), Items: make([]Items, n),
			Weights: make([][]int64, l.weights), Values: make([][]float64, l.values)},
		items: Rows{Hashes: make([][]uint64, n), Items: make([]Items, n)},
	}
}

// release lets go of the batch's items, and of panes.
func (k *keptRows) release() {
	clear(k.rows.Items)
	clear(k.items.Items)
	clear(k.groups[:cap(k.groups)])
}

// byPosition copies the rows whose position is below the limit.
func (k *keptRows) byPosition(groups []SampledGroup, r *Rows) {
	k.begin()
	for i := range groups {
		g := &groups[i]
		limit := sampleLimit(g.Pane.Rate)
		for row := g.From; row < g.To; row++ {
			if r.Positions[row] < limit {
				k.picked = append(k.picked, row)
			}
		}
		k.end(groups, i, g.Pane.ByPosition)
	}
	k.copy(&k.rows, r)
	for w := range k.rows.Weights {
		k.rows.Weights[w] = pick(k.rows.Weights[w], r.Weights[w], k.picked)
	}
	for v := range k.rows.Values {
		k.rows.Values[v] = pick(k.rows.Values[v], r.Values[v], k.picked)
	}
}

// byItem copies the rows of which an item's hash is below the limit, and makes
// null of their other items.
func (k *keptRows) byItem(groups []SampledGroup, r *Rows) {
	k.begin()
	for i := range groups {
		g := &groups[i]
		limit := sampleLimit(g.Pane.Rate)
		for row := g.From; row < g.To; row++ {
			for _, hashes := range r.Hashes {
				if x := hashes[row]; x != 0 && x < limit {
					k.picked = append(k.picked, row)
					break
				}
			}
		}
		k.end(groups, i, g.Pane.ByItem)
	}
	k.copy(&k.items, r)
	for i := range k.groups {
		g := &k.groups[i]
		limit := sampleLimit(groups[k.of[i]].Pane.Rate)
		for _, hashes := range k.items.Hashes {
			for row, x := range hashes[g.From:g.To] {
				if x >= limit {
					hashes[int(g.From)+row] = 0
				}
			}
		}
	}
}

func (k *keptRows) begin() { k.groups, k.of, k.picked = k.groups[:0], k.of[:0], k.picked[:0] }

// end makes a group of what was picked of the i-th since the end before.
func (k *keptRows) end(groups []SampledGroup, i int, pane *Pane) {
	from, to := int32(0), int32(len(k.picked))
	if n := len(k.groups); n > 0 {
		from = k.groups[n-1].To
	}
	if from == to {
		return
	}
	of := int64(groups[i].To - groups[i].From)
	late := (int64(groups[i].Late)*int64(to-from) + of/2) / of
	k.groups, k.of = append(k.groups, Group{Pane: pane, From: from, To: to, Late: int32(late)}), append(k.of, int32(i))
}

// copy gathers what both kinds of sample need of the rows picked.
func (k *keptRows) copy(o, r *Rows) {
	o.Index = pick(o.Index, r.Index, k.picked)
	o.Times = pick(o.Times, r.Times, k.picked)
	o.Positions = pick(o.Positions, r.Positions, k.picked)
	for c := range o.Hashes {
		o.Hashes[c] = pick(o.Hashes[c], r.Hashes[c], k.picked)
		o.Items[c] = r.Items[c]
	}
}

func pick[T any](dst, src []T, rows []int32) []T {
	dst = slices.Grow(dst[:0], len(rows))
	for _, i := range rows {
		dst = append(dst, src[i])
	}
	return dst
}
