package view

// This file is how panes age: finer ones are rolled up into coarser ones, and
// the last are dropped.
//
// Ages are measured in event time back from the greatest time seen in the
// partition, at the moment at which an event or record is applied, and never
// by a clock, so that they are a function of the log.
//
//	          dropped        rolled up to 1h          panes of 1m
//	   ─────────────────┼─────────────────────────┼──────────────────► event time
//	        greatest − 30d          greatest − 24h
//
// Both moments are taken at the start of a coarse pane.

import (
	"math"
	"slices"
	"time"

	"sketchlog/sketches"
)

// level is panes of one width, and how long they are kept.
type level struct{ width, keep int64 } // milliseconds; keep 0: for ever

// levels are a view's panes from the finest to the coarsest. A view whose
// panes are not of time has one level of width 0.
type levels []level

func newLevels(d *Definition) levels {
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	l := levels{{width: ms(d.Pane.Width()), keep: ms(time.Duration(d.Keep))}}
	for _, r := range d.Rollups {
		l = append(l, level{width: ms(time.Duration(r.Pane)), keep: ms(time.Duration(r.Keep))})
	}
	return l
}

func (l levels) width() int64  { return l[0].width }
func (l levels) widest() int64 { return l[len(l)-1].width }

// floorTo is the greatest multiple of width that is not above ms.
func floorTo(ms, width int64) int64 {
	rest := ms % width
	if rest < 0 {
		rest += width
	}
	if ms < math.MinInt64+rest {
		return math.MinInt64
	}
	return ms - rest
}

// ceilTo is the least multiple of width that is not below ms.
func ceilTo(ms, width int64) int64 {
	floor := floorTo(ms, width)
	if floor == ms {
		return ms
	}
	if floor > math.MaxInt64-width {
		return math.MaxInt64
	}
	return floor + width
}

// boundary is the moment before which panes are of level i or coarser.
func (l levels) boundary(i int, greatest int64) int64 {
	if l[i-1].keep == 0 {
		return math.MinInt64
	}
	return floorTo(greatest-l[i-1].keep, l[i].width)
}

// at returns the level whose panes hold a moment.
func (l levels) at(time, greatest int64) level {
	for i := len(l) - 1; i > 0; i-- {
		if time < l.boundary(i, greatest) {
			return l[i]
		}
	}
	return l[0]
}

// horizon is the moment before which everything is dropped. It lies at the end
// of a pane of the widest level: were finer panes dropped by their own end,
// then whether one is dropped or rolled up just before would depend on how
// events were batched.
func (l levels) horizon(greatest int64) int64 {
	keep := l[len(l)-1].keep
	switch width := l.widest(); {
	case keep == 0:
		return math.MinInt64
	case width > 0:
		return floorTo(greatest-keep, width)
	}
	return greatest - keep
}

// aging is the moment before which panes have been rolled up or dropped.
func (l levels) aging(greatest int64) int64 {
	if len(l) == 1 {
		return l.horizon(greatest)
	}
	return max(l.horizon(greatest), l.boundary(1, greatest))
}

// place returns the span of an event, and whether that is already dropped.
func (l levels) place(time, greatest int64) (id spanID, expired bool) {
	at := l.at(time, greatest)
	if at.width == 0 {
		return spanID{start: allTime}, time < l.horizon(greatest)
	}
	id = spanID{start: floorTo(time, at.width), width: at.width}
	return id, time < l.horizon(greatest)
}

// Widen returns a span widened to the whole panes that hold its ends, in every
// partition. A view whose panes are not of time gives the whole of time.
func (v *View) Widen(from, to int64) (int64, int64) {
	l := v.levels()
	if l.width() == 0 {
		return math.MinInt64, math.MaxInt64
	}
	if from >= to {
		return from, to
	}
	fromWidth, toWidth := l.width(), l.width()
	if len(l) > 1 {
		for _, s := range v.Partitions() {
			s.mu.RLock()
			any, greatest := s.tally.any, s.tally.greatest
			s.mu.RUnlock()
			if any {
				fromWidth = max(fromWidth, l.at(from, greatest).width)
				toWidth = max(toWidth, l.at(to-1, greatest).width)
			}
		}
	}
	if from != math.MinInt64 {
		from = floorTo(from, fromWidth)
	}
	if to != math.MaxInt64 {
		to = ceilTo(to, toWidth)
	}
	return from, to
}

