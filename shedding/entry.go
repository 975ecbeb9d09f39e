package shedding

// This file is one debt: which records of a partition it covers, and what the
// first reading found that a replay has to know.

import (
	"math"
	"math/bits"
	"slices"
)

// The bounds of event times of which nothing is known.
const (
	EarliestTime = math.MinInt64
	LatestTime   = math.MaxInt64
)

// Range is the offsets First to Last, both included.
type Range struct{ First, Last uint64 }

func (r Range) records() uint64 { return r.Last - r.First + 1 }

// Repeat names a segment of a record that repeats a request which the log holds
// already: the segment's events do not count.
type Repeat struct {
	Offset  uint64 // of the record
	Segment uint32 // its place in the record, from 0
}

// Entry is a range of records that a view has not applied in full. Its slices
// belong to the ledger; whoever is given an Entry must not change them.
type Entry struct {
	Number      uint64 // never given twice; provisional panes carry it
	First, Last uint64 // offsets, both included
	Rate        Rate   // at which its events are in provisional panes; never Full
	Events      uint64 // of all its records, filtered and repeated ones included

	// Least and Greatest bound the event times. They are exact for records that
	// were read, EarliestTime and LatestTime where nothing is known, and Least
	// is above Greatest when there is no event.
	Least, Greatest int64

	// Judged is set when the three fields below are known: when the range was
	// read once, or Inform was told. A replay then calls the same events late,
	// and drops the same repeats, as the first reading did. After Lose has cut
	// the beginning off, Before is of where that was: no event is called late
	// that was in time.
	Judged    bool
	HasBefore bool     // false: no event precedes First
	Before    int64    // greatest event time of the log's events before First
	Repeats   []Repeat // by offset and segment

	Sealed bool    // it grows no more and is not folded: it is being paid
	Holes  []Range // records within that the log does not have; ascending, apart, and not at an end
}

// Records returns how many records the entry has.
func (e *Entry) Records() uint64 {
	n := e.Last - e.First + 1
	for _, h := range e.Holes {
		n -= h.records()
	}
	return n
}

// Owes tells whether a record belongs to the entry.
func (e *Entry) Owes(offset uint64) bool {
	if offset < e.First || offset > e.Last {
		return false
	}
	return !slices.ContainsFunc(e.Holes, func(h Range) bool { return h.First <= offset && offset <= h.Last })
}

// Within tells whether any of its events may lie in [from, to) of event time.
func (e *Entry) Within(from, to int64) bool { return within(e.Least, e.Greatest, from, to) }

// within tells whether [least, greatest] and [from, to) share a moment. To is
// open when it is LatestTime.
func within(least, greatest, from, to int64) bool {
	return least <= greatest && from <= greatest && from < to && (least < to || to == LatestTime)
}

// Runs appends the entry's ranges without the holes, ascending. They are what a
// healer reads.
func (e *Entry) Runs(dst []Range) []Range {
	first := e.First
	for _, h := range e.Holes {
		dst = append(dst, Range{first, h.First - 1})
		first = h.Last + 1
	}
	return append(dst, Range{first, e.Last})
}

// without takes the records of g out of the entry, and returns how many they
// were. When all were, left is false and the entry means nothing. Events are the
// caller's to correct. It makes new slices: copies of the entry stay as they are.
func (e *Entry) without(g Range) (taken uint64, left bool) {
	var runs []Range
	for _, r := range e.Runs(nil) {
		if g.Last < r.First || g.First > r.Last {
			runs = append(runs, r)
			continue
		}
		if r.First < g.First {
			runs = append(runs, Range{r.First, g.First - 1})
		}
		if g.Last < r.Last {
			runs = append(runs, Range{g.Last + 1, r.Last})
		}
		taken += min(r.Last, g.Last) - max(r.First, g.First) + 1
	}
	if taken == 0 || len(runs) == 0 {
		return taken, len(runs) > 0
	}
	e.First, e.Last, e.Holes = runs[0].First, runs[len(runs)-1].Last, nil
	for i := 1; i < len(runs); i++ {
		e.Holes = append(e.Holes, Range{runs[i-1].Last + 1, runs[i].First - 1})
	}
	var repeats []Repeat
	for _, r := range e.Repeats {
		if r.Offset < g.First || r.Offset > g.Last {
			repeats = append(repeats, r)
		}
	}
	e.Repeats = repeats
	return taken, true
}

// share returns n·part/whole, rounded down, for part <= whole and whole > 0.
func share(n, part, whole uint64) uint64 {
	if part >= whole {
		return n
	}
	high, low := bits.Mul64(n, part)
	quotient, _ := bits.Div64(high, low, whole)
	return quotient
}

// add returns a+b, or the greatest number when that is more.
func add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}
