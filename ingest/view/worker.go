package view

// This file is the worker of a shard: it follows the partition, applies what
// it reads, and commits.

import (
	"context"
	"errors"
	"time"

	"sketchlog/ingest/eventlog"
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
	patience := leastPatience
	for {
		before := s.offset()
		err := s.follow(ctx)
		if ctx.Err() != nil || errors.Is(err, eventlog.ErrClosed) {
			return s.commit()
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
		if err := s.load(); err != nil {
			s.fail(err)
		}
	}
}

// follow applies entries and commits in time, until something fails.
func (s *Shard) follow(ctx context.Context) error {
	reader := s.tail.Reader(s.offset())
	defer reader.Close()
	for ctx.Err() == nil {
		// The time until the next commit runs from the first change.
		if err := s.period(ctx, reader); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// period applies entries from the first change to the commit.
func (s *Shard) period(ctx context.Context, reader *eventlog.Reader) error {
	e, err := reader.Next(ctx)
	if err != nil {
		return err
	}
	if err := s.take(e); err != nil {
		return err
	}
	due, cancel := context.WithTimeout(ctx, s.view.views.commitEvery+s.restraint())
	defer cancel()
	for s.pendingAt < s.view.views.memory/4 && due.Err() == nil {
		e, err := reader.Next(due)
		if err != nil {
			if due.Err() != nil {
				break
			}
			return err
		}
		if err := s.take(e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err() // run commits
	}
	began := s.view.views.clock()
	if err := s.commit(); err != nil {
		return err
	}
	s.committing = s.view.views.clock().Sub(began)
	s.view.views.relieve()
	return nil
}

// restraint puts off a commit by four times what the last one took, so that a
// shard with much state spends no more than a fifth of its time on commits.
func (s *Shard) restraint() time.Duration {
	return 4 * min(s.committing, time.Minute)
}

// take applies an entry and tells who waits for it.
func (s *Shard) take(e eventlog.Entry) error {
	if err := s.apply(e); err != nil {
		return err
	}
	if s.failing {
		s.fail(nil)
	}
	s.view.views.progress.tell()
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
