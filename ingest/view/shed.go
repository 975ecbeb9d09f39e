package view

// This file applies a record at a rate: what the rate keeps goes to provisional
// panes, and the ledger owes the record.

import (
	"math"

	"sketchlog/ingest/eventlog"
	"sketchlog/shedding"
)

// shed brings the shard past a record without applying it in full. Time goes on
// as if it had been, so that the watermark is that of the log; whether events
// were late, past their keep, or repeats is tallied when they are paid for. With
// shedding.ErrFull nothing has changed but what judge noted.
func (s *Shard) shed(e eventlog.Entry, rate shedding.Rate, kept []bool, repeats []uint32) error {
	b, w := e.Batch, &s.work
	w.rows = w.rows[:0]
	if rate != shedding.Nothing {
		w.rows = w.filter.appendRows(w.rows, s.view.plan.where, b)
		w.sample(b, s.view.plan, positionBase(s.number, e.Offset), rate)
	}
	t := s.tally
	s.prepare(e, kept, &t)
	r := shedding.Record{
		Offset: e.Offset, Rate: rate, Events: uint64(b.Rows()),
		HasBefore: s.tally.any, Before: s.tally.greatest, Repeats: repeats,
	}
	r.Least, r.Greatest = extremes(b.Times)
	s.mu.Lock()
	defer s.mu.Unlock()
	change, err := s.ledger.Defer(r)
	if err != nil {
		return err
	}
	s.owing = true
	for _, number := range change.Dropped {
		s.dropSample(number)
	}
	if len(w.groups) > 0 {
		if err := s.applySampled(change.Number, rate); err != nil {
			return err
		}
	}
	s.tally.offset = e.Offset
	s.tally.read += r.Events
	s.tally.any, s.tally.greatest = t.any, t.greatest
	s.agree()
	return s.age()
}

// applySampled hands the gathered rows to provisional panes. The caller holds the lock.
func (s *Shard) applySampled(number uint64, rate shedding.Rate) error {
	m, w := s.sampleOf(number), &s.work
	maxKeys := s.view.maxKeys()
	for i := range w.groups {
		g := &w.groups[i]
		w.key = w.keys.AppendTuple(w.key[:0], g.first)
		c, err := s.obtainSampled(m, w.spans[g.span], w.key, maxKeys, rate)
		if err != nil {
			return err
		}
		c.pane.Apply(w.sorted.part(g.end-g.rows, g.end, int(g.late)))
		s.noteSampled(m, c)
	}
	return nil
}

// extremes returns the least and greatest of some event times.
func extremes(times []int64) (least, greatest int64) {
	least, greatest = math.MaxInt64, math.MinInt64
	for _, t := range times {
		least, greatest = min(least, t), max(greatest, t)
	}
	return least, greatest
}
