package shedding

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLoseCuts(t *testing.T) {
	l := newLedger(t, Limits{})
	records := []Record{at(1, 1), at(2, 1), at(3, 1), at(4, 1)}
	records[0].Repeats, records[2].Repeats = []uint32{1}, []uint32{2}
	deferAll(t, l, records...)
	deferAll(t, l, at(6, 1))
	losses := l.Lose(3, func(first, last uint64) (uint64, bool) {
		if first != 3 || last != 4 {
			t.Errorf("asked for %d to %d", first, last)
		}
		return 13, true
	})
	if !slices.Equal(losses, []Loss{{Number: 1, Rate: 1, Events: 27}}) {
		t.Errorf("losses %+v", losses)
	}
	e, _ := l.Entry(1)
	if e.First != 3 || e.Last != 4 || e.Events != 13 || !slices.Equal(e.Repeats, []Repeat{{3, 2}}) || e.Before != 0 {
		t.Errorf("left is %+v", e)
	}
	if losses := l.Lose(3, nil); len(losses) > 0 || l.Lost() != 27 {
		t.Errorf("told again: %+v, %d lost", losses, l.Lost())
	}
	if losses := l.Lose(6, nil); len(losses) != 1 || !losses[0].Whole || l.Lost() != 40 || l.Owed() != 10 {
		t.Errorf("losses %+v, %d lost", losses, l.Lost())
	}
	if got := l.LostIn(0, 9); got != 40 {
		t.Errorf("lost in the window: %d", got)
	}
	if got := l.LostIn(10, 99); got != 0 {
		t.Errorf("lost after it: %d", got)
	}
	if l.Lose(0, nil) != nil || l.Lose(1, nil) != nil {
		t.Error("lost before the first offset")
	}
}

// Without a count, or with one that guesses or claims too much, losses are in
// proportion and rounded up.
func TestLoseNeverReportsTooLittle(t *testing.T) {
	guess := func(first, last uint64) (uint64, bool) { return 1, false }
	for events := range uint64(50) {
		for below := uint64(2); below < 8; below++ {
			for _, count := range []Count{nil, guess} {
				l := newLedger(t, Limits{})
				if _, err := l.Owe(Unread{First: 1, Last: 7, Events: events, Least: EarliestTime, Greatest: LatestTime}); err != nil {
					t.Fatal(err)
				}
				l.Lose(below, count)
				gone := below - 1
				if want := (events*gone + 6) / 7; l.Lost() != want || l.Owed() != events-want {
					t.Errorf("%d of 7 records with %d events: %d lost, %d owed, want %d lost", gone, events, l.Lost(), l.Owed(), want)
				}
			}
		}
	}
	l := newLedger(t, Limits{})
	deferAll(t, l, at(1, 1), at(2, 1))
	if l.Lose(2, func(first, last uint64) (uint64, bool) { return 1000, true }); l.Owed() != 20 || l.Lost() != 0 {
		t.Errorf("%d owed, %d lost", l.Owed(), l.Lost())
	}
}

func TestGapMakesHoles(t *testing.T) {
	l := newLedger(t, Limits{})
	for i := range uint64(10) {
		deferAll(t, l, at(i+1, 2))
	}
	l.Gap(4, 5, 20)
	l.Gap(5, 7, 30) // 5 is known
	l.Gap(9, 9, 0)  // nobody knows how many
	e, _ := l.Entry(1)
	if !slices.Equal(e.Holes, []Range{{4, 7}, {9, 9}}) || e.Records() != 5 || l.Lost() != 41 || l.Owed() != 59 {
		t.Fatalf("entry %+v, %d lost, %d owed", e, l.Lost(), l.Owed())
	}
	if e.Owes(4) || e.Owes(9) || !e.Owes(8) || !e.Owes(10) || e.Owes(11) {
		t.Error("owes the wrong records")
	}
	if runs := e.Runs(nil); !slices.Equal(runs, []Range{{1, 3}, {8, 8}, {10, 10}}) {
		t.Errorf("runs %v", runs)
	}
	// A trim within a hole leaves what is behind it.
	if l.Lose(6, nil); l.Owed() == 0 {
		t.Fatal("nothing left")
	}
	if e, _ := l.Entry(1); e.First != 8 || len(e.Holes) != 1 {
		t.Errorf("entry %+v", e)
	}
	owed := l.Owed()
	losses := l.Gap(8, 10, 2)
	if len(losses) != 1 || !losses[0].Whole || losses[0].Events != owed || l.Owed() != 0 {
		t.Errorf("losses %+v of %d", losses, owed)
	}
}

