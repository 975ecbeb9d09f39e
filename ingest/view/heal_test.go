package view

// This file tests that whatever a view sheds, passes over or finds before it,
// it ends where one ends that applied every record at once.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// exactSketches are those whose panes have the same bytes whatever the order in
// which their events came.
const exactSketches = `"sketches": {
	"distinct": {"kind": "hll", "of": "item", "error": 0.05},
	"seen": {"kind": "bloom", "of": "item", "bits": 4096, "hashes": 3},
	"often": {"kind": "countmin", "of": "item", "error": 0.01, "confidence": 0.9, "weight": "n"},
	"sample": {"kind": "reservoir", "of": "*", "size": 5}}`

var shedDefinitions = []string{
	`{"stream": "s", "by": ["key"], "where": "n < 90", "pane": "10s", "from": "earliest", ` + exactSketches + `}`,
	`{"stream": "s", "by": ["key"], "pane": "5s", "keep": "30s", "rollups": [{"pane": "10s", "keep": "1m"}, {"pane": "30s", "keep": "2m"}], "from": "earliest", ` + exactSketches + `}`,
	`{"stream": "s", "by": ["key", "ok"], "from": "2023-11-14T22:14:00Z", ` + exactSketches + `}`,
}

// tallies are what must be equal as well.
type tallies struct{ applied, owed, lost, late, expired uint64 }

func talliesOf(v *View) tallies {
	p := position(v)
	return tallies{p.Applied, p.Owed, p.Lost, p.Late, p.Expired}
}

func TestHealingEndsWhereNoSheddingDoes(t *testing.T) {
	for i, definition := range shedDefinitions {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("definition %d seed %d", i, seed), func(t *testing.T) {
				streams := newTestStreams(t)
				streams.lateness = 20 * time.Second
				streams.make("s", 2)
				n := start(t, t.TempDir(), streams, atOnce)
				v := n.put("v", definition)
				disordered(streams, seed, 4000)
				n.settle("s")
				want, tallied := raw(t, v), talliesOf(v)
				if tallied.late == 0 || i == 1 && tallied.expired == 0 {
					t.Fatalf("the events are too tame: %+v", tallied)
				}
				n.stop()

				w := &weather{r: rand.New(rand.NewPCG(seed, 3)), skips: seed%2 == 1}
				change := under(w, map[bool]int64{true: 200_000, false: 0}[seed >= 2])
				n = start(t, t.TempDir(), streams, change)
				r := rand.New(rand.NewPCG(seed, 4))
				for range 6 {
					time.Sleep(time.Duration(r.IntN(8000)) * time.Microsecond) // anywhere will do
					dir := n.checkpoint()
					n.stop()
					n = start(t, dir, streams, change)
				}
				w.cleared.Store(true)
				n.settle("s")
				v = n.view("v")
				compareMaps(t, raw(t, v), want)
				if got := talliesOf(v); got != tallied {
					t.Errorf("tallies %+v, want %+v", got, tallied)
				}
				checkNothingLeft(t, v)
				if held, pinned := n.views.hidden.bytes.Load(), n.views.pinned(); held != 0 || pinned < 0 {
					t.Errorf("%d bytes hidden, %d pinned", held, pinned)
				}
				n.stop()
				n = start(t, n.dir(), streams, change)
				compareMaps(t, raw(t, n.view("v")), want)
			})
		}
	}
}

// checkNothingLeft checks that nothing is owed and no sample is known any more.
func checkNothingLeft(t *testing.T, v *View) {
	t.Helper()
	for _, s := range v.Partitions() {
		s.mu.RLock()
		if len(s.samples) > 0 || s.ledger.Len() > 0 {
			t.Errorf("partition %d has %d samples and %d debts", s.number, len(s.samples), s.ledger.Len())
		}
		s.mu.RUnlock()
	}
}

