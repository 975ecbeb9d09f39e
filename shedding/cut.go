package shedding

// This file cuts long debts so that they can be paid in steps, and folds short
// ones so that their number stays bounded.

import (
	"fmt"
	"slices"
)

// Unread is a range of records that a view has not read at all: events older
// than the view, all events for a new replica, or a backlog that is passed over.
type Unread struct {
	First, Last     uint64
	Events          uint64 // in all of it, as far as is known
	Least, Greatest int64  // bounds of their event times; EarliestTime and LatestTime where unknown
	// Points say how many of the events are in the records from First up to and
	// with Offset. They ascend. Between them events are taken to be spread
	// evenly over records, so that more points make better counts.
	Points []Point
}

// Point is a place where the count of events is known.
type Point struct {
	Offset uint64
	Events uint64
}

// Owe notes a range that was never read, as entries of rate Nothing of about
// Limits.Cut events. If that would take more than half of the entries that are
// free, they are longer. A range that follows an unread entry without a gap
// joins it where both fit into the cut. It must not hold records that are owed:
// ErrOrder.
func (l *Ledger) Owe(u Unread) (Change, error) {
	if err := l.checkUnread(&u); err != nil {
		return Change{}, err
	}
	if l.extend(&u) {
		at := l.from(u.Last)
		return Change{Number: l.entries[at].Number}, nil
	}
	dropped, err := l.makeRoom()
	if err != nil {
		return Change{}, err
	}
	free := uint64(l.limits.Entries - len(l.entries))
	// Any two neighbours that cut makes hold more than the cut together, so
	// that there are at most 2·events/cut + 1 of them.
	pieces := u.cut(max(l.limits.Cut, 4*(u.Events/max(free, 4)+1)))
	added := make([]Entry, len(pieces))
	for i, p := range pieces {
		added[i] = Entry{Number: l.number(), First: p.First, Last: p.Last, Rate: Nothing, Events: p.events, Least: u.Least, Greatest: u.Greatest}
	}
	l.entries = slices.Insert(l.entries, l.from(u.First), added...)
	l.owed += u.Events
	return Change{Number: added[len(added)-1].Number, Dropped: dropped}, nil
}

func (l *Ledger) checkUnread(u *Unread) error {
	if u.First == 0 || u.First > u.Last || u.Last == 1<<64-1 {
		return fmt.Errorf("%w: offsets %d to %d", ErrInvalid, u.First, u.Last)
	}
	if u.Least > u.Greatest {
		return fmt.Errorf("%w: event times from %d to %d", ErrInvalid, u.Least, u.Greatest)
	}
	if u.Events > maxEvents-l.owed {
		return fmt.Errorf("%w: %d events more than the %d owed are past 2^62", ErrInvalid, u.Events, l.owed)
	}
	before := Point{Offset: u.First - 1}
	for _, p := range u.Points {
		if p.Offset <= before.Offset || p.Offset > u.Last || p.Events < before.Events || p.Events > u.Events {
			return fmt.Errorf("%w: point %d events up to offset %d, after %d up to %d, in %d up to %d",
				ErrInvalid, p.Events, p.Offset, before.Events, before.Offset, u.Events, u.Last)
		}
		before = p
	}
	if before.Offset == u.Last && before.Events != u.Events {
		return fmt.Errorf("%w: the last point has %d of %d events", ErrInvalid, before.Events, u.Events)
	}
	if i := l.from(u.First); i < len(l.entries) && l.entries[i].First <= u.Last {
		return fmt.Errorf("owe offsets %d to %d: %w", u.First, u.Last, ErrOrder)
	}
	return nil
}

// extend adds a range to the unread entry just before it, if together they stay
// within the cut: a shard that skips again and again owes one long range.
func (l *Ledger) extend(u *Unread) bool {
	i := l.from(u.First) - 1
	if i < 0 {
		return false
	}
	e := &l.entries[i]
	if e.Judged || e.Sealed || e.Last+1 != u.First || e.Events+u.Events > l.limits.Cut {
		return false
	}
	e.Last = u.Last
	e.Events += u.Events
	e.Least, e.Greatest = min(e.Least, u.Least), max(e.Greatest, u.Greatest)
	l.owed += u.Events
	return true
}

