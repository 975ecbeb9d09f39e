package view

// This file folds what has been replayed into the base panes, and strikes the
// debt.

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"sketchlog/ingest/eventlog"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// fold ends the healing that is under way. Queries see all of it at once: the
// write lock is held while panes change, which is why an entry has about a
// million events and hidden panes a bounded size. Small panes, of which there may be a
// hundred thousand, are merged before that.
//
// When memory was short before the entry had been read to its end, then what has
// been read is folded, and the rest is owed as an entry of its own, of which
// nothing is kept: the sample is of the whole entry and goes.
//
// No more shards fold at a time than there are processors, for what a fold reads takes
// memory. One that would be too many does not wait, for it may have new records to
// take, and is told so: folded is false and nothing has changed.
func (s *Shard) fold() (folded bool, err error) {
	h := s.healing
	gate := s.view.views.folding
	select {
	case gate <- struct{}{}:
		defer func() { <-gate }()
	default:
		return false, nil
	}
	s.working.Lock()
	defer s.working.Unlock()
	targets, err := s.locateHidden(h)
	if err == nil {
		err = s.mergeAhead(h, targets)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.foldPanes(h, targets)
	}
	if err == nil {
		err = s.strike(h)
	}
	if err != nil {
		return true, fmt.Errorf("fold entry %d: %w", h.entry.Number, err)
	}
	s.dropSample(h.entry.Number)
	if len(h.runs) > 0 {
		s.leaveOff(h)
	}
	t := &s.tally
	t.applied += h.tally.applied
	t.late += h.tally.late
	t.expired += h.tally.expired
	t.repeated += h.tally.repeated
	s.endHealing()
	s.owing, s.unsaved = true, true
	return true, nil
}

// target is where a hidden pane goes.
type target struct {
	id     spanID         // a negative width: nowhere, for it is past its keep
	cell   *cell          // of the pane that is there; nil: it is not in memory
	stored *sketches.Pane // of a pane that only the store has; nil: there is none
	merged *sketches.Pane // cell's or stored with the hidden pane; nil: it is still to be merged
}

// locateHidden finds the spans that cover the hidden panes now: coarser ones where
// they have been rolled up since. And it looks in the store for the panes there that are
// not in memory.
func (s *Shard) locateHidden(h *healing) (targets []target, err error) {
	l := s.view.levels()
	greatest := s.tally.greatest
	horizon := l.horizon(greatest)
	targets = make([]target, len(h.hidden))
	want := s.work.want[:0]
	for i, p := range h.hidden {
		at, id := &targets[i], p.span.id
		if id.width > 0 {
			if id.end() <= horizon {
				at.id.width = -1
				continue
			}
			if coarse := l.at(id.start, greatest).width; coarse > id.width && coarse%id.width == 0 {
				id = spanID{start: floorTo(id.start, coarse), width: coarse}
			}
		}
		at.id = id
		sp := s.spans[id]
		if sp == nil {
			continue
		}
		if at.cell = sp.cells.find(p.hash, p.key); at.cell == nil && !sp.complete() {
			want = append(want, wanted{id, p.key, i})
		}
	}
	err = s.fetch(want, func(at int, p *sketches.Pane) { targets[at].stored = p })
	s.work.want = want[:0]
	clear(want)
	return targets, err
}

// smallPane is up to which size a copy of a pane is merged ahead. To merge into a large one takes
// hardly longer for what it holds already, but to copy it does.
const smallPane = 16 << 10

// mergeAhead merges hidden panes into copies of the small panes that are there, which take their place
// later: the worker alone changes panes, so it needs no lock to read them. The copies take no more memory
// than the hidden panes did, which are let go of.
//
// Nothing else may be merged into those panes before they take their place, or it would be lost: not another
// hidden pane of the key (several), nor a key past max_keys, which goes to the overflow pane; that one
// is never merged ahead, for no hidden pane has its key.
func (s *Shard) mergeAhead(h *healing, targets []target) error {
	several := map[spanID]bool{} // spans where a key may get more than one hidden pane
	for i, p := range h.hidden {
		if id := targets[i].id; id != p.span.id {
			several[id] = true
		}
	}
	all, room := s.view.plan.layout.All(), h.size
	for i, p := range h.hidden {
		at := &targets[i]
		if several[at.id] {
			continue
		}
		var err error
		switch c := at.cell; {
		case c != nil:
			size := int64(c.pane.Size())
			if size > smallPane || size > room {
				continue
			}
			room -= size
			if err := s.before(c); err != nil {
				return err
			}
			at.merged, err = c.pane.Merged(p.pane, all)
		case at.stored != nil: // nobody else has it
			at.merged, err = at.stored, at.stored.Merge(p.pane, all)
			at.stored.Compact()
		default:
			continue // a new key: there is nothing to merge
		}
		if err != nil {
			return err
		}
		p.pane = nil
	}
	return nil
}