// A view that is made over old events is live for new ones at once, and ends
// where one ends that was there from the start.
func TestNewViewIsLiveAtOnce(t *testing.T) {
	for i, definition := range shedDefinitions {
		t.Run(fmt.Sprint("definition ", i), func(t *testing.T) {
			streams := newTestStreams(t)
			streams.lateness = 20 * time.Second
			streams.make("s", 2)
			w := &weather{r: rand.New(rand.NewPCG(1, 3))} // no healing yet
			w.now.Heal = 0
			var heals atomic.Bool
			n := start(t, t.TempDir(), streams, func(c *Config) {
				c.Override = func(*Shard, shedding.Decision) shedding.Decision {
					if heals.Load() {
						return shedding.Decision{Heal: 1}
					}
					return shedding.Decision{}
				}
				c.Limits = shedding.Limits{Cut: 500}
			})
			n.put("first", definition)
			disordered(streams, 9, 3000)
			n.live("s")
			before := position(n.view("first"))

			v := n.put("later", definition)
			p := position(v)
			if p.Owed != before.Applied || p.Applied != 0 || p.Greatest != before.Greatest {
				t.Errorf("a new view stands at %+v, the old one at %+v", p, before)
			}
			h := v.Healing()
			if h.Past != before.Applied || h.Percent != 0 || h.Left >= 0 {
				t.Errorf("healing %+v", h)
			}
			events := zipfEvents(10, 500)
			streams.append("s", 0, events)
			n.live("s") // does not wait for the past
			if p := position(v); p.Applied != 500 || p.Owed != before.Applied {
				t.Errorf("after 500 new events %+v", p)
			}
			dir := n.checkpoint() // a crash before anything has healed
			n.stop()
			n = start(t, dir, streams, atOnce)
			heals.Store(true)
			n.settle("s")
			v = n.view("later")
			compareMaps(t, raw(t, v), raw(t, n.view("first")))
			if got, want := talliesOf(v), talliesOf(n.view("first")); got != want {
				t.Errorf("tallies %+v, want %+v", got, want)
			}
			if h := v.Healing(); h.Percent != 100 || h.Left != 0 || h.Owed != 0 {
				t.Errorf("healing %+v", h)
			}
		})
	}
}

// What a merge does not give bit by bit is still within its bounds.
func TestHealedHotListsAndSums(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 2)
	n := start(t, t.TempDir(), streams, atOnce)
	v := n.put("v", `{"stream": "s", "pane": "1m", "sketches": {
		"hot": {"kind": "hotlist", "of": "item", "size": 64}, "recent": {"kind": "decay", "of": "n", "half_life": "1m"}}}`)
	disordered(streams, 5, 6000)
	n.settle("s")
	want := merged(t, v)
	n.stop()
	w := &weather{r: rand.New(rand.NewPCG(8, 3))}
	n = start(t, t.TempDir(), streams, under(w, 0))
	time.Sleep(10 * time.Millisecond)
	w.cleared.Store(true)
	n.settle("s")
	got := merged(t, n.view("v"))
	for at, p := range want {
		g := got[at]
		if g == nil || g.Events() != p.Events() {
			t.Fatalf("%v is not the same", at)
		}
		a, b := g.Sum(1, 1_700_000_300_000).Value, p.Sum(1, 1_700_000_300_000).Value
		if math.Abs(a-b) > 1e-9*math.Abs(b) {
			t.Errorf("%v sums up to %v, want %v", at, a, b)
		}
		for i := range 20 {
			hash := event.HashItem(event.AppendItem(nil, event.StringValue(fmt.Sprint("item-", i))))
			x, y := g.Frequency(0, hash, 0.95), p.Frequency(0, hash, 0.95)
			if x.Low > y.High || y.Low > x.High {
				t.Errorf("%v: item %d is within %v to %v, and within %v to %v", at, i, x.Low, x.High, y.Low, y.High)
			}
		}
	}
}

