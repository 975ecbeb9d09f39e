package shedding

import (
	"math"
	"testing"
)

func step(before, after, at, until float64) func(float64) float64 {
	return func(s float64) float64 {
		if s >= at && s < until {
			return after
		}
		return before
	}
}

func show(t *testing.T, v *simView, name string, to float64) {
	t.Logf("%s: changes %d reversals %d p99 %v last %+v fixed %v wait %v", name, v.changes, v.reversal, v.p99(0, to), v.trace[len(v.trace)-1], v.controller.costs.fixed, v.controller.wait)
	last := Rate(99)
	for _, p := range v.trace {
		if p.rate != last {
			t.Logf("   %+v", p)
			last = p.rate
		}
	}
}

func TestTrace(t *testing.T) {
	for name, load := range map[string]func(float64) float64{
		"sin10": func(s float64) float64 { return 1.2 + math.Sin(s*2*math.Pi/10) },
		"sin60": func(s float64) float64 { return 1.2 + math.Sin(s*2*math.Pi/60) },
		"burst": func(s float64) float64 {
			if math.Mod(s, 10) < 1 {
				return 8
			}
			return 0.2
		},
		"ramp": func(s float64) float64 { return max(0, 5-math.Abs(s-60)/10) },
	} {
		v := &simView{load: load, noisy: .3}
		run(t, []*simView{v}, 240)
		show(t, v, name, 240)
	}
	v := &simView{load: step(0.5, 0.5, 0, 1), noisy: .3, slow: func(s float64) float64 {
		if math.Mod(s, 20) < 5 {
			return 3
		}
		return 1
	}}
	run(t, []*simView{v}, 240)
	show(t, v, "slow", 240)
	v = &simView{load: step(0.5, 0.5, 0, 1), noisy: .3, stall: func(s float64) bool { return s > 20 && s < 23 }}
	run(t, []*simView{v}, 240)
	show(t, v, "stall", 240)
	views := []*simView{{load: step(0.2, 0.5, 10, 100), priority: Low}, {load: step(0.2, 0.5, 10, 100)}, {load: step(0.2, 0.5, 10, 100), priority: High}}
	run(t, views, 240)
	for _, v := range views {
		show(t, v, "prio", 100)
	}
	for l := 0.5; l < 6; l += 0.1 {
		v := &simView{load: step(l, 0.1, 300, 400), noisy: .3}
		run(t, []*simView{v}, 360)
		t.Log(l, "changes", v.changesIn(0, 10), v.changesIn(10, 300), v.p99(0, 300), v.trace[len(v.trace)-1])
	}
}
