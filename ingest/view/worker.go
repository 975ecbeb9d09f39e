package view

// This file is the worker of a shard: it follows the partition, applies what
// it reads, pays what is owed, and commits.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
	"sketchlog/shedding"
)

// worker is a goroutine and how to end it.
type worker struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

// stop ends the worker and waits for it.
func (w *worker) stop() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}

// patience after a failure; it doubles up to the greatest.
const (
	leastPatience    = 50 * time.Millisecond
	greatestPatience = 5 * time.Second
)

// run follows the partition until ctx ends or the tail is closed, and commits
// at the end. After any other failure the shard goes back to its last commit
// and reads on from there: the log has everything that is forgotten by that.
func (s *Shard) run(ctx context.Context) error {
	defer s.stopHealing()
	defer s.giveUp()
	patience := leastPatience
	for {
		before := s.offset()
		err := s.follow(ctx)
		switch {
		case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)), errors.Is(err, eventlog.ErrClosed):
			// It was waiting, perhaps until a time that came together with the end.
			return s.commit()
		case ctx.Err() != nil:
			return nil // it failed just then, between two states: what was not committed is applied again
		}
		if s.offset() > before {
			patience = leastPatience
		}
		s.fail(err)
		s.view.views.logger.Error("a view does not get on, and tries again", "view", s.view.name, "partition", s.number, "offset", s.offset(), "again", patience, "error", err)
		select {
		case <-ctx.Done():
			return nil // what was not committed is applied again at the next start
		case <-time.After(patience):
		}
		patience = min(2*patience, greatestPatience)
		if !s.rest(ctx) {
			return nil
		}
		if _, err := s.load(); err != nil {
			s.fail(err)
		}
	}
}

// follow applies entries, heals and commits in time, until something fails.
func (s *Shard) follow(ctx context.Context) error {
	s.reader = s.tail.Reader(s.offset())
	defer func() { s.reader.Close() }() // passing over a backlog makes another one
	var due time.Time                   // of the commit; zero: nothing waits for one
	for ctx.Err() == nil {
		if err := s.turn(ctx, &due); err != nil {
			return err
		}
		switch {
		case !s.unsaved:
			due = time.Time{}
		case due.IsZero():
			// The time until the next commit runs from the first change.
			due = time.Now().Add(idleCommits*s.view.views.commitEvery + s.restraint())
		}
	}
	return ctx.Err()
}

// idleCommits is how many times longer than CommitEvery changes wait that little work
// made: to make them again after a crash takes hardly any time.
const idleCommits = 5

// dueForWork tells whether to make again what was done since the last commit would take
// so long that it is time for the next.
func (s *Shard) dueForWork() bool { return s.worked >= s.view.views.commitEvery+s.restraint() }

// commitTurn is how soon a shard asks again whether it may commit.
const commitTurn = 50 * time.Millisecond

// turn is one step of the worker: a step of a commit that is due, a slice of what is owed,
// and a record of what is new. A slice is so short that a record that comes
// meanwhile does not wait for long, and one that waits is taken after it.
func (s *Shard) turn(ctx context.Context, due *time.Time) error {
	busy, err := s.turnOfCommit(ctx, due)
	if err != nil {
		return err
	}
	paid, err := s.payDebts(ctx)
	if err != nil {
		return err
	}
	if (paid || busy) && !s.reader.Ready() {
		return nil // there may be more to pay, and there is something to commit
	}
	wait, cancel := s.patience(ctx, *due)
	defer cancel()
	// Reading and decoding a record that is there is work, and for a shard that has
	// fallen out of the tail's cache the most of it; waiting for one to come is not.
	ready, began := s.reader.Ready(), s.view.views.clock()
	e, err := s.reader.Next(wait)
	if err != nil {
		if wait.Err() != nil && ctx.Err() == nil {
			_, err := s.decide(0)
			return err
		}
		return err
	}
	if !ready {
		began = s.view.views.clock()
	}
	if err := s.view.views.turns.Take(ctx, turns.Records); err != nil {
		return err
	}
	defer s.view.views.turns.Done()
	turn := s.view.views.clock()
	err = s.take(ctx, e, began)
	s.worked += max(s.view.views.clock().Sub(turn), 0)
	return err
}

