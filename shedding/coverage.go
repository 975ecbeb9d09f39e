package shedding

// This file says what is owed and lost, as answers report it.

import "slices"

// Owed returns the events of all entries.
func (l *Ledger) Owed() uint64 { return l.owed }

// OwedIn returns the most events owed that can lie in [from, to) of event time:
// all those of each entry that may have one there.
func (l *Ledger) OwedIn(from, to int64) uint64 {
	sum := uint64(0)
	for i := range l.entries {
		if l.entries[i].Within(from, to) {
			sum += l.entries[i].Events
		}
	}
	return sum
}

// CoarsestIn returns the coarsest rate of the entries that may have events in
// [from, to) of event time; Full when none may.
func (l *Ledger) CoarsestIn(from, to int64) Rate {
	coarsest := Full
	for i := range l.entries {
		if e := &l.entries[i]; e.Events > 0 && e.Within(from, to) {
			coarsest = max(coarsest, e.Rate)
		}
	}
	return coarsest
}

// Lost returns the events that were owed, or were about to be read, when the
// log lost them. It never falls.
func (l *Ledger) Lost() uint64 { return l.lost.events }

// LostIn returns the most lost events that can lie in [from, to) of event time.
func (l *Ledger) LostIn(from, to int64) uint64 { return l.lost.in(from, to) }

// Len returns the number of entries.
func (l *Ledger) Len() int { return len(l.entries) }

// Entries returns the entries by offset. The slice is the caller's, those within
// its entries are the ledger's.
func (l *Ledger) Entries() []Entry { return slices.Clone(l.entries) }

// Entry returns the entry of a number.
func (l *Ledger) Entry(number uint64) (Entry, bool) {
	if i := l.find(number); i >= 0 {
		return l.entries[i], true
	}
	return Entry{}, false
}

// At returns the entry that owes a record.
func (l *Ledger) At(offset uint64) (Entry, bool) {
	if i := l.from(offset); i < len(l.entries) && l.entries[i].Owes(offset) {
		return l.entries[i], true
	}
	return Entry{}, false
}
