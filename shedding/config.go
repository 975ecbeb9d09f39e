package shedding

// This file is what an operator may set about a controller.

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config is how a Controller behaves. Zero fields take their defaults.
type Config struct {
	// Fresh is the target: how old the oldest event that the view has not taken
	// may be. Default 2 s. Reacting takes a few periods, so it is at least four
	// of them.
	Fresh time.Duration
	// Period is the time between two decisions. Default 100 ms: a twentieth of
	// the usual target, and long enough to hold several batches of a busy
	// partition.
	Period time.Duration
	// Hold is the least time before the rate becomes finer, and the time between
	// two such steps. Default 1 s: too long to hunt, and short enough that from
	// the coarsest rate to the full one takes half a minute.
	Hold time.Duration
	// Patience is the greatest such time. After each step that had to be taken
	// back it doubles. Default 1 min.
	Patience time.Duration
	// Margin is the share of capacity that a finer rate may be predicted to take,
	// in (0, 0.9]. Default 0.8. A rate becomes coarser only when it takes all
	// there is, and the difference is the hysteresis.
	Margin float64
	// Fixed is the share of a fully applied event's cost that sampling does not
	// save (reading, decoding, filtering), in [0.01, 0.9], as assumed until it has
	// been measured. Default 0.25.
	Fixed float64
	// MemoryHigh and MemoryLow are shares of the memory budget, with
	// 0 < low < high <= 1: above the one the rate becomes coarser, below the other
	// finer. Defaults 0.9 and 0.7.
	MemoryHigh, MemoryLow float64
}

func (c Config) withDefaults() Config {
	c.Fresh = cmp.Or(c.Fresh, 2*time.Second)
	c.Period = cmp.Or(c.Period, 100*time.Millisecond)
	c.Hold = cmp.Or(c.Hold, time.Second)
	c.Patience = cmp.Or(c.Patience, max(time.Minute, c.Hold))
	c.Margin = cmp.Or(c.Margin, 0.8)
	c.Fixed = cmp.Or(c.Fixed, 0.25)
	c.MemoryHigh = cmp.Or(c.MemoryHigh, 0.9)
	c.MemoryLow = cmp.Or(c.MemoryLow, 0.7)
	return c
}

// Validate names every fault of the settings.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
		}
	}
	fault(c.Period >= time.Millisecond, "a control period of %v: it must be 1ms or more", c.Period)
	fault(c.Fresh >= 4*c.Period, "a freshness target of %v: it must be %v or more, four control periods", c.Fresh, 4*c.Period)
	fault(c.Hold >= c.Period, "a hold of %v: it must be %v or more, the control period", c.Hold, c.Period)
	fault(c.Patience >= c.Hold, "a patience of %v: it must be %v or more, the hold", c.Patience, c.Hold)
	fault(c.Margin > 0 && c.Margin <= 0.9, "a margin of %v: it must be above 0 and at most 0.9", c.Margin)
	fault(c.Fixed >= leastFixed && c.Fixed <= greatestFixed, "a fixed share of %v: it must be %v to %v", c.Fixed, leastFixed, greatestFixed)
	fault(c.MemoryLow > 0 && c.MemoryLow < c.MemoryHigh && c.MemoryHigh <= 1,
		"memory marks of %v and %v: the low one must be above 0 and below the high one, and that at most 1", c.MemoryLow, c.MemoryHigh)
	return errors.Join(faults...)
}