// foldPanes brings the hidden panes into those that cover them now.
func (s *Shard) foldPanes(h *healing, targets []target) error {
	var touched []*cell
	for i, p := range h.hidden {
		at := &targets[i]
		switch {
		case at.id.width < 0:
		case at.merged != nil && at.cell != nil: // the fast path of small panes
			at.cell.pane = at.merged
			s.changed(at.cell)
		case at.merged != nil:
			s.changed(s.insert(s.obtainSpan(at.id), p.hash, []byte(p.key), at.merged))
		default:
			c, err := s.foldPane(p, at)
			if err != nil {
				return err
			}
			if c != nil {
				touched = append(touched, c)
			}
		}
	}
	for _, c := range touched {
		c.pane.Compact()
		s.changed(c)
	}
	return nil
}

// foldPane merges a hidden pane into the one that covers it now, and returns that one's
// cell, unless the hidden pane has become it.
func (s *Shard) foldPane(p *cell, at *target) (*cell, error) {
	maxKeys := s.view.maxKeys()
	if sp := s.obtainSpan(at.id); at.stored == nil && sp.cells.find(p.hash, p.key) == nil && sp.own() < maxKeys {
		s.changed(s.takeOver(sp, p)) // the fast path of new keys
		return nil, nil
	}
	c, err := s.obtainFetched(at.id, p.hash, []byte(p.key), at.stored, maxKeys)
	if err != nil {
		return nil, err
	}
	if err := s.before(c); err != nil {
		return nil, err
	}
	if c.pane.Events() == 0 {
		c.pane = p.pane
	} else if err := c.pane.Merge(p.pane, s.view.plan.layout.All()); err != nil {
		return nil, err
	}
	s.changed(c)
	return c, nil
}

// strike takes what was replayed off the ledger. What the log did not give back
// is lost: all that the entry owed of the records read less what they held.
func (s *Shard) strike(h *healing) error {
	rest, left := h.rest()
	owed := h.entry.Events
	events := uint64(0) // of the rest
	if left && owed > h.tally.applied {
		events = h.restEvents(owed, rest)
	}
	if len(h.gaps) > 0 {
		missing := owed - min(owed, h.tally.applied+events)
		records := uint64(0)
		for _, g := range h.gaps {
			records += g.Last - g.First + 1
		}
		for _, g := range h.gaps {
			n := g.Last - g.First + 1
			s.ledger.Gap(g.First, g.Last, max(share(missing, n, records), 1))
		}
	}
	if _, err := s.ledger.Strike(h.entry.Number); err != nil && !errors.Is(err, shedding.ErrUnknown) {
		return err // unknown: all of it was lost
	}
	if !left {
		return nil
	}
	at, _ := slices.BinarySearchFunc(h.entry.Repeats, rest.First, func(r shedding.Repeat, first uint64) int {
		if r.Offset < first {
			return -1
		}
		return 1
	})
	return s.owe(&debt{repeats: slices.Clone(h.entry.Repeats[at:]), Stretch: eventlog.Stretch{
		First: rest.First, Last: rest.Last, Events: events, Least: h.entry.Least, Greatest: h.entry.Greatest,
		HasBefore: h.tally.any, Before: h.tally.greatest,
	}})
}

// rest is what is left to be read of the entry, holes included.
func (h *healing) rest() (r shedding.Range, left bool) {
	if len(h.runs) == 0 {
		return r, false
	}
	return shedding.Range{First: h.next, Last: h.runs[len(h.runs)-1].Last}, true
}

// restEvents is how many of the events that are owed are in the rest: what was
// not replayed, or in proportion to records when some of those could not be.
func (h *healing) restEvents(owed uint64, rest shedding.Range) uint64 {
	if len(h.gaps) == 0 {
		return owed - h.tally.applied
	}
	records := rest.Last - rest.First + 1
	return min(owed-h.tally.applied, share(owed, records, h.entry.Last-h.entry.First+1))
}

// share is n·part/whole, rounded down, for part <= whole and whole > 0.
func share(n, part, whole uint64) uint64 {
	if part >= whole {
		return n
	}
	high, low := bits.Mul64(n, part)
	quotient, _ := bits.Div64(high, low, whole)
	return quotient
}
