package shedding

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// pulse is a load of before, and of during from one second to another.
func pulse(before, during, from, to float64) func(float64) float64 {
	return func(s float64) float64 {
		if s >= from && s < to {
			return during
		}
		return before
	}
}

// recovered asserts that a view ended at rate 1 with nothing owed.
func recovered(t *testing.T, v *simView) {
	t.Helper()
	if last := v.last(); last.rate != Full || last.owed != 0 || last.freshness > 0.1 {
		t.Errorf("at the end rate %v, %d owed, freshness %.2f s: it has not recovered", last.rate, last.owed, last.freshness)
	}
}

// atMost asserts that a number is within bounds.
func atMost[T int | float64](t *testing.T, what string, got, most T) {
	t.Helper()
	if got > most {
		t.Errorf("%s is %v, want at most %v", what, got, most)
	}
}

func TestStepLoads(t *testing.T) {
	for _, load := range []float64{1.2, 2, 10} {
		for _, fixed := range []float64{0.05, 0.25, 0.6} {
			for _, noisy := range []float64{0, 0.5} {
				t.Run(fmt.Sprintf("load %v fixed %v noise %v", load, fixed, noisy), func(t *testing.T) {
					v := &simView{load: pulse(0.2, load, 5, 25), fixed: fixed, noisy: noisy}
					run(t, []*simView{v}, 60+40*load)
					atMost(t, "p99 of freshness from the step on", v.p99(5, 25), 2)
					atMost(t, "p99 of freshness five periods after it", v.p99(5.5, 25), 1.5)
					atMost(t, "changes of rate during the overload", v.changesIn(5, 25), 4)
					atMost(t, "turns of rate during the overload", v.turnsIn(5, 25), 1)
					atMost(t, "changes of rate afterwards", v.changesIn(25, 1000), 10)
					if finest, _ := v.rates(10, 25); finest == Full {
						t.Errorf("rate is 1 while load is %v times the capacity", load)
					}
					recovered(t, v)
				})
			}
		}
	}
}

// What is taken on under overload is about as much as can be: of the rates that
// hold, the finest but one at worst.
func TestShedsNoMoreThanNeeded(t *testing.T) {
	for load := 0.5; load < 3.6; load += 0.2 {
		v := &simView{load: pulse(load, load, 0, 0), noisy: 0.2}
		run(t, []*simView{v}, 60)
		needed := Full
		for load*weight(0.25, needed) > 1.02 { // the backlog of a fiftieth too much fits into the target
			needed++
		}
		finest, coarsest := v.rates(30, 60)
		if finest < needed || coarsest > needed+1 {
			t.Errorf("load %.1f: rates %v to %v, needed %v", load, finest, coarsest, needed)
		}
		if load <= 0.9 && coarsest != Full {
			t.Errorf("load %.1f: shed to %v without need", load, coarsest)
		}
	}
}

func TestSteadyLoadNeverFlaps(t *testing.T) {
	for _, noisy := range []float64{0.3, 0.8} {
		for load := 0.5; load < 6; load += 0.35 {
			v := &simView{load: pulse(load, load, 0, 0), noisy: noisy}
			run(t, []*simView{v}, 120)
			if n, turns := v.changesIn(20, 120), v.turnsIn(20, 120); n > 2 || turns > 0 {
				t.Errorf("load %.2f noise %v: %d changes of rate in 100 s of steady load, and %d turns", load, noisy, n, turns)
			}
			atMost(t, fmt.Sprintf("load %.2f noise %v: p99 of freshness", load, noisy), v.p99(0, 120), 2)
		}
	}
}

