package view

// This file is how queries read a shard.

import (
	"math"
	"slices"

	"sketchlog/sketches"
)

// Span is a stretch of event time in Unix milliseconds, half-open. A side that
// is open is math.MinInt64 or math.MaxInt64.
type Span struct {
	From, To int64
	All      bool // everything kept; From and To mean nothing
}

// Panes is Read without provisional panes.
func (s *Shard) Panes(key []byte, span Span, fn func(key []byte, from, to int64, p *sketches.Pane) error) (Position, error) {
	return s.Read(key, span, Visitor{Pane: fn})
}

// Visitor is what Read calls. A nil function is not called. They must not keep or
// change key and pane.
type Visitor struct {
	// Sketches are those that Pane is going to merge, if any: a hint by which panes are
	// fetched from memory before they are needed.
	Sketches sketches.Set
	// Pane is called for panes of events that were applied in full.
	Pane func(key []byte, from, to int64, p *sketches.Pane) error
	// Provisional is called for panes of events that were only sampled, after all
	// others. A key may have several of a span, of different rates or alike. From
	// and to are those of the panes that were the finest when the events came,
	// which may have been rolled up into coarser ones since.
	Provisional func(key []byte, from, to int64, p *sketches.Provisional) error
}

// Read calls a visitor for every pane within a span, in the order of pane start
// and then of key, under the shard's read lock; the Position returned belongs to
// exactly what it saw. A key, as AppendTuple makes it, chooses its panes; nil
// is all keys, the one that keys past max_keys share included.
//
// The span is widened to whole panes. From and to of a pane are its span;
// those of a pane of all time are open, those of a pane of so many events are
// its least and greatest event time.
//
// Position.Overflow is that of the panes that were asked for: it is set when
// the key, or some key, has its events in a pane that it shares with others.
// Position.Deferred and LostHere are of the span: events of any key that may
// belong to it.
func (s *Shard) Read(key []byte, span Span, visit Visitor) (Position, error) {
	from, to := span.From, span.To
	if span.All {
		from, to = math.MinInt64, math.MaxInt64
	} else {
		from, to = s.view.Widen(from, to)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	position := s.position()
	position.Overflow = false
	position.Deferred = s.deferred(from, to)
	position.LostHere = s.tally.lost + s.ledger.LostIn(from, to)
	if visit.Pane != nil {
		if err := s.visitPanes(&position, key, span, from, to, visit); err != nil {
			return position, err
		}
	}
	if visit.Provisional != nil && len(s.samples) > 0 {
		if err := s.visitSamples(&position, key, from, to, visit.Provisional); err != nil {
			return position, err
		}
	}
	return position, nil
}

// visitPanes calls visit.Pane for the base panes of a key (nil: of all) in [from, to).
func (s *Shard) visitPanes(position *Position, key []byte, span Span, from, to int64, visit Visitor) error {
	counted := s.view.counted()
	order := s.order
	if !counted && from != math.MinInt64 {
		order = s.from(from)
	}
	for i, sp := range order {
		if !counted && sp.id.width > 0 && sp.id.start >= to {
			break
		}
		if !counted && sp.id.width > 0 && sp.id.end() <= from {
			continue
		}
		each := func(key []byte, p *sketches.Pane) error {
			first, end := sp.id.reach()
			if counted {
				least, greatest := p.Times()
				if first, end = least, greatest+1; !span.All && (first >= span.To || end <= span.From) {
					return nil
				}
			}
			return visit.Pane(key, first, end, p)
		}
		if key == nil {
			position.Overflow = position.Overflow || sp.overflow
			if err := s.visit(sp, each); err != nil {
				return err
			}
			continue
		}
		if i%sketches.TouchedTogether == 0 && visit.Sketches != 0 {
			fetch(order[i:], key, visit.Sketches)
		}
		p, err := s.lookUp(sp, key)
		if err != nil {
			return err
		}
		if sp.overflow && s.shared(sp, key, p != nil) {
			position.Overflow = true
			rest, err := s.lookUp(sp, []byte(overflowKey))
			if err != nil {
				return err
			}
			if rest != nil {
				position.Shared += rest.Events()
			}
		}
		if p == nil {
			continue
		}
		if err := each(key, p); err != nil {
			return err
		}
	}
	return nil
}

// fetch brings a key's panes in the first few of some spans from memory.
func fetch(spans []*span, key []byte, which sketches.Set) {
	var panes [sketches.TouchedTogether]*sketches.Pane
	hash := keyHash(key)
	for i, sp := range spans[:min(len(spans), len(panes))] {
		if c := sp.cells.find(hash, text(key)); c != nil {
			panes[i] = c.pane
		}
	}
	sketches.Touch(panes[:], which)
}

// reach is the event time that a span covers.
func (id spanID) reach() (from, to int64) {
	if id.width == 0 {
		return math.MinInt64, math.MaxInt64
	}
	return id.start, id.end()
}

// from returns the spans that may end after a moment.
func (s *Shard) from(at int64) []*span {
	least := int64(math.MinInt64)
	if at > least+s.broadest {
		least = at - s.broadest
	}
	i, _ := slices.BinarySearchFunc(s.order, spanID{start: least}, func(sp *span, id spanID) int { return compareSpans(sp.id, id) })
	return s.order[i:]
}

// lookUp returns a key's pane in a span, nil when it has none.
func (s *Shard) lookUp(sp *span, key []byte) (*sketches.Pane, error) {
	if c := sp.cells.find(keyHash(key), text(key)); c != nil {
		s.touch(c)
		return c.pane, nil
	}
	if sp.complete() {
		return nil, nil
	}
	// It is not kept: that would need the write lock.
	return s.stored(sp, key)
}

// HasOnePane tells whether a key has a single pane, as far as is known without reading the
// store, so that a question about it has nothing to merge. That may change at any moment.
func (v *View) HasOnePane(key []byte) bool {
	n, hash := 0, keyHash(key)
	for _, s := range v.Partitions() {
		if n += s.panesOf(hash, key); n > 1 {
			return false
		}
	}
	return n == 1
}

// panesOf is how many panes a key has, or several where that is not known, or is not
// looked for in many spans.
func (s *Shard) panesOf(hash uint64, key []byte) (n int) {
	const several, few = 2, 8
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.order) > few {
		return several
	}
	for _, sp := range s.order {
		if sp.cells.find(hash, text(key)) != nil {
			n++
		} else if !sp.complete() {
			return several
		}
		if n == several {
			break
		}
	}
	return n
}

// shared tells whether a key may have events in a span's overflow pane. A key
// with a pane of its own has not, but for a span that finer ones were rolled up
// into: in some of those the key may have had a pane, in others not. And where
// panes by count are dropped, a key may have got its own only when others left.
func (s *Shard) shared(sp *span, key []byte, own bool) bool {
	if s.view.counted() {
		_, own := s.current[string(key)]
		return !own || s.view.levels()[0].keep > 0
	}
	return !own || sp.id.width > s.view.levels().width()
}

// Extent returns the span from the first pane to the end of the last; ok is
// false when there is none, or when panes are not of time.
func (s *Shard) Extent() (from, to int64, ok bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.view.levels().width() == 0 || len(s.order) == 0 {
		return 0, 0, false, nil
	}
	from, to = s.order[0].id.start, math.MinInt64
	for _, sp := range s.order {
		to = max(to, sp.id.end())
	}
	return from, to, true, nil
}
