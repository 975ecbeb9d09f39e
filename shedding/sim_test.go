package shedding

// This file is a model of a node: views that share a processor, each with a
// queue, a worker, a healer, a real Ledger and a real Controller. Time goes in
// ticks of ten milliseconds and everything is deterministic.

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	simTick     = 10 // milliseconds
	simCapacity = 100_000.0
	simBatch    = 200 // events a record
)

// simView is one view. At rate r an event costs (fixed + (1-fixed)·min(1, 2r))/capacity
// seconds of the processor, as measured.
type simView struct {
	fixed    float64
	slow     func(second float64) float64 // cost of an event relative to the usual; nil: 1
	stall    func(second float64) bool    // the worker does nothing, as in a commit; nil: never
	load     func(second float64) float64
	priority Priority
	memory   func(v *simView, second float64) (used, budget int64)

	t          *testing.T
	controller *Controller
	ledger     *Ledger
	decision   Decision

	second         float64
	queue          []simRecord // unread
	offset         uint64
	arrived, taken uint64
	backlog        uint64
	fraction       float64
	busy           float64 // seconds
	worked         float64 // seconds in this tick
	debt           float64 // seconds that the last record took of the next tick
	paying         Entry
	left           float64 // seconds of work left of paying
	full, healed   uint64  // events applied in full, at once and later
	trace          []simPoint
	noise          *rand.Rand
	noisy          float64
}

type simRecord struct {
	offset, events uint64
	at             int64
}

type simPoint struct {
	second    float64
	freshness float64
	rate      Rate
	owed      uint64
	heal      float64
}