// patience is how long the worker waits for a record: until the next commit, and
// while there is something to control, to heal or to commit, until the next period.
func (s *Shard) patience(ctx context.Context, due time.Time) (context.Context, context.CancelFunc) {
	if s.reader.Ready() {
		return ctx, func() {}
	}
	if sn := s.snapshot; sn != nil && sn.written != nil { // it is of use when the store has written
		ctx, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(sn.written, cancel)
		return ctx, func() { stop(); cancel() }
	}
	if s.unsaved || s.ledger.Len() > 0 || s.control.decision.Rate != shedding.Full {
		period := time.Now().Add(s.view.views.control.Period)
		if due.IsZero() || period.Before(due) {
			due = period
		}
	}
	if due.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, due)
}

// full tells whether panes that are not committed take so much memory that the
// commit must not wait: a sixteenth, which also bounds what one commit writes; or over
// a quarter of it in all shards together, and this one has as much as the others or more.
func (s *Shard) full() bool {
	v := s.view.views
	return s.pendingAt >= v.memory/16 || v.dirty.above(v.memory/4, s.pendingAt) || v.held.Load() > v.memory && s.pendingAt >= v.memory/64
}

// payDebts heals a slice if there is time for that, and tells whether it did.
func (s *Shard) payDebts(ctx context.Context) (paid bool, err error) {
	if s.ledger.Len() == 0 && s.healing == nil {
		return false, nil
	}
	if !s.reader.Ready() { // else the record that waits is what is asked about
		if _, err := s.decide(0); err != nil {
			return false, err
		}
	}
	v := s.view.views
	now := v.clock()
	if now.Sub(s.control.looked) >= lookEvery || now.Before(s.control.looked) {
		s.control.looked = now
		if err := s.lose(ctx); err != nil {
			return false, err
		}
	}
	if !s.pays() {
		if s.healing != nil && s.crowded() {
			// It is not given time, perhaps for want of memory, of which it holds some.
			return s.fold()
		}
		return false, nil
	}
	if !v.turns.Try() {
		return false, nil
	}
	began := v.clock()
	paid, err = s.heal(ctx)
	v.turns.Done()
	took := max(v.clock().Sub(began), 0)
	s.control.allowance -= took
	s.worked += took
	v.processors.healing.Add(int64(took))
	s.pin()
	if errors.Is(err, errHealing) && ctx.Err() == nil && !errors.Is(err, eventlog.ErrClosed) {
		v.logger.Error("a view cannot pay what it owes, and tries again", "view", s.view.name, "partition", s.number, "again", healerPatience, "error", err)
		s.stopHealing()
		s.retry = now.Add(healerPatience)
		return false, nil
	}
	return paid, err
}

// lookEvery is how often a shard that owes something looks at what the log has
// trimmed.
const lookEvery = 5 * time.Second

// pays tells whether the healer may go on now.
func (s *Shard) pays() bool {
	return (s.healing != nil || s.ledger.Len() > 0) && s.control.allowance > 0 && !s.view.views.clock().Before(s.retry)
}

// restraint puts off a commit by four times what the last one took, so that a
// shard with much state spends no more than a fifth of its time on commits.
func (s *Shard) restraint() time.Duration {
	return 4 * min(s.committing, time.Minute)
}

// take applies an entry and tells who waits for it.
func (s *Shard) take(ctx context.Context, e eventlog.Entry, began time.Time) error {
	d, err := s.decide(e.Arrival)
	if err != nil {
		return err
	}
	v := s.view.views
	rate := d.Rate
	if e.Batch == nil {
		rate = shedding.Full
	}
	if err := s.apply(e, rate); err != nil {
		return err
	}
	if e.Batch != nil {
		s.control.taken += uint64(e.Batch.Rows())
		s.control.busy += max(v.clock().Sub(began), 0)
	}
	s.arrivedAt(e.Arrival)
	s.pin()
	if d.Skip > 0 {
		if err := s.skipBacklog(ctx); err != nil {
			return err
		}
	}
	if s.failing {
		s.fail(nil)
	}
	v.progress.tell()
	return nil
}

// skipBacklog passes over the records that wait.
func (s *Shard) skipBacklog(ctx context.Context) error {
	before := s.tally.offset
	if err := s.passOver(ctx); err != nil {
		return fmt.Errorf("pass over the backlog: %w", err)
	}
	if s.tally.offset != before {
		s.reader.Close()
		s.reader = s.tail.Reader(s.tally.offset)
	}
	return nil
}

// fail notes why the worker does not get on; nil: it does.
func (s *Shard) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure, s.failing = err, err != nil
}

func (s *Shard) offset() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tally.offset
}
