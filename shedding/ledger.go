package shedding

// This file incurs debts and pays them.

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Errors that callers tell apart.
var (
	ErrOrder   = errors.New("shedding: the records are owed already, or lie before ones that are")
	ErrUnknown = errors.New("shedding: the ledger has no such entry")
	ErrFull    = errors.New("shedding: the ledger has as many entries as it may have and none can be folded: apply the record in full, or heal")
	ErrInvalid = errors.New("shedding: invalid")
)

// MaxEntries is the most that Limits.Entries may be, and that is decoded.
const MaxEntries = 1 << 16

// maxEvents bounds the events that one ledger owes, so that sums cannot overflow.
const maxEvents = 1 << 62

// Limits bound a ledger. Zero fields take their defaults.
type Limits struct {
	// Cut is how many events an entry has at most, a single record and folded
	// entries apart. Default 1,048,576: healing one takes about a second, and
	// that is what a crash costs of the work of healing.
	Cut uint64
	// Entries is how many entries there are at most. Default 4,096: four billion
	// events uncut, and a walk through all of them takes microseconds.
	Entries int
	// Repeats is how many repeated segments an entry lists at most, those of a
	// single record apart. Default 4,096.
	Repeats int
}

func (l Limits) withDefaults() Limits {
	l.Cut = cmp.Or(l.Cut, 1<<20)
	l.Entries = cmp.Or(l.Entries, 1<<12)
	l.Repeats = cmp.Or(l.Repeats, 1<<12)
	return l
}

// Validate names every fault of the limits.
func (l Limits) Validate() error {
	l = l.withDefaults()
	var faults []error
	if l.Cut > maxEvents {
		faults = append(faults, fmt.Errorf("%w: a cut of %d events: it may be 2^62 at most", ErrInvalid, l.Cut))
	}
	if l.Entries < 2 || l.Entries > MaxEntries {
		faults = append(faults, fmt.Errorf("%w: %d entries: there must be 2 to %d", ErrInvalid, l.Entries, MaxEntries))
	}
	if l.Repeats < 0 {
		faults = append(faults, fmt.Errorf("%w: %d repeats: the number may not be negative", ErrInvalid, l.Repeats))
	}
	return errors.Join(faults...)
}

// Ledger is what one view owes in one partition. It has one writer; while
// nobody writes, any number may read. Methods that return an error have
// changed nothing.
type Ledger struct {
	limits  Limits
	next    uint64  // number of the next entry
	entries []Entry // by offset; they share no record
	owed    uint64  // sum of their events
	lost    tally
}

// NewLedger returns a ledger without debts.
func NewLedger(limits Limits) (*Ledger, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	return &Ledger{limits: limits.withDefaults(), next: 1}, nil
}

// Record is one that was read and not applied in full.
type Record struct {
	Offset          uint64
	Rate            Rate   // at which it is applied to provisional panes; Nothing: not at all
	Events          uint64 // all of its events
	Least, Greatest int64  // their event times; they mean nothing without events
	HasBefore       bool   // whether the log has an event before the record
	Before          int64  // the greatest event time of those
	Repeats         []uint32
	// Repeats are the segments that are repeats, ascending. The ledger keeps no
	// reference to them.
}

// Change is what a new debt did to the ledger.
type Change struct {
	// Number is the entry that the record belongs to; of several, the last.
	Number uint64
	// Dropped are entries whose samples were given up to make room. Their
	// provisional panes are to be dropped in the same atomic write that stores
	// the ledger. Nearly always empty.
	Dropped []uint64
}

// Defer notes a record that was read and not applied in full. It joins the
// newest entry if it follows it without a gap, has its rate, and stays within
// the cut; else it begins a new one. Provisional panes of the record carry the
// number returned. Records come in the order of their offsets: ErrOrder.
func (l *Ledger) Defer(r Record) (Change, error) {
	if err := l.checkRecord(&r); err != nil {
		return Change{}, err
	}
	if r.Events == 0 {
		r.Least, r.Greatest = LatestTime, EarliestTime
	}
	e := l.newest()
	var change Change
	if e == nil || !l.joins(e, &r) {
		dropped, err := l.makeRoom()
		if err != nil {
			return Change{}, err
		}
		change.Dropped = dropped
		l.entries = append(l.entries, Entry{
			Number: l.number(), First: r.Offset, Rate: r.Rate, Least: LatestTime, Greatest: EarliestTime,
			Judged: true, HasBefore: r.HasBefore, Before: r.Before,
		})
		e = l.newest()
		if !e.HasBefore {
			e.Before = 0
		}
	}
	e.Last = r.Offset
	e.Events += r.Events
	e.Least, e.Greatest = min(e.Least, r.Least), max(e.Greatest, r.Greatest)
	for _, segment := range r.Repeats {
		e.Repeats = append(e.Repeats, Repeat{r.Offset, segment})
	}
	l.owed += r.Events
	change.Number = e.Number
	return change, nil
}

