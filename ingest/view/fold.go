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
)

// fold ends the healing that is under way. Queries see all of it at once: the
// write lock is held for the whole fold, which is why an entry has about a
// million events and hidden panes a bounded size.
//
// When memory was short before the entry had been read to its end, then what has
// been read is folded, and the rest is owed as an entry of its own, of which
// nothing is kept: the sample is of the whole entry and goes.
func (s *Shard) fold() error {
	h := s.healing
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.foldPanes(h)
	if err == nil {
		err = s.strike(h)
	}
	if err != nil {
		return fmt.Errorf("fold entry %d: %w", h.entry.Number, err)
	}
	s.dropSample(h.entry.Number)
	t := &s.tally
	t.applied += h.tally.applied
	t.late += h.tally.late
	t.expired += h.tally.expired
	t.repeated += h.tally.repeated
	s.endHealing()
	s.owing, s.unsaved = true, true
	return nil
}

// foldPanes merges the hidden panes into those that cover them now: coarser ones
// where they have been rolled up since, and none where they are past their keep.
func (s *Shard) foldPanes(h *healing) error {
	l := s.view.levels()
	greatest := s.tally.greatest
	horizon, maxKeys := l.horizon(greatest), s.view.maxKeys()
	var touched []*cell
	for _, p := range h.hidden {
		id := p.span
		if id.width > 0 {
			if id.end() <= horizon {
				continue
			}
			if coarse := l.at(id.start, greatest).width; coarse > id.width && coarse%id.width == 0 {
				id = spanID{start: floorTo(id.start, coarse), width: coarse}
			}
		}
		c, err := s.obtain(id, []byte(p.key), maxKeys)
		if err != nil {
			return err
		}
		if c.pane.Events() == 0 {
			c.pane = p.pane
		} else if err := c.pane.Merge(p.pane, s.view.plan.layout.All()); err != nil {
			return err
		}
		s.changed(c)
		touched = append(touched, c)
	}
	for _, c := range touched {
		c.pane.Compact()
		s.changed(c)
	}
	return nil
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
