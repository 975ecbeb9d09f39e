package sketches

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Mixture is what one answer sees while a view owes a part of the log: the
// panes that have everything, merged into a base, and strata of what was
// sampled, one for each rate, and how many events nothing is known of. It gives the
// answers of a Pane, with intervals that hold for the whole.
//
//	base ∪ stratum 2^-1 ∪ stratum 2^-4 ∪ … ∪ unknown
//
// Without strata every answer is the base pane's to the bit. So once all that
// is owed has been paid, answers are those of a view that never sampled.
//
// Strata must be independent of what is counted, that is, hashes of positions and of
// items must be as good as random; that is all that the intervals assume.
type Mixture struct {
	layout  *Layout
	base    *Pane
	strata  []*stratum // by rising rate, the coarsest last
	unknown uint64     // events of which nothing is known, at most
	hints   *Provisional
	seen    *seen // of the base; nil: ask it
}

// stratum is all that was sampled at one rate.
type stratum struct {
	*Provisional
	owed uint64 // events in it, at most
	told bool   // owed is known
}

func (s *stratum) share() float64 { return math.Ldexp(1, -s.Rate) }

// limit is the most events that the stratum can hold.
func (s *stratum) limit() float64 {
	if s.told && s.owed >= s.Kept() {
		return float64(s.owed)
	}
	return math.Inf(1)
}

// NewMixture makes an empty mixture.
func (l *Layout) NewMixture() *Mixture { return &Mixture{layout: l, base: l.NewPane()} }

// Base is the pane of what was counted in full. It is the mixture's.
func (m *Mixture) Base() *Pane { return m.base }

// Sampled tells whether anything is sampled or unknown. If not, answers are the base's.
func (m *Mixture) Sampled() bool { return len(m.strata) > 0 || m.unknown > 0 }

// Merge adds a pane to the base, as Pane.Merge does.
func (m *Mixture) Merge(p *Pane, which Set) error { return m.base.Merge(p, which) }

// Adopt is Merge of a pane that was made by merging the sketches in which, and that
// becomes the mixture's own.
func (m *Mixture) Adopt(p *Pane, which Set) error {
	if m.base.events == 0 && p.layout == m.layout {
		m.base = p
		return nil
	}
	defer p.Release()
	return m.base.Merge(p, which)
}

// Release ends the use of a mixture; see Pane.Release.
func (m *Mixture) Release() { m.base.Release() }

// Follow adds a later pane to the base, as Pane.Follow does.
func (m *Mixture) Follow(later *Pane, which Set) error { return m.base.Follow(later, which) }

// MergeProvisional adds what was sampled of a range to the stratum of its rate.
func (m *Mixture) MergeProvisional(p *Provisional, which Set) error {
	if err := m.check(p); err != nil {
		return err
	}
	return m.stratum(p.Rate).Merge(p, which)
}

// FollowProvisional is MergeProvisional for a later range of the same key and
// partition; it differs for decay by factor only.
func (m *Mixture) FollowProvisional(p *Provisional, which Set) error {
	if err := m.check(p); err != nil {
		return err
	}
	return m.stratum(p.Rate).Follow(p, which)
}

// check comes before a stratum is made, so that an error leaves none behind.
func (m *Mixture) check(p *Provisional) error {
	if p.layout != m.layout && p.layout.fingerprint != m.layout.fingerprint {
		return fmt.Errorf("%w: a provisional pane of layout %016x in a mixture of %016x", ErrMismatch, p.layout.fingerprint, m.layout.fingerprint)
	}
	return nil
}

// Owe declares a range that was sampled at rate 2^-rate and holds at most so
// many events that the question is about. It must be called for every such range, or
// for none. It matters most when there is no provisional pane to merge: that a key was never sampled
// does not mean that it did not occur. A rate of 0 is 2^0: the range is in the
// base. Ranges of which nothing is known are declared by OweUnknown.
func (m *Mixture) Owe(rate int, events uint64) {
	if rate == 0 || events == 0 {
		return
	}
	s := m.stratum(rate)
	s.owed, s.told = saturatingAdd(s.owed, events), true
}

