package view

// This file is a commit while it is made, beside the worker's other work.
//
//	fix        at a record's end: what is to be written is fixed, and all but panes is encoded
//	saveOn     between records: a slice of the panes is encoded, until all are
//	before     before a pane of the snapshot changes, it is encoded as it is
//	write      a goroutine hands the batch to the store
//	finish     what the store has is clean
//
// To encode everything at once is what this replaces: with full-size panes that is
// hundreds of megabytes, for which records and answers waited. The batch is atomic as ever:
// offset, tallies, ledger, producers and every pane in it are those of the record at
// whose end it was fixed.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/ingest/turns"
)

// Where a cell stands in the commit that is made. Both worker and whoever drops
// cells from memory look: it is changed under Shard.working or Shard.mu, and read
// under both by the latter.
const (
	settled = iota // it is not part of it
	waiting        // it is, and its pane has not been encoded
	encoded        // it is, and its pane may change again
)

// snapshot is a commit that is made. Only the worker uses it, but for gone, and for
// the batch while it is written.
type snapshot struct {
	batch   *pebble.Batch
	cells   []*cell // in order; those before next are encoded
	next    int
	slice   int             // bytes to encode at a time
	size    int64           // bytes in memory of what it writes
	bytes   int             // of the whole batch
	took    time.Duration   // of the worker's time
	gone    map[paneID]bool // panes that it removes; guarded by Shard.mu
	samples []*sampled
	gated   bool // Views.committing is held

	key, value []byte

	written context.Context // it ends when the store has the batch, or failed; nil: that has not begun
	err     error           // then
}

const (
	leastSlice = 64 << 10 // less than a millisecond of encoding
	mostSlices = 256      // so that a large commit does not take for ever
)

// fix begins a commit of what there is now, and there is none under way. After an
// error the shard has to be loaded again, which abandons the commit. Gated tells
// whether Views.committing is held, which the end of the commit lets go of.
func (s *Shard) fix(gated bool) error {
	sn := &snapshot{size: s.pendingAt, gated: gated}
	// A batch that has to grow copies itself, which takes longer than a slice.
	sn.batch = s.records.store.db.NewBatchWithSize(int(float64(s.pendingAt)*s.packed) + 4<<10)
	sn.slice = max(int(s.pendingAt/mostSlices), leastSlice)
	if given := s.view.views.slice; given > 0 {
		sn.slice = given
	}
	s.mu.Lock()
	s.snapshot = sn
	s.mu.Unlock()
	slices.SortFunc(s.pending, compareCells)
	if err := s.encode(sn.batch); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sn.cells = make([]*cell, 0, len(s.pending))
	for _, c := range s.pending {
		if c.dirty { // else its span was dropped
			c.dirty, c.saving, c.span.stored = false, waiting, true
			sn.cells = append(sn.cells, c)
		}
	}
	clear(s.pending)
	s.pending, s.pendingAt = s.pending[:0], 0
	sn.samples = s.samplesEncoded()
	s.dropped = s.dropped[:0]
	sn.gone, s.gone = s.gone, map[paneID]bool{}
	s.noted, s.owing, s.unsaved, s.worked = false, false, false, 0
	return nil
}

// before is called before a cell's pane changes.
func (s *Shard) before(c *cell) error {
	if c.saving != waiting {
		return nil
	}
	return s.snapshot.encode(s, c)
}

// encode adds a pane to the batch.
func (sn *snapshot) encode(s *Shard, c *cell) error {
	c.saving = encoded
	sn.key = append(s.records.spanKey(sn.key[:0], recordPane, c.span.id), c.key...)
	sn.value = c.pane.AppendBinary(sn.value[:0])
	return sn.batch.Set(sn.key, sn.value, nil)
}

// encodeSome encodes panes up to so many bytes, and tells whether all are.
func (sn *snapshot) encodeSome(s *Shard, bytes int) (all bool, err error) {
	defer turns.GiveWay()()
	s.working.Lock()
	defer s.working.Unlock()
	for end := sn.batch.Len() + bytes; sn.next < len(sn.cells) && sn.batch.Len() < end; sn.next++ {
		if c := sn.cells[sn.next]; c.saving == waiting {
			if err := sn.encode(s, c); err != nil {
				return false, err
			}
		}
	}
	return sn.next == len(sn.cells), nil
}

// saveOn goes on with the commit that is under way: it encodes a slice, has the
// batch written when that was the last, or ends the commit when the store has it.
func (s *Shard) saveOn() error {
	sn := s.snapshot
	if sn.written != nil {
		if sn.written.Err() == nil {
			return nil
		}
		return s.finish()
	}
	all, err := sn.encodeSome(s, sn.slice)
	if err != nil || !all {
		return err
	}
	sn.write(pebble.NoSync)
	return nil
}

// write hands the batch to the store.
func (sn *snapshot) write(sync *pebble.WriteOptions) {
	sn.bytes = sn.batch.Len()
	var end context.CancelFunc
	sn.written, end = context.WithCancel(context.Background())
	go func() { // it ends when the disk has taken the commit
		defer end()
		sn.err = sn.batch.Commit(sync)
	}()
}

