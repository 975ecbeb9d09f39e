package sketches

import "math"

// HyperLogLog's answers: estimates and their intervals, from all registers or
// from the first ones.

// Estimate returns the estimated number of distinct items. It does not change
// the sketch.
func (h *HyperLogLog) Estimate() float64 {
	estimate, _ := h.prefix(0)
	return estimate
}

// Interval returns bounds that hold the number of distinct items with about the
// given confidence, a number between 0 and 1.
func (h *HyperLogLog) Interval(confidence float64) (low, high float64) {
	estimate, occupied := h.prefix(0)
	return hllInterval(estimate, float64(len(h.registers)), occupied, 1, confidence)
}

// EstimatePrefix estimates the number of all distinct items when some were only
// added if their hash was below 2^(64-j). Those are the items of the first 2^-j
// share of the registers, which therefore hold what they would have held if
// nothing had been left out; their estimate is multiplied by 2^j. Past the
// precision no register is complete, and the estimate is NaN.
func (h *HyperLogLog) EstimatePrefix(j int) float64 {
	if j < 0 || j > int(h.precision) {
		return math.NaN()
	}
	estimate, _ := h.prefix(j)
	return math.Ldexp(estimate, j)
}

// IntervalPrefix is the interval of EstimatePrefix: wider than Interval because
// fewer registers are read and because they hold a sample of the items.
func (h *HyperLogLog) IntervalPrefix(j int, confidence float64) (low, high float64) {
	if j < 0 || j > int(h.precision) {
		return math.NaN(), math.NaN()
	}
	estimate, occupied := h.prefix(j)
	return hllInterval(estimate, float64(len(h.registers)>>j), occupied, math.Ldexp(1, -j), confidence)
}

// prefix estimates the distinct items of the first 2^-j share of the registers
// and counts the registers of them that are not zero.
func (h *HyperLogLog) prefix(j int) (estimate, occupied float64) {
	ranks := &h.ranks
	if h.stale || j > 0 {
		fresh := countRanksOf(h.registers[:len(h.registers)>>j])
		ranks = &fresh
	}
	m := float64(len(h.registers) >> j)
	return estimateRanks(ranks, m, 64-int(h.precision)), m - float64(ranks[0])
}

// countRanksOf is countRanks for any number of registers.
func countRanksOf(registers []uint8) (ranks [64]uint32) {
	if len(registers) >= 8 {
		return countRanks(registers)
	}
	for _, r := range registers {
		ranks[r&63]++
	}
	return ranks
}

// estimateRanks is Ertl's algorithm 6 for m registers of ranks 0 to q+1.
func estimateRanks(ranks *[64]uint32, m float64, q int) float64 {
	if float64(ranks[0]) == m {
		return 0
	}
	z := m * ertlTau(1-float64(ranks[q+1])/m)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + float64(ranks[k]))
	}
	z += m * ertlSigma(float64(ranks[0])/m)
	return m * m / (2 * math.Ln2 * z)
}

// ertlSigma is x + Σ x^(2^k) 2^(k-1), which stands for the registers that are
// still zero.
func ertlSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	for sum, weight := x, 1.0; ; weight += weight {
		x *= x
		before := sum
		sum += x * weight
		if sum == before {
			return sum
		}
	}
}

// ertlTau is (1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3, which stands for the
// registers that cannot rise any further.
func ertlTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	for sum, weight := 1-x, 0.5; ; weight *= 0.5 {
		x = math.Sqrt(x)
		before := sum
		sum -= (1 - x) * (1 - x) * weight
		if sum == before {
			return sum / 3
		}
	}
}

// hllInterval derives bounds from the estimate over m registers that hold the
// given share of all items.
//
// With t items a register, the relative variance of the estimate is at most the
// lesser of two: 1.04²/m, that of many items, and (e^t - t - 1)/(t² m), that of
// counting the registers still zero (Whang, Vander-Zanden, Taylor 1990), which
// is half as large for few items. Reading a share s only adds (1-s)/n for n items
// seen, as in any Poisson sample. The bounds are normal in the logarithm, since
// the estimate is skewed to the right for few registers, and three registers are
// deducted from many-item ones, without which 16 registers hold too seldom.
//
// Two corrections make small answers hold. What errs there is the number of items
// that fell into an occupied register, a count of Poisson's law, so half an item
// is added on both sides for continuity. And as many items as there are occupied
// registers were certainly seen, so the lower bound is never less.
func hllInterval(estimate, m, occupied, share, confidence float64) (low, high float64) {
	if estimate == 0 && share == 1 {
		return 0, 0
	}
	z := math.Sqrt2 * math.Erfinv(min(max(confidence, 0), 1))
	if estimate == 0 {
		return 0, z * z / share // nothing in the sample: an upper bound for Poisson's law
	}
	t := estimate / m
	variance := 0.5 + t/6
	if t > 1e-3 {
		variance = (math.Expm1(t) - t) / (t * t)
	}
	variance = min(variance, hllError*hllError)/(m-3*min(1, t)) + (1-share)/estimate
	spread := math.Exp(z * math.Sqrt(variance))
	low = max((estimate/spread-0.5)/share, occupied)
	high = (estimate*spread + 0.5) / share
	return min(low, estimate/share), high
}
