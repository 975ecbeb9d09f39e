package view

// This file pays what a shard owes: it replays an entry of the ledger from the
// log, in full, into hidden panes that no query sees, and folds them into the
// base panes when the entry has been read.
//
//	ledger.Next ─► Seal ─► replay First..Last ─► hidden panes ─┐ one atomic commit:
//	                                                            ├─ base panes
//	                                            Strike ─────────┤  ledger
//	                                                            └─ provisional panes dropped
//
// It runs on the worker's goroutine between records, in slices of a few thousand
// events, so that new records are never kept waiting for long and nothing needs
// more locks. A crash forgets hidden panes, and the entry is replayed again.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// sliceEvents is how many events the healer replays, whole records aside, before
// it looks for new records: a few milliseconds' worth.
const sliceEvents = 4096

// healing is an entry that is being paid. Only the worker uses it.
type healing struct {
	entry  shedding.Entry
	runs   []shedding.Range // still to be read, the first one in part
	next   uint64           // the record to be read next
	reader *eventlog.Reader
	gaps   []shedding.Range // that the log did not give back
	tally  tally            // of the replayed records alone, but for time
	hidden []*cell          // panes of the entry alone, in the order in which they were made
	spans  map[spanID]*span // that they are in, none of them the shard's
	size   int64            // bytes of the hidden panes, about
}

// startHealing takes up the newest entry, if there is one.
func (s *Shard) startHealing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.ledger.Newest()
	if !ok {
		return nil
	}
	e, err := s.ledger.Seal(e.Number)
	if err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	s.owing, s.unsaved = true, true
	h := &healing{entry: e, runs: e.Runs(nil), spans: map[spanID]*span{}}
	h.tally.any, h.tally.greatest = e.HasBefore, e.Before
	h.next = h.runs[0].First
	if h.reader = s.resume; h.reader == nil || s.resumeAt != h.next {
		s.dropResume()
		h.reader = s.tail.Reader(h.next - 1)
	}
	s.resume = nil
	s.healing = h
	return nil
}

// stopHealing gives up what has been replayed.
func (s *Shard) stopHealing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endHealing()
	s.dropResume()
}

// leaveOff keeps the reader of a healing that ends before its entry does, for the
// next one most likely goes on there: the log is read in large pieces.
func (s *Shard) leaveOff(h *healing) {
	s.dropResume()
	s.resume, s.resumeAt, h.reader = h.reader, h.next, nil
}

func (s *Shard) dropResume() {
	if s.resume != nil {
		s.resume.Close()
		s.resume = nil
	}
}

// endHealing lets go of the hidden panes. The caller holds the lock.
func (s *Shard) endHealing() {
	h := s.healing
	if h == nil {
		return
	}
	s.healing = nil
	if h.reader != nil {
		h.reader.Close()
	}
	s.hold(-h.size)
	s.view.views.hidden.set(&s.hiddenAt, 0)
	s.replayed.Store(0)
}

// heal replays a slice and folds what is ready, and tells whether it got on. The log's
// errors are returned as errHealing: they concern the past alone. After any other the
// shard has to be loaded again.
func (s *Shard) heal(ctx context.Context) (healed bool, err error) {
	if s.healing == nil {
		if err := s.startHealing(); err != nil || s.healing == nil {
			return false, err
		}
	}
	h := s.healing
	for events := 0; events < sliceEvents && len(h.runs) > 0 && !s.crowded(); {
		e, err := h.reader.Next(ctx)
		if err != nil {
			return false, errors.Join(errHealing, err)
		}
		events += s.replay(e) + 1
	}
	if len(h.runs) > 0 && !s.crowded() {
		return true, nil
	}
	return s.fold()
}

// errHealing is what keeps an entry from being replayed.
var errHealing = errors.New("view: cannot replay")

// crowded tells whether hidden panes take so much memory that they have to be
// folded before the entry has been read to its end.
func (s *Shard) crowded() bool {
	v := s.view.views
	size := s.healing.size
	return size >= max(v.memory/16, 1) || v.hidden.above(v.memory/4, size)
}

