package shedding

// This file smooths how many events arrive.

import "math"

// load is events a second, seen three ways. A decision to shed looks at the
// last moments, so that it comes in time; one to shed less at the worst of the
// recent past, so that a lull between two bursts is not taken for the end.
type load struct {
	last uint64  // the count of arrivals
	fast float64 // over about three periods
	mean float64 // over about a hold
	peak float64 // greatest mean, fading over five holds
}

// measure notes the count of arrivals after so many seconds.
func (l *load) measure(arrived uint64, seconds, period, hold float64) {
	rate := 0.0
	if arrived > l.last {
		rate = float64(arrived-l.last) / seconds
	}
	l.last = arrived
	l.fast += (rate - l.fast) * toward(seconds, 3*period)
	l.mean += (rate - l.mean) * toward(seconds, hold)
	l.peak = max(l.mean, l.peak*(1-toward(seconds, 5*hold)))
}

// toward is how far an exponential average of a time constant moves in a time.
func toward(seconds, constant float64) float64 { return -math.Expm1(-seconds / constant) }
