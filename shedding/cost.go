package shedding

// This file learns what an event costs at each rate.

const (
	leastFixed    = 0.01
	greatestFixed = 0.9

	// A stay begins with what was predicted for its rate, as if that had been
	// measured for so many seconds.
	priorSeconds = 0.05
	// Measurements fade with this time constant. Cost changes with what else the
	// machine does, and with load: idle, records are small and cost more an event.
	fadeSeconds = 2
	// A stay of fewer seconds of work says nothing about the fixed share.
	tellingSeconds = 0.2
	// Nor does one at a rate at which hardly anything is saved any more.
	tellingRate Rate = 4
)

// costs is a model of the worker's time: an event costs full·(fixed + (1−fixed)·applied(r))
// seconds at rate r. Full follows from every measurement at any rate. Fixed shows
// only in the change from one rate to another, and is learned there; fitting
// both at once, as by recursive least squares, diverges while the rate stays
// where it is, which is most of the time.
type costs struct {
	fixed    float64
	rate     Rate    // that is being measured
	prior    work    // as predicted when the stay began
	stay     work    // as measured since
	told     bool    // this stay has been compared with the one before
	before   float64 // seconds an event in the last stay that was long enough; 0: none
	beforeAt Rate
}

// work is events and the seconds that they took, fading.
type work struct{ seconds, events float64 }

func (w work) times(f float64) work { return work{w.seconds * f, w.events * f} }

// applied is how much of the work of applying everything is left at a rate. What is kept is
// applied twice, to panes of their own each time: events that the rate keeps by position, and
// events that it keeps by item. Measured, as shares of full (BenchmarkRates in ingest/view; reading
// and decoding are not in it; 1,000 and 100,000 keys, panes of a minute and of all time):
//
//	rate     1,000, 1m  1,000, all  100,000, 1m  100,000, all  min(1, 2r)
//	1/2         0.86       0.98        1.07         0.93          1
//	1/4         0.62       0.66        0.47         0.61          0.5
//	1/16        0.29       0.30        0.18         0.25          0.125
//	1/256       0.08       0.08        0.03         0.05          0.008
//
// And it is all applied again when it is paid for. So to sample a half gains nothing, and
// Full.Coarser is a quarter.
func applied(r Rate) float64 { return min(1, 2*r.Value()) }

// weight is the cost at a rate relative to the full one.
func weight(fixed float64, r Rate) float64 { return fixed + (1-fixed)*applied(r) }

// measure notes what was done within the elapsed seconds.
func (c *costs) measure(done work, elapsed float64) {
	if done.events <= 0 || done.seconds <= 0 {
		return // nothing fades while nothing is learned
	}
	keep := max(1-toward(elapsed, fadeSeconds), 0.01)
	c.prior, c.stay = c.prior.times(keep), c.stay.times(keep)
	c.stay.seconds += done.seconds
	c.stay.events += done.events
	if c.stay.seconds >= tellingSeconds && !c.told {
		c.told = true
		c.learn()
	}
}

// current is the seconds that an event costs at the rate in force; 0 if unknown.
func (c *costs) current() float64 {
	if events := c.prior.events + c.stay.events; events > 0 {
		return (c.prior.seconds + c.stay.seconds) / events
	}
	return 0
}

// at is the seconds that an event is predicted to cost at a rate; 0 if unknown.
func (c *costs) at(r Rate) float64 {
	if r == Nothing {
		return 0
	}
	return c.current() * weight(c.fixed, r) / weight(c.fixed, c.rate)
}

// move notes that another rate is in force. Nothing has no cost to measure.
func (c *costs) move(r Rate) {
	if r == c.rate || r == Nothing {
		return
	}
	if c.stay.seconds >= tellingSeconds {
		c.before, c.beforeAt = c.stay.seconds/c.stay.events, c.rate
	}
	predicted := c.at(r)
	c.rate, c.prior, c.stay, c.told = r, work{}, work{}, false
	if predicted > 0 {
		c.prior = work{priorSeconds, priorSeconds / predicted}
	}
}

// learn compares this stay with the one before. With q the ratio of their costs,
// q = (f + (1−f)·r) / (f + (1−f)·s) gives f = (q·s − r) / ((1−r) − q·(1−s)), where r and s
// are what is applied at the rates.
func (c *costs) learn() {
	if c.before == 0 || c.beforeAt == c.rate || min(c.rate, c.beforeAt) > tellingRate {
		return
	}
	q := c.stay.seconds / c.stay.events / c.before
	r, s := applied(c.rate), applied(c.beforeAt)
	below := (1 - r) - q*(1-s)
	if below == 0 {
		return
	}
	f := (q*s - r) / below
	if (q > 1) != (r > s) || f < 0 {
		// A finer rate never costs less. What changed is the machine.
		return
	}
	// A quarter of the way: cost often changes just before the rate does, for that
	// is a reason to change it.
	c.fixed += (min(max(f, leastFixed), greatestFixed) - c.fixed) / 4
}

// useful is the coarsest rate that is worth its loss: past it, halving the rate
// saves less than two hundredths of an event's cost.
func (c *costs) useful() Rate {
	r := Full
	for r < Coarsest && weight(c.fixed, r.Coarser()) < 0.98*weight(c.fixed, r) {
		r = r.Coarser()
	}
	return r
}
