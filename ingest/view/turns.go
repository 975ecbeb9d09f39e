package view

// This file shares the processors out among the workers of a node.
//
// There are as many workers as views times partitions. Left to the runtime, all that
// have something to do take turns of ten milliseconds each, in which one applies many
// records and a hundred others wait; new records then wait for a second or more behind
// workers that heal, and questions behind them all. So a worker takes a turn for each
// record, or slice of what it owes, and waits for it in line; no more of them are at
// work than the runtime has processors, and what is new goes before what is owed.

import (
	"context"
	"slices"
	"sync"
)

// turns hands out turns. It is safe for concurrent use.
type turns struct {
	mu   sync.Mutex
	free int             // turns that nobody has; 0 while anybody waits
	line []chan struct{} // who waits, in order
}

func newTurns(n int) *turns { return &turns{free: max(n, 1)} }

// take waits for a turn, for what is new or for a commit; done must follow unless it
// fails, which it does when ctx ends.
func (t *turns) take(ctx context.Context) error {
	if t.try() {
		return nil
	}
	own := t.queue()
	select {
	case <-own:
		return nil
	case <-ctx.Done():
		t.leave(own)
		return ctx.Err()
	}
}

// try takes a turn, for what is owed, if nobody waits for one; done must follow. It does
// not wait: a worker that waited to heal would not see what is new.
func (t *turns) try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free == 0 {
		return false
	}
	t.free--
	return true
}

// queue waits in line, or has the turn that has become free meanwhile.
func (t *turns) queue() chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := make(chan struct{})
	if t.free > 0 {
		t.free--
		close(own)
	} else {
		t.line = append(t.line, own)
	}
	return own
}

// leave goes out of the line, or passes on the turn that was given meanwhile.
func (t *turns) leave(own chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.line, own); i >= 0 {
		t.line = slices.Delete(t.line, i, i+1)
	} else {
		t.pass()
	}
}

// done ends a turn.
func (t *turns) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass gives a turn that has ended to the next in line.
func (t *turns) pass() {
	if len(t.line) == 0 {
		t.free++
		return
	}
	close(t.line[0])
	t.line = t.line[1:]
}
