package shedding

// This file gives up debts that cannot be paid, because the log does not have
// the records any more.

import "slices"

// Count says how many events the records first to last hold; known is false
// when that would be a guess.
type Count func(first, last uint64) (events uint64, known bool)

// Loss is what an entry lost. When it was the whole entry, its provisional
// panes are all that is left of it: whoever drops them forgets the sample too.
type Loss struct {
	Number uint64
	Rate   Rate
	Events uint64
	Whole  bool
}

// Lose tells the ledger that the log has trimmed every record below an offset.
// Debts there move to the tally of what is lost. An entry that is trimmed in
// part keeps its number; how many events it still has is asked of count, and
// without it (nil) or its knowledge taken in proportion to records. What was owed
// before is what is owed and lost after, and rounding counts for lost.
func (l *Ledger) Lose(below uint64, count Count) []Loss {
	if below <= 1 {
		return nil
	}
	return l.remove(Range{1, below - 1}, func(e *Entry, left Entry) uint64 {
		return e.Events - remaining(e, &left, count)
	})
}

// remaining returns how many of e's events are still in left, a part of it.
func remaining(e, left *Entry, count Count) uint64 {
	if count != nil {
		sum, all := uint64(0), true
		for _, r := range left.Runs(nil) {
			events, known := count(r.First, r.Last)
			sum, all = add(sum, events), all && known
		}
		if all {
			return min(sum, e.Events)
		}
	}
	return share(e.Events, left.Records(), e.Records())
}

// remove takes a range out of every entry that has records in it. lost says how
// many events an entry loses of which something is left.
func (l *Ledger) remove(g Range, lost func(e *Entry, left Entry) uint64) []Loss {
	var losses []Loss
	kept := l.entries[:0]
	for i := range l.entries {
		e := l.entries[i]
		taken, some := e.without(g)
		if taken == 0 {
			kept = append(kept, e)
			continue
		}
		loss := Loss{Number: e.Number, Rate: e.Rate, Events: e.Events, Whole: !some}
		if some {
			loss.Events = lost(&l.entries[i], e)
			e.Events -= loss.Events
		}
		l.owed -= loss.Events
		l.lost.add(loss.Events, e.Least, e.Greatest)
		losses = append(losses, loss)
		if some {
			kept = append(kept, e)
		}
	}
	clear(l.entries[len(kept):])
	l.entries = kept
	return losses
}

// Gap tells the ledger that the log should hold the records first to last and
// cannot give them back, and that they held so many events; 0 where nobody
// knows, and then they count one a record. Records that an entry owes become
// holes in it, their events in proportion and rounded up; those already known to
// be missing count once. The others must be records that the view was about to
// read and goes past: their events count as lost in every window.
func (l *Ledger) Gap(first, last, events uint64) []Loss {
	if first == 0 || last < first || last == 1<<64-1 {
		return nil
	}
	g := Range{first, last}
	if events == 0 {
		events = g.records()
	}
	fresh := g.records() // neither owed nor known to be missing
	for i := l.from(first); i < len(l.entries) && l.entries[i].First <= last; i++ {
		e := &l.entries[i]
		fresh -= min(e.Last, last) - max(e.First, first) + 1
	}
	losses := l.remove(g, func(e *Entry, left Entry) uint64 {
		return min(e.Events, shareUp(events, e.Records()-left.Records(), g.records()))
	})
	l.lost.add(shareUp(events, fresh, g.records()), EarliestTime, LatestTime)
	return slices.Clip(losses)
}

// shareUp is share, rounded up.
func shareUp(n, part, whole uint64) uint64 {
	return n - share(n, whole-part, whole)
}
