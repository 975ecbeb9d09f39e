package sketches

import "math"

// What sampling errors of weights and decayed sums are reckoned from: extremes
// and sums of squares of what was sampled.
//
// A weight or a value that is left out with a chance of 1-r and else multiplied by 1/r
// errs with a variance of x²(1-r)/r, so the sampled x², multiplied by 1/r once more,
// estimate the variance of a sum without bias. The extremes say how much a few events
// that happen not to be sampled can weigh, which the sampled squares cannot.

// weightMoments are those of one weight column.
type weightMoments struct {
	greatest uint64  // of all weights that were seen, sampled or not
	squares  float64 // sum of the squares of the sampled weights
}

func (m *weightMoments) see(weights []int64) {
	for _, w := range weights {
		if w > 0 && uint64(w) > m.greatest {
			m.greatest = uint64(w)
		}
	}
}

func (m *weightMoments) add(weights []int64) {
	for _, w := range weights {
		if w > 0 {
			m.squares += float64(w) * float64(w)
		}
	}
}

func (m *weightMoments) merge(o *weightMoments) {
	m.greatest = max(m.greatest, o.greatest)
	m.squares += o.squares
}

// sumMoments are those of one decayed sum.
//
// A decayed sum of squares weighs each by the square of its decay. By half-life
// that is the same half-life at twice all times, exactly, where half of the
// half-life need not be a whole number. By factor it is the factor squared.
//
// By factor a sampled event stands for 2^j events, by all of which it ages the
// earlier ones, so the sample's sum is kept with the factor to that power.
// For a stream of equal values it then is the whole stream's sum up to scale.
type sumMoments struct {
	lowest, highest float64     // of all values seen, sampled or not, and 0
	squares         HalfLifeSum // by half-life: at twice the times
	aged            FactorSum   // by factor: the sampled values
	agedSquares     FactorSum   // by factor: their squares
}

func (l *Layout) newSumMoments(k, rate int) sumMoments {
	i := l.sums[k]
	if l.byTime(k) {
		return sumMoments{squares: HalfLifeSum{halfLife: l.halfLives[i], landmark: noLandmark}}
	}
	f := agedFactor(l.specs[i].Factor, rate)
	return sumMoments{aged: FactorSum{factor: f}, agedSquares: FactorSum{factor: f * f}}
}

// agedFactor is factor^(2^rate), kept above zero.
func agedFactor(factor float64, rate int) float64 {
	if factor == 1 {
		return 1
	}
	return max(math.Pow(factor, math.Ldexp(1, rate)), 0x1p-500)
}

func (m *sumMoments) byTime() bool { return m.squares.halfLife != nil }

func (m *sumMoments) see(values []float64) {
	for _, v := range values {
		if usable(v) {
			m.lowest, m.highest = min(m.lowest, v), max(m.highest, v)
		}
	}
}

func (m *sumMoments) merge(o *sumMoments, follow bool) error {
	m.lowest, m.highest = min(m.lowest, o.lowest), max(m.highest, o.highest)
	if m.byTime() {
		return m.squares.Merge(&o.squares)
	}
	if follow {
		if err := m.aged.Follow(&o.aged); err != nil {
			return err
		}
		return m.agedSquares.Follow(&o.agedSquares)
	}
	if err := m.aged.Merge(&o.aged); err != nil {
		return err
	}
	return m.agedSquares.Merge(&o.agedSquares)
}
