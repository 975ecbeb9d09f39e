package view

// This file is how a shard takes on records that it has not read, as a debt: all
// that lies before a new view, and a backlog that is too long to read.
//
// The tail has read every record in order. It knows who repeated what, and at
// the points of its index how many events there were and up to which time, so
// that each part of the past can be replayed by itself, in any order, with the
// same repeats dropped and the same events called late as in the order of the log.

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/ingest/eventlog"
	"sketchlog/shedding"
)

// mostPieces bounds the entries that one past is cut into.
const mostPieces = 1024

// establish gives a shard that never committed its first state, and has it on
// disk: what it reads at once begins at the end of the log, and of what lies
// before, it owes what the view counts. A view that needs the order of the log
// begins where it counts, at the first record that there still is, and so does one
// whose tail does not know its past.
func (s *Shard) establish(ctx context.Context) error {
	past, known, err := s.tail.Past(ctx, 0)
	if err != nil {
		return err
	}
	head := past.Head
	earliest := s.view.definition.Load().From.Earliest
	if earliest && (!known || s.view.ordered()) {
		first, err := s.tail.First(ctx)
		if err != nil {
			return err
		}
		events, _ := s.tail.EventsBefore(first)
		s.begin = Start{Offset: first - 1, Events: events}
		s.clear()
		return nil
	}
	s.begin = Start{Offset: head.Offset, Events: head.Events}
	s.clear()
	if earliest {
		if err := s.adopt(&past); err != nil {
			return err
		}
		s.tally.any, s.tally.greatest = past.Timed, past.Head.Greatest
		s.begin.Past = s.ledger.Owed()
	}
	s.producers, s.noted = past.Producers, past.Producers.Len() > 0
	s.owing = s.ledger.Len() > 0
	// It is synced: the catalog's entry, which comes next, is.
	return s.save(pebble.Sync)
}

// passOver goes to the end of the log and owes what lies between. It does nothing
// when the tail does not know that well enough.
func (s *Shard) passOver(ctx context.Context) error {
	past, known, err := s.tail.Past(ctx, s.tally.offset)
	if err != nil || !known || len(past.Stretches) == 0 {
		return err
	}
	first := &past.Stretches[0]
	if gap := s.tally.offset + 1; gap < first.First {
		s.skip(eventlog.Entry{First: gap, Offset: first.First - 1})
	}
	first.HasBefore, first.Before = s.tally.any, s.tally.greatest
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.adopt(&past); err != nil {
		if errors.Is(err, shedding.ErrFull) {
			return nil
		}
		return err
	}
	t := &s.tally
	t.offset, t.read = past.Head.Offset, past.Head.Events
	if past.Timed && (!t.any || past.Head.Greatest > t.greatest) {
		t.any, t.greatest = true, past.Head.Greatest
	}
	s.producers, s.noted = past.Producers, true
	s.owing, s.unsaved = true, true
	return s.age()
}

// adopt owes a past, in entries of about as many events as the ledger cuts at,
// each from one point of the tail's index to another.
func (s *Shard) adopt(past *eventlog.Past) error {
	total := uint64(0)
	for i := range past.Stretches {
		total += past.Stretches[i].Events
	}
	most := max(s.view.views.limits.Cut, total/mostPieces)
	repeats := past.Repeats
	for i := 0; i < len(past.Stretches); {
		d := debt{Stretch: past.Stretches[i]}
		for i++; i < len(past.Stretches) && d.Events+past.Stretches[i].Events <= most; i++ {
			next := &past.Stretches[i]
			d.Last, d.Events = next.Last, d.Events+next.Events
			d.Least, d.Greatest = min(d.Least, next.Least), max(d.Greatest, next.Greatest)
		}
		for len(repeats) > 0 && repeats[0].Offset <= d.Last {
			d.repeats = append(d.repeats, shedding.Repeat(repeats[0]))
			repeats = repeats[1:]
		}
		if err := s.owe(&d); err != nil {
			return err
		}
	}
	return nil
}

// debt is records that have not been read, with what a replay has to know.
type debt struct {
	eventlog.Stretch
	repeats []shedding.Repeat
}

// owe notes one debt as one entry.
func (s *Shard) owe(d *debt) error {
	if d.Least > d.Greatest { // no event, as far as is known
		d.Least, d.Greatest = shedding.EarliestTime, shedding.LatestTime
	}
	// The ledger would cut what is longer than its limit in between two points,
	// where nobody knows up to which time events had come.
	long := s.view.views.limits
	long.Cut = max(long.Cut, d.Events)
	l, err := shedding.DecodeLedger(s.ledger.AppendBinary(nil), long)
	if err != nil {
		return fmt.Errorf("owe records %d to %d: %w", d.First, d.Last, err)
	}
	change, err := l.Owe(shedding.Unread{First: d.First, Last: d.Last, Events: d.Events, Least: d.Least, Greatest: d.Greatest})
	if err == nil {
		err = l.Inform(change.Number, d.HasBefore, d.Before, d.repeats)
	}
	if err == nil {
		l, err = shedding.DecodeLedger(l.AppendBinary(nil), s.view.views.limits)
	}
	if err != nil {
		return fmt.Errorf("owe records %d to %d: %w", d.First, d.Last, err)
	}
	for _, number := range change.Dropped {
		s.dropSample(number)
	}
	s.ledger = l
	return nil
}

// lose tallies what the log has trimmed of what is owed. Panes of a sample
// whose entry is lost altogether go with it: what they said was an estimate of
// something that nobody can make exact any more, and coverage counts it as lost.
func (s *Shard) lose(ctx context.Context) error {
	first, err := s.tail.First(ctx)
	if err != nil {
		return err
	}
	if s.healing != nil {
		// What it has read is paid, and what it will not find it tells itself.
		first = min(first, s.healing.entry.First)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, loss := range s.ledger.Lose(first, s.tail.EventsBetween) {
		if loss.Whole {
			s.dropSample(loss.Number)
		}
		s.owing, s.unsaved = true, true
	}
	return nil
}
