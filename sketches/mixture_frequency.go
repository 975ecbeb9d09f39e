package sketches

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// Answers about frequencies and weights from a mixture.

// Frequency estimates how often an item occurred, or what it weighed, as
// Pane.Frequency does. What sketches of the parts promise is added up, each
// with its share of the confidence, and what sampling adds is joined.
//
// By weight the interval rests on the greatest weight that provisional panes have
// seen (or learnt of). It holds if nothing that was left out weighs more; where no
// weight was ever seen, the greatest weight that there is stands in.
func (m *Mixture) Frequency(sketch int, hash uint64, confidence float64) Estimate {
	if !m.Sampled() {
		return m.base.Frequency(sketch, hash, confidence)
	}
	if hash == 0 {
		return Estimate{}
	}
	parts := m.sketched(sketch)
	return m.weigh(sketch, confidence, func(p *Pane) Estimate {
		return p.Frequency(sketch, hash, joint(confidence, parts))
	})
}

// sketched is how many parts of the mixture have a promoted column, so that
// their answers may fail.
func (m *Mixture) sketched(sketch int) (n int) {
	c := m.layout.specs[sketch].Column
	if !m.base.Column(c) {
		n++
	}
	for _, s := range m.strata {
		if !s.ByPosition.Column(c) {
			n++
		}
	}
	return n
}

// joint is the confidence that each of n needs for all of them to hold.
func joint(confidence float64, n int) float64 { return 1 - (1-confidence)/float64(max(n, 1)) }

// weigh adds up what ask finds in each part.
func (m *Mixture) weigh(sketch int, confidence float64, ask func(*Pane) Estimate) Estimate {
	t, z := newTally(), deviate(confidence)
	t.add(ask(m.base))
	unit := m.unit(sketch)
	for _, s := range m.strata {
		squares := math.Inf(1)
		if w := m.layout.specs[sketch].Weight; w >= 0 {
			squares = s.weights[w].squares
		}
		t.sample(ask(s.ByPosition), func(kept float64) drawn {
			return drawn{kept, min(kept*unit, max(squares, kept)), unit, s.share()}
		}, z, s.limit()*unit)
	}
	return t.estimate(float64(m.unknown) * unit)
}

// unit is the most that one event weighs in a sketch.
func (m *Mixture) unit(sketch int) float64 {
	w := m.layout.specs[sketch].Weight
	if w < 0 {
		return 1
	}
	var greatest uint64
	if m.hints != nil {
		greatest = m.hints.weights[w].greatest
	}
	for _, s := range m.strata {
		greatest = max(greatest, s.weights[w].greatest)
	}
	if greatest == 0 {
		return math.MaxInt64
	}
	return float64(greatest)
}

// TopK lists the k heaviest items of a KindHotList sketch, heaviest first, ties
// by item bytes, from all that any part lists. With the given confidence, no item that
// no part lists at its full size is heavier than errorBound; the interval of a
// listed item may be wider. Of the listed items' intervals, that share holds.
func (m *Mixture) TopK(sketch, k int, confidence float64) (items []Counted, errorBound float64, exact bool) {
	if !m.Sampled() {
		return m.base.TopK(sketch, k)
	}
	bounds := make(map[*Pane]float64)
	seen := make(map[uint64]bool)
	list := func(p *Pane) {
		top, bound, _ := p.TopK(sketch, math.MaxInt)
		bounds[p] = bound
		for _, c := range top {
			if !seen[c.Hash] {
				seen[c.Hash] = true
				c.Estimate = m.Frequency(sketch, c.Hash, confidence)
				items = append(items, c)
			}
		}
	}
	list(m.base)
	for _, s := range m.strata {
		list(s.ByPosition)
	}
	slices.SortFunc(items, func(a, b Counted) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), bytes.Compare(a.Item, b.Item))
	})
	listed := items[:max(0, min(k, len(items)))]
	m.allowForChoice(sketch, confidence, listed, items)
	return slices.Clip(listed), m.unlisted(sketch, confidence, bounds), false
}

// allowForChoice widens the intervals of items that are listed because their
// estimates are high, which are more often too high than others. Of R parameters
// chosen from M, a share of at most 1-confidence is outside of intervals that have the confidence
// 1 - (1-confidence)·R/M (Benjamini and Yekutieli, "False discovery
// rate-adjusted multiple confidence intervals", 2005). M is the number of those that might
// have been chosen: whose own intervals reach the last one listed.
func (m *Mixture) allowForChoice(sketch int, confidence float64, listed, all []Counted) {
	if len(listed) == 0 {
		return
	}
	least, rivals := listed[len(listed)-1].Value, 0
	for i := range all {
		if all[i].High >= least {
			rivals++
		}
	}
	confidence = 1 - (1-confidence)*float64(len(listed))/float64(max(rivals, len(listed)))
	for i := range listed {
		listed[i].Estimate = m.Frequency(sketch, listed[i].Hash, confidence)
	}
}

// unlisted bounds the weight of every item that is in no list. One item that
// weighs b is missed with a chance that its interval gives; but of W sampled in all, up to
// W/b items may weigh that much, and any of them may be missed. So the confidence
// asked of each is raised accordingly.
func (m *Mixture) unlisted(sketch int, confidence float64, bounds map[*Pane]float64) float64 {
	absent := func(p *Pane) Estimate { return Estimate{High: bounds[p]} }
	bound := m.weigh(sketch, confidence, absent).High
	total := 0.0
	for _, s := range m.strata {
		total += min(s.ByPosition.weight(sketch)/s.share(), s.limit()*m.unit(sketch))
	}
	if rivals := total / max(bound, 1); rivals > 1 {
		bound = m.weigh(sketch, joint(confidence, int(min(rivals, 1e9))), absent).High
	}
	return bound
}

// weight is the total weight in a hot list, or in the table that stands for it.
func (p *Pane) weight(sketch int) (total float64) {
	if c := p.layout.specs[sketch].Column; p.Column(c) {
		for _, e := range p.entries(c) {
			total += float64(e.words[2+p.layout.slots[sketch]])
		}
		return total
	}
	if h := sketchAs[*HotList](p.wide, sketch); h != nil {
		total = float64(h.Total())
	}
	return total
}
