package eventlog

// This file tells what is known of records without reading them again, so that
// a view can begin at the end of the log and read what lies before it later, in
// any order, as if it had read it in the order of the log.

import (
	"context"
	"fmt"

	"sketchlog/ingest/event"
)

// Repeat names a segment of a record that repeats a request which the log held
// already: its events do not count.
type Repeat struct {
	Offset  uint64 // of the record
	Segment uint32 // its place in the record, from 0
}

// Stretch is consecutive records, between two points of a tail's index.
type Stretch struct {
	First, Last uint64
	Events      uint64 // exact between two points of the index, else estimated
	// Least and Greatest bound the event times; Least is above Greatest when
	// there is no event.
	Least, Greatest int64
	HasBefore       bool  // whether the log had an event before First
	Before          int64 // the greatest event time of those; where First is no point, of those before the point before it
}

// Past is what a Tail knows of the records up to its head.
type Past struct {
	Head      Head
	Timed     bool             // whether Head.Greatest is a time
	Producers *event.Producers // as of the head; the caller's
	Stretches []Stretch        // ascending and without gaps; records that retention took are left out
	Repeats   []Repeat         // of these records, ascending; the caller's
}

// Past tells of the records after an offset up to the head. Ok is false when
// there are some of which the tail does not know all: records of a checkpoint
// of an older version, or before the oldest repeat that is remembered. Then only
// Head, Timed and Producers are set.
func (t *Tail) Past(ctx context.Context, after uint64) (p Past, ok bool, err error) {
	bounds, err := t.log.Bounds(ctx)
	if err != nil {
		return Past{}, false, t.wrap("bounds", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.state
	p.Head, p.Timed = s.head, s.timed
	if p.Producers, err = event.DecodeProducers(s.producers.AppendBinary(nil)); err != nil {
		return Past{}, false, fmt.Errorf("copy producers: %w", err)
	}
	first := max(after+1, bounds.First)
	if first > s.head.Offset {
		return p, true, nil
	}
	if first < s.known {
		return p, false, nil
	}
	p.Stretches = s.stretches(first)
	for _, r := range s.repeats {
		if r.Offset >= first {
			p.Repeats = append(p.Repeats, r)
		}
	}
	return p, true, nil
}

// stretches cuts the records from first to the head at the points of the index.
func (s *state) stretches(first uint64) []Stretch {
	var out []Stretch
	before := origin // the point before, or where the last stretch ended
	events, _ := s.index.upTo(first-1, s.head)
	end := point{Offset: s.head.Offset, Events: s.head.Events, Greatest: s.greatest(), Least: s.index.least}
	add := func(p point) {
		if p.Offset >= first {
			g := Stretch{First: max(first, before.Offset+1), Last: p.Offset, Events: p.Events - events, Least: p.Least, Greatest: p.Greatest, Before: before.base()}
			g.HasBefore = before.Greatest != noGreatest
			if p.Least == noLeast {
				g.Greatest = noGreatest
			}
			out = append(out, g)
			events = p.Events
		}
		before = p
	}
	for _, p := range s.index.points {
		add(p)
	}
	if before.Offset < end.Offset {
		add(end)
	}
	return out
}

// TimesAfter returns bounds of the event times of the records after an offset,
// and whether it knows any. Least is above greatest when there is no event.
func (t *Tail) TimesAfter(offset uint64) (least, greatest int64, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.state
	if offset+1 < s.known {
		return 0, 0, false
	}
	least, greatest = s.index.least, s.greatest()
	for i := len(s.index.points) - 1; i >= 0 && s.index.points[i].Offset > offset; i-- {
		least = min(least, s.index.points[i].Least)
	}
	if least == noLeast {
		greatest = noGreatest
	}
	return least, greatest, true
}

// ArrivalAfter returns when the first record after an offset arrived, Unix ms,
// as long as the tail keeps it; known is false when it does not, or when there
// is none.
func (t *Tail) ArrivalAfter(offset uint64) (ms int64, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	head := t.state.head.Offset
	if offset >= head || offset+1 < t.cache.first(head) {
		return 0, false
	}
	e := t.cache.at(offset + 1)
	return e.Arrival, e.Arrival > 0
}

// First returns the offset of the first record that the log still has; one past
// the end when there is none.
func (t *Tail) First(ctx context.Context) (uint64, error) {
	bounds, err := t.log.Bounds(ctx)
	if err != nil {
		return 0, t.wrap("bounds", err)
	}
	return bounds.First, nil
}
