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
	"runtime"
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
	s.lockBehindReaders()
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

// skip passes over records that the log does not have any more. All of them are the
// view's, for it begins at a record that the log had: they are lost, also when they are
// the first that it would have read.
func (s *Shard) skip(e eventlog.Entry) {
	events, exact := s.tail.EventsBetween(e.First, e.Offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := events
	if !exact {
		lost = max(events, e.Offset-e.First+1)
	}
	s.tally.lost += lost
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

// applyGroups hands the gathered rows to their panes, some panes at a time. The
// caller holds the lock, and sets the tally of the whole record afterwards.
func (s *Shard) applyGroups() error {
	if s.view.counted() {
		return s.applyCountedGroups()
	}
	w, maxKeys := &s.work, s.view.maxKeys()
	s.reserveCells(maxKeys)
	since := int32(0)
	for i := range w.groups {
		g := &w.groups[i]
		if i%window == 0 {
			some := w.groups[i:min(i+window, len(w.groups))]
			touchCells(some)
			s.touchNames(some)
		}
		if g.cell == nil {
			c, err := s.obtainFetched(w.spans[g.span], g.keyHash, w.keyOf(g), g.stored, maxKeys)
			if err != nil {
				return err
			}
			g.cell = c
		}
		late := g.late
		for from := g.end - g.rows; from < g.end; {
			if since >= lockedEvents || len(w.parts) == window {
				if err := s.applyParts(); err != nil {
					return err
				}
			}
			if since >= lockedEvents {
				s.letReadersIn()
				since = 0
			}
			to := min(g.end, from+lockedEvents-since)
			// Which of the rows are late does not matter.
			part := sketches.Group{Pane: g.cell.pane, From: from, To: to, Late: min(late, to-from)}
			w.parts, w.cells = append(w.parts, part), append(w.cells, g.cell)
			late -= part.Late
			since += to - from
			from = to
		}
	}
	return s.applyParts()
}

// window is how many groups are applied together, which is for what they wait for
// to come from memory together: first the cells, and then the panes (sketches.Apply).
const window = 32

// touchCells reads the cells of some groups, in a loop as short as can be. The
// result means nothing.
//
//go:noinline
func touchCells(groups []group) (read uint8) {
	for i := range groups {
		if c := groups[i].cell; c != nil {
			read |= uint8(c.hash) | c.saving // where it begins and where it ends
		}
	}
	return read
}

// touchNames reads where the names of keys that get a new cell are, or will be.
func (s *Shard) touchNames(groups []group) {
	if s.view.timeless() { // its keys have no names
		return
	}
	var hashes [window]uint64
	n := 0
	for i := range groups {
		if g := &groups[i]; g.cell == nil {
			hashes[n] = g.keyHash
			n++
		}
	}
	s.names.touch(hashes[:n])
}

// reserveCells makes room for the cells that the gathered groups will make, span by span.
func (s *Shard) reserveCells(maxKeys int) {
	w := &s.work
	w.fresh = append(w.fresh[:0], make([]int, len(w.spans))...)
	for i := range w.groups {
		if g := &w.groups[i]; g.cell == nil {
			w.fresh[g.span]++
		}
	}
	for i, n := range w.fresh {
		if n > 0 {
			cells := &s.obtainSpan(w.spans[i]).cells
			cells.reserve(min(n, max(maxKeys+1-cells.len(), 1))) // 1: of the overflow key
		}
	}
}

// letReadersIn gives readers their turn.
func (s *Shard) letReadersIn() {
	s.mu.Unlock()
	s.lockBehindReaders()
}

// lockBehindReaders takes the lock for changing panes. A goroutine that waits in Lock
// keeps new readers out, and this one, which gives way to all others, may be let run again only
// some milliseconds after the last reader has gone. So for a while it asks without waiting.
func (s *Shard) lockBehindReaders() {
	for range readersAlone {
		if s.mu.TryLock() {
			return
		}
		runtime.Gosched()
	}
	s.mu.Lock()
}

// readersAlone is how often a worker looks whether readers have gone before it insists.
const readersAlone = 50

// applyParts applies the groups, or parts of them, that are waiting.
func (s *Shard) applyParts() error {
	w := &s.work
	for _, c := range w.cells {
		if err := s.before(c); err != nil {
			return err
		}
	}
	sketches.Apply(w.parts, w.sorted.part(0, int32(len(w.rows)), 0))
	for i, c := range w.cells {
		s.changed(c)
		s.noteApplied(w.parts[i].To - w.parts[i].From)
	}
	w.parts, w.cells = w.parts[:0], w.cells[:0]
	return nil
}

// noteApplied counts events as applied, so that readers see them with the panes.
func (s *Shard) noteApplied(events int32) {
	s.tally.read += uint64(events)
	s.tally.applied += uint64(events)
}

// applyCountedGroups is applyGroups where panes are cut by number of events.
func (s *Shard) applyCountedGroups() error {
	w, maxKeys := &s.work, s.view.maxKeys()
	since := int32(0)
	for i := range w.groups {
		g := &w.groups[i]
		w.key = w.keys.AppendTuple(w.key[:0], g.first)
		late := int(g.late)
		for from := g.end - g.rows; from < g.end; {
			if since >= lockedEvents {
				s.letReadersIn()
				since = 0
			}
			to := min(g.end, from+lockedEvents-since)
			part := min(late, int(to-from))
			if err := s.applyCounted(from, to, part, maxKeys); err != nil {
				return err
			}
			late -= part
			since += to - from
			s.noteApplied(to - from)
			from = to
		}
	}
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