// finish ends a commit whose batch the store has, or waits for that. With ErrNoRoom
// it has not ended.
func (s *Shard) finish() error {
	sn := s.snapshot
	if err := s.records.store.disk.await(sn.written.Done()); err != nil {
		return fmt.Errorf("commit view %s partition %d: %w", s.view.name, s.number, err)
	}
	if err := errors.Join(sn.err, sn.batch.Close()); err != nil {
		sn.batch = nil
		return fmt.Errorf("commit view %s partition %d: %w", s.view.name, s.number, err)
	}
	s.mu.Lock()
	if sn.size > 0 {
		s.packed = min(1.2*float64(sn.bytes)/float64(sn.size), 1)
	}
	for _, c := range sn.cells {
		c.saving = settled
	}
	for _, c := range sn.samples {
		c.saving = false
	}
	s.snapshot = nil
	s.epoch.Add(1)
	s.mu.Unlock()
	if sn.gated {
		s.view.views.committing.Unlock()
	}
	return nil
}

// hurry ends the commit that is under way, so that nothing takes memory before it gives
// some back; but for a disk that takes no writes it does not wait.
func (s *Shard) hurry() error {
	for s.snapshot.written == nil {
		if err := s.saveOn(); err != nil {
			return err
		}
	}
	select {
	case <-s.snapshot.written.Done():
	case <-s.records.store.disk.stall():
		return nil
	}
	return s.finish()
}

// complete ends the commit that is under way, if one is, whatever that takes; but
// it does not wait for long for a disk that takes no writes.
func (s *Shard) complete() error {
	for s.snapshot != nil {
		if s.snapshot.written != nil {
			return s.finish()
		}
		if err := s.saveOn(); err != nil {
			return err
		}
	}
	return nil
}

// abandon lets go of a commit that is under way. If the store is writing the
// batch already it may have it nevertheless, which is as right, but who loads the
// shard again has to rest before. The caller holds the lock.
func (s *Shard) abandon() {
	sn := s.snapshot
	if sn == nil {
		return
	}
	s.snapshot = nil
	if sn.written != nil && sn.written.Err() == nil {
		context.AfterFunc(sn.written, func() { s.discard(sn) })
		return
	}
	s.discard(sn)
}

// discard lets go of a commit that nothing writes.
func (s *Shard) discard(sn *snapshot) {
	if sn.batch != nil {
		if err := sn.batch.Close(); err != nil {
			s.view.views.logger.Error("a commit that was given up does not close", "view", s.view.name, "partition", s.number, "error", err)
		}
	}
	if sn.gated {
		s.view.views.committing.Unlock()
	}
}

// rest waits until the store does not write for the shard, and tells whether that
// was before ctx ended.
func (s *Shard) rest(ctx context.Context) bool {
	if sn := s.snapshot; sn != nil && sn.written != nil {
		select {
		case <-sn.written.Done():
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// giveUp is abandon for those who do not hold the lock.
func (s *Shard) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandon()
}

// removed tells whether a pane was dropped that the store still holds.
func (s *Shard) removed(id paneID) bool {
	return s.gone[id] || s.snapshot != nil && s.snapshot.gone[id]
}

// removing tells whether any may have been: a fast path of removed.
func (s *Shard) removing() bool {
	return len(s.gone) > 0 || s.snapshot != nil && len(s.snapshot.gone) > 0
}

// mostStrain bounds what waiting for the store counts as part of a commit: a disk that
// stalls says nothing of what events cost.
const mostStrain = time.Second

// strain counts time as that of a commit.
func (s *Shard) strain(sn *snapshot, took time.Duration) {
	sn.took += took
	if s.healing == nil {
		s.control.busy += took // commits are part of what events cost
	}
}

// turnOfCommit is the part of a turn that commits. Busy tells that there is more
// to encode, for which a turn need not wait.
func (s *Shard) turnOfCommit(ctx context.Context, due *time.Time) (busy bool, err error) {
	v, sn, gated := s.view.views, s.snapshot, false
	switch {
	case sn != nil && sn.written != nil && sn.written.Err() == nil:
		if !s.full() {
			return false, nil // the store is writing it
		}
		// Until it has, there is no memory for more. That is waited for without a turn: it
		// is for ever on a disk that stays full.
		began := v.clock()
		if !s.rest(ctx) {
			return false, ctx.Err()
		}
		s.strain(sn, min(max(v.clock().Sub(began), 0), mostStrain))
	case sn != nil:
	case s.unsaved && (!due.IsZero() && !time.Now().Before(*due) || s.dueForWork() || s.full()):
		// One shard at a time makes a commit: all that write at once get their share of
		// one disk each. One that is short of memory does not wait for its turn.
		if gated = v.committing.TryLock(); !gated && !s.full() {
			*due = time.Now().Add(commitTurn)
			return false, nil
		}
	default:
		return false, nil
	}
	if err := v.turns.Take(ctx, turns.Records); err != nil {
		if gated {
			v.committing.Unlock()
		}
		return false, err
	}
	defer v.turns.Done()
	began := v.clock()
	switch {
	case sn == nil:
		err = s.fix(gated)
		sn = s.snapshot
	case s.full():
		err = s.hurry() // and what has come since follows at the next turn
	default:
		err = s.saveOn()
	}
	s.strain(sn, max(v.clock().Sub(began), 0))
	s.pin()
	if s.snapshot == nil {
		s.committing = sn.took
		v.relieve()
	}
	return s.snapshot != nil && s.snapshot.written == nil, err
}
