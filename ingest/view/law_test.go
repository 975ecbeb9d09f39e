package view

// This file tests the laws: state is a function of the definition and of the
// log, and every event counts exactly once, however events were partitioned
// and batched, whatever was in memory, and wherever a crash came.

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

const sixSketches = `{"stream": "s", "by": ["key"], "where": "n < 90", "pane": "1m", "from": "earliest", "sketches": {
	"distinct": {"kind": "hll", "of": "item", "error": 0.05},
	"seen": {"kind": "bloom", "of": "item", "capacity": 500, "error": 0.01},
	"often": {"kind": "countmin", "of": "item", "error": 0.01, "confidence": 0.9},
	"hot": {"kind": "hotlist", "of": "item", "size": 16, "weight": "n"},
	"sample": {"kind": "reservoir", "of": "*", "size": 5},
	"recent": {"kind": "decay", "of": "n", "half_life": "10m"}}}`

// variant is how one run of the same events differs from another.
type variant struct {
	partitions, batch int
	shuffled          bool
	memory            int64
	crashes           int
	slice             int // of commits; 0: as large as ever
}

// summary is what must not depend on a variant.
type summary struct {
	events   uint64
	distinct sketches.Estimate
	often    sketches.Estimate
	seen     bool
	people   uint64 // of the reservoir
	sum      string
}

func summarize(t *testing.T, v *View) map[place]summary {
	t.Helper()
	index := func(name string) int { i, _ := v.Layout().Index(name); return i }
	hash := event.HashItem(event.AppendItem(nil, event.StringValue("item-1")))
	out := map[place]summary{}
	for at, p := range merged(t, v) {
		s := summary{events: p.Events(), distinct: p.Distinct(index("distinct"), 0.95), often: p.Frequency(index("often"), hash, 0.95)}
		s.seen, _ = p.Contains(index("seen"), hash)
		_, s.people = p.Sample(index("sample"), 5)
		s.sum = fmt.Sprintf("%.9e", p.Sum(index("recent"), 1_700_000_700_000).Value)
		out[at] = s
	}
	return out
}

// appendAll writes events to a stream as a variant says.
func appendAll(streams *testStreams, events []testEvent, c variant) {
	r := rand.New(rand.NewPCG(7, uint64(c.partitions)))
	order := r.Perm(len(events))
	if !c.shuffled {
		for i := range order {
			order[i] = i
		}
	}
	parts := make([][]testEvent, c.partitions)
	for _, i := range order {
		p := i % c.partitions
		parts[p] = append(parts[p], events[i])
	}
	for p, part := range parts {
		for len(part) > 0 {
			n := min(c.batch, len(part))
			streams.append("s", p, part[:n])
			part = part[n:]
		}
	}
}

func TestStateIsAFunctionOfTheEvents(t *testing.T) {
	events := zipfEvents(3, 4000)
	var want map[place]summary
	for _, c := range []variant{
		{partitions: 1, batch: 1000},
		{partitions: 1, batch: 7, shuffled: true},
		{partitions: 3, batch: 1000, shuffled: true},
		{partitions: 7, batch: 100},
		{partitions: 3, batch: 61, memory: 20_000},
		{partitions: 3, batch: 40, memory: 20_000, crashes: 3},
		{partitions: 2, batch: 1, crashes: 1},
		{partitions: 2, batch: 10, crashes: 5, slice: 1},
		{partitions: 3, batch: 20, memory: 20_000, crashes: 5, slice: 100},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			got := runVariant(t, events, c)
			if want == nil {
				want = got
			}
			compareMaps(t, got, want)
		})
	}
	// And the first of them is right: counted by hand.
	model := map[place]uint64{}
	for _, e := range events {
		if e.fields["n"].(int) < 90 {
			key := "[null]"
			if k, ok := e.fields["key"].(string); ok {
				key = fmt.Sprintf("[%q]", k)
			}
			model[place{key, e.time - e.time%60_000}]++
		}
	}
	got := map[place]uint64{}
	for at, s := range want {
		got[at] = s.events
	}
	compareMaps(t, got, model)
}