// sweep remembers the moments at which panes aged last.
type sweep struct {
	any        bool
	horizon    int64
	boundaries []int64
}

// age rolls up and drops what has become old, under the shard's write lock.
// It is called at the end of each record.
func (s *Shard) age() error {
	if !s.tally.any {
		return nil
	}
	l := s.view.levels()
	next := sweep{any: true, horizon: l.horizon(s.tally.greatest)}
	if next.horizon != math.MinInt64 && l.width() == 0 {
		// Panes by count have to be looked at one by one, so not at every record.
		next.horizon = floorTo(next.horizon, max(l[0].keep/64, 1))
	}
	for i := 1; i < len(l); i++ {
		next.boundaries = append(next.boundaries, l.boundary(i, s.tally.greatest))
	}
	if s.swept.any && s.swept.horizon == next.horizon && slices.Equal(s.swept.boundaries, next.boundaries) {
		return nil
	}
	s.swept = next
	if s.view.counted() {
		return s.dropCounted(next.horizon)
	}
	if l.width() == 0 {
		return nil
	}
	return s.sweep(l)
}

// sweep visits the spans that may be too old, earliest first.
func (s *Shard) sweep(l levels) error {
	greatest := s.tally.greatest
	horizon, old := l.horizon(greatest), l.aging(greatest)
	merged := map[*cell]bool{}
	for _, sp := range slices.Clone(s.order) {
		if sp.id.start >= old {
			break
		}
		if sp.id.end() <= horizon {
			s.dropSpan(sp)
			continue
		}
		coarse := l.at(sp.id.start, greatest).width
		if coarse > sp.id.width && coarse%sp.id.width == 0 {
			if err := s.rollUp(sp, spanID{start: floorTo(sp.id.start, coarse), width: coarse}, merged); err != nil {
				return err
			}
		}
	}
	for c := range merged {
		c.pane.Compact()
		s.changed(c)
	}
	return nil
}

// rollUp merges a span's panes into those of a coarser one and drops it. The
// cells that it merged into are added to merged.
func (s *Shard) rollUp(sp *span, coarse spanID, merged map[*cell]bool) error {
	maxKeys := s.view.maxKeys()
	err := s.visit(sp, func(key []byte, p *sketches.Pane) error {
		c, err := s.obtain(coarse, key, maxKeys)
		if err != nil {
			return err
		}
		if err := s.before(c); err != nil {
			return err
		}
		if err := c.pane.Follow(p, s.view.plan.layout.All()); err != nil {
			return err
		}
		merged[c] = true
		return nil
	})
	if err == nil {
		s.dropSpan(sp)
	}
	return err
}

// dropCounted drops the panes of so many events whose last event is too old.
// A key that has no pane left begins anew.
func (s *Shard) dropCounted(horizon int64) error {
	left := map[string]bool{}
	for _, sp := range slices.Clone(s.order) {
		var old []string
		err := s.visit(sp, func(key []byte, p *sketches.Pane) error {
			if _, greatest := p.Times(); greatest < horizon {
				old = append(old, string(key))
			} else {
				left[string(key)] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(old) == sp.keys {
			s.dropSpan(sp)
			continue
		}
		for _, key := range old {
			if err := s.dropPane(sp, key); err != nil {
				return err
			}
		}
	}
	for key := range s.current {
		if !left[key] {
			delete(s.current, key)
		}
	}
	return nil
}

// dropPane forgets one pane, and has the next commit do so too.
func (s *Shard) dropPane(sp *span, key string) error {
	c, err := s.find(sp, []byte(key))
	if c == nil || err != nil {
		return err
	}
	sp.remove(c)
	s.forget(c)
	sp.keys--
	sp.size -= c.size
	s.panes--
	s.size -= c.size
	sp.overflow = sp.overflow && !s.overflows([]byte(key))
	sp.dirty = true
	if sp.stored {
		s.gone[paneID{sp.id, key}] = true
	}
	s.unsaved = true
	return nil
}

// paneID names a pane.
type paneID struct {
	span spanID
	key  string
}