// provisional returns the encoded provisional panes of every partition.
func provisional(t testing.TB, v *View) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i, s := range v.Partitions() {
		number := 0
		_, err := s.Read(nil, Span{All: true}, Visitor{Provisional: func(key []byte, from, to int64, p *sketches.Provisional) error {
			number++
			out[fmt.Sprintf("%d %d %s@%d to %d", i, number, keyText(t, key), from, to)] = string(p.AppendBinary(nil))
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func at4(*Shard, shedding.Decision) shedding.Decision { return shedding.Decision{Rate: 2} }

// A quarter of the events is kept, and survives a restart as it is.
func TestProvisionalPanes(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 2)
	change := func(c *Config) { c.Override, c.Limits = at4, shedding.Limits{Cut: 3000} }
	n := start(t, t.TempDir(), streams, change)
	v := n.put("v", shedDefinitions[0])
	events := zipfEvents(4, 20_000)
	appendAll(streams, events, variant{partitions: 2, batch: 250})
	n.live("s")
	p := position(v)
	if p.Applied != 0 || p.Owed != 20_000 || p.Panes != 0 || p.Greatest != events[len(events)-1].time {
		t.Errorf("position %+v", p)
	}
	truth := uint64(0)
	for _, e := range events {
		if e.fields["n"].(int) < 90 {
			truth++
		}
	}
	kept := map[bool]float64{}
	for _, s := range v.Partitions() {
		for _, narrow := range []bool{false, true} {
			span := Span{All: !narrow, From: events[0].time, To: events[5000].time}
			position, err := s.Read(nil, span, Visitor{Provisional: func(_ []byte, from, to int64, p *sketches.Provisional) error {
				if p.Rate != 2 || narrow && (from >= span.To || to <= span.From) {
					t.Errorf("a pane of rate 2^-%d from %d to %d", p.Rate, from, to)
				}
				kept[narrow] += float64(p.Kept())
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if d := position.Deferred; len(d) != 1 || d[0].Rate != 2 || d[0].Events > 10_000 || narrow && d[0].Events > 6000 || !narrow && d[0].Events != 10_000 {
				t.Errorf("narrow %v: deferred %+v", narrow, d)
			}
		}
		if position, err := s.Read(nil, Span{From: 0, To: 1000}, Visitor{}); err != nil || len(position.Deferred) != 0 {
			t.Errorf("deferred long ago: %+v, %v", position.Deferred, err)
		}
	}
	// Four standard deviations of a binomial.
	if off := math.Abs(kept[false] - float64(truth)/4); off > 4*math.Sqrt(float64(truth)*3/16) {
		t.Errorf("%v of %d events were kept", kept[false], truth)
	}
	if kept[true] <= 0 || kept[true] > kept[false]/2 {
		t.Errorf("%v kept in a quarter of the time, %v in all", kept[true], kept[false])
	}
	want := provisional(t, v)
	n.stop()
	n = start(t, n.dir(), streams, change)
	v = n.view("v")
	compareMaps(t, provisional(t, v), want) // from the store
	one := key("k0")
	fromStore := oneKey(t, v, one)
	streams.append("s", 0, events[:100])
	streams.append("s", 1, events[:100])
	n.live("s")
	if got := oneKey(t, v, one); got <= fromStore || fromStore == 0 {
		t.Errorf("the key has %d events sampled, then %d", fromStore, got)
	}
	n.stop()
	n = start(t, n.dir(), streams, atOnce)
	n.settle("s")
	checkNothingLeft(t, n.view("v"))
	if got := provisional(t, n.view("v")); len(got) != 0 {
		t.Errorf("%d provisional panes are left", len(got))
	}
	total := uint64(0)
	for _, p := range merged(t, n.view("v")) {
		total += p.Events()
	}
	for _, e := range events[:100] {
		if e.fields["n"].(int) < 90 {
			truth += 2
		}
	}
	if total != truth {
		t.Errorf("%d events after healing, want %d", total, truth)
	}
}

// oneKey returns how many sampled events a key has.
func oneKey(t *testing.T, v *View, key []byte) (kept uint64) {
	t.Helper()
	for _, s := range v.Partitions() {
		_, err := s.Read(key, Span{All: true}, Visitor{Provisional: func(_ []byte, _, _ int64, p *sketches.Provisional) error {
			kept += p.Kept()
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return kept
}

// What retention takes of what is owed is lost, and the rest heals. Counts are
// exact where the tail knows them or records are alike, and never too low.
func TestTrimmedDebtsAreLost(t *testing.T) {
	for _, c := range []struct{ restarts, alike, looks bool }{{true, true, true}, {false, true, true}, {false, false, true}, {false, false, false}, {false, true, false}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			streams := newTestStreams(t)
			streams.make("s", 1)
			rows := func(i int) uint64 {
				if c.alike {
					return 3
				}
				return uint64(1 + i%5)
			}
			var heals atomic.Bool
			change := func(config *Config) {
				config.Override = func(s *Shard, _ shedding.Decision) shedding.Decision {
					if !heals.Load() {
						return shedding.Decision{Rate: 1}
					}
					if !c.looks { // the healer finds the gap before the ledger is told of it
						s.control.looked = time.Now()
					}
					return shedding.Decision{Heal: 1}
				}
				config.Limits = shedding.Limits{Cut: 100}
			}
			n := start(t, t.TempDir(), streams, change)
			n.put("v", `{"stream": "s"}`)
			all, gone := uint64(0), uint64(0)
			for i := range 64 {
				streams.append("s", 0, at("a", make([]float64, rows(i))...))
				if all += rows(i); i < 32 {
					gone += rows(i)
				}
			}
			n.live("s")
			n.stop()
			partition, err := streams.log.Partition(t.Context(), "s", 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := partition.Trim(t.Context(), 33); err != nil {
				t.Fatal(err)
			}
			if !c.looks || c.restarts {
				streams.close() // the next tails have nothing in memory
				streams.make("s", 1)
			}
			heals.Store(true)
			n = start(t, n.dir(), streams, change)
			n.settle("s")
			p := position(n.view("v"))
			if p.Applied != all-gone || p.Lost < gone || p.Lost > gone+3 || (c.alike || !c.looks) && p.Lost != gone {
				t.Errorf("position %+v, want %d lost of %d", p, gone, all)
			}
			checkNothingLeft(t, n.view("v"))
		})
	}
}

// A view that needs the order of the log neither sheds nor takes in the past late.
func TestOrderedViewsDoNotShed(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 1)
	n := start(t, t.TempDir(), streams, nil)
	for i := range 20 {
		streams.append("s", 0, []testEvent{{time: int64(i) * 1000, fields: map[string]any{"n": i}}})
	}
	for name, definition := range map[string]string{
		"factor": `{"stream": "s", "from": "earliest", "sketches": {"f": {"kind": "decay", "of": "n", "factor": 0.5}}}`,
		"counts": `{"stream": "s", "from": "earliest", "pane": {"count": 5}}`,
	} {
		v := n.put(name, definition)
		if !v.ordered() {
			t.Errorf("%s is not ordered", name)
		}
		for _, s := range v.Partitions() {
			if s.begin != (Start{}) {
				t.Errorf("%s begins at %+v", name, s.begin)
			}
		}
		n.settle("s")
		if p := position(v); p.Applied != 20 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	sum := 0.0
	for i := range 20 {
		sum = 0.5*sum + float64(i)
	}
	for _, p := range merged(t, n.view("factor")) {
		if got := p.Sum(0, 0).Value; math.Abs(got-sum) > 1e-9 {
			t.Errorf("sum %v, want %v", got, sum)
		}
	}
}

// With a clock that makes every record slow, and a backlog, the controller sheds,
// and when the load has gone it goes back to the full rate and has everything healed.
func TestControllerShedsAndHeals(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 1)
	var ticks atomic.Int64
	change := func(c *Config) {
		c.Control = shedding.Config{Period: 10 * time.Millisecond, Hold: 20 * time.Millisecond, Patience: 40 * time.Millisecond}
		c.Clock = func() time.Time { return time.UnixMilli(1_700_000_000_000 + 20*ticks.Add(1)) }
	}
	n := start(t, t.TempDir(), streams, change)
	n.put("v", shedDefinitions[0])
	n.stop()
	for i := range 400 {
		streams.append("s", 0, zipfEvents(uint64(i), 40))
	}
	n = start(t, n.dir(), streams, change)
	s := n.view("v").Partitions()[0]
	n.await("the view sheds", func() bool { return s.healedEvents.Load() > 0 || s.Position().Rate < 1 || s.Healing().Owed > 0 })
	n.await("all is healed, at the full rate", func() bool {
		p := s.Position()
		return p.Applied == 16_000 && p.Rate == 1
	})
	if p := s.Position(); p.Owed != 0 || p.Lost != 0 {
		t.Errorf("position %+v", p)
	}
	if s.healedEvents.Load() == 0 {
		t.Error("nothing was shed")
	}
	checkNothingLeft(t, n.view("v"))
}
