package sketches

import "math"

// Decayed sums of a mixture.

// Sum estimates the decayed sum as of time at, as Pane.Sum does.
//
// The variance of sampling is read from the squares of the sampled values, and the
// greatest value seen (or learnt of) bounds what a few events that were not sampled can add,
// as the greatest weight does in Frequency. Where no value was ever seen, the interval is everything.
//
// A sum by a factor below one depends upon the order of events, which is not
// known between parts of a mixture. The estimate takes parts to be mixed evenly, and the
// interval reaches from each part being aged by all others to none being aged, which
// holds for values of one sign.
func (m *Mixture) Sum(sketch int, at int64, confidence float64) Estimate {
	if !m.Sampled() {
		return m.base.Sum(sketch, at)
	}
	for k, i := range m.layout.sums {
		if i != sketch {
			continue
		}
		z := deviate(confidence)
		if m.layout.byTime(k) {
			return m.sumByTime(k, at, z)
		}
		return m.sumByFactor(k, z)
	}
	return Estimate{}
}

// sumTally adds up strata of a sum; unlike weights, values may be negative.
type sumTally struct {
	value        float64
	below, above float64 // squares of the distances
	surely       float64 // what is known beyond sampling: base and samples
}

// sample adds a stratum with values of the given extremes, which has kept a
// sum and a sum of squares, to be multiplied by scale. With values of one sign the
// sum is a weight; otherwise what was left out may be of the greatest magnitude in both directions.
func (t *sumTally) sample(d drawn, lowest, highest, z, scale float64) {
	up := d.high(z)*d.share - d.kept
	down := up
	switch {
	case lowest >= 0:
		down = d.kept - d.low(z)*d.share
	case highest <= 0:
		d.kept = -d.kept
		up = d.kept - d.low(z)*d.share
		d.kept = -d.kept
	}
	t.value += d.kept * scale
	t.below += square(down * scale)
	t.above += square(up * scale)
	t.surely += d.kept
}

// estimate closes the tally. With values of one sign the truth is on one side of what was surely counted.
func (t *sumTally) estimate(lowest, highest, unknown float64) Estimate {
	t.value = finite(t.value)
	low, high := t.value-math.Sqrt(t.below), t.value+math.Sqrt(t.above)
	if lowest >= 0 {
		low = max(low, t.surely)
	}
	if highest <= 0 {
		high = min(high, t.surely)
	}
	if unknown > 0 {
		low += min(unknown*lowest, 0)
		high += max(unknown*highest, 0)
	}
	return ordered(t.value, low, high)
}

// ordered is an estimate of any sign, without infinities.
func ordered(value, low, high float64) Estimate {
	low, high = finite(low), finite(high)
	return Estimate{Value: min(max(value, low), high), Low: low, High: high}
}

func finite(x float64) float64 { return min(max(x, -math.MaxFloat64), math.MaxFloat64) }

// extremes are the lowest and highest value that events may have.
func (m *Mixture) extremes(k int) (lowest, highest float64) {
	if m.hints != nil {
		lowest, highest = m.hints.sums[k].lowest, m.hints.sums[k].highest
	}
	for _, s := range m.strata {
		lowest, highest = min(lowest, s.sums[k].lowest), max(highest, s.sums[k].highest)
	}
	if lowest == 0 && highest == 0 {
		return -math.MaxFloat64, math.MaxFloat64
	}
	return lowest, highest
}

func (m *Mixture) sumByTime(k int, at int64, z float64) Estimate {
	lowest, highest := m.extremes(k)
	base := m.base.halfLifeSum(k)
	var t sumTally
	t.value = base.At(at)
	t.surely = t.value
	weight := 1.0
	for _, s := range m.strata {
		sum, squares := s.ByPosition.halfLifeSum(k), &s.sums[k].squares
		latest := s.weightAt(at, float64(squares.halfLife.milliseconds))
		unit := min(latest*max(-lowest, highest), math.Sqrt(math.MaxFloat64)/64)
		t.sample(drawn{sum.At(at), squares.At(2 * min(max(at, -decayTimeLimit), decayTimeLimit)), unit, s.share()},
			lowest, highest, z, 1/s.share())
		weight = max(weight, latest)
	}
	return t.estimate(lowest, highest, float64(m.unknown)*finite(weight))
}

// weightAt is the weight of the stratum's latest event as of a time: no event
// that was not sampled is taken to be later.
func (s *stratum) weightAt(at int64, halfLife float64) float64 {
	latest, known := int64(math.MinInt64), false
	for _, p := range []*Pane{s.ByPosition, s.ByItem} {
		if p.events > 0 {
			latest, known = max(latest, p.greatest), true
		}
	}
	if !known {
		return 1
	}
	return math.Exp2((float64(latest) - float64(at)) / halfLife)
}

// sumByFactor mixes parts evenly: each has a mean value, and the mixture is a
// stream of as many events, of their mean. A factor of one has no order to mind.
func (m *Mixture) sumByFactor(k int, z float64) Estimate {
	lowest, highest := m.extremes(k)
	factor := m.layout.specs[m.layout.sums[k]].Factor
	base := m.base.factorSum(k)
	var t sumTally
	t.value, t.surely = base.Sum(), base.Sum()
	parts := []factorPart{{base.Sum(), float64(base.count)}}
	unit := min(max(-lowest, highest), math.Sqrt(math.MaxFloat64)/64)
	for _, s := range m.strata {
		sum, squares := &s.sums[k].aged, &s.sums[k].agedSquares
		scale := 1 / s.share()
		if factor < 1 {
			scale = (1 - sum.factor) / (1 - factor)
		}
		t.sample(drawn{sum.Sum(), squares.Sum(), unit, s.share()}, lowest, highest, z, scale)
		parts = append(parts, factorPart{sum.Sum() * scale, float64(sum.count) / s.share()})
	}
	if factor == 1 {
		return t.estimate(lowest, highest, float64(m.unknown))
	}
	t.surely = 0 // what was counted may have been aged since
	e := t.estimate(lowest, highest, float64(m.unknown))
	return aged(e, parts, factor, float64(m.unknown))
}

// factorPart is the sum by factor of so many events.
type factorPart struct{ sum, count float64 }

// aged allows for what parts age one another.
func aged(e Estimate, parts []factorPart, factor, unknown float64) Estimate {
	logarithm := math.Log(factor)
	total := 0.0
	for _, p := range parts {
		total += p.count
	}
	mean := 0.0
	for _, p := range parts {
		if p.count == 0 {
			continue
		}
		mean += p.count / total * p.sum / -math.Expm1(logarithm*p.count)
		lost := p.sum * -math.Expm1(logarithm*(total-p.count+unknown))
		e.Low -= max(lost, 0)
		e.High -= min(lost, 0)
	}
	return ordered(-mean*math.Expm1(logarithm*total), e.Low, e.High)
}