// OweUnknown declares that up to so many events were not even sampled. Every
// interval is widened by as many.
func (m *Mixture) OweUnknown(events uint64) { m.unknown = saturatingAdd(m.unknown, events) }

// Learn takes from another key's provisional pane how great weights and values
// are, and nothing else. Where a key was never sampled, there is no other way to
// bound what it weighs.
func (m *Mixture) Learn(p *Provisional) error {
	if err := m.check(p); err != nil {
		return err
	}
	if m.hints == nil {
		m.hints = m.layout.NewProvisional(1)
	}
	for w := range p.weights {
		m.hints.weights[w].greatest = max(m.hints.weights[w].greatest, p.weights[w].greatest)
	}
	for k := range p.sums {
		h := &m.hints.sums[k]
		h.lowest, h.highest = min(h.lowest, p.sums[k].lowest), max(h.highest, p.sums[k].highest)
	}
	return nil
}

// stratum finds the stratum of a rate and makes it if need be.
func (m *Mixture) stratum(rate int) *stratum {
	at, found := slices.BinarySearchFunc(m.strata, rate, func(s *stratum, rate int) int { return cmp.Compare(s.Rate, rate) })
	if !found {
		m.strata = slices.Insert(m.strata, at, &stratum{Provisional: m.layout.NewProvisional(rate)})
	}
	return m.strata[at]
}

// coarsest is the greatest rate: what is kept at it is kept everywhere.
func (m *Mixture) coarsest() int {
	if len(m.strata) == 0 {
		return 0
	}
	return m.strata[len(m.strata)-1].Rate
}

// complete tells whether everything of this hash was kept at a rate.
func complete(hash uint64, rate int) bool { return rate == 0 || hash < sampleLimit(rate) }

// Events is the number of events. The interval holds with the given
// confidence, in (0, 1).
func (m *Mixture) Events(confidence float64) Estimate {
	t := newTally()
	t.add(exactly(float64(m.base.events)))
	if !m.Sampled() {
		return exactly(t.value)
	}
	z := deviate(confidence)
	for _, s := range m.strata {
		t.sampleEvents(s, float64(s.Kept()), z)
	}
	return t.estimate(float64(m.unknown))
}

// sampleEvents adds a stratum of which exactly kept events of interest were sampled.
func (t *tally) sampleEvents(s *stratum, kept, z float64) {
	share := s.share()
	t.sample(exactly(kept), func(kept float64) drawn { return counted(kept, share) }, z, s.limit())
}

// Sample returns n items of a KindReservoir sketch, drawn without replacement
// and uniformly from all events, and how many there are. An event whose position's hash is
// below that of the coarsest rate was kept whichever range it is in; so those of
// least hash among them are the sample that would have been drawn from everything,
// but for being fewer than n where so few are below. Events of which nothing is known
// count in the population but cannot be in the sample.
func (m *Mixture) Sample(sketch, n int, confidence float64) (items [][]byte, population Estimate) {
	if !m.Sampled() {
		items, known := m.base.Sample(sketch, n)
		return items, exactly(float64(known))
	}
	t := newTally()
	r := m.base.reservoir(sketch).Clone()
	t.add(exactly(float64(r.population)))
	z := deviate(confidence)
	for _, s := range m.strata {
		o := s.ByPosition.reservoir(sketch)
		t.sampleEvents(s, float64(o.population), z)
		for i := range o.heap {
			r.offer(o.heap[i].position, o.item(&o.heap[i]))
		}
	}
	rate, kept := m.coarsest(), 0
	for i := range r.heap {
		if complete(r.heap[i].position, rate) {
			kept++
		}
	}
	return r.Sample(min(n, kept)), t.estimate(float64(m.unknown))
}
