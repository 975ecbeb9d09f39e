package shedding

// This file sheds for want of memory.

// guard is the finest rate that memory allows. Fewer events make fewer keys and
// fewer full-size sketches, but what is held already goes only as commits let
// it go, so it steps without predicting anything.
type guard struct {
	rate    Rate
	changed int64 // when, Unix milliseconds
}

// step looks at what is used as a share of the budget. In is the rate in force.
// Above the high mark it goes coarser, four steps a hold, and past the budget a
// step each period and to Nothing in the end. Below the low mark it goes finer by
// a step a hold; between them it stays.
func (g *guard) step(now int64, used float64, in Rate, c *Config) {
	since, hold := now-g.changed, c.Hold.Milliseconds()
	switch {
	case used >= 1:
		g.set(now, max(g.rate, in).Coarser())
	case used > c.MemoryHigh && since >= hold/4:
		g.set(now, max(g.rate, min(max(g.rate, in).Coarser(), Coarsest)))
	case used < c.MemoryLow && since >= hold:
		g.set(now, g.rate.Finer())
	}
}

func (g *guard) set(now int64, r Rate) {
	if r != g.rate {
		g.rate, g.changed = r, now
	}
}
