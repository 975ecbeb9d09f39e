package view

// This file tests that a budget of memory holds.

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"sketchlog/shedding"
	"sketchlog/sketches"
)

// Many more keys than there is room for stay within the budget, at the full rate
// or below it, and nothing is lost by that.
func TestMemoryBudgetHolds(t *testing.T) {
	const keys, budget = 120_000, 6 << 20
	streams := newTestStreams(t)
	streams.make("s", 2)
	n := start(t, t.TempDir(), streams, func(c *Config) {
		c.MemoryBytes, c.CommitEvery = budget, 20*time.Millisecond
	})
	v := n.put("v", `{"stream": "s", "by": ["key"], "pane": "1h", "max_keys": 1000000, "sketches": {"d": {"kind": "hll", "of": "key"}}}`)
	greatest := int64(0)
	for i := 0; i < 2*keys; i += 1000 { // each key twice, long after one another
		events := make([]testEvent, 1000)
		for j := range events {
			events[j] = testEvent{time: int64(i), fields: map[string]any{"key": fmt.Sprint("key ", (i+j)%keys)}}
		}
		streams.append("s", i/1000%2, events)
		greatest = max(greatest, n.views.Held())
	}
	for p := position(v); p.Owed > 0; p = position(v) {
		greatest = max(greatest, n.views.Held())
		time.Sleep(time.Millisecond)
	}
	if greatest > budget*3/2 {
		t.Errorf("%d bytes were in memory, with a budget of %d", greatest, budget)
	}
	if p := position(v); p.Applied != 2*keys || p.Panes != keys {
		t.Errorf("position %+v", p)
	}
	seen := 0
	for at, events := range eventsOf(t, v) {
		if seen++; events != 2 {
			t.Errorf("%v has %d events", at, events)
		}
	}
	if seen != keys {
		t.Errorf("%d keys", seen)
	}
	t.Logf("at most %d bytes were in memory, with a budget of %d", greatest, budget)
}

// eventsOf returns how many events each pane has.
func eventsOf(t *testing.T, v *View) map[place]uint64 {
	t.Helper()
	out := map[place]uint64{}
	for _, s := range v.Partitions() {
		if _, err := s.Panes(nil, Span{All: true}, func(key []byte, from, _ int64, p *sketches.Pane) error {
			out[place{string(key), from}] += p.Events()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// What panes are said to take is what they do take.
func TestHeldIsHonest(t *testing.T) {
	const keys = 60_000
	streams := newTestStreams(t)
	streams.make("s", 1)
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	views, err := Open(t.Context(), Config{Store: store, Streams: streams, Catalog: streams.log.Catalog()})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := views.Put(t.Context(), "v", []byte(`{"stream": "s", "by": ["key"], "max_keys": 1000000, "sketches": {"d": {"kind": "hll", "of": "item"}}}`)); err != nil {
		t.Fatal(err)
	}
	v, err := views.Get("v")
	if err != nil {
		t.Fatal(err)
	}
	events := make([]testEvent, keys)
	for i := range events {
		events[i] = testEvent{fields: map[string]any{"key": fmt.Sprint("key ", i), "item": i}}
	}
	batch := batchOf(t, events)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	if err := v.Partitions()[0].apply(entryOf(1, batch), shedding.Full); err != nil {
		t.Fatal(err)
	}
	v.Partitions()[0].work = batchWork{} // scratch is not of panes
	took, held := heap()-before, views.Held()
	if share := float64(took) / float64(held); share < 0.7 || share > 1.25 {
		t.Errorf("%d keys take %d bytes, and are said to take %d", keys, took, held)
	}
	runtime.KeepAlive(batch)
}

func TestMemoryOfTheMachine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	for _, c := range []struct {
		text string
		want int64
	}{{"268435456\n", 256 << 20}, {"max\n", 0}, {"", 0}, {"-1", -1}} {
		if got := numberIn(write("limit", c.text)); got != c.want {
			t.Errorf("%q gives %d, want %d", c.text, got, c.want)
		}
	}
	if got := memTotal(write("meminfo", "MemFree:  12 kB\nMemTotal:       16384 kB\n")); got != 16<<20 {
		t.Errorf("the machine has %d bytes", got)
	}
	if got := memTotal(filepath.Join(dir, "none")); got != 0 {
		t.Errorf("a file that is not there gives %d", got)
	}
	if total := TotalMemory(); total <= 0 || DefaultMemory() != total/4 {
		t.Errorf("there are %d bytes, and %d for panes", total, DefaultMemory())
	}
}
