package bench

// `bench overload`: several times what a server can take, for a while; then
// nothing, until it has healed.
//
//	capacity    a short flat-out run on a stream of its own (or --capacity)
//	offering    an open loop at a multiple of it; what is refused stays refused
//	healing     nothing is offered; sampling goes on until nothing is owed
//	comparing   counts with the exact ones, and every kind of answer with that
//	            of a new view over the same log, which never shed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// OverloadConfig says what `bench overload` does.
type OverloadConfig struct {
	Load     LoadConfig    // its rate is not used
	Capacity float64       // events a second; 0: measured
	Times    float64       // how many times the capacity is offered
	Fresh    string        // the views' freshness target; "": the server's own
	Target   time.Duration // the same, as a figure to compare with
	Healing  time.Duration // longest wait until nothing is owed
}

// Validate names every fault at once.
func (c OverloadConfig) Validate() error {
	faults := []error{c.Load.Validate()}
	if c.Load.Duration <= 0 || c.Times <= 0 || c.Times > 100 || c.Capacity < 0 || c.Healing <= 0 {
		faults = append(faults, errors.New("duration must be above 0, times between 0 and 100, capacity at least 0"))
	}
	if c.Load.Acks == "0" {
		faults = append(faults, errAcknowledged)
	}
	return errors.Join(faults...)
}

// capacityFor is how long the capacity is measured.
const capacityFor = 5 * time.Second

// Overload runs all phases.
func Overload(ctx context.Context, t *Target, c OverloadConfig) (*OverloadResult, error) {
	r, err := overload(ctx, t, c)
	if err != nil {
		return nil, fmt.Errorf("bench overload: %w", err)
	}
	return r, nil
}

func overload(ctx context.Context, t *Target, c OverloadConfig) (*OverloadResult, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	source, err := NewSource(c.Load.Workload)
	if err != nil {
		return nil, err
	}
	r := &OverloadResult{Kind: "overload", Times: c.Times, Target: c.Target.Seconds(), Capacity: c.Capacity,
		Format: c.Load.Format, Acks: c.Load.Acks, Connections: c.Load.Connections, Batch: c.Load.Batch, Partitions: c.Load.Partitions}
	if c.Capacity == 0 {
		c.Load.Progress.tell("measuring the capacity", 0, 0)
		closed := c.Load
		closed.Connections = min(closed.Connections, 8)
		if r.Capacity, err = flatOut(ctx, t, closed, source, c.Load.Name+"_capacity", min(capacityFor, c.Load.Duration), ""); err != nil {
			return nil, fmt.Errorf("measuring the capacity: %w", err)
		}
	}
	note, err := c.Load.define(t, c.Load.Name, c.Fresh)
	if err != nil {
		return nil, err
	}
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	c.Load.Rate = r.Capacity * c.Times
	l := newLoad(c.Load, t, source, c.Load.Name)
	l.live, l.receipts, l.shed = true, true, true
	views := viewsOf(c.Load.Name, c.Load.Views)
	check := newChecker(t.another(), source, views[len(views)-1], c.Load.Partitions, time.Now().Add(halfLife+c.Load.Duration).UnixMilli())
	m := newMonitor(l, check.target, views, check)
	if err := c.offerAndHeal(ctx, l, m, r); err != nil {
		return nil, err
	}
	return r, c.conclude(ctx, t, l, m, r)
}

// offerAndHeal offers for the duration and samples until nothing is owed.
func (c OverloadConfig) offerAndHeal(ctx context.Context, l *load, m *monitor, r *OverloadResult) error {
	ctx, stop := context.WithTimeout(ctx, c.Load.Duration+c.Healing)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	sent := make(chan struct{})
	l.begin()
	g.Go(func() error {
		defer close(sent)
		return l.run(ctx)
	})
	g.Go(func() error {
		return m.run(ctx, func(s Sample) bool {
			select {
			case <-sent:
			default:
				return false
			}
			c.Load.Progress.tell(fmt.Sprintf("healing, %d events owed, events applied", s.Owed), s.Applied, s.Accepted)
			return s.Owed == 0 && s.Applied+int64(s.Lost) >= s.Accepted
		})
	})
	err := g.Wait()
	r.Healing = max(time.Since(l.until).Seconds(), 0)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("events were still owed %s after offering had ended; --healing waits longer: %w", c.Healing, err)
	}
	return err
}

// conclude judges the answers, compares with a view that never shed, and sums up.
func (c OverloadConfig) conclude(ctx context.Context, t *Target, l *load, m *monitor, r *OverloadResult) error {
	c.Load.Progress.tell("making exact answers", 0, 0)
	verdicts, final, err := m.checker.judge(l.kept)
	if err != nil {
		return err
	}
	// Once more, after healing: these belong to no moment of the timeline.
	healed := newChecker(m.checker.target, l.source, m.checker.view, c.Load.Partitions, m.checker.sumAt)
	for key := range healed.keys {
		if err := healed.about(ctx, -1, key); err != nil {
			return err
		}
	}
	c.Load.Progress.tell("comparing with a new view", 0, 0)
	view := m.views[len(m.views)-1]
	e := equality{target: t, source: l.source, receipts: l.kept, view: view, fresh: l.stream + "_again", stream: l.stream, unknown: l.unknown.Load()}
	if err := e.compare(ctx, m.checker.keys); err != nil {
		return err
	}
	var after []verdict
	for _, o := range healed.seen {
		after = append(after, o.against(&final[o.key]))
	}
	allAfter, byAfter := summarise(after)
	all, by := summarise(verdicts)
	r.IntervalsHeld, r.Answers, r.HeldAfterHealing, r.AnswersAfterHealing = all.Held, by, allAfter.Held, byAfter
	r.Offered, r.Acknowledged, r.Refused, r.Unknown = l.offered(l.until), l.accepted.Load(), l.refused.Load(), l.unknown.Load()
	r.Unsent = r.Offered - l.sent.Load()
	r.Applied, r.Equal, r.Differences = e.applied, len(e.differences) == 0, e.differences
	r.EventsPerSecond = float64(r.Acknowledged) / c.Load.Duration.Seconds()
	r.Latency, r.curve = latencyOf(l.histogram), curveOf(l.histogram)
	r.Freshness = intoFreshness(m.samples, l.kept, c.Load.Partitions, l.until).P99
	r.NewestAge, r.AnswerLatency, r.Timeline = ages(m.samples, l.until).P99, latencyOf(m.checker.histogram), m.samples
	intoTimeline(r.Timeline, verdicts)
	r.LeastRate = 1
	for _, s := range r.Timeline {
		r.LeastRate, r.MostOwed, r.Lost = min(r.LeastRate, s.Rate), max(r.MostOwed, s.Owed), max(r.Lost, s.Lost)
	}
	usage, err := t.Usage()
	r.PeakRSS = usage.PeakRSS
	return err
}
