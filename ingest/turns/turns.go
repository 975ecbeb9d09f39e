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
// one that is free takes questions up at once. All that is new waits in one line, so that a few
// producers that send as fast as they can are taken in as fast as the views apply. But
// intake that has waited for its patience takes every other turn: what the log
// takes from many must not depend on how many views there are, for those can shed. What is owed
// goes last.
//
// Two other orders were measured with eight views. Where intake had every other turn at
// once, views shed that could have kept up with four connections, and half as many events came
// through; where it only waited in line, nothing was ever shed, and with three times the
// load that could be applied requests waited for two seconds.
package turns

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Work on fewer events, or on fewer bytes of them, takes less time than to wait for a
// turn, and takes none.
const (
	LeastEvents = 256
	LeastBytes  = 16 << 10
)

// Class is what a turn is for.
type Class int

// What waits for turns; see Try for what is owed.
const (
	Intake  Class = iota // to decode, place or encode events that are not in the log yet
	Records              // to apply a new record to a view, or to commit
	classes
)

// How long intake waits behind all that came before it; a request takes three turns.
//
// Where many requests wait it is longer than some thirty workers take for a record each.
// A few get more time, for a line of views must not be taken for one of producers: 64 workers
// on two processors need 50 ms for a record each, and in bad hours twice that. Then
// intake jumped the line, the log took more than the views applied, and these shed what
// they could have applied a little later: with sixteen views and eight connections that send as
// fast as they can, 0.14 to 0.27 million events a second came through in a slow hour, and 0.26
// to 0.32 do now.
const (
	patience    = 50 * time.Millisecond
	fewPatience = 250 * time.Millisecond
	few         = 4 // requests a turn
)

// Queue hands out turns. It is safe for concurrent use.
type Queue struct {
	clock func() time.Time
	few   int // so many requests that wait are a few

	mu    sync.Mutex
	free  int               // turns that nobody has; 0 while anybody waits
	lines [classes][]waiter // who waits, in order
	last  Class             // that was given a turn
}

// waiter waits for a turn.
type waiter struct {
	turn  chan struct{} // closed when it has one
	since time.Time
}

// New makes a queue of n turns, at least one.
func New(n int) *Queue {
	n = max(n, 1)
	return &Queue{clock: time.Now, few: few * n, free: n}
}

// Take waits for a turn; Done must follow unless it fails, which it does with the
// context's error when ctx ends first. Who has a turn must not wait for anybody who may
// need one.
func (q *Queue) Take(ctx context.Context, c Class) error {
	turn := q.join(c)
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		q.leave(c, turn)
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
func (q *Queue) join(c Class) (turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free > 0 {
		q.free--
		return nil
	}
	turn = make(chan struct{})
	q.lines[c] = append(q.lines[c], waiter{turn, q.clock()})
	return turn
}

// leave goes out of the line, or passes on the turn that was given meanwhile.
func (q *Queue) leave(c Class, turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.IndexFunc(q.lines[c], func(w waiter) bool { return w.turn == turn }); i >= 0 {
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

// pass gives a turn that has ended to who is next.
func (q *Queue) pass() {
	c, any := q.next()
	if !any {
		q.free++
		return
	}
	close(q.lines[c][0].turn)
	q.lines[c] = q.lines[c][1:]
	q.last = c
}

// next is the class of which the first in line is next; false: nobody waits.
func (q *Queue) next() (c Class, any bool) {
	intake, records := q.lines[Intake], q.lines[Records]
	switch {
	case len(intake) == 0:
		return Records, len(records) > 0
	case len(records) == 0:
		return Intake, true
	case q.last != Intake && q.clock().Sub(intake[0].since) >= q.patience(), intake[0].since.Before(records[0].since):
		return Intake, true
	}
	return Records, true
}

// patience is how long those wait who wait now.
func (q *Queue) patience() time.Duration {
	if len(q.lines[Intake]) <= q.few {
		return fewPatience
	}
	return patience
}
