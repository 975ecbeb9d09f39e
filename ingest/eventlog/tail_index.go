package eventlog

// This file counts the events of a partition by offset, sparsely, so that what
// a reader owes or has lost can be told without reading it.

import (
	"math"
	"sort"
)

const (
	indexStep   = 16   // records between points at first: some 10^5 events of large batches
	indexPoints = 4096 // past these every other point goes and the step doubles
	indexHoles  = 1024 // past these neighbours are joined
)

// index maps offsets to events so far. Its points are at multiples of step, so
// it is the same whatever the order of opening, closing and checkpoints.
type index struct {
	step   uint64
	points []point // ascending; the origin is understood
	holes  []hole  // ascending: records whose events nobody counted
	least  int64   // event time of the records after the last point
}

// point says that the records up to Offset, inclusive, held Events events.
type point struct {
	Offset, Events uint64
	// Greatest is the greatest event time of all of them, Least the least of
	// those after the point before. Without events they are noGreatest and noLeast.
	Greatest, Least int64
}

// Event times of no event.
const (
	noGreatest = math.MinInt64
	noLeast    = math.MaxInt64
)

var origin = point{Greatest: noGreatest, Least: noLeast}

func newIndex() index { return index{step: indexStep, least: noLeast} }

type hole struct{ First, Last uint64 }

// note follows the head as it moves over an entry that begins with record
// first, to the point given; its Least is that of the entry's events.
func (x *index) note(first uint64, to point, lost bool) {
	offset := to.Offset
	x.least = min(x.least, to.Least)
	if lost {
		x.lose(first, offset)
	}
	if offset/x.step == (first-1)/x.step {
		return // crosses no multiple of the step
	}
	if offset%x.step != 0 {
		return // a gap beyond one: it is inexact there anyway
	}
	to.Least = x.least
	x.points = append(x.points, to)
	x.least = noLeast
	if len(x.points) <= indexPoints {
		return
	}
	x.step *= 2
	kept, least := x.points[:0], int64(noLeast)
	for _, p := range x.points {
		least = min(least, p.Least)
		if p.Offset%x.step == 0 {
			p.Least = least
			kept, least = append(kept, p), noLeast
		}
	}
	x.points, x.least = kept, min(x.least, least)
}

func (x *index) lose(first, last uint64) {
	if n := len(x.holes); n > 0 && x.holes[n-1].Last+1 == first {
		x.holes[n-1].Last = last
		return
	}
	x.holes = append(x.holes, hole{first, last})
	if len(x.holes) <= indexHoles {
		return
	}
	joined := x.holes[:0]
	for i := 0; i < len(x.holes); i += 2 {
		h := x.holes[i]
		if i+1 < len(x.holes) {
			h.Last = x.holes[i+1].Last
		}
		joined = append(joined, h)
	}
	x.holes = joined
}

// missing says whether some of the records first to last were lost unread.
func (x *index) missing(first, last uint64) bool {
	i := sort.Search(len(x.holes), func(i int) bool { return x.holes[i].Last >= first })
	return i < len(x.holes) && x.holes[i].First <= last
}

// upTo returns the events of the records up to offset: at a point as counted,
// else by straight lines between the points.
func (x *index) upTo(offset uint64, head Head) (events uint64, exact bool) {
	if offset >= head.Offset {
		return head.Events, offset == head.Offset
	}
	i := sort.Search(len(x.points), func(i int) bool { return x.points[i].Offset >= offset })
	low, high := origin, point{Offset: head.Offset, Events: head.Events}
	if i > 0 {
		low = x.points[i-1]
	}
	if i < len(x.points) {
		high = x.points[i]
	}
	if offset == low.Offset {
		return low.Events, true
	}
	if offset == high.Offset {
		return high.Events, true
	}
	share := float64(offset-low.Offset) / float64(high.Offset-low.Offset)
	return low.Events + uint64(share*float64(high.Events-low.Events)), false
}

func (x *index) before(offset uint64, head Head) (uint64, bool) {
	if offset <= 1 {
		return 0, true
	}
	events, exact := x.upTo(offset-1, head)
	return events, exact && !x.missing(1, offset-1)
}

func (x *index) between(first, last uint64, head Head) (uint64, bool) {
	if first < 1 || last < first {
		return 0, last < first
	}
	below, e1 := x.upTo(first-1, head)
	through, e2 := x.upTo(last, head)
	return through - below, e1 && e2 && !x.missing(first, last)
}