func (l *Ledger) checkRecord(r *Record) error {
	switch e := l.newest(); {
	case r.Offset == 0 || r.Offset == 1<<64-1:
		return fmt.Errorf("%w: offset %d: offsets are from 1 to 2^64-2", ErrInvalid, r.Offset)
	case r.Rate == Full || !r.Rate.Valid():
		return fmt.Errorf("%w: a record is not owed at rate %v", ErrInvalid, r.Rate)
	case r.Events > 0 && r.Least > r.Greatest:
		return fmt.Errorf("%w: event times from %d to %d", ErrInvalid, r.Least, r.Greatest)
	case r.Events > maxEvents-l.owed:
		return fmt.Errorf("%w: %d events more than the %d owed are past 2^62", ErrInvalid, r.Events, l.owed)
	case e != nil && r.Offset <= e.Last:
		return fmt.Errorf("defer offset %d after %d: %w", r.Offset, e.Last, ErrOrder)
	}
	for i, segment := range r.Repeats {
		if i > 0 && segment <= r.Repeats[i-1] {
			return fmt.Errorf("%w: repeated segment %d after %d", ErrInvalid, segment, r.Repeats[i-1])
		}
	}
	return nil
}

// joins tells whether a record belongs to an entry that is there.
func (l *Ledger) joins(e *Entry, r *Record) bool {
	return e.Judged && !e.Sealed && e.Last+1 == r.Offset && e.Rate == r.Rate &&
		add(e.Events, r.Events) <= l.limits.Cut && len(e.Repeats)+len(r.Repeats) <= l.limits.Repeats
}

// newest returns the entry of the greatest offset, nil when nothing is owed.
func (l *Ledger) newest() *Entry {
	if len(l.entries) == 0 {
		return nil
	}
	return &l.entries[len(l.entries)-1]
}

func (l *Ledger) number() uint64 {
	l.next++
	return l.next - 1
}

// Newest returns the entry of the greatest offset; false when nothing is owed.
func (l *Ledger) Newest() (Entry, bool) { return l.Next(Policy{}) }

// Policy says which entry is to be paid next. The zero Policy is newest first:
// what was shed last is what most questions are about.
type Policy struct {
	// Rescue is an offset below which the log's retention is about to trim. Debts
	// that begin below it are paid first, oldest first, before they are lost.
	Rescue uint64
}

// Next returns the entry to pay next; false when nothing is owed.
func (l *Ledger) Next(p Policy) (Entry, bool) {
	if len(l.entries) == 0 {
		return Entry{}, false
	}
	if l.entries[0].First < p.Rescue {
		return l.entries[0], true
	}
	return l.entries[len(l.entries)-1], true
}

// Seal keeps an entry as it is: it grows no more and is not folded. A healer
// seals an entry before it reads it, and pays what Seal returns: without that,
// the newest entry would grow while it is being paid.
func (l *Ledger) Seal(number uint64) (Entry, error) {
	i := l.find(number)
	if i < 0 {
		return Entry{}, fmt.Errorf("seal %d: %w", number, ErrUnknown)
	}
	l.entries[i].Sealed = true
	return l.entries[i], nil
}

// Inform tells what is known about a range that the view has not read: the
// greatest event time before it, and which segments in it are repeats, ascending.
// Whoever reads the whole log in order anyway can know that. The ledger keeps
// the slice.
func (l *Ledger) Inform(number uint64, hasBefore bool, before int64, repeats []Repeat) error {
	i := l.find(number)
	if i < 0 {
		return fmt.Errorf("inform %d: %w", number, ErrUnknown)
	}
	e := l.entries[i]
	e.Judged, e.HasBefore, e.Before, e.Repeats = true, hasBefore, before, repeats
	if !hasBefore {
		e.Before = 0
	}
	if len(repeats) == 0 {
		e.Repeats = nil
	}
	if err := e.checkRepeats(); err != nil {
		return fmt.Errorf("inform %d: %w", number, err)
	}
	l.entries[i] = e
	return nil
}

// checkRepeats tells whether the repeats are in order and of records that are owed.
func (e *Entry) checkRepeats() error {
	hole := 0
	for i, r := range e.Repeats {
		for hole < len(e.Holes) && e.Holes[hole].Last < r.Offset {
			hole++
		}
		if r.Offset < e.First || r.Offset > e.Last || hole < len(e.Holes) && e.Holes[hole].First <= r.Offset {
			return fmt.Errorf("%w: a repeat at offset %d, which entry %d does not owe", ErrInvalid, r.Offset, e.Number)
		}
		if i > 0 && compareRepeats(e.Repeats[i-1], r) >= 0 {
			return fmt.Errorf("%w: repeats out of order at offset %d", ErrInvalid, r.Offset)
		}
	}
	return nil
}

func compareRepeats(a, b Repeat) int {
	return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Segment, b.Segment))
}

// Strike removes an entry that has been paid, and returns it. A healer strikes
// what it has read before it tells the ledger of what the log has trimmed since,
// else that would count as lost.
func (l *Ledger) Strike(number uint64) (Entry, error) {
	i := l.find(number)
	if i < 0 {
		return Entry{}, fmt.Errorf("strike %d: %w", number, ErrUnknown)
	}
	e := l.entries[i]
	l.owed -= e.Events
	l.entries = slices.Delete(l.entries, i, i+1)
	return e, nil
}

// find returns the index of an entry, -1 when there is none. Numbers need not
// ascend with offsets, for old ranges may be owed late. It looks from the end,
// where healing works.
func (l *Ledger) find(number uint64) int {
	for i := len(l.entries) - 1; i >= 0; i-- {
		if l.entries[i].Number == number {
			return i
		}
	}
	return -1
}

// from returns the index of the first entry that ends at offset or later.
func (l *Ledger) from(offset uint64) int {
	i, _ := slices.BinarySearchFunc(l.entries, offset, func(e Entry, offset uint64) int { return cmp.Compare(e.Last, offset) })
	return i
}