func TestChangingLoads(t *testing.T) {
	for _, c := range []struct {
		name    string
		load    func(float64) float64
		seconds float64
		changes int
	}{
		{"ramp", func(s float64) float64 { return max(0.1, 5-math.Abs(s-60)/10) }, 700, 20},
		{"slow sinus", func(s float64) float64 { return 0.8 + 0.7*math.Sin(s*2*math.Pi/60) }, 300, 22},
		{"fast sinus", func(s float64) float64 { return 0.8 + 0.7*math.Sin(s*2*math.Pi/5) }, 300, 20},
		{"bursts", func(s float64) float64 { return pulse(0.1, 8, 0, 0.5)(math.Mod(s, 10)) }, 300, 36},
		{"one short burst", pulse(0.3, 20, 5, 5.2), 60, 20},
		{"within what the target allows", pulse(0.5, 1.5, 5, 6), 60, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &simView{load: c.load, noisy: 0.3}
			run(t, []*simView{v}, c.seconds)
			atMost(t, "p99 of freshness", v.p99(0, c.seconds), 2)
			atMost(t, "changes of rate", v.changesIn(0, c.seconds), c.changes)
			if c.name == "ramp" || strings.HasPrefix(c.name, "one") {
				recovered(t, v)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	for _, fresh := range []time.Duration{400 * time.Millisecond, 2 * time.Second, 10 * time.Second, time.Minute} {
		t.Run(fresh.String(), func(t *testing.T) {
			v := &simView{load: pulse(0.3, 3, 5, 65), noisy: 0.2, controller: must(NewController(Config{Fresh: fresh}))(t)}
			run(t, []*simView{v}, 400)
			atMost(t, "p99 of freshness", v.p99(5, 65), fresh.Seconds())
			atMost(t, "changes of rate", v.changesIn(0, 400), 20)
			recovered(t, v)
			if _, coarsest := v.rates(0, 15); fresh == time.Minute && coarsest != Full {
				t.Errorf("shed to %v although the target allows to wait", coarsest)
			}
		})
	}
}

// After a burst a view goes back to applying everything, if the load allows it. Were sampling
// taken for cheaper than it is, applying everything would look too dear for ever.
func TestSteadyLoadIsAppliedInFullAfterABurst(t *testing.T) {
	for _, load := range []float64{0.3, 0.5, 0.6, 0.7} {
		v := &simView{load: pulse(load, 2, 5, 8), noisy: 0.2}
		run(t, []*simView{v}, 120)
		if _, coarsest := v.rates(5, 10); coarsest == Full {
			t.Errorf("load %v: sheds nothing during the burst", load)
		}
		if _, coarsest := v.rates(40, 120); coarsest != Full {
			t.Errorf("load %v: still at rate %v half a minute after the burst", load, coarsest)
		}
		recovered(t, v)
	}
}

// A restart finds a long backlog: it is passed over and owed, and the head is
// fresh at once.
func TestRestartFarBehind(t *testing.T) {
	v := &simView{load: pulse(0.5, 1000, 0, 0.1)}
	run(t, []*simView{v}, 400)
	atMost(t, "p99 of freshness from the first second", v.p99(1, 400), 1)
	recovered(t, v)
}

func TestStalledWorker(t *testing.T) {
	v := &simView{load: pulse(0.5, 0.5, 0, 0), stall: func(s float64) bool { return s >= 20 && s < 24 }}
	run(t, []*simView{v}, 60)
	atMost(t, "p99 of freshness a second after the stall", v.p99(25, 60), 0.5)
	recovered(t, v)
}

// Cost that changes under the controller, and none of its doing.
func TestChangingCost(t *testing.T) {
	v := &simView{load: pulse(0.5, 0.5, 0, 0), noisy: 0.3, slow: func(s float64) float64 {
		if s >= 180 {
			return 1
		}
		return pulse(1, 4, 0, 6)(math.Mod(s, 20))
	}}
	run(t, []*simView{v}, 215)
	atMost(t, "p99 of freshness", v.p99(0, 215), 2)
	atMost(t, "changes of rate", v.changesIn(0, 215), 45)
	recovered(t, v)
}

func TestMemory(t *testing.T) {
	// What is held grows with what is applied, and a third of it goes each second.
	held := 0.0
	before := uint64(0)
	v := &simView{load: pulse(0.5, 0.5, 0, 0), memory: func(v *simView, s float64) (int64, int64) {
		grown := float64(v.taken-before) * v.decision.Rate.Value()
		before = v.taken
		if s >= 20 && s < 60 {
			grown *= 10
		}
		held = (held + grown) * math.Exp(-0.1/3)
		return int64(held), 350_000
	}}
	run(t, []*simView{v}, 300)
	if _, coarsest := v.rates(0, 19); coarsest != Full {
		t.Errorf("shed to %v within the budget", coarsest)
	}
	if finest, _ := v.rates(25, 60); finest == Full {
		t.Error("rate is 1 although memory is short")
	}
	atMost(t, "changes of rate in 40 s of pressure", v.changesIn(20, 60), 40)
	recovered(t, v)
}

func TestMemoryPastTheBudget(t *testing.T) {
	used := int64(100)
	v := &simView{load: pulse(0.5, 0.5, 0, 0), memory: func(_ *simView, s float64) (int64, int64) {
		if s >= 10 && s < 20 {
			return used, 90
		}
		return 0, 90
	}}
	run(t, []*simView{v}, 120)
	if finest, coarsest := v.rates(13, 20); finest != Nothing || coarsest != Nothing {
		t.Errorf("rates %v to %v past the budget, want nothing", finest, coarsest)
	}
	for _, p := range v.trace {
		if p.second > 10.1 && p.second < 20 && p.heal > 0 {
			t.Fatalf("heals at %v s although memory is short", p.second)
		}
	}
	recovered(t, v)
}

func TestLowPriorityShedsFirst(t *testing.T) {
	low := &simView{load: pulse(0.2, 0.5, 10, 100), priority: Low}
	normal := &simView{load: pulse(0.2, 0.5, 10, 100)}
	high := &simView{load: pulse(0.2, 0.5, 10, 100), priority: High}
	run(t, []*simView{low, normal, high}, 500)
	for _, v := range []*simView{low, normal, high} {
		atMost(t, "p99 of freshness", v.p99(10, 100), 2)
		atMost(t, "changes of rate", v.changesIn(0, 500), 20)
		atMost(t, "changes of rate in steady overload", v.changesIn(40, 100), 2)
		recovered(t, v)
	}
	if _, coarsest := high.rates(0, 500); coarsest != Full {
		t.Errorf("high priority shed to %v although the others suffice", coarsest)
	}
	first := func(v *simView) float64 {
		for _, p := range v.trace {
			if p.rate != Full {
				return p.second
			}
		}
		return math.Inf(1)
	}
	if first(low) >= first(normal) {
		t.Errorf("low priority shed first at %v s, normal at %v s", first(low), first(normal))
	}
	_, coarseLow := low.rates(20, 100)
	_, coarseNormal := normal.rates(20, 100)
	if coarseLow < coarseNormal {
		t.Errorf("low priority shed to %v, normal further, to %v", coarseLow, coarseNormal)
	}
}

func TestStrains(t *testing.T) {
	var s Strains
	s.Add(Low, 3)
	s.Add(Normal, 1)
	s.Add(Normal, 0.5)
	s.Add(High, 0.25)
	for p, want := range map[Priority]float64{Low: 1, Normal: 0.25, High: 0, -5: 1, 5: 0} {
		if got := s.Above(p); got != want {
			t.Errorf("above %d: %v, want %v", p, got, want)
		}
	}
}

// A view that uses next to nothing does not give way: it has nothing to give.
func TestIdleViewDoesNotGiveWay(t *testing.T) {
	c := must(NewController(Config{}))(t)
	for now := int64(0); now < 10_000; now += 100 {
		events := uint64(now) / 100
		d := c.Step(now, Observation{Arrived: events, Taken: events, Busy: time.Duration(events) * 10 * time.Microsecond, Strain: 3, Priority: Low})
		if d.Rate != Full || d.Heal > 0 {
			t.Fatalf("at %d ms: %+v", now, d)
		}
	}
}

// Events that are late although little is waiting: no healing, and in the end
// the rate falls, whatever prediction says.
func TestLateAgainstPrediction(t *testing.T) {
	c := must(NewController(Config{}))(t)
	o := Observation{Backlog: 10}
	tell := func(from, to int64, lag time.Duration) (d Decision) {
		for now := from; now < to; now += 100 {
			o.Arrived += 100
			o.Taken += 100
			o.Busy += time.Millisecond
			o.Lag = lag
			d = c.Step(now, o)
		}
		return d
	}
	if d := tell(0, 5000, 0); d.Rate != Full || d.Heal == 0 {
		t.Fatalf("at ease it decides %+v", d)
	}
	if d := tell(5000, 7000, 1500*time.Millisecond); d.Rate != Full || d.Heal != 0 {
		t.Errorf("with events 1.5 s late it decides %+v", d)
	}
	if d := tell(7000, 8000, 3*time.Second); d.Rate == Full {
		t.Errorf("with events 3 s late it decides %+v", d)
	}
	if d := tell(8000, 60_000, 0); d.Rate != Full || d.Heal == 0 {
		t.Errorf("at ease again it decides %+v", d)
	}
}

// A view gives way by one step, and by another only while that does not help.
func TestGivesWayStepByStep(t *testing.T) {
	c := must(NewController(Config{}))(t)
	o := Observation{Priority: Low}
	now := int64(0)
	tell := func(strains ...float64) Rate {
		for _, strain := range strains {
			now += 300
			o.Arrived += 30_000
			o.Taken += 30_000
			o.Busy += 150 * time.Millisecond
			o.Strain = strain
			c.Step(now, o)
		}
		return c.rate
	}
	for _, phase := range []struct {
		strains []float64
		want    Rate
	}{
		{[]float64{0, 0, 0, 0.2}, Full},         // below a quarter
		{[]float64{0.5}, 2},                     // strained
		{[]float64{0.45, 0.4, 0.35, 0.3}, 2},    // it helped
		{[]float64{0.3, 0.4}, 4},                // not enough
		{[]float64{0.1, 0.5}, 5},                // strained again
		{[]float64{0.2, 0.2, 0.2, 0.2, 0.2}, 5}, // not at ease yet
	} {
		if got := tell(phase.strains...); got != phase.want {
			t.Errorf("after strains %v: rate %v, want %v", phase.strains, got, phase.want)
		}
	}
}

func TestStepBetweenPeriods(t *testing.T) {
	c := must(NewController(Config{}))(t)
	c.Step(1000, Observation{})
	o := Observation{Lag: time.Second, Backlog: 1_000_000, Arrived: 1_010_000, Taken: 10_000, Busy: 100 * time.Millisecond}
	d := c.Step(1100, o)
	if d.Rate == Full || d.Skip == 0 || d.Strain <= 1 || d.Heal != 0 {
		t.Fatalf("far behind it decides %+v", d)
	}
	if c.Freshness() < 2*time.Second {
		t.Errorf("predicted freshness %v", c.Freshness())
	}
	want := d
	want.Skip = 0
	for _, now := range []int64{1100, 1101, 1199} {
		if got := c.Step(now, o); got != want {
			t.Errorf("at %d: %+v, want %+v", now, got, want)
		}
	}
	// A clock that was set back, and counts that begin anew, do no harm.
	if d := c.Step(5, Observation{}); d.Rate != want.Rate || d.Skip != 0 {
		t.Errorf("after the clock went back: %+v", d)
	}
	for now := int64(105); now < 60_000; now += 100 {
		d = c.Step(now, Observation{})
	}
	if d.Rate != Full || d.Heal < 0.89 {
		t.Errorf("idle, it decides %+v", d)
	}
}

// Two controllers that are told the same decide the same.
func TestControllerIsDeterministic(t *testing.T) {
	var traces [2][]simPoint
	for i := range traces {
		v := &simView{load: pulse(0.3, 3, 5, 25), noisy: 0.5}
		run(t, []*simView{v}, 60)
		traces[i] = v.trace
	}
	for i := range traces[0] {
		if traces[0][i] != traces[1][i] {
			t.Fatalf("%+v and %+v", traces[0][i], traces[1][i])
		}
	}
}

// The fixed share is learned from changes of rate, if slowly.
func TestLearnsFixedShare(t *testing.T) {
	for _, fixed := range []float64{0.05, 0.6} {
		c := costs{fixed: 0.25}
		for i := range 60 {
			c.move([]Rate{Full, 2, 1, 3}[i%4])
			for range 10 {
				c.measure(work{1e-6 * 50_000 * weight(fixed, c.rate), 50_000}, 0.1)
			}
		}
		if math.Abs(c.fixed-fixed) > 0.02 {
			t.Errorf("fixed share %v, learned %v", fixed, c.fixed)
		}
	}
}

func TestConfigure(t *testing.T) {
	_, err := NewController(Config{Fresh: 1, Period: 10, Hold: 1, Patience: -1, Margin: 2, Fixed: 3, MemoryHigh: 2, MemoryLow: 3})
	if !errors.Is(err, ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	for _, what := range []string{"control period", "freshness", "hold", "patience", "margin", "fixed", "memory"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q does not name the fault of %s", err, what)
		}
	}
	c := must(NewController(Config{}))(t)
	before := *c
	if err := c.Configure(Config{Margin: -1}); err == nil || *c != before {
		t.Error("a bad configuration was taken")
	}
	if err := c.Configure(Config{Fresh: 10 * time.Second}); err != nil || c.fresh != 10 {
		t.Errorf("%v, target %v s", err, c.fresh)
	}
}

func BenchmarkStep(b *testing.B) {
	c := must(NewController(Config{}))(b)
	b.ReportAllocs()
	o := Observation{Backlog: 10_000}
	now := int64(0)
	for b.Loop() {
		now += 100
		o.Arrived += 10_000
		o.Taken += 9_000
		o.Busy += 90 * time.Millisecond
		c.Step(now, o)
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	c := must(NewController(Config{}))(t)
	o, now := Observation{Backlog: 50_000}, int64(0)
	if n := testing.AllocsPerRun(100, func() {
		now += 100
		o.Arrived += 20_000
		o.Taken += 10_000
		o.Busy += 99 * time.Millisecond
		c.Step(now, o)
	}); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// What is measured right after a change to a coarser rate was still under way at the
// old one, and says nothing: the next change waits until it can.
func TestACoarserRateIsLeftToShowWhatItSaves(t *testing.T) {
	c := must(NewController(Config{}))(t)
	c.Step(1000, Observation{})
	o := Observation{Backlog: 20_000, Lag: 300 * time.Millisecond}
	now := int64(1000)
	step := func() Rate {
		now += 100
		o.Arrived += 5000
		o.Taken += 2000
		o.Busy += 150 * time.Millisecond // as long as ever: of records that waited behind others at the old rate
		return c.Step(now, o).Rate
	}
	first := step()
	if first == Full {
		t.Fatalf("a backlog of %d events at %v each is no reason to shed", o.Backlog, o.Busy/time.Duration(o.Taken))
	}
	for range settling - 1 {
		if again := step(); again != first {
			t.Fatalf("rate %v, and %v before that has shown anything", first, again)
		}
	}
	if later := step(); later <= first {
		t.Errorf("rate %v although it does not help", later)
	}
	c = must(NewController(Config{}))(t)
	now, o = 1000, Observation{Backlog: 20_000, Lag: 2500 * time.Millisecond}
	c.Step(now, o)
	if first, again := step(), step(); first == Full || again <= first {
		t.Errorf("rates %v and %v while the target is missed: there is no time to wait", first, again)
	}
}
