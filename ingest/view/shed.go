package view

// This file applies a record at a rate: what the rate keeps goes to provisional
// panes, and the ledger owes the record.

import (
	"math"

	"sketchlog/ingest/eventlog"
	"sketchlog/shedding"
	"sketchlog/sketches"
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
	s.working.Lock()
	defer s.working.Unlock()
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
		s.twice = r.Events
		err := s.applySampled(change.Number, rate)
		s.twice = 0
		if err != nil {
			return err
		}
	}
	s.tally.offset = e.Offset
	s.tally.read += r.Events
	s.tally.any, s.tally.greatest = t.any, t.greatest
	s.agree()
	return s.age()
}

// applySampled hands the gathered rows to provisional panes. The caller holds the lock,
// which is let go of meanwhile as applyGroups does.
//
// Until all of them are in place, and the tally says so, the record is owed by the
// ledger and counts as unread too. So readers see answers that are too wide, for a
// millisecond, and never one that takes a part of the record's sample for all of it.
func (s *Shard) applySampled(number uint64, rate shedding.Rate) error {
	m, w := s.sampleOf(number), &s.work
	w.samples = w.samples[:0]
	for _, id := range w.spans {
		w.samples = append(w.samples, m.span(id))
	}
	s.mu.Unlock()
	err := s.locateSampled(m)
	s.mu.Lock()
	if err != nil {
		return err
	}
	since := int32(0)
	for i := range w.groups {
		g := &w.groups[i]
		if i%window == 0 {
			touchSampled(w.groups[i:min(i+window, len(w.groups))])
		}
		if g.sampled == nil {
			g.sampled, err = s.obtainSampled(m, w.samples[g.span], g.keyHash, w.keyOf(g), g.kept, rate)
			if err != nil {
				return err
			}
		}
		late := g.late
		for from := g.end - g.rows; from < g.end; {
			if since >= lockedEvents || len(w.sampledParts) == window {
				s.applySampledParts(m)
			}
			if since >= lockedEvents {
				s.letReadersIn()
				since = 0
			}
			to := min(g.end, from+lockedEvents-since)
			part := sketches.SampledGroup{Pane: g.sampled.pane, From: from, To: to, Late: min(late, to-from)}
			w.sampledParts, w.sampledOf = append(w.sampledParts, part), append(w.sampledOf, g.sampled)
			late -= part.Late
			since += to - from
			from = to
		}
	}
	s.applySampledParts(m)
	return nil
}

// applySampledParts applies the groups, or parts of them, that are waiting.
func (s *Shard) applySampledParts(m *sample) {
	w := &s.work
	sketches.ApplySampled(w.sampledParts, w.sorted.part(0, int32(len(w.rows)), 0))
	for _, c := range w.sampledOf {
		s.noteSampled(m, c)
	}
	w.sampledParts, w.sampledOf = w.sampledParts[:0], w.sampledOf[:0]
}

// touchSampled is touchCells for provisional panes, of which it reads what is above the
// sketches.
//
//go:noinline
func touchSampled(groups []group) (read uint64) {
	for i := range groups {
		if c := groups[i].sampled; c != nil {
			read |= c.hash | c.pane.ByPosition.Events() | c.pane.ByItem.Events()
		}
	}
	return read
}

// extremes returns the least and greatest of some event times.
func extremes(times []int64) (least, greatest int64) {
	least, greatest = math.MaxInt64, math.MinInt64
	for _, t := range times {
		least, greatest = min(least, t), max(greatest, t)
	}
	return least, greatest
}
