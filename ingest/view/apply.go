package view

// This file applies one record of the log to a shard.
//
// The first half, which selects, dates, groups and gathers rows, works on the
// worker's own scratch without a lock. The second half changes panes under the
// shard's write lock, and lets readers in after every few hundred events;
// what is left then counts as owed.

import (
	"errors"
	"math"
	"slices"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// lockedEvents is how many events are applied before readers get their turn: some fifty
// microseconds' worth, and a few milliseconds if the system takes the processor away meanwhile.
const lockedEvents = 256

// apply brings the shard past an entry of its partition: in full, or at a rate,
// and then what it does not apply it owes. After an error the shard is between
// two states and has to be loaded again.
func (s *Shard) apply(e eventlog.Entry, rate shedding.Rate) error {
	s.unsaved = true
	if e.Batch == nil {
		s.skip(e)
		return nil
	}
	defer turns.GiveWay()()
	defer s.work.release()
	kept, repeats := s.judge(e.Batch)
	if rate != shedding.Full {
		err := s.shed(e, rate, kept, repeats)
		if !errors.Is(err, shedding.ErrFull) {
			return err
		} // else the ledger takes no more: what follows is slow, but right
	}
	return s.applyAll(e, kept)
}

// applyAll applies a record in full.
func (s *Shard) applyAll(e eventlog.Entry, kept []bool) error {
	b := e.Batch
	t := s.tally // readers see it change with the panes
	s.work.rows = s.work.filter.appendRows(s.work.rows[:0], s.view.plan.where, b)
	s.prepare(e, kept, &t)
	s.working.Lock()
	defer s.working.Unlock()
	if !s.view.counted() {
		if err := s.locate(); err != nil {
			return err
		}
		if err := s.beforeGroups(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.applyGroups(); err != nil {
		return err
	}
	t.offset = e.Offset
	t.read += uint64(b.Rows())
	t.applied += uint64(b.Rows())
	t.repeated += dropped(kept)
	s.tally = t
	s.agree()
	return s.age()
}

// prepare dates, groups and gathers the selected rows of a record.
func (s *Shard) prepare(e eventlog.Entry, kept []bool, t *tally) {
	w := &s.work
	s.date(e.Batch, kept, t)
	w.groups = w.groups[:0]
	if len(w.rows) > 0 {
		w.hashKeys(e.Batch, s.view.plan.by)
		w.group()
		w.gather(e.Batch, s.view.plan, positionBase(s.number, e.Offset))
	}
}

// skip passes over records that the log does not have any more.
func (s *Shard) skip(e eventlog.Entry) {
	events, exact := s.tail.EventsBetween(e.First, e.Offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.First > 1 || s.tally.applied > 0 {
		lost := events
		if !exact {
			lost = max(events, e.Offset-e.First+1)
		}
		s.tally.lost += lost
	} // else retention took them before the view began
	s.tally.offset = e.Offset
	s.tally.read += events
	s.agree()
}

// agree corrects the count of events read at the end of the log, where the
// tail knows it: between the points of its index it only estimates what lost
// records held.
func (s *Shard) agree() {
	if head := s.tail.Head(); head.Offset == s.tally.offset {
		s.tally.read = head.Events
	}
}

// judge notes the batch's numbered requests, and returns which rows to keep,
// nil for all, and which segments are repeats. Repeats are dropped here, in log
// order, so that every view of every node drops the same ones.
func (s *Shard) judge(b *event.Batch) (kept []bool, repeats []uint32) {
	for i, segment := range b.Segments {
		if segment.Producer == "" {
			continue
		}
		if s.producers.Note(segment.Producer, segment.Number, segment.Partitions) == event.Fresh {
			s.noted = true
			continue
		}
		repeats = append(repeats, uint32(i))
	}
	return without(b, repeats), repeats
}

// without returns which rows of a batch are not of these segments; nil: all.
func without(b *event.Batch, segments []uint32) (kept []bool) {
	if len(segments) == 0 {
		return nil
	}
	kept = make([]bool, b.Rows())
	for i := range kept {
		kept[i] = true
	}
	row := 0
	for i, segment := range b.Segments {
		from := row
		row = min(row+segment.Rows, b.Rows())
		if slices.Contains(segments, uint32(i)) {
			clear(kept[from:row])
		}
	}
	return kept
}

// dropped counts the rows that are not kept.
func dropped(kept []bool) (n uint64) {
	for _, k := range kept {
		if !k {
			n++
		}
	}
	return n
}

// beforeGroups encodes what a commit under way still needs of the panes that are about
// to change. Right after it began that is most of them, and takes too long to have
// readers wait for it.
func (s *Shard) beforeGroups() error {
	if s.snapshot == nil {
		return nil
	}
	for i := range s.work.groups {
		if c := s.work.groups[i].cell; c != nil {
			if err := s.before(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyGroups hands the gathered rows to their panes. The caller holds the
// lock, and sets the tally of the whole record afterwards.
func (s *Shard) applyGroups() error {
	w := &s.work
	maxKeys, counted := s.view.maxKeys(), s.view.counted()
	since := int32(0)
	for i := range w.groups {
		g := &w.groups[i]
		if i%window == 0 && !counted {
			w.touch(i)
		}
		if counted {
			w.key = w.keys.AppendTuple(w.key[:0], g.first)
		}
		late := int(g.late)
		for from := g.end - g.rows; from < g.end; {
			if since >= lockedEvents {
				s.mu.Unlock()
				s.mu.Lock()
				since = 0
			}
			to := min(g.end, from+lockedEvents-since)
			since += to - from
			part := min(late, int(to-from)) // which of the rows are late does not matter
			late -= part
			var err error
			if counted {
				err = s.applyCounted(from, to, part, maxKeys)
			} else {
				err = s.applyPart(g, from, to, part, maxKeys)
			}
			if err != nil {
				return err
			}
			s.tally.read += uint64(to - from)
			s.tally.applied += uint64(to - from)
			from = to
		}
	}
	return nil
}

// window is how many groups' panes are fetched into the processor's caches
// together: it can wait for some twenty lines at once.
const window = 32

// touch reads what Apply will read first of the panes of the groups from one on.
func (w *batchWork) touch(from int) {
	w.panes = w.panes[:0]
	for i := range w.groups[from:min(from+window, len(w.groups))] {
		if c := w.groups[from+i].cell; c != nil {
			w.panes = append(w.panes, c.pane)
		}
	}
	sketches.Touch(w.panes)
}

// applyPart hands rows of a group to its pane.
func (s *Shard) applyPart(g *group, from, to int32, late, maxKeys int) (err error) {
	w := &s.work
	if g.cell == nil {
		g.cell, err = s.obtainFetched(w.spans[g.span], g.keyHash, w.keyOf(g), g.stored, maxKeys)
		if err != nil {
			return err
		}
	}
	if err := s.before(g.cell); err != nil {
		return err
	}
	g.cell.pane.Apply(w.sorted.part(from, to, late))
	s.changed(g.cell)
	return nil
}

// applyCounted cuts rows of the work's key into panes of so many events.
func (s *Shard) applyCounted(from, to int32, late, maxKeys int) error {
	key := s.work.key
	open, known := s.current[string(key)]
	if !known && len(s.view.plan.by) > 0 {
		_, overflowed := s.current[overflowKey]
		own := len(s.current)
		if overflowed {
			own--
		}
		if own >= maxKeys {
			key = []byte(overflowKey)
			open, known = s.current[overflowKey]
		}
	}
	if !known {
		s.current[string(key)] = 0
	}
	size := s.view.paneCount()
	for from < to {
		c, err := s.obtain(spanID{start: open}, key, math.MaxInt)
		if err != nil {
			return err
		}
		room := size - int64(c.pane.Events())
		if room <= 0 {
			open++
			s.current[string(key)] = open
			continue
		}
		end := int32(min(int64(from)+room, int64(to)))
		part := min(late, int(end-from))
		late -= part
		if err := s.before(c); err != nil {
			return err
		}
		c.pane.Apply(s.work.sorted.part(from, end, part))
		s.changed(c)
		from = end
	}
	return nil
}