// run simulates views that share a processor until a second.
func run(t *testing.T, views []*simView, seconds float64) {
	t.Helper()
	for i, v := range views {
		v.t = t
		if v.controller == nil {
			v.controller = must(NewController(Config{}))(t)
		}
		if v.fixed == 0 {
			v.fixed = 0.25
		}
		v.ledger = must(NewLedger(Limits{Cut: 1 << 16}))(t)
		v.noise = rand.New(rand.NewPCG(7, uint64(i)))
	}
	var strains Strains
	usage := 0.0
	for now := int64(0); now < int64(seconds*1000); now += simTick {
		active := 0
		for _, v := range views {
			v.arrive(now)
			if len(v.queue) > 0 {
				active++
			}
		}
		// A fair processor: what one view leaves, the others get.
		spare := simTick / 1000.0
		for round := 0; round < 3 && active > 0; round++ {
			each, left := spare/float64(active), 0.0
			active = 0
			for _, v := range views {
				if len(v.queue) == 0 {
					continue
				}
				rest := v.work(each)
				left += rest
				if len(v.queue) > 0 {
					active++
				}
			}
			spare = left
		}
		if len(views) == 1 {
			spare = max(0, simTick/1000.0-views[0].worked)
		}
		used := 0.0
		for _, v := range views {
			used += v.worked / (simTick / 1000.0)
		}
		usage += (used - usage) / 10
		for _, v := range views {
			spare -= v.heal(min(spare, v.decision.Heal*simTick/1000))
			v.charge(views)
		}
		if now%100 == 0 {
			next := Strains{}
			for _, v := range views {
				v.step(now, strains.Above(v.priority), usage, len(views))
				next.Add(v.priority, v.decision.Strain)
			}
			strains = next
		}
	}
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (v *simView) arrive(now int64) {
	v.second = float64(now) / 1000
	rate := v.load(v.second) * simCapacity
	if v.noisy > 0 {
		rate *= math.Exp(v.noisy*v.noise.NormFloat64() - v.noisy*v.noisy/2)
	}
	v.fraction += rate * simTick / 1000
	events := uint64(v.fraction)
	v.fraction -= float64(events)
	if events == 0 {
		return
	}
	v.arrived += events
	v.backlog += events
	for events > 0 {
		v.offset++
		v.queue = append(v.queue, simRecord{v.offset, min(events, simBatch), now})
		events -= min(events, simBatch)
	}
}

func (v *simView) cost(r Rate) float64 {
	cost := (v.fixed + (1-v.fixed)*min(1, 2*r.Value())) / simCapacity
	if v.slow != nil {
		cost *= v.slow(v.second)
	}
	return cost
}

// work takes records for as long as there is time, and returns what is left.
// The time that the last one takes too much is taken from the next tick.
func (v *simView) work(seconds float64) float64 {
	if v.decision.Rate == Nothing {
		v.pass(v.backlog)
		return seconds
	}
	if v.stall != nil && v.stall(v.second) {
		return 0
	}
	r := v.decision.Rate
	seconds -= v.debt
	v.debt = 0
	for len(v.queue) > 0 && seconds > 0 {
		q := v.queue[0]
		v.queue = v.queue[1:]
		spent := float64(q.events) * v.cost(r)
		seconds -= spent
		v.worked += spent
		v.taken += q.events
		v.backlog -= q.events
		if r == Full {
			v.full += q.events
		} else if _, err := v.ledger.Defer(Record{Offset: q.offset, Rate: r, Events: q.events, Least: q.at, Greatest: q.at, HasBefore: true, Before: q.at}); err != nil {
			v.t.Fatal(err)
		}
	}
	if seconds < 0 {
		v.debt, seconds = -seconds, 0
	}
	return seconds
}

// pass skips at least so many events.
func (v *simView) pass(events uint64) {
	var u Unread
	for events > 0 && len(v.queue) > 0 {
		q := v.queue[0]
		v.queue = v.queue[1:]
		if u.First == 0 {
			u.First, u.Least = q.offset, q.at
		}
		u.Last, u.Greatest = q.offset, q.at
		u.Events += q.events
		v.backlog -= q.events
		events -= min(events, q.events)
	}
	if u.First > 0 {
		if _, err := v.ledger.Owe(u); err != nil {
			v.t.Fatal(err)
		}
	}
}

// heal pays debts for some time, and returns how much of it that took.
func (v *simView) heal(seconds float64) (spent float64) {
	for seconds > 0 {
		if v.left == 0 {
			e, ok := v.ledger.Next(Policy{})
			if !ok {
				break
			}
			v.paying = must(v.ledger.Seal(e.Number))(v.t)
			v.left = float64(e.Events) * v.cost(Full)
		}
		used := min(seconds, v.left)
		seconds -= used
		spent += used
		if v.left -= used; v.left < 1e-12 {
			v.left = 0
			v.healed += must(v.ledger.Strike(v.paying.Number))(v.t).Events
		}
	}
	return spent
}

// charge adds the tick's work to the clock of the worker. With several views the
// clock on the wall runs on while others have the processor.
func (v *simView) charge(views []*simView) {
	if v.worked > 0 {
		running := 0
		for _, o := range views {
			if o == v || len(o.queue) > 0 {
				running++
			}
		}
		v.busy += min(v.worked*float64(running), simTick/1000.0)
	}
	v.worked = 0
}

func (v *simView) step(now int64, strain, usage float64, views int) {
	o := Observation{Backlog: v.backlog, Arrived: v.arrived, Taken: v.taken, Busy: time.Duration(v.busy * 1e9), Priority: v.priority, Strain: strain}
	if views > 1 {
		o.Used, o.Processors = usage, 1
	}
	if len(v.queue) > 0 {
		o.Lag = time.Duration(now-v.queue[0].at) * time.Millisecond
	}
	if v.memory != nil {
		o.Memory, o.Budget = v.memory(v, v.second)
	}
	v.decision = v.controller.Step(now, o)
	if v.decision.Rate == 1 {
		v.t.Fatalf("at %d ms: it samples a half, which costs as much as everything", now)
	}
	v.pass(v.decision.Skip)
	v.trace = append(v.trace, simPoint{v.second, o.Lag.Seconds(), v.decision.Rate, v.ledger.Owed(), v.decision.Heal})
	if v.full+v.healed+v.ledger.Owed()+v.backlog != v.arrived {
		v.t.Fatalf("at %d ms: %d in full + %d healed + %d owed + %d unread are not the %d that arrived", now, v.full, v.healed, v.ledger.Owed(), v.backlog, v.arrived)
	}
}

// p99 is the 99th percentile of freshness between two moments.
func (v *simView) p99(from, to float64) float64 {
	var all []float64
	for _, p := range v.trace {
		if p.second >= from && p.second < to {
			all = append(all, p.freshness)
		}
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// rates are the finest and coarsest rate between two moments.
func (v *simView) rates(from, to float64) (finest, coarsest Rate) {
	finest = Nothing
	for _, p := range v.trace {
		if p.second >= from && p.second < to {
			finest, coarsest = min(finest, p.rate), max(coarsest, p.rate)
		}
	}
	return finest, coarsest
}

// changesIn counts rate changes between two moments.
func (v *simView) changesIn(from, to float64) (n int) {
	for i := 1; i < len(v.trace); i++ {
		if p := v.trace[i]; p.second >= from && p.second < to && p.rate != v.trace[i-1].rate {
			n++
		}
	}
	return n
}

// turnsIn counts how often the rate became finer after it had become coarser, or
// the other way round, between two moments.
func (v *simView) turnsIn(from, to float64) (n int) {
	up, any := false, false
	for i := 1; i < len(v.trace); i++ {
		p, before := v.trace[i], v.trace[i-1].rate
		if p.second < from || p.second >= to || p.rate == before {
			continue
		}
		if any && up != (p.rate < before) {
			n++
		}
		up, any = p.rate < before, true
	}
	return n
}

// last is how it ended.
func (v *simView) last() simPoint { return v.trace[len(v.trace)-1] }
