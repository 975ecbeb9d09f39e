package eventlog

// This file counts the events of a partition by offset, sparsely, so that what
// a reader owes or has lost can be told without reading it.

import "sort"

const (
	indexStep   = 256  // records between points at first
	indexPoints = 4096 // past these every other point goes and the step doubles
	indexHoles  = 1024 // past these neighbours are joined
)

// index maps offsets to events so far. Its points are at multiples of step, so
// it is the same whatever the order of opening, closing and checkpoints.
type index struct {
	step   uint64
	points []point // ascending; the origin (0, 0) is understood
	holes  []hole  // ascending: records whose events nobody counted
}

// point says that the records up to Offset, inclusive, held Events events.
type point struct{ Offset, Events uint64 }

type hole struct{ First, Last uint64 }

// note follows the head as it moves over an entry, to offset with events in all.
func (x *index) note(first, offset, events uint64, lost bool) {
	if lost {
		x.lose(first, offset)
	}
	if offset/x.step == (first-1)/x.step {
		return // crosses no multiple of the step
	}
	if offset%x.step != 0 {
		return // a gap beyond one: it is inexact there anyway
	}
	x.points = append(x.points, point{offset, events})
	if len(x.points) <= indexPoints {
		return
	}
	x.step *= 2
	kept := x.points[:0]
	for _, p := range x.points {
		if p.Offset%x.step == 0 {
			kept = append(kept, p)
		}
	}
	x.points = kept
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
	low, high := point{}, point{head.Offset, head.Events}
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