// piece is a part of a range.
type piece struct {
	Range
	events uint64
}

// cut divides a range into pieces of at most so many events, records that hold
// more by themselves apart. The pieces' events sum up to the range's.
func (u *Unread) cut(most uint64) []piece {
	points := u.Points
	if len(points) == 0 || points[len(points)-1].Offset < u.Last {
		points = append(slices.Clone(points), Point{u.Last, u.Events})
	}
	var pieces []piece
	open := piece{Range: Range{u.First, u.First - 1}}
	take := func(last, events uint64) {
		if open.Last >= open.First && open.events+events > most {
			pieces = append(pieces, open)
			open = piece{Range: Range{open.Last + 1, open.Last}}
		}
		open.Last = last
		open.events += events
	}
	from := Point{Offset: u.First - 1}
	for _, to := range points {
		records, events := to.Offset-from.Offset, to.Events-from.Events
		step := records
		if events > most {
			step = max(1, share(records, most, events))
		}
		for done := uint64(0); done < records; {
			next := done + min(step, records-done)
			take(from.Offset+next, share(events, next, records)-share(events, done, records))
			done = next
		}
		from = to
	}
	return append(pieces, open)
}

// makeRoom sees to it that one more entry fits, by folding neighbours, and
// returns those whose samples are given up by that.
//
// Only neighbours without a gap between them fold, and only if both are judged
// or neither is. Two that have no provisional panes, which is to say two of rate
// Nothing, lose nothing by folding but a place to stop at, so they come first.
// Otherwise the samples of both are given up: panes of two numbers cannot be
// told apart once merged, nor can a ledger merge panes. Among equals the pair
// with the fewest events folds, then the oldest, so that entries stay about
// equally long. The newest entry never loses its sample, for it is the one that
// questions are about.
func (l *Ledger) makeRoom() (dropped []uint64, err error) {
	if len(l.entries) < l.limits.Entries {
		return nil, nil
	}
	before := slices.Clone(l.entries)
	for len(l.entries) >= l.limits.Entries { // more than once only where limits were lowered
		i := l.foldable()
		if i < 0 {
			l.entries = before
			return nil, fmt.Errorf("%d entries: %w", len(l.entries), ErrFull)
		}
		dropped = append(dropped, l.fold(i)...)
	}
	return dropped, nil
}

// foldable returns the first of the pair that is to be folded next, -1 if none is.
func (l *Ledger) foldable() int {
	best, bestSampled := -1, false
	for i := range len(l.entries) - 1 {
		a, b := &l.entries[i], &l.entries[i+1]
		sampled := a.Rate != Nothing || b.Rate != Nothing
		if !l.folds(a, b) || sampled && i+2 == len(l.entries) {
			continue
		}
		if best >= 0 {
			if sampled && !bestSampled {
				continue
			}
			if sampled == bestSampled && a.Events+b.Events >= l.entries[best].Events+l.entries[best+1].Events {
				continue
			}
		}
		best, bestSampled = i, sampled
	}
	return best
}

func (l *Ledger) folds(a, b *Entry) bool {
	return a.Last+1 == b.First && a.Judged == b.Judged && !a.Sealed && !b.Sealed &&
		len(a.Repeats)+len(b.Repeats) <= l.limits.Repeats
}

// fold makes one entry of rate Nothing out of the i-th and the one after it.
func (l *Ledger) fold(i int) (dropped []uint64) {
	a, b := l.entries[i], l.entries[i+1]
	for _, e := range []Entry{a, b} {
		if e.Rate != Nothing {
			dropped = append(dropped, e.Number)
		}
	}
	a.Last = b.Last
	a.Rate = Nothing
	a.Events += b.Events
	a.Least, a.Greatest = min(a.Least, b.Least), max(a.Greatest, b.Greatest)
	a.Repeats = slices.Concat(a.Repeats, b.Repeats)
	a.Holes = slices.Concat(a.Holes, b.Holes)
	l.entries[i] = a
	l.entries = slices.Delete(l.entries, i+1, i+2)
	return dropped
}
