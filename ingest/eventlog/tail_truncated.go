package eventlog

// This file mends a partition whose end went back. A store that finds a damaged
// record after a crash may cut everything from there on, acknowledged or not,
// and would then give the same offsets again: a view that has applied the old
// records would take the new ones for known and skip them silently.
//
// So the offsets are used up: fillers, records that are no batch, are appended
// until the end is where it was. Whoever reads one takes it for what it stands
// for, a record that was lost, and counts it as such.

import (
	"context"
	"fmt"
	"strconv"
)

// filler is what a used-up offset holds; no encoding of a batch begins like it.
var filler = []byte("lost")

// fillMost bounds the fillers of one mending: a gap that is larger means that
// the log is another one, not a damaged one.
const fillMost = 1 << 16

// fill appends fillers from the end of the log, at last, until it is at to. The
// caller holds appending.
func (t *Tail) fill(ctx context.Context, last, to uint64) error {
	if to-last > fillMost {
		return fmt.Errorf("the log ends at offset %d, but %d was acknowledged: restore the log from a copy, or delete the stream and make it again: %w",
			last, to, ErrTruncated)
	}
	t.logger.Error("the log has lost its end: its offsets are marked as lost", "stream", t.stream, "partition", t.number, "first", last+1, "last", to)
	for last < to {
		t.count++
		offset, err := t.log.Append(ctx, t.prefix+strconv.FormatUint(t.count, 10), filler, AcksAll)
		if err != nil {
			return fmt.Errorf("mark lost offset %d: %w", last+1, err)
		}
		last = offset
	}
	return nil
}

// reach makes sure that the head is at offset or after it: it was there once.
func (t *Tail) reach(ctx context.Context, offset uint64) error {
	t.appending.Lock()
	defer t.appending.Unlock()
	if err := t.catchUp(ctx); err != nil {
		return t.wrap("read the end", err)
	}
	head := t.Head().Offset
	if head >= offset {
		return nil
	}
	if err := t.fill(ctx, head, offset); err != nil {
		return t.wrap("mend the end", err)
	}
	return t.catchUp(ctx)
}
