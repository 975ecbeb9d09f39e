package bench

// What a server under load looks like from outside, sampled at even distances:
// how much it takes, how fresh its answers are, and what they say.

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// monitor watches one load. Its two loops are apart because a server that is
// overloaded may answer questions slowly, and the timeline must not wait.
type monitor struct {
	load    *load
	target  *Target // of its own connections
	views   []string
	checker *checker

	samples []Sample
	taken   atomic.Int64 // how many samples there are
}

func newMonitor(l *load, t *Target, views []string, c *checker) *monitor {
	return &monitor{load: l, target: t, views: views, checker: c}
}

// errSampled ends the loop of questions when that of samples is through.
var errSampled = errors.New("the run is through")

// run samples until done says so or ctx ends, and returns when both loops have
// ended.
func (m *monitor) run(ctx context.Context, done func(Sample) bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { // answers, for as long as samples are taken
		return every(ctx, sampleEvery, func() error { return m.checker.sample(ctx, int(m.taken.Load())) })
	})
	g.Go(func() error {
		return every(ctx, sampleEvery, func() error {
			s, ok, err := m.sample()
			if !ok || err != nil {
				return err
			}
			m.samples = append(m.samples, s)
			m.taken.Add(1)
			if done(s) {
				return errSampled
			}
			return nil
		})
	})
	if err := g.Wait(); !errors.Is(err, errSampled) {
		return err
	}
	return nil
}

// every calls f at even distances until it fails or ctx ends. A call that takes
// longer delays the next.
func every(ctx context.Context, distance time.Duration, f func() error) error {
	tick := time.NewTicker(distance)
	defer tick.Stop()
	for {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sample looks at all views at once; false if the server put a question off. Of
// the last view the applied events count, and of all views the worst rate, owed
// and lost events.
func (m *monitor) sample() (s Sample, ok bool, err error) {
	states := make([]viewState, len(m.views))
	var g errgroup.Group
	for i, view := range m.views {
		g.Go(func() (err error) {
			states[i], err = m.target.state(view)
			return err
		})
	}
	if err := g.Wait(); busy(err) {
		return s, false, nil
	} else if err != nil {
		return s, false, err
	}
	now := time.Now()
	s = Sample{
		Seconds: now.Sub(m.load.began).Seconds(), Offered: m.load.offered(now), Accepted: m.load.accepted.Load(),
		Refused: m.load.refused.Load(), Rate: 1, at: now,
	}
	for _, state := range states {
		s.Rate = min(s.Rate, state.rate())
		s.Owed = max(s.Owed, state.owed())
		s.Lost = max(s.Lost, state.lost())
		offsets := make([]uint64, m.load.config.Partitions)
		for _, p := range state.Partitions {
			if p.Partition >= 0 && p.Partition < len(offsets) {
				offsets[p.Partition] = p.Offset
			}
		}
		s.offsets = append(s.offsets, offsets)
	}
	watched := states[len(states)-1]
	s.Applied = int64(watched.applied())
	s.NewestAge = m.newestAge(watched, now).Seconds()
	return s, true, nil
}

// newestAge is how old the newest event is that answers include, on the
// partition where it is oldest, from the moment when it was made: the way to the
// log counts. Once nothing is sent any more, age counts up to the newest
// acknowledged event.
func (m *monitor) newestAge(s viewState, now time.Time) time.Duration {
	newest := m.load.newest.Load()
	if newest == 0 {
		return 0
	}
	reference := now.UnixMilli()
	if until := m.load.until; !until.IsZero() && now.After(until) {
		reference = min(reference, newest)
	}
	at, ok := s.newest(m.load.config.Workload.Lateness)
	if !ok {
		at = m.load.began.UnixMilli()
	}
	return time.Duration(max(reference-at, 0)) * time.Millisecond
}
