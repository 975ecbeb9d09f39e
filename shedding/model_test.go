package shedding

// This file checks the ledger against a dumb one, which knows every record.

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

type modelRecord struct {
	events          uint64
	least, greatest int64
	owed, lost      bool
	number          uint64
	rate            Rate
	repeats         []uint32
}

// model is a ledger as a list of records. Offset i is records[i].
type model struct {
	t       *testing.T
	random  *rand.Rand
	ledger  *Ledger
	limits  Limits
	records []modelRecord
	panes   map[uint64]bool // provisional panes that a shard would hold
	trimmed uint64
	even    bool // all records have ten events, so that proportions are exact
}

// record makes the next record of the log, which nobody has read.
func (m *model) record() *modelRecord {
	at := m.random.Int64N(1000) - 200 + int64(len(m.records))
	r := modelRecord{events: uint64(m.random.IntN(20)), least: at, greatest: at + m.random.Int64N(50)}
	if m.even {
		r.events = 10
	}
	m.records = append(m.records, r)
	return &m.records[len(m.records)-1]
}

func (m *model) end() uint64 { return uint64(len(m.records)) - 1 }

func (m *model) events(first, last uint64) (sum uint64) {
	for _, r := range m.records[first : last+1] {
		sum += r.events
	}
	return sum
}

// changed follows a new debt that may have folded others.
func (m *model) changed(c Change) {
	m.t.Helper()
	for _, number := range c.Dropped {
		if !m.panes[number] {
			m.t.Fatalf("entry %d is dropped and had no panes", number)
		}
		delete(m.panes, number)
	}
	for offset := range m.records {
		r := &m.records[offset]
		if !r.owed {
			continue
		}
		e, ok := m.ledger.At(uint64(offset))
		if !ok {
			m.t.Fatalf("offset %d is not owed any more", offset)
		}
		if e.Number == r.number && e.Rate == r.rate {
			continue
		}
		if e.Rate != Nothing || r.rate != Nothing && !slices.Contains(c.Dropped, r.number) {
			m.t.Fatalf("offset %d moved from entry %d at rate %v to %d at %v; dropped %v", offset, r.number, r.rate, e.Number, e.Rate, c.Dropped)
		}
		r.number, r.rate = e.Number, e.Rate
	}
}

