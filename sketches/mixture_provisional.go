package sketches

import (
	"fmt"
	"slices"
	"sync"
)

// Provisional panes: what is kept of events that are only sampled.

// MaxRate is the greatest rate of a Provisional: one event in 2^MaxRate.
const MaxRate = 40

// Provisional is the state of one key and span over a range of the log of
// which only a share 2^-Rate was applied. What it means to apply a share
// depends upon the sketch, so there are two panes.
//
// ByPosition has the events whose position hash is below 2^(64-Rate): a
// Bernoulli sample of the events, from which counts, weights and sums are
// multiplied up. It is of the layout itself, and its reservoirs and filters are of use too.
//
// ByItem has, of every item column, all events whose item hash is below that:
// a sample of the distinct items, each with all or nothing. It holds only the
// HyperLogLogs and Bloom filters, for in a sample by position the rare items,
// which are most of the distinct ones, are missing by an unknown share.
//
// Beside them stand the second moments and extremes from which sampling errors are reckoned.
type Provisional struct {
	Rate       int   // j: the share is 2^-j; 1..MaxRate
	ByPosition *Pane // of the layout
	ByItem     *Pane // of a layout with the hyperloglogs and filters alone

	layout  *Layout
	sums    []sumMoments    // by decay sketch, in the layout's order
	weights []weightMoments // by weight column
}

// samplingPlan is what provisional panes of a layout share.
type samplingPlan struct {
	once  sync.Once
	items *Layout   // hyperloglogs and Bloom filters alone
	index []int     // by sketch: its index in items, or -1
	kept  sync.Pool // *keptRows
}

func (l *Layout) samplingPlan() *samplingPlan {
	s := &l.sampling
	s.once.Do(func() {
		var specs []Spec
		s.index = make([]int, len(l.specs))
		for i, spec := range l.specs {
			s.index[i] = -1
			if spec.Kind == KindHLL || spec.Kind == KindBloom {
				s.index[i] = len(specs)
				specs = append(specs, spec)
			}
		}
		items, err := NewHashedLayout(l.hash, len(l.columns), 0, 0, specs)
		if err != nil {
			panic(fmt.Sprintf("sketches: the distinct sketches of a checked layout have faults: %v", err))
		}
		s.items = items
		s.kept.New = func() any { return newKeptRows(l) }
	})
	return s
}

// itemSet translates a set of the layout to one of the ByItem layout.
func (s *samplingPlan) itemSet(which Set) (out Set) {
	for i, j := range s.index {
		if which.Has(i) {
			out |= Only(j)
		}
	}
	return out
}

// NewProvisional makes an empty provisional state of rate 2^-rate. A rate
// outside of 1..MaxRate is a fault of the program and panics.
func (l *Layout) NewProvisional(rate int) *Provisional {
	if rate < 1 || rate > MaxRate {
		panic(fmt.Sprintf("sketches: a provisional pane of rate 2^-%d: the exponent must be within 1..%d", rate, MaxRate))
	}
	p := &Provisional{Rate: rate, layout: l, ByPosition: l.NewPane(), ByItem: l.samplingPlan().items.NewPane()}
	if len(l.sums) > 0 {
		p.sums = make([]sumMoments, len(l.sums))
		for k := range p.sums {
			p.sums[k] = l.newSumMoments(k, rate)
		}
	}
	if l.weights > 0 {
		p.weights = make([]weightMoments, l.weights)
	}
	return p
}

// sampleLimit is the hash below which a position or an item is kept at rate 2^-rate.
func sampleLimit(rate int) uint64 { return 1 << (64 - rate) }

// Kept is the number of events that were sampled by position.
func (p *Provisional) Kept() uint64 { return p.ByPosition.events }

// Merge adds another provisional state of the same layout and rate, of the
// sketches in which only. other is neither changed nor kept.
func (p *Provisional) Merge(other *Provisional, which Set) error { return p.merge(other, which, false) }

// Follow adds a later provisional state of the same key and partition; it
// differs from Merge for decay by factor only, as Pane.Follow does.
func (p *Provisional) Follow(later *Provisional, which Set) error { return p.merge(later, which, true) }

func (p *Provisional) merge(o *Provisional, which Set, follow bool) error {
	if p.Rate != o.Rate {
		return fmt.Errorf("%w: provisional panes of rates 2^-%d and 2^-%d", ErrMismatch, p.Rate, o.Rate)
	}
	if err := p.ByPosition.merge(o.ByPosition, which, follow); err != nil {
		return err
	}
	if err := p.ByItem.merge(o.ByItem, p.layout.samplingPlan().itemSet(which), follow); err != nil {
		return err
	}
	for k, i := range p.layout.sums {
		if which.Has(i) {
			if err := p.sums[k].merge(&o.sums[k], follow); err != nil {
				return fmt.Errorf("sketch %q: %w", p.layout.specs[i].Name, err)
			}
		}
	}
	for w := range p.weights {
		p.weights[w].merge(&o.weights[w])
	}
	return nil
}

// Clone copies the state.
func (p *Provisional) Clone() *Provisional {
	c := *p
	c.ByPosition, c.ByItem = p.ByPosition.Clone(), p.ByItem.Clone()
	c.sums, c.weights = slices.Clone(p.sums), slices.Clone(p.weights)
	return &c
}

// Size is the memory held, in bytes, about.
func (p *Provisional) Size() int {
	return 96 + p.ByPosition.Size() + p.ByItem.Size() + 112*len(p.sums) + 16*len(p.weights)
}
