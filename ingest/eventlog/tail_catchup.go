package eventlog

// This file reads on to the end of the log: when a tail is opened, after an
// append with an unknown outcome, and when others append.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"sketchlog/ingest/event"
)

// verify compares the last record of the checkpoint with the log's. If they
// differ the checkpoint is of another log, as of a stream that was deleted and
// made again, and is dropped. A record that is gone proves nothing.
func (t *Tail) verify(ctx context.Context) error {
	head := t.state.head.Offset
	if head == 0 || !t.state.summed {
		return nil
	}
	for r, err := range t.log.Read(ctx, head, head) {
		var gap *Gap
		if errors.As(err, &gap) || err == nil && r.Offset != head {
			return nil
		}
		if err != nil {
			return err
		}
		if crc32.Checksum(r.Data, castagnoli) != t.state.sum && !bytes.Equal(r.Data, filler) {
			t.logger.Warn("checkpoint is of another log: reading the partition again", "stream", t.stream, "partition", t.number)
			t.state, t.savedHead = newState(), 0
		}
	}
	return nil
}

// settle resolves an append whose outcome is unknown. The caller holds appending.
func (t *Tail) settle(ctx context.Context) error {
	t.mu.Lock()
	closed, unsure := t.closed, t.unsure
	t.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if !unsure {
		return nil
	}
	return t.catchUp(ctx)
}

// catchUp reads on to the end of the log. The caller holds appending.
func (t *Tail) catchUp(ctx context.Context) error {
	bounds, err := t.log.Bounds(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	head := t.state.head.Offset
	t.mu.Unlock()
	if bounds.Last < head {
		if err := t.fill(ctx, bounds.Last, head); err != nil {
			return err
		}
		if bounds, err = t.log.Bounds(ctx); err != nil {
			return err
		}
	}
	if bounds.First > head+1 {
		t.take(Entry{First: head + 1, Offset: bounds.First - 1}, nil)
	}
	if err := t.readTo(ctx, bounds.Last); err != nil {
		return err
	}
	t.mu.Lock()
	t.unsure = false
	t.mu.Unlock()
	return nil
}

// readTo takes the records after the head up to last. The caller holds appending.
func (t *Tail) readTo(ctx context.Context, last uint64) error {
	t.mu.Lock()
	head := t.state.head.Offset
	t.mu.Unlock()
	if head >= last {
		return nil
	}
	for r, err := range t.log.Read(ctx, head+1, last) {
		e, err := t.entry(r, err)
		if err != nil {
			return err
		}
		if e.Offset <= head {
			continue
		}
		if e.First > head+1 {
			t.take(Entry{First: head + 1, Offset: e.First - 1}, nil)
		}
		t.take(e, r.Data)
		head = e.Offset
	}
	if head < last {
		// Retention took the rest while it was being read.
		bounds, err := t.log.Bounds(ctx)
		if err != nil {
			return err
		}
		if bounds.First <= last {
			return fmt.Errorf("reading ended at offset %d of %d: %w", head, last, ErrUnavailable)
		}
		t.take(Entry{First: head + 1, Offset: last}, nil)
	}
	return nil
}

// entry makes an entry of what a read yielded: a record, or a gap. A record
// that does not decode is a gap, for its bytes are damaged; one of a newer
// version is an error, for nothing is lost.
func (t *Tail) entry(r Record, err error) (Entry, error) {
	var gap *Gap
	if errors.As(err, &gap) {
		t.logger.Error("records are missing from the log", "stream", t.stream, "partition", t.number, "first", gap.First, "last", gap.Last)
		return Entry{First: gap.First, Offset: gap.Last}, nil
	}
	if err != nil {
		return Entry{}, err
	}
	b, err := event.DecodeBatch(r.Data)
	if errors.Is(err, event.ErrVersion) {
		return Entry{}, fmt.Errorf("record %d: %w", r.Offset, err)
	}
	if err != nil {
		t.logger.Error("a record of the log is damaged", "stream", t.stream, "partition", t.number, "offset", r.Offset, "error", err)
		return Entry{First: r.Offset, Offset: r.Offset}, nil
	}
	return Entry{First: r.Offset, Offset: r.Offset, Batch: b, Arrival: r.Time}, nil
}
