package shedding

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func newLedger(t *testing.T, l Limits) *Ledger {
	t.Helper()
	return must(NewLedger(l))(t)
}

// at is a record of ten events at times around its offset.
func at(offset uint64, r Rate) Record {
	return Record{Offset: offset, Rate: r, Events: 10, Least: int64(offset), Greatest: int64(offset) + 5, HasBefore: true, Before: int64(offset) - 1}
}

func deferAll(t *testing.T, l *Ledger, records ...Record) (numbers []uint64) {
	t.Helper()
	for _, r := range records {
		c, err := l.Defer(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Dropped) > 0 {
			t.Fatalf("dropped %v", c.Dropped)
		}
		numbers = append(numbers, c.Number)
	}
	return numbers
}

func TestDeferJoins(t *testing.T) {
	repeated := at(8, 1)
	repeated.Repeats = []uint32{0, 3}
	l := newLedger(t, Limits{Cut: 30, Repeats: 1})
	numbers := deferAll(t, l, at(1, 1), at(2, 1), at(3, 1), at(4, 1), // cut after 30 events
		at(5, 2),           // another rate
		at(7, 2),           // not the next offset
		repeated, at(9, 1), // another rate; then too many repeats to join
	)
	if want := []uint64{1, 1, 1, 2, 3, 4, 5, 6}; !slices.Equal(numbers, want) {
		t.Fatalf("entries %v, want %v", numbers, want)
	}
	e, ok := l.Entry(1)
	if !ok || e.First != 1 || e.Last != 3 || e.Events != 30 || e.Least != 1 || e.Greatest != 8 || !e.HasBefore || e.Before != 0 || !e.Judged {
		t.Errorf("entry 1 is %+v", e)
	}
	e, _ = l.Entry(5)
	if !slices.Equal(e.Repeats, []Repeat{{8, 0}, {8, 3}}) || e.Before != 7 {
		t.Errorf("entry 5 is %+v", e)
	}
	if l.Owed() != 80 || l.Len() != 6 {
		t.Errorf("%d owed in %d entries", l.Owed(), l.Len())
	}
}