// replay applies a record, or a gap, that the reader gave to the hidden panes.
func (s *Shard) replay(e eventlog.Entry) (rows int) {
	h := s.healing
	run := h.runs[0]
	if e.Batch == nil {
		first, last := max(e.First, run.First), min(e.Offset, run.Last)
		h.gaps = append(h.gaps, shedding.Range{First: first, Last: last})
		h.advance(s.tail, last)
		return 0
	}
	s.replayBatch(e, h)
	h.advance(s.tail, e.Offset)
	return e.Batch.Rows()
}

// replayBatch applies a record's events.
func (s *Shard) replayBatch(e eventlog.Entry, h *healing) {
	defer turns.GiveWay()()
	defer s.work.release()
	b := e.Batch
	kept := without(b, h.repeats(e.Offset))
	s.work.rows = s.work.filter.appendRows(s.work.rows[:0], s.view.plan.where, b)
	s.prepare(e, kept, &h.tally)
	w, before := &s.work, h.size
	h.locate(w)
	for from := 0; from < len(w.groups); from += window {
		h.apply(s.view.plan.layout, w, w.groups[from:min(from+window, len(w.groups))])
	}
	s.view.views.hidden.set(&s.hiddenAt, h.size)
	s.mu.Lock()
	s.hold(h.size - before)
	s.mu.Unlock()
	h.tally.applied += uint64(b.Rows())
	h.tally.repeated += dropped(kept)
	s.replayed.Store(h.tally.applied)
	s.healedEvents.Add(uint64(b.Rows()))
}

// advance goes on behind a record.
func (h *healing) advance(tail *eventlog.Tail, offset uint64) {
	h.next = offset + 1
	if offset < h.runs[0].Last {
		return
	}
	h.runs = h.runs[1:]
	if len(h.runs) > 0 {
		h.next = h.runs[0].First
		h.reader.Close()
		h.reader = tail.Reader(h.next - 1)
	}
}

// repeats returns which segments of a record are repeats.
func (h *healing) repeats(offset uint64) (segments []uint32) {
	at, _ := slices.BinarySearchFunc(h.entry.Repeats, offset, func(r shedding.Repeat, offset uint64) int {
		switch {
		case r.Offset < offset:
			return -1
		case r.Offset > offset:
			return 1
		}
		return 0
	})
	// The search finds the first of them.
	for ; at < len(h.entry.Repeats) && h.entry.Repeats[at].Offset == offset; at++ {
		segments = append(segments, h.entry.Repeats[at].Segment)
	}
	return segments
}

// locate finds the hidden cells of the gathered groups: all before the first is
// changed, for the processor waits for many of them at once.
func (h *healing) locate(w *batchWork) {
	w.homes = w.homes[:0]
	for _, id := range w.spans {
		sp := h.spans[id]
		if sp == nil {
			sp = newSpan(id)
			h.spans[id] = sp
		}
		w.homes = append(w.homes, sp)
	}
	w.spell()
	for i := range w.groups {
		g := &w.groups[i]
		g.cell = w.homes[g.span].cells.find(g.keyHash, text(w.keyOf(g)))
	}
}

// apply hands the rows of some groups that were located to their hidden panes.
func (h *healing) apply(l *sketches.Layout, w *batchWork, groups []group) {
	touchCells(groups)
	for i := range groups {
		g := &groups[i]
		if g.cell == nil {
			g.cell = h.obtain(l, w.homes[g.span], g.keyHash, w.keyOf(g))
		}
		w.parts = append(w.parts, sketches.Group{Pane: g.cell.pane, From: g.end - g.rows, To: g.end, Late: g.late})
	}
	sketches.Apply(w.parts, w.sorted.part(0, int32(len(w.rows)), 0))
	w.parts = w.parts[:0]
	for i := range groups {
		h.grow(groups[i].cell)
	}
}

// obtain returns the hidden cell of a key, and makes it if need be.
func (h *healing) obtain(l *sketches.Layout, sp *span, hash uint64, key []byte) *cell {
	c := sp.cells.find(hash, text(key))
	if c == nil {
		c = &cell{hash: hash, key: string(key), span: sp, pane: l.NewPane()}
		sp.cells.add(c)
		h.hidden = append(h.hidden, c)
	}
	return c
}

// grow notes that a hidden pane has changed.
func (h *healing) grow(c *cell) {
	grown := int64(c.pane.Size()) + int64(len(c.key)) + cellOverhead - c.size
	c.size += grown
	h.size += grown
}

// healerPatience is how long the healer waits after a failure.
const healerPatience = time.Second
