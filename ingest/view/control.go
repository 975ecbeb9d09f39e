package view

// This file asks the controller what to do, and tells it how the shard fares.
// Nothing of it reaches state but the rates at which records are owed, and those
// the ledger writes down.

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sketchlog/shedding"
)

// control is a shard's controller and what it is told. Only the worker uses it.
type control struct {
	controller *shedding.Controller
	definition *Definition // that it was configured for
	decision   shedding.Decision
	at         time.Time     // of the last step
	taken      uint64        // events that the worker took from the log
	busy       time.Duration // that it took for them
	allowance  time.Duration // that the healer may still take
	healed     uint64        // events, at the last step
	looked     time.Time     // when the log's beginning was looked at last
}

// mostAllowance bounds what the healer may save up.
const mostAllowance = 250 * time.Millisecond

// decide steps the controller if a period has passed. Arrival is that of the
// record that is about to be taken, Unix ms; 0: none is waiting.
func (s *Shard) decide(arrival int64) (shedding.Decision, error) {
	v, c := s.view.views, &s.control
	now := v.clock()
	if c.controller != nil && v.override == nil && now.Sub(c.at) < v.control.Period && !now.Before(c.at) {
		c.decision.Skip = 0
		return c.decision, nil
	}
	if err := c.configure(s.view); err != nil {
		return shedding.Decision{}, err
	}
	elapsed := max(now.Sub(c.at), 0)
	if c.at.IsZero() {
		elapsed = 0
	}
	c.at = now
	priority := c.definition.priority()
	head := s.tail.Head()
	o := shedding.Observation{
		Backlog: head.Events - min(head.Events, s.tally.read), Arrived: head.Events, Taken: c.taken, Busy: c.busy,
		Memory: v.pinned(), Budget: v.memory,
		Priority: priority, Strain: v.strains.above(now, priority),
	}
	if v.strains.anyAbove(now, priority) {
		o.Used, o.Processors = v.processors.measure(now, v.control.Period)
	} // else nothing was given up that could be taken back too soon
	if arrival > 0 {
		o.Lag = time.Duration(max(now.UnixMilli()-arrival, 0)) * time.Millisecond
	}
	d := c.controller.Step(now.UnixMilli(), o)
	v.strains.add(now, priority, d.Strain)
	if s.view.ordered() {
		d = shedding.Decision{Strain: d.Strain}
	}
	if s.view.rejects() {
		d.Rate, d.Skip = shedding.Full, 0
	}
	if d.Rate == shedding.Nothing {
		d.Skip = o.Backlog // there is no point in reading what is not applied
	}
	c.allowance = min(c.allowance+time.Duration(d.Heal*float64(elapsed)), mostAllowance)
	if v.override != nil {
		d = v.override(s, d)
		c.allowance = mostAllowance
	}
	if d.Heal <= 0 {
		c.allowance = 0
	}
	s.measureHealing(elapsed)
	if d.Rate != c.decision.Rate {
		s.mu.Lock()
		s.rate = d.Rate
		s.mu.Unlock()
	}
	c.decision = d
	return d, nil
}

// configure makes the controller, or adapts it to a definition that has changed.
func (c *control) configure(v *View) error {
	d := v.definition.Load()
	if c.controller != nil && c.definition == d {
		return nil
	}
	config := v.views.control
	config.Fresh = time.Duration(d.Fresh)
	c.definition = d
	if c.controller != nil {
		return c.controller.Configure(config)
	}
	var err error
	c.controller, err = shedding.NewController(config)
	return err
}

// measureHealing smooths how many events a second are replayed.
func (s *Shard) measureHealing(elapsed time.Duration) {
	if elapsed <= 0 {
		return
	}
	healed := s.healedEvents.Load()
	rate := float64(healed-s.control.healed) / elapsed.Seconds()
	s.control.healed = healed
	const fade = 2.0 // seconds
	share := -math.Expm1(-elapsed.Seconds() / fade)
	before := math.Float64frombits(s.healSpeed.Load())
	s.healSpeed.Store(math.Float64bits(before + share*(rate-before)))
}

// strains are those of the views of a node, from one period to the next.
type strains struct {
	period time.Duration
	mu     sync.Mutex
	began  time.Time
	before shedding.Strains // of the last period
	now    shedding.Strains // of this one
}

func (s *strains) turn(now time.Time) {
	switch age := now.Sub(s.began); {
	case age >= 2*s.period || age < 0:
		s.before, s.now, s.began = shedding.Strains{}, shedding.Strains{}, now
	case age >= s.period:
		s.before, s.now, s.began = s.now, shedding.Strains{}, now
	}
}

func (s *strains) add(now time.Time, p shedding.Priority, strain float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	s.now.Add(p, strain)
}

func (s *strains) above(now time.Time, p shedding.Priority) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	return max(s.before.Above(p), s.now.Above(p))
}

// anyAbove tells whether there are views of a higher priority.
func (s *strains) anyAbove(now time.Time, p shedding.Priority) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	return s.before.AnyAbove(p) || s.now.AnyAbove(p)
}

// healingProgress is what readers are told of the healer.
type healingProgress struct {
	replayed     atomic.Uint64 // events of the entry that is being paid
	healedEvents atomic.Uint64 // events ever replayed
	healSpeed    atomic.Uint64 // events a second, as bits of a float64
}

// Healing says how far a shard, or a view, is with what it owes.
type Healing struct {
	Owed    uint64        // events that were passed over or sampled, and not paid for yet
	Past    uint64        // events that the log held when the view was made, as far as it counts them
	Percent float64       // of the past that has been applied; 100 when there is none left
	Speed   float64       // events paid for a second, smoothed over about two seconds
	Left    time.Duration // until nothing is owed at that speed; 0: nothing is, negative: it stands still
}

// Healing says how far the shard is with what it owes.
func (s *Shard) Healing() Healing {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := Healing{Owed: s.ledger.Owed(), Speed: math.Float64frombits(s.healSpeed.Load())}
	owed := uint64(0) // of the past
	for _, e := range s.ledger.Entries() {
		if e.Last <= s.begin.Offset {
			owed += e.Events
		}
	}
	replayed := s.replayed.Load()
	owed -= min(owed, replayed)
	h.Past = max(s.begin.Past, owed)
	h.settle(owed)
	return h
}

// settle derives the rest from what is owed of the past.
func (h *Healing) settle(owed uint64) {
	h.Percent = 100
	if h.Past > 0 {
		h.Percent = 100 * (1 - float64(owed)/float64(h.Past))
	}
	switch {
	case h.Owed == 0:
		h.Left = 0
	case h.Speed < 1:
		h.Left = -1
	default:
		h.Left = time.Duration(min(float64(h.Owed)/h.Speed, math.MaxInt32) * float64(time.Second))
	}
}

// Healing adds up that of the view's shards.
func (v *View) Healing() Healing {
	var sum Healing
	past := 0.0
	for _, s := range v.Partitions() {
		h := s.Healing()
		sum.Owed += h.Owed
		sum.Past += h.Past
		sum.Speed += h.Speed
		past += (1 - h.Percent/100) * float64(h.Past)
	}
	sum.settle(uint64(math.Round(past)))
	return sum
}
