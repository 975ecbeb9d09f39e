package eventlog

// This file follows a partition: from the log while behind, from the tail's
// cache at the end.

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"sketchlog/ingest/event"
)

// Entry is one record as readers get it, or a gap.
type Entry struct {
	First, Offset uint64       // equal for a record; the records of a gap, inclusive
	Batch         *event.Batch // shared and read-only; nil for a gap
	Arrival       int64        // Unix milliseconds, by the log's clock or by the appender's; must not reach state
}

// Reader follows one partition. Its entries have neither holes nor repeats: the
// First of an entry is the one after the Offset of the entry before. One
// goroutine uses a Reader.
type Reader struct {
	tail *Tail
	next uint64 // offset wanted next

	// A reading of the log, while one is under way. It outlives the call of
	// Next that began it, so it has a context of its own.
	pull   func() (Record, error, bool)
	stop   func()
	cancel context.CancelFunc
	last   uint64 // where it ends
	held   Entry  // decoded already, behind a gap that is delivered first
}

// Reader returns a reader of the records after the offset given (0: all).
func (t *Tail) Reader(after uint64) *Reader { return &Reader{tail: t, next: after + 1} }

// Next returns the next entry and waits for one at the end of the log. It
// returns ErrClosed when the tail is closed, ErrTruncated when the log ends long
// before the offset that the reader is after, and the context's error when that
// ends; after errors other than these two it may be called again and goes on
// where it was. Records that are gone, by retention or by damage, are one entry
// without a batch.
func (r *Reader) Next(ctx context.Context) (Entry, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Entry{}, err
		}
		if r.held.Offset != 0 {
			e := r.held
			r.held = Entry{}
			return r.deliver(e), nil
		}
		if r.pull != nil {
			e, ok, err := r.fromLog(ctx)
			if err != nil || ok {
				return e, err
			}
			continue
		}
		e, wait, err := r.fromCache()
		switch {
		case err != nil:
			return Entry{}, err
		case e.Offset != 0:
			return r.deliver(e), nil
		case wait == nil:
			continue // r.begin has opened the log
		}
		if r.next > r.tail.Head().Offset+1 {
			// What was read before is not in the log any more.
			if err := r.tail.reach(ctx, r.next-1); err != nil {
				return Entry{}, err
			}
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}

func (r *Reader) deliver(e Entry) Entry {
	r.next = e.Offset + 1
	return e
}

// fromCache returns the next entry if the cache has it, a channel to wait on at
// the end of the log, or neither after it has begun to read the log.
func (r *Reader) fromCache() (e Entry, wait <-chan struct{}, err error) {
	t := r.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	head := t.state.head.Offset
	first := t.cache.first(head)
	switch {
	case t.closed:
		return Entry{}, nil, ErrClosed
	case r.next > head:
		return Entry{}, t.changed, nil
	case r.next >= first:
		return t.cache.at(r.next), nil, nil
	}
	r.begin(min(head, first-1))
	return Entry{}, nil, nil
}

// begin opens a reading of the log from next to last.
func (r *Reader) begin(last uint64) {
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	r.pull, r.stop = iter.Pull2(r.tail.log.Read(ctx, r.next, last))
	r.last = last
}

func (r *Reader) finish() {
	if r.pull != nil {
		r.cancel()
		r.stop()
		r.pull, r.stop, r.cancel = nil, nil, nil
	}
}

// fromLog returns the next entry of the reading under way; ok is false when it
// has ended, at its last offset or because another call's context had ended it.
func (r *Reader) fromLog(ctx context.Context) (e Entry, ok bool, err error) {
	release := context.AfterFunc(ctx, r.cancel)
	record, err, more := r.pull()
	release()
	if !more {
		r.finish()
		return r.rest(ctx)
	}
	e, err = r.tail.entry(record, err)
	if err != nil {
		r.finish()
		if errors.Is(err, context.Canceled) {
			return Entry{}, false, ctx.Err() // nil: a context that is no longer ours
		}
		return Entry{}, false, r.tail.wrap("read", err)
	}
	if e.Offset < r.next {
		return Entry{}, false, nil
	}
	e.First = max(e.First, r.next)
	if e.First == r.next {
		return r.deliver(e), true, nil
	}
	if e.Batch == nil { // a trimmed start and then damage: one gap
		e.First = r.next
		return r.deliver(e), true, nil
	}
	r.held = e
	return r.deliver(Entry{First: r.next, Offset: e.First - 1}), true, nil
}

// rest accounts for what a complete reading did not yield: retention has taken it.
func (r *Reader) rest(ctx context.Context) (e Entry, ok bool, err error) {
	if r.next > r.last {
		return Entry{}, false, nil
	}
	bounds, err := r.tail.log.Bounds(ctx)
	if err != nil {
		return Entry{}, false, r.tail.wrap("read", err)
	}
	if bounds.First <= r.next {
		return Entry{}, false, r.tail.wrap("read", fmt.Errorf("it ended at offset %d of %d: %w", r.next-1, r.last, ErrUnavailable))
	}
	return r.deliver(Entry{First: r.next, Offset: min(bounds.First-1, r.last)}), true, nil
}

// Close ends a reading that is under way. It must not run beside Next: to
// interrupt a Next that waits, end its context.
func (r *Reader) Close() { r.finish() }

// Ready tells whether Next would return without waiting for a record to be appended.
func (r *Reader) Ready() bool {
	r.tail.mu.Lock()
	defer r.tail.mu.Unlock()
	return r.held.Offset != 0 || r.tail.closed || r.next <= r.tail.state.head.Offset
}