func TestSealedGrowsNoMore(t *testing.T) {
	l := newLedger(t, Limits{})
	deferAll(t, l, at(1, 1), at(2, 1))
	sealed := must(l.Seal(1))(t)
	if n := deferAll(t, l, at(3, 1)); n[0] != 2 {
		t.Errorf("a record joined entry %d", n[0])
	}
	struck := must(l.Strike(1))(t)
	if struck.Last != sealed.Last || struck.Events != sealed.Events {
		t.Errorf("sealed %+v, struck %+v", sealed, struck)
	}
	for _, err := range []error{second(l.Strike(1)), second(l.Seal(1)), l.Inform(1, false, 0, nil)} {
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("an entry that was struck: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRefused(t *testing.T) {
	l := newLedger(t, Limits{})
	deferAll(t, l, at(5, 1), at(6, 1))
	before := l.AppendBinary(nil)
	with := func(change func(*Record)) Record {
		r := at(7, 1)
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		record Record
		want   error
	}{
		"owed already":    {at(6, 1), ErrOrder},
		"before others":   {at(3, 1), ErrOrder},
		"offset 0":        {at(0, 1), ErrInvalid},
		"last offset":     {at(math.MaxUint64, 1), ErrInvalid},
		"full":            {at(7, Full), ErrInvalid},
		"no rate":         {at(7, 99), ErrInvalid},
		"times":           {with(func(r *Record) { r.Least = r.Greatest + 1 }), ErrInvalid},
		"too many events": {with(func(r *Record) { r.Events = math.MaxUint64 }), ErrInvalid},
		"repeats":         {with(func(r *Record) { r.Repeats = []uint32{1, 1} }), ErrInvalid},
	} {
		if _, err := l.Defer(c.record); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		unread Unread
		want   error
	}{
		"overlaps":             {Unread{First: 1, Last: 5, Events: 5}, ErrOrder},
		"within":               {Unread{First: 6, Last: 6, Events: 5}, ErrOrder},
		"offset 0":             {Unread{First: 0, Last: 4}, ErrInvalid},
		"backwards":            {Unread{First: 4, Last: 3}, ErrInvalid},
		"times":                {Unread{First: 1, Last: 3, Least: 1}, ErrInvalid},
		"too many events":      {Unread{First: 1, Last: 3, Events: math.MaxUint64}, ErrInvalid},
		"point outside":        {Unread{First: 1, Last: 3, Events: 9, Points: []Point{{4, 9}}}, ErrInvalid},
		"points descend":       {Unread{First: 1, Last: 3, Events: 9, Points: []Point{{2, 3}, {1, 4}}}, ErrInvalid},
		"points' events fall":  {Unread{First: 1, Last: 3, Events: 9, Points: []Point{{1, 3}, {2, 2}}}, ErrInvalid},
		"points' events short": {Unread{First: 1, Last: 3, Events: 9, Points: []Point{{3, 8}}}, ErrInvalid},
		"point too high":       {Unread{First: 1, Last: 3, Events: 9, Points: []Point{{1, 10}}}, ErrInvalid},
	} {
		if _, err := l.Owe(c.unread); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, repeats := range map[string][]Repeat{"outside": {{7, 0}}, "twice": {{5, 1}, {5, 1}}, "descending": {{6, 1}, {5, 1}}} {
		if err := l.Inform(1, true, 1, repeats); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := l.AppendBinary(nil); !slices.Equal(before, after) {
		t.Error("what was refused has changed the ledger")
	}
}

func TestLimits(t *testing.T) {
	_, err := NewLedger(Limits{Cut: math.MaxUint64, Entries: 1, Repeats: -1})
	if !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	for _, what := range []string{"cut", "entries", "repeats"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q does not name %s", err, what)
		}
	}
}

func TestOweIsCutAtPoints(t *testing.T) {
	l := newLedger(t, Limits{Cut: 100})
	_, err := l.Owe(Unread{First: 11, Last: 60, Events: 300, Least: 1, Greatest: 2, Points: []Point{{20, 90}, {30, 95}, {31, 240}, {50, 280}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []Entry
	for _, e := range l.Entries() {
		if e.Judged || e.Rate != Nothing || e.Least != 1 || e.Greatest != 2 {
			t.Errorf("entry %+v", e)
		}
		got = append(got, Entry{Number: e.Number, First: e.First, Last: e.Last, Events: e.Events})
	}
	want := []Entry{{Number: 1, First: 11, Last: 30, Events: 95}, {Number: 2, First: 31, Last: 31, Events: 145}, {Number: 3, First: 32, Last: 60, Events: 60}}
	for i := range want {
		if i >= len(got) || got[i].Number != want[i].Number || got[i].First != want[i].First || got[i].Last != want[i].Last || got[i].Events != want[i].Events {
			t.Fatalf("entries %+v, want %+v", got, want)
		}
	}
}

// However many events a range has, its pieces have them all, stay within the
// cut, and leave room for others.
func TestOweCutsEvenly(t *testing.T) {
	for _, events := range []uint64{0, 1, 99, 100, 101, 12_345, 1 << 30, maxEvents} {
		for _, records := range []uint64{1, 2, 1000, 1 << 40} {
			l := newLedger(t, Limits{Cut: 100, Entries: 64})
			if _, err := l.Owe(Unread{First: 5, Last: 4 + records, Events: events, Least: EarliestTime, Greatest: LatestTime}); err != nil {
				t.Fatal(err)
			}
			sum, end := uint64(0), uint64(4)
			most := max(100, events/15)
			for _, e := range l.Entries() {
				if e.First != end+1 {
					t.Fatalf("%d events in %d records: %+v after %d", events, records, e, end)
				}
				if e.Events > most && e.Records() > 1 {
					t.Errorf("%d events in %d records: %+v is longer than %d", events, records, e, most)
				}
				sum, end = sum+e.Events, e.Last
			}
			if sum != events || end != 4+records || l.Owed() != events || l.Len() > 33 {
				t.Errorf("%d events in %d records: %d up to %d in %d entries", events, records, sum, end, l.Len())
			}
		}
	}
}

// A shard that skips again and again owes one range, until the cut.
func TestOweJoins(t *testing.T) {
	l := newLedger(t, Limits{Cut: 100})
	for i := range uint64(20) {
		u := Unread{First: 1 + 10*i, Last: 10 + 10*i, Events: 10, Least: int64(i), Greatest: int64(i) + 1}
		if _, err := l.Owe(u); err != nil {
			t.Fatal(err)
		}
	}
	e, _ := l.Newest()
	if l.Len() != 2 || e.First != 101 || e.Last != 200 || e.Least != 10 || e.Greatest != 20 {
		t.Errorf("%d entries, the newest %+v", l.Len(), e)
	}
}

func TestInform(t *testing.T) {
	l := newLedger(t, Limits{})
	if _, err := l.Owe(Unread{First: 1, Last: 9, Events: 90}); err != nil {
		t.Fatal(err)
	}
	if err := l.Inform(1, true, 77, []Repeat{{3, 1}, {3, 2}, {9, 0}}); err != nil {
		t.Fatal(err)
	}
	e, _ := l.Newest()
	if !e.Judged || !e.HasBefore || e.Before != 77 || len(e.Repeats) != 3 {
		t.Errorf("entry %+v", e)
	}
	if err := l.Inform(1, false, 77, nil); err != nil {
		t.Fatal(err)
	}
	if e, _ := l.Newest(); e.HasBefore || e.Before != 0 || e.Repeats != nil {
		t.Errorf("entry %+v", e)
	}
}

func TestNext(t *testing.T) {
	l := newLedger(t, Limits{})
	if _, ok := l.Next(Policy{}); ok {
		t.Error("an empty ledger has something to pay")
	}
	deferAll(t, l, at(10, 1), at(20, 1), at(30, 1))
	for rescue, want := range map[uint64]uint64{0: 30, 10: 30, 11: 10, 99: 10} {
		if e, ok := l.Next(Policy{Rescue: rescue}); !ok || e.First != want {
			t.Errorf("rescue below %d: %+v, want offset %d", rescue, e, want)
		}
	}
}

func TestFoldPrefersEntriesWithoutSamples(t *testing.T) {
	l := newLedger(t, Limits{Cut: 10, Entries: 6})
	deferAll(t, l, at(1, 3), at(2, 3), at(3, Nothing), at(4, Nothing), at(5, 3), at(6, 3))
	c := must(l.Defer(at(7, 3)))(t)
	if len(c.Dropped) > 0 || c.Number != 7 {
		t.Fatalf("change %+v", c)
	}
	if e, ok := l.Entry(3); !ok || e.First != 3 || e.Last != 4 || e.Events != 20 || e.Least != 3 || e.Greatest != 9 || e.Before != 2 {
		t.Errorf("folded to %+v", e)
	}
	// Only samples are left to give up: those of the pair with the fewest events,
	// the oldest of these, and never the newest.
	c = must(l.Defer(at(8, 3)))(t)
	if !slices.Equal(c.Dropped, []uint64{1, 2}) {
		t.Errorf("change %+v", c)
	}
	if e, _ := l.Entry(1); e.Rate != Nothing || e.Last != 2 {
		t.Errorf("folded to %+v", e)
	}
}

func TestSealedIsNotFolded(t *testing.T) {
	for _, number := range []uint64{1, 2} {
		l := newLedger(t, Limits{Cut: 10, Entries: 4})
		deferAll(t, l, at(1, Nothing), at(2, Nothing), at(4, 1), at(5, 1))
		must(l.Seal(number))(t)
		if _, err := l.Defer(at(7, 1)); !errors.Is(err, ErrFull) {
			t.Errorf("entry %d is sealed: %v, %+v", number, err, l.Entries())
		}
	}
}

func TestFull(t *testing.T) {
	l := newLedger(t, Limits{Entries: 3})
	deferAll(t, l, at(1, 1), at(3, 1), at(5, 1))
	before := l.AppendBinary(nil)
	if _, err := l.Defer(at(7, 1)); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
	if _, err := l.Owe(Unread{First: 8, Last: 9}); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(before, l.AppendBinary(nil)) {
		t.Error("the refusal changed the ledger")
	}
	deferAll(t, l, at(6, 1)) // joins
	must(l.Strike(2))(t)
	deferAll(t, l, at(9, 1))
}

// Limits may be lowered between two runs.
func TestLoweredLimits(t *testing.T) {
	l := newLedger(t, Limits{Cut: 10})
	for i := range uint64(20) {
		deferAll(t, l, at(i+1, 2))
	}
	l = must(DecodeLedger(l.AppendBinary(nil), Limits{Cut: 10, Entries: 4}))(t)
	c := must(l.Defer(at(21, 2)))(t)
	if l.Len() != 4 || len(c.Dropped) != 18 || l.Owed() != 210 {
		t.Errorf("%d entries, %d owed, dropped %v", l.Len(), l.Owed(), c.Dropped)
	}
	l = newLedger(t, Limits{})
	deferAll(t, l, at(1, 1), at(2, 1), at(3, 2), at(5, 1), at(7, 1), at(9, 1))
	before := l.AppendBinary(nil)
	l = must(DecodeLedger(before, Limits{Entries: 3}))(t)
	if _, err := l.Defer(at(11, 1)); !errors.Is(err, ErrFull) || !slices.Equal(before, l.AppendBinary(nil)) {
		t.Errorf("error %v, and the ledger has changed: %v", err, !slices.Equal(before, l.AppendBinary(nil)))
	}
}