func runVariant(t *testing.T, events []testEvent, c variant) map[place]summary {
	streams := newTestStreams(t)
	streams.make("s", c.partitions)
	change := func(config *Config) {
		config.MemoryBytes = c.memory
		config.CommitEvery = time.Millisecond
		config.slice = c.slice
	}
	n := start(t, t.TempDir(), streams, change)
	n.put("v", sixSketches)
	done := make(chan struct{})
	go func() {
		defer close(done)
		appendAll(streams, events, c)
	}()
	records := len(events) / c.partitions / c.batch // of the first partition
	for i := range c.crashes {
		at := map[int]uint64{0: uint64(records * (i + 1) / (c.crashes + 1))}
		if err := n.views.WaitApplied(t.Context(), "s", at); err != nil {
			t.Fatal(err)
		}
		dir := n.checkpoint()
		n.stop()
		n = start(t, dir, streams, change)
	}
	<-done
	n.settle("s")
	v := n.view("v")
	if p := position(v); p.Applied != uint64(len(events)) || p.Owed != 0 || p.Lost != 0 || p.Late != 0 && c.memory == 0 && !c.shuffled {
		t.Errorf("position %+v", p)
	}
	got := summarize(t, v)
	if c.memory > 0 {
		if held := n.views.Held(); held > 40*c.memory {
			t.Errorf("%d bytes are in memory, with a budget of %d", held, c.memory)
		}
	}
	n.stop()

	// What was committed at the end is the same once more.
	n = start(t, n.dir(), streams, nil)
	compareMaps(t, summarize(t, n.view("v")), got)
	return got
}

func compareMaps[K comparable, V comparable](t *testing.T, got, want map[K]V) {
	t.Helper()
	if len(got) == 0 || len(want) == 0 {
		t.Errorf("nothing to compare: %d and %d", len(got), len(want))
	}
	wrong := 0
	for at, w := range want {
		if g := got[at]; g != w {
			if wrong++; wrong < 4 {
				t.Errorf("%v: got %+v, want %+v", at, g, w)
			}
		}
	}
	for at := range got {
		if _, ok := want[at]; !ok {
			if wrong++; wrong < 4 {
				t.Errorf("%v is too much", at)
			}
		}
	}
	if wrong >= 4 {
		t.Errorf("and %d more differ", wrong-3)
	}
}

func TestReplayGivesTheSameBytes(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 2)
	n := start(t, t.TempDir(), streams, nil)
	n.put("v", sixSketches)
	appendAll(streams, zipfEvents(5, 3000), variant{partitions: 2, batch: 97, shuffled: true})
	n.settle("s")
	first := raw(t, n.view("v"))
	again := n.put("again", sixSketches)
	n.settle("s")
	compareMaps(t, raw(t, again), first)
	n.stop()
	n = start(t, n.dir(), streams, nil)
	compareMaps(t, raw(t, n.view("v")), first)
}

func TestRepeatsCountOnce(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 1)
	n := start(t, t.TempDir(), streams, nil)
	n.put("v", `{"stream": "s", "from": "earliest"}`)
	events := zipfEvents(1, 30)
	one := func(number uint64, events []testEvent) {
		streams.append("s", 0, events, event.Segment{Producer: "p", Number: number, Partitions: 1, Rows: len(events)})
	}
	one(1, events[:10])
	one(2, events[10:20])
	one(1, events[:10])
	n.settle("s")
	n.stop()
	n = start(t, n.dir(), streams, nil)
	one(2, events[10:20])
	streams.append("s", 0, events, // a repeat, one that has no number, and one that is new, in one record
		event.Segment{Producer: "p", Number: 2, Partitions: 1, Rows: 10},
		event.Segment{Rows: 10}, event.Segment{Producer: "p", Number: 3, Partitions: 1, Rows: 10})
	n.settle("s")
	v := n.view("v")
	compareMaps(t, counts(t, v), map[place]uint64{{"[]", allTime}: 40})
	if p := position(v); p.Applied != 70 || p.Owed != 0 {
		t.Errorf("position %+v: repeats are applied as well, by dropping them", p)
	}
}

func TestCrashKeepsWhatWasCommitted(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 1)
	n := start(t, t.TempDir(), streams, func(c *Config) { c.CommitEvery = time.Hour })
	n.put("v", `{"stream": "s"}`)
	streams.append("s", 0, zipfEvents(1, 10))
	n.settle("s")
	crashed := n.checkpoint() // nothing has been committed
	n.stop()
	n = start(t, crashed, streams, nil)
	n.settle("s")
	if got := counts(t, n.view("v")); got[place{"[]", allTime}] != 10 {
		t.Errorf("after a crash right after the PUT, a view from latest has %v, not the 10 events since", got)
	}
}
