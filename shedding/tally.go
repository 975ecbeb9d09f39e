package shedding

// This file tallies losses by event time, for good.

import (
	"cmp"
	"slices"
)

// maxLosses bounds the spans of event time that losses are told apart by.
const maxLosses = 64

// lossSpan is lost events whose times lie between least and greatest.
type lossSpan struct {
	events          uint64
	least, greatest int64
}

// tally is all that was ever lost. It never shrinks. Losses are kept by span of
// event time, so that one of last month does not stain the windows of today;
// when there are too many spans, the two neighbours become one that lie closest:
// whose common span is the least wider than the narrower of them.
type tally struct {
	events uint64
	spans  []lossSpan // by least, then greatest; no two alike
}

func compareLosses(a, b lossSpan) int {
	return cmp.Or(cmp.Compare(a.least, b.least), cmp.Compare(a.greatest, b.greatest))
}

func (t *tally) add(events uint64, least, greatest int64) {
	if events == 0 {
		return
	}
	t.events = add(t.events, events)
	t.insert(lossSpan{events, least, greatest})
	if len(t.spans) <= maxLosses {
		return
	}
	best := 0
	for i := 1; i+1 < len(t.spans); i++ {
		if t.widening(i) < t.widening(best) {
			best = i
		}
	}
	a, b := t.spans[best], t.spans[best+1]
	t.spans = slices.Delete(t.spans, best, best+2)
	t.insert(lossSpan{add(a.events, b.events), min(a.least, b.least), max(a.greatest, b.greatest)})
}

// insert puts a span in its place, or adds to the one that is like it.
func (t *tally) insert(s lossSpan) {
	at, like := slices.BinarySearchFunc(t.spans, s, compareLosses)
	if like {
		t.spans[at].events = add(t.spans[at].events, s.events)
		return
	}
	t.spans = slices.Insert(t.spans, at, s)
}

// widening returns how much wider than the narrower of them the common span of
// the i-th and the next is, in milliseconds.
func (t *tally) widening(i int) uint64 {
	a, b := t.spans[i], t.spans[i+1]
	width := func(least, greatest int64) uint64 { return uint64(greatest) - uint64(least) }
	return width(min(a.least, b.least), max(a.greatest, b.greatest)) - min(width(a.least, a.greatest), width(b.least, b.greatest))
}

func (t *tally) in(from, to int64) uint64 {
	sum := uint64(0)
	for _, s := range t.spans {
		if within(s.least, s.greatest, from, to) {
			sum = add(sum, s.events)
		}
	}
	return sum
}
