package shedding

// This file reads a ledger back. Its input may be anything: every number is
// checked before it is used or allocated for, and whatever is not exactly what
// AppendBinary writes is refused.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Errors of DecodeLedger.
var (
	ErrCorrupt = errors.New("shedding: corrupt ledger")
	ErrVersion = errors.New("shedding: ledger of a version that this program does not read")
)

// DecodeLedger reads what AppendBinary wrote; it keeps no reference to b. It may
// have more entries than the limits allow, for those may have been lowered
// since: then the next debt folds as many as it takes.
func DecodeLedger(b []byte, limits Limits) (*Ledger, error) {
	l, err := NewLedger(limits)
	if err != nil {
		return nil, err
	}
	if len(b) > 0 && b[0] != codecVersion {
		return nil, fmt.Errorf("%w: version %d", ErrVersion, b[0])
	}
	d := decoder{b: b}
	d.octet()
	l.next = d.uvarint()
	d.check(l.next > 0, "next number")
	d.entries(l)
	d.losses(&l.lost)
	d.check(len(d.b) == 0, "end")
	if d.fault != "" {
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, d.fault)
	}
	return l, nil
}

// decoder reads fields from the front of b. The first fault sticks, and from
// then on every field is 0.
type decoder struct {
	b     []byte
	fault string
}

func (d *decoder) check(ok bool, field string) bool {
	if !ok && d.fault == "" {
		d.fault, d.b = field, nil
	}
	return d.fault == ""
}

func (d *decoder) octet() byte {
	if !d.check(len(d.b) > 0, "cut short") {
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	// The shortest form of a number does not end with a zero byte.
	if !d.check(n > 0 && (n == 1 || d.b[n-1] != 0), "number") {
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads how many things follow that take at least so many bytes each.
func (d *decoder) count(bytes int, field string) int {
	n := d.uvarint()
	if !d.check(n <= uint64(len(d.b)/bytes), field) {
		return 0
	}
	return int(n)
}

// advance returns at+step, which must leave room for one more.
func (d *decoder) advance(at, step uint64, field string) uint64 {
	if !d.check(step < math.MaxUint64-at, field) {
		return 0
	}
	return at + step
}

const leastEntryBytes = 10

func (d *decoder) entries(l *Ledger) {
	n := d.count(leastEntryBytes, "number of entries")
	if !d.check(n <= MaxEntries, "number of entries") || n == 0 {
		return
	}
	l.entries = make([]Entry, 0, n)
	numbers := make([]uint64, 0, n)
	end := uint64(0)
	for range n {
		e := d.entry(end)
		end = e.Last
		if !d.check(e.Number > 0 && e.Number < l.next, "entry number") || !d.check(e.Events <= maxEvents-l.owed, "events") {
			return
		}
		l.owed += e.Events
		l.entries = append(l.entries, e)
		numbers = append(numbers, e.Number)
	}
	slices.Sort(numbers)
	d.check(len(slices.Compact(numbers)) == n, "entry number given twice")
}

func (d *decoder) entry(end uint64) (e Entry) {
	e.Number = d.uvarint()
	e.First = d.advance(d.advance(end, 1, "offset"), d.uvarint(), "offset")
	e.Last = d.advance(e.First, d.uvarint(), "offset")
	e.Rate = Rate(d.octet())
	flags := d.octet()
	e.Judged, e.HasBefore, e.Sealed = flags&flagJudged > 0, flags&flagBefore > 0, flags&flagSealed > 0
	d.check(flags <= flagsKnown && (e.Judged || !e.HasBefore), "flags")
	d.check(e.Rate.Valid() && e.Rate != Full && (e.Judged || e.Rate == Nothing), "rate")
	e.Events = d.uvarint()
	e.Least, e.Greatest = d.varint(), d.varint()
	d.check(e.Least <= e.Greatest || e.Events == 0 && e.Least == LatestTime && e.Greatest == EarliestTime, "event times")
	if e.HasBefore {
		e.Before = d.varint()
	}
	d.repeats(&e)
	d.holes(&e)
	if d.fault == "" {
		d.check(e.checkRepeats() == nil && (e.Judged || len(e.Repeats) == 0), "repeats")
	}
	return e
}

func (d *decoder) repeats(e *Entry) {
	n := d.count(2, "number of repeats")
	if n == 0 {
		return
	}
	e.Repeats = make([]Repeat, 0, n)
	at := e.First
	for range n {
		at = d.advance(at, d.uvarint(), "repeat")
		segment := d.uvarint()
		if !d.check(segment <= math.MaxUint32, "repeat") {
			return
		}
		e.Repeats = append(e.Repeats, Repeat{at, uint32(segment)})
	}
}

func (d *decoder) holes(e *Entry) {
	n := d.count(2, "number of holes")
	if n == 0 {
		return
	}
	e.Holes = make([]Range, 0, n)
	at := e.First
	for range n {
		first := d.advance(at, d.advance(d.uvarint(), 1, "hole"), "hole")
		last := d.advance(first, d.uvarint(), "hole")
		if !d.check(last < e.Last, "hole") {
			return
		}
		e.Holes = append(e.Holes, Range{first, last})
		at = last + 1
	}
}

func (d *decoder) losses(t *tally) {
	t.events = d.uvarint()
	n := d.count(3, "number of losses")
	if !d.check(n <= maxLosses, "number of losses") {
		return
	}
	sum := uint64(0)
	for i := range n {
		s := lossSpan{events: d.uvarint(), least: d.varint(), greatest: d.varint()}
		if !d.check(s.events > 0 && s.least <= s.greatest && (i == 0 || compareLosses(t.spans[i-1], s) < 0), "losses") {
			return
		}
		t.spans = append(t.spans, s)
		sum = add(sum, s.events)
	}
	d.check(sum == t.events, "losses")
}
