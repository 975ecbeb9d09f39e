package sketches

import "math"

// Intervals of what was sampled.
//
// # One stratum
//
// Of events (or items) that weigh at most unit each, every one is kept
// independently with chance r. Let S be what is kept, T the truth. S then has mean rT
// and a variance of at most r(1-r)·unit·T, and the ends of the interval are the T for which S
// lies z standard deviations off (Wilson's score interval), with half a unit for
// continuity. The variance is that at the end itself, not that at the
// estimate, which is why the interval holds for small samples as well: where nothing was
// kept its upper end is near ln(2/(1-confidence))·unit/r, as it must be, for
// an item that was never sampled may still have occurred.
//
// # Several strata
//
// Errors of strata are independent, so the distances of the joint
// estimate from the ends are the roots of the sums of the squares of the strata's
// (Zou and Donner, "Construction of confidence limits about effect measures",
// 2008). Adding the distances themselves would hold too, but be wider by up to
// the root of the number of strata. What sketches add is another matter: the same items collide in
// all of them, so those bounds are added.

// deviate is the number of standard deviations on both sides that hold with
// the given confidence under the normal law.
func deviate(confidence float64) float64 {
	return math.Sqrt2 * math.Erfinv(min(max(confidence, 0), 1-1e-15))
}

// drawn is a sample of one stratum.
type drawn struct {
	kept    float64 // weight of what is kept
	squares float64 // its sum of squares, or the most that can be
	unit    float64 // the greatest weight of one
	share   float64 // r
}

// counted is a sample of things that weigh 1.
func counted(kept float64, share float64) drawn { return drawn{kept, kept, 1, share} }

// high is the upper end of the interval.
func (d drawn) high(z float64) float64 { return d.bound(z, 1, d.unit) }

// low is the lower end. It is never below what was kept: that much is certain.
// What was kept says how much it weighs apiece, where for the upper end only
// the greatest weight bounds what was not.
func (d drawn) low(z float64) float64 {
	unit := d.unit
	if d.kept > 0 {
		unit = min(unit, d.squares/d.kept)
	}
	if d.kept <= unit/2 {
		return d.kept
	}
	return max(d.bound(z, -1, unit), d.kept)
}

// bound is the upper (sign 1) or lower (-1) end for things that weigh unit each.
func (d drawn) bound(z, sign, unit float64) float64 {
	left := 1 - d.share
	variance := left * (d.squares + sign*unit*unit/2 + z*z*left*unit*unit/4)
	return (d.kept + sign*unit/2 + z*z*left*unit/2 + sign*z*math.Sqrt(max(variance, 0))) / d.share
}

// tally adds up what the base holds and what strata hold.
type tally struct {
	value, low, high float64 // low and high: of sketches, not of sampling
	below, above     float64 // squares of the distances that sampling adds
	floor            float64 // what was surely counted
	ceiling          float64 // what high cannot exceed
}

func newTally() tally { return tally{ceiling: math.Inf(1)} }

// add adds an estimate of what was counted in full.
func (t *tally) add(e Estimate) {
	t.value += e.Value
	t.low += e.Low
	t.high += e.High
	t.floor += e.Low
}

// sample adds a stratum whose sketch has kept e of the weight: its own interval, multiplied up, and
// sampling's about both ends of it. limit is the most that the stratum can hold.
func (t *tally) sample(e Estimate, draw func(kept float64) drawn, z, limit float64) {
	low, high := draw(e.Low), draw(e.High)
	t.value += min(e.Value/low.share, max(limit, e.Value))
	lower, upper := e.Low/low.share, finite(e.High/high.share)
	t.low += lower
	t.high += upper
	t.below += square(lower - low.low(z))
	t.above += square(min(high.high(z), max(limit, upper)) - upper)
	t.floor += e.Low
}

func square(x float64) float64 { return x * x }

// estimate closes the tally; unknown is what may have come besides.
func (t *tally) estimate(unknown float64) Estimate {
	low := max(t.low-math.Sqrt(t.below), t.floor)
	high := max(t.high+math.Sqrt(t.above), low)
	high = max(min(high, t.ceiling), low) + unknown
	return within(t.value, low, min(high, math.MaxFloat64))
}
