package sketches

import "math"

// Distinct items of a mixture.
//
// Let the parts be the base, in which nothing is missing, and strata by falling share.
// S(i) is everything in the base and the first i strata. Of S(i), all items whose
// hash is below the share r(i) of 2^64 are there, for the base and every stratum up to i
// have kept them. So what stratum i adds to the items before it, in all, is
//
//	D(i) - D(i-1) = (P(S(i)) - P(S(i-1))) / r(i)
//
// where P counts the items below that share: exactly in tables, and in the first r·m
// registers of HyperLogLogs, which are complete. The estimate is the base's own, from all
// its registers, and the sum of these. The plainer P(S(n))/r(n), the union's prefix at the
// coarsest rate, reads everything from few registers, as if no more were known of
// the base than of the stratum sampled least.
//
// The difference costs no accuracy. In a register with the minimum of exponentials, the
// minimum over a superset is uncorrelated to how much larger that over the subset
// is, by lack of memory; estimates from it hence err by independent increments:
// Var(P(S) - P(S')) = Var P(S) - Var P(S'). Items x added to B in m registers have
// a variance of slope·x + curve·x² by that, to which sampling adds (1-r)x. The interval
// of x is where the estimate lies z deviations off, as in mixture_interval.go, for the part
// that is proportional to x, and for that to x² it is one in the logarithm.

// Distinct estimates how many distinct items a KindHLL sketch has seen.
func (m *Mixture) Distinct(sketch int, confidence float64) Estimate {
	if !m.Sampled() {
		return m.base.Distinct(sketch, confidence)
	}
	z := deviate(confidence)
	base := m.base.Distinct(sketch, confidence)
	set := m.distinctSet(sketch)
	t := newTally()
	t.value, t.low, t.high = base.Value, base.Value, base.Value
	t.below, t.above = square(base.Value-base.Low), square(base.High-base.Value)
	t.floor = base.Low
	t.ceiling = base.High
	own := m.layout.samplingPlan().index[sketch]
	for _, s := range m.strata {
		before := set.below(s.Rate)
		set.add(s.ByItem, own)
		added, low, high := set.added(before, set.below(s.Rate), s.Rate, z)
		share := s.share()
		t.value += added / share
		t.low += added / share
		t.high += added / share
		t.below += square((added - low) / share)
		t.above += square((high - added) / share)
		events := newTally()
		events.sampleEvents(s, float64(s.Kept()), deviate(joint(confidence, 2)))
		t.ceiling += events.estimate(0).High
	}
	for _, s := range m.strata {
		set.add(s.ByPosition, sketch)
	}
	t.floor = max(t.floor, set.low(confidence))
	return t.estimate(float64(m.unknown))
}

// distinctSet is a union of panes' items: their hashes while all panes have
// tables, and else registers.
type distinctSet struct {
	layout *Layout // of the mixture
	hashes map[uint64]struct{}
	hll    *HyperLogLog // nil: hashes
}

// distinctSet begins with the base, in the form that all parts can join.
func (m *Mixture) distinctSet(sketch int) *distinctSet {
	set := &distinctSet{layout: m.layout, hashes: make(map[uint64]struct{})}
	c := m.layout.specs[sketch].Column
	promoted := !m.base.Column(c)
	for _, s := range m.strata {
		promoted = promoted || !s.ByPosition.Column(c) || !s.ByItem.Column(c)
	}
	if promoted {
		set.hll = m.layout.make(sketch).(*HyperLogLog)
	}
	set.add(m.base, sketch)
	return set
}

// add adds a pane, in whose layout the sketch has this index.
func (s *distinctSet) add(p *Pane, sketch int) {
	c := p.layout.specs[sketch].Column
	if !p.Column(c) {
		if h := sketchAs[*HyperLogLog](p.wide, sketch); h != nil {
			s.hll.Merge(h)
		}
		return
	}
	for _, e := range p.entries(c) {
		if s.hll != nil {
			s.hll.Add(e.words[0])
		} else {
			s.hashes[e.words[0]] = struct{}{}
		}
	}
}

// below counts the items of hash below 2^(64-rate), NaN where no register tells.
func (s *distinctSet) below(rate int) float64 {
	if s.hll != nil {
		return math.Ldexp(s.hll.EstimatePrefix(rate), -rate)
	}
	n := 0
	for hash := range s.hashes {
		if complete(hash, rate) {
			n++
		}
	}
	return float64(n)
}

// low is the lower bound of all items in the set.
func (s *distinctSet) low(confidence float64) float64 {
	if s.hll == nil {
		return float64(len(s.hashes))
	}
	low, _ := s.hll.Interval(confidence)
	return low
}

// fewRegisters are too few for an interval: an estimate from them has no variance to speak of.
const fewRegisters = 8

// added is by how much a count of the items below the limit of a rate grew,
// and the interval of by how much it would, were the estimates free of error,
// and the sample of items of the expected size.
func (s *distinctSet) added(before, after float64, rate int, z float64) (added, low, high float64) {
	if math.IsNaN(after) {
		return 0, 0, math.Inf(1)
	}
	added = max(after-before, 0)
	slope, curve := 0.0, 0.0
	if s.hll != nil {
		m := float64(len(s.hll.registers) >> rate)
		if m < fewRegisters {
			return added, 0, math.Inf(1)
		}
		t := after / m
		m -= 3 * min(1, t)
		slope = min(math.Expm1(before/m), 2*hllError*hllError*before/m)
		curve = min(math.Exp(t)/2, hllError*hllError) / m
	}
	slope += 1 - math.Ldexp(1, -rate)
	low = spread(added, score(added, -1, z, slope), z*z*curve)
	return added, low, spread(added, score(added, 1, z, slope), z*z*curve)
}

// score is the x above (sign 1) or below (-1) a count at which the count, with
// half of one for continuity, lies z deviations off x, if its variance at x is slope·x.
func score(count, sign, z, slope float64) float64 {
	a := count + sign/2
	if a <= 0 {
		return 0
	}
	b := z * z * slope / 2
	x := a + b + sign*math.Sqrt(b*(b+2*a))
	if sign > 0 {
		return x
	}
	return min(max(x, 0), count)
}

// spread moves the end of an interval further off, for an error that is
// proportional to x: that of registers, whose estimates are skewed, and nearly normal
// in the logarithm. Squares of the distances are added, so there.
func spread(count, end, square float64) float64 {
	if count <= 0 || end <= 0 {
		return end
	}
	distance := math.Log(end / count)
	return count * math.Exp(math.Copysign(math.Sqrt(distance*distance+square), distance))
}