func TestGapWhileReading(t *testing.T) {
	l := newLedger(t, Limits{})
	deferAll(t, l, at(1, 1))
	if losses := l.Gap(2, 4, 7); len(losses) > 0 || l.Lost() != 7 || l.Owed() != 10 {
		t.Errorf("losses %+v, %d lost", losses, l.Lost())
	}
	l.Gap(5, 9, 0)
	if l.Lost() != 12 || l.LostIn(5, 6) != 12 {
		t.Errorf("%d lost, %d in a window", l.Lost(), l.LostIn(5, 6))
	}
	for _, g := range []Range{{0, 3}, {5, 4}, {1, math.MaxUint64}} {
		if l.Gap(g.First, g.Last, 5) != nil || l.Lost() != 12 {
			t.Errorf("gap %+v was counted", g)
		}
	}
}

func TestGapRoundsUp(t *testing.T) {
	l := newLedger(t, Limits{})
	if _, err := l.Owe(Unread{First: 1, Last: 3, Events: 10, Least: EarliestTime, Greatest: LatestTime}); err != nil {
		t.Fatal(err)
	}
	// A third of ten events in what is owed, two thirds in what is not.
	if losses := l.Gap(3, 5, 10); len(losses) != 1 || losses[0].Events != 4 || l.Owed() != 6 || l.Lost() != 4+7 {
		t.Errorf("losses %+v, %d owed, %d lost", losses, l.Owed(), l.Lost())
	}
}

func TestShare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		n, whole := random.Uint64()>>random.IntN(64), 1+random.Uint64()>>(1+random.IntN(63))
		part := random.Uint64N(whole + 1)
		want := new(big.Int).Mul(new(big.Int).SetUint64(n), new(big.Int).SetUint64(part))
		want.Div(want, new(big.Int).SetUint64(whole))
		if got := share(n, part, whole); got != want.Uint64() {
			t.Fatalf("share(%d, %d, %d) = %d, want %v", n, part, whole, got, want)
		}
		if up := shareUp(n, part, whole); up < share(n, part, whole) || up-share(n, part, whole) > 1 {
			t.Fatalf("shareUp(%d, %d, %d) = %d", n, part, whole, up)
		}
	}
}

// Many losses stay within bounds, and no window sees less than was lost in it.
func TestTallyStaysBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	var l tally
	var all []lossSpan
	for i := range 2000 {
		least := random.Int64N(100_000)
		s := lossSpan{random.Uint64N(10), least, least + random.Int64N(100)}
		if i%500 == 0 {
			s.least, s.greatest = EarliestTime, LatestTime
		}
		l.add(s.events, s.least, s.greatest)
		all = append(all, s)
		if len(l.spans) > maxLosses || !slices.IsSortedFunc(l.spans, compareLosses) {
			t.Fatalf("%d spans", len(l.spans))
		}
	}
	sum := func(from, to int64) (n uint64) {
		for _, s := range all {
			if within(s.least, s.greatest, from, to) {
				n += s.events
			}
		}
		return n
	}
	if l.events != sum(EarliestTime, LatestTime) || l.in(EarliestTime, LatestTime) != l.events {
		t.Errorf("%d lost, %d in all time, want %d", l.events, l.in(EarliestTime, LatestTime), sum(EarliestTime, LatestTime))
	}
	for range 1000 {
		from := random.Int64N(100_000)
		to := from + random.Int64N(20_000)
		got, want := l.in(from, to), sum(from, to)
		if got < want {
			t.Fatalf("[%d, %d): %d, want at least %d", from, to, got, want)
		}
		if got > want+l.events/10 {
			t.Fatalf("[%d, %d): %d where %d were lost of %d: spans are too wide", from, to, got, want, l.events)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		least, greatest, from, to int64
		want                      bool
	}{
		{5, 9, 9, 10, true}, {5, 9, 10, 20, false}, {5, 9, 0, 5, false}, {5, 9, 0, 6, true},
		{5, 9, 7, 7, false}, {5, 9, 8, 3, false}, {9, 5, 0, 20, false},
		{EarliestTime, LatestTime, 3, 4, true}, {EarliestTime, LatestTime, EarliestTime, LatestTime, true},
		{LatestTime, LatestTime, 0, LatestTime, true}, {LatestTime, EarliestTime, EarliestTime, LatestTime, false},
	} {
		if got := within(c.least, c.greatest, c.from, c.to); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