func (m *model) deferOne(rate Rate) {
	r := m.record()
	for segment := range uint32(m.random.IntN(40)) {
		if segment > 35 {
			r.repeats = append(r.repeats, segment)
		}
	}
	c, err := m.ledger.Defer(Record{Offset: m.end(), Rate: rate, Events: r.events, Least: r.least, Greatest: r.greatest, HasBefore: true, Before: int64(m.end()), Repeats: r.repeats})
	if errors.Is(err, ErrFull) {
		m.full()
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	r.owed, r.number, r.rate = true, c.Number, rate
	if rate != Nothing {
		m.panes[c.Number] = true
	}
	m.changed(c)
}

// full checks that nothing could have been folded.
func (m *model) full() {
	entries := m.ledger.Entries()
	if len(entries) < m.limits.Entries {
		m.t.Fatalf("full with %d entries", len(entries))
	}
	for i := range len(entries) - 1 {
		a, b := entries[i], entries[i+1]
		if a.Rate == Nothing && b.Rate == Nothing && a.Last+1 == b.First && a.Judged == b.Judged && !a.Sealed && !b.Sealed && len(a.Repeats)+len(b.Repeats) <= m.limits.Repeats {
			m.t.Fatalf("full, and %+v and %+v would fold", a, b)
		}
	}
}

// owe owes a range that is not owed, of the end of the log or before.
func (m *model) owe() {
	first := uint64(len(m.records))
	n := 1 + m.random.IntN(30)
	if m.random.IntN(3) == 0 && m.end() > m.trimmed+1 {
		first = m.trimmed + 1 + m.random.Uint64N(m.end()-m.trimmed)
	}
	for i := range n {
		at := first + uint64(i)
		if at == uint64(len(m.records)) {
			m.record()
		}
		if r := m.records[at]; r.owed || r.lost {
			n = i
			break
		}
	}
	if n == 0 {
		return
	}
	u := Unread{First: first, Last: first + uint64(n) - 1, Least: EarliestTime, Greatest: LatestTime}
	u.Events = m.events(u.First, u.Last)
	if m.random.IntN(2) == 0 {
		u.Least, u.Greatest = LatestTime, EarliestTime
		for _, r := range m.records[u.First : u.Last+1] {
			u.Least, u.Greatest = min(u.Least, r.least), max(u.Greatest, r.greatest)
		}
	}
	for at := u.First; at <= u.Last; at++ {
		if !m.even || m.random.IntN(5) == 0 {
			u.Points = append(u.Points, Point{at, m.events(u.First, at)})
		}
	}
	c, err := m.ledger.Owe(u)
	if errors.Is(err, ErrFull) {
		m.full()
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	for at := u.First; at <= u.Last; at++ {
		e, ok := m.ledger.At(at)
		if !ok || e.Rate != Nothing {
			m.t.Fatalf("offset %d of %+v is in %+v", at, u, e)
		}
		r := &m.records[at]
		r.owed, r.number, r.rate, r.repeats = true, e.Number, Nothing, nil
	}
	m.changed(c)
}

func (m *model) strike() {
	e, ok := m.ledger.Next(Policy{Rescue: m.random.Uint64N(2 * uint64(len(m.records)))})
	if all := m.ledger.Entries(); ok && m.random.IntN(2) == 0 {
		e = all[m.random.IntN(len(all))]
	}
	if !ok {
		if m.ledger.Len() > 0 {
			m.t.Fatal("nothing to pay, and entries")
		}
		return
	}
	struck, err := m.ledger.Strike(e.Number)
	if err != nil || struck.Number != e.Number || struck.Events != e.Events {
		m.t.Fatalf("struck %+v instead of %+v: %v", struck, e, err)
	}
	delete(m.panes, e.Number)
	for at := e.First; at <= e.Last; at++ {
		if r := &m.records[at]; r.owed != e.Owes(at) {
			m.t.Fatalf("entry %d owes offset %d: %v", e.Number, at, !r.owed)
		} else if r.owed {
			*r = modelRecord{events: r.events, least: r.least, greatest: r.greatest}
		}
	}
}

func (m *model) seal() {
	if all := m.ledger.Entries(); len(all) > 0 {
		number := all[m.random.IntN(len(all))].Number
		if e, err := m.ledger.Seal(number); err != nil || !e.Sealed || e.Number != number {
			m.t.Fatalf("sealed %+v: %v", e, err)
		}
	}
}

func (m *model) lose() {
	below := min(m.trimmed+1+m.random.Uint64N(40), uint64(len(m.records)))
	var count Count
	if !m.even || m.random.IntN(2) == 0 {
		count = func(first, last uint64) (uint64, bool) { return m.events(first, last), true }
	}
	losses := m.ledger.Lose(below, count)
	m.trimmed = max(m.trimmed, below-1)
	m.gone(Range{1, below - 1}, losses)
}

// gone marks owed records as lost and checks what was said of it.
func (m *model) gone(g Range, losses []Loss) {
	sums := map[uint64]uint64{}
	for at := g.First; at <= g.Last && at <= m.end(); at++ {
		if r := &m.records[at]; r.owed {
			sums[r.number] += r.events
			r.owed, r.lost = false, true
		}
	}
	for _, l := range losses {
		if sum, ok := sums[l.Number]; !ok || sum != l.Events {
			m.t.Fatalf("%+v: entry %d lost %d events", l, l.Number, sum)
		}
		delete(sums, l.Number)
		if _, there := m.ledger.Entry(l.Number); there == l.Whole {
			m.t.Fatalf("%+v, and the entry is there: %v", l, there)
		}
		if l.Whole {
			delete(m.panes, l.Number)
		}
	}
	if len(sums) > 0 {
		m.t.Fatalf("losses of %v were not told", sums)
	}
}

// gap finds records missing: of a range that the view goes past, or, where
// records have equally many events, within what is owed.
func (m *model) gap() {
	first := uint64(len(m.records))
	n := 1 + m.random.Uint64N(10)
	if e, ok := m.ledger.Newest(); ok && m.even && m.random.IntN(3) > 0 {
		if all := m.ledger.Entries(); m.random.IntN(2) == 0 {
			e = all[m.random.IntN(len(all))]
		}
		first = e.First + m.random.Uint64N(e.Last-e.First+1)
		n = min(n, e.Last-first+1)
	} else {
		for range n {
			r := m.record()
			r.events, r.lost = max(r.events, 1), true // 0 would say that nobody knows
		}
	}
	g := Range{first, first + n - 1}
	m.gone(g, m.ledger.Gap(g.First, g.Last, m.events(g.First, g.Last)))
}

func (m *model) recode() {
	b := m.ledger.AppendBinary(nil)
	l, err := DecodeLedger(b, m.limits)
	if err != nil {
		m.t.Fatal(err)
	}
	if again := l.AppendBinary(nil); !bytes.Equal(b, again) {
		m.t.Fatalf("encoded again:\n%x\n%x", b, again)
	}
	m.ledger = l
}

// check compares all that the ledger says with what the model knows.
func (m *model) check() {
	m.t.Helper()
	l := m.ledger
	var owed, lost, records uint64
	from, to := m.random.Int64N(1000)-200, m.random.Int64N(1500)
	var owedIn, lostIn uint64
	coarsest := Full
	panes := map[uint64]bool{}
	for at := range m.records {
		r := &m.records[at]
		in := r.events > 0 && from < to && r.least < to && r.greatest >= from
		e, ok := l.At(uint64(at))
		if ok != r.owed || ok && (e.Number != r.number || e.Rate != r.rate) {
			m.t.Fatalf("offset %d: %+v, the ledger has %v %+v", at, *r, ok, e)
		}
		if r.owed {
			owed += r.events
			records++
			if in {
				owedIn += r.events
				coarsest = max(coarsest, r.rate)
			}
			if r.rate != Nothing {
				panes[r.number] = true
			}
			for _, segment := range r.repeats {
				if e.Judged && !slices.Contains(e.Repeats, Repeat{uint64(at), segment}) {
					m.t.Fatalf("entry %+v has forgotten that segment %d of %d is a repeat", e, segment, at)
				}
			}
		}
		if r.lost {
			lost += r.events
			if in {
				lostIn += r.events
			}
		}
	}
	if l.Owed() != owed || l.Lost() != lost {
		m.t.Fatalf("owed %d, lost %d; want %d and %d", l.Owed(), l.Lost(), owed, lost)
	}
	if got := l.OwedIn(from, to); got < owedIn || got > owed {
		m.t.Fatalf("owed in [%d, %d): %d, of %d in all, and they are %d", from, to, got, owed, owedIn)
	}
	if got := l.LostIn(from, to); got < lostIn || got > lost {
		m.t.Fatalf("lost in [%d, %d): %d, of %d in all, and they are %d", from, to, got, lost, lostIn)
	}
	if l.OwedIn(EarliestTime, LatestTime) != owed || l.LostIn(EarliestTime, LatestTime) != lost {
		m.t.Fatal("owed or lost of all time is not all")
	}
	if got := l.CoarsestIn(from, to); got < coarsest {
		m.t.Fatalf("coarsest in [%d, %d): %v, want %v", from, to, got, coarsest)
	}
	for number := range m.panes {
		if !panes[number] {
			m.t.Fatalf("panes of %d would stay for ever", number)
		}
	}
	for number := range panes {
		if !m.panes[number] {
			m.t.Fatalf("panes of %d are gone and its records still owed", number)
		}
	}
	if n := l.Len(); n > m.limits.Entries {
		m.t.Fatalf("%d entries", n)
	}
	for _, e := range l.Entries() {
		records -= e.Records()
		if len(e.Repeats) > m.limits.Repeats+10 {
			m.t.Fatalf("entry %d has %d repeats", e.Number, len(e.Repeats))
		}
	}
	if records != 0 {
		m.t.Fatalf("entries have %d records too few", int64(records))
	}
}

func TestLedgerAgainstModel(t *testing.T) {
	for seed := range uint64(36) {
		limits := Limits{Cut: 100, Entries: 8 + int(seed%3)*30, Repeats: 12}
		m := &model{t: t, random: rand.New(rand.NewPCG(seed, 9)), limits: limits, even: seed%2 == 0,
			records: make([]modelRecord, 1), panes: map[uint64]bool{}}
		m.ledger = must(NewLedger(limits))(t)
		rate := Rate(1)
		for range 250 {
			switch p := m.random.IntN(100); {
			case p < 45:
				if m.random.IntN(6) == 0 {
					rate = Full + 1 + Rate(m.random.IntN(int(Nothing)))
				}
				m.deferOne(rate)
			case p < 55:
				m.record() // applied in full
			case p < 67:
				m.owe()
			case p < 77:
				m.strike()
			case p < 80:
				m.seal()
			case p < 84:
				m.lose()
			case p < 92:
				m.gap()
			default:
				m.recode()
			}
			m.check()
		}
	}
}
