// Package turns shares the processors out among all that takes events in.
//
// Decoding requests, placing and encoding their events, and applying records to views
// keep a processor busy for a millisecond or so at a time, and there may be hundreds that
// want to. Left to the runtime they take all processors for ten milliseconds each: new
// records wait for a second or more behind workers that heal, and a question is not even
// noticed, for the runtime looks at the network when a processor has nothing else to do.
//
// So whoever has such a piece of work takes a turn for it, and waits in line. No more are
// at work than the machine has processors; serve gives the runtime more than that, and
// one that is free takes questions up at once. Intake and records take every other turn when
// both wait, and what is owed goes last.
package turns

import (
	"context"
	"slices"
	"sync"
)

// Class is what a turn is for.
type Class int

// The two classes that wait; see Try for the third.
const (
	Intake  Class = iota // decode, place or encode events that are not in the log yet
	Records              // apply a new record to a view, or commit
	classes
)

// Work on fewer events, or on fewer bytes of them, takes less time than to wait for a
// turn, and takes none.
const (
	LeastEvents = 256
	LeastBytes  = 16 << 10
)

// Queue hands out turns. It is safe for concurrent use.
type Queue struct {
	mu    sync.Mutex
	free  int                      // turns that nobody has; 0 while anybody waits
	lines [classes][]chan struct{} // who waits, in order
	last  Class                    // that was given a turn
}

// New makes a queue of n turns, at least one.
func New(n int) *Queue { return &Queue{free: max(n, 1)} }

// Take waits for a turn; Done must follow unless it fails, which it does with the
// context's error when ctx ends first. Who has a turn must not wait for anybody who may
// need one.
func (q *Queue) Take(ctx context.Context, c Class) error {
	own := q.join(c)
	if own == nil {
		return nil
	}
	select {
	case <-own:
		return nil
	case <-ctx.Done():
		q.leave(c, own)
		return ctx.Err()
	}
}

// Try takes a turn, for what is owed, if nobody waits for one; Done must follow. It does
// not wait: a worker that waited to heal would not see what is new.
func (q *Queue) Try() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free == 0 {
		return false
	}
	q.free--
	return true
}

// join takes a turn that is free, and returns nil; else it waits in line.
func (q *Queue) join(c Class) chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free > 0 {
		q.free--
		return nil
	}
	own := make(chan struct{})
	q.lines[c] = append(q.lines[c], own)
	return own
}

// leave goes out of the line, or passes on the turn that was given meanwhile.
func (q *Queue) leave(c Class, own chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.lines[c], own); i >= 0 {
		q.lines[c] = slices.Delete(q.lines[c], i, i+1)
	} else {
		q.pass()
	}
}

// Done ends a turn.
func (q *Queue) Done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass()
}

// pass gives a turn that has ended to the next in line; when both classes wait, to the
// one that did not have the last.
func (q *Queue) pass() {
	c := Intake + Records - q.last
	if len(q.lines[c]) == 0 {
		c = q.last
	}
	if len(q.lines[c]) == 0 {
		q.free++
		return
	}
	close(q.lines[c][0])
	q.lines[c] = q.lines[c][1:]
	q.last = c
}
