package view

// This file tests that a budget of memory holds.

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
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
	for i := 0; i < keys; i += 1000 {
		events := make([]testEvent, 1000)
		for j := range events {
			events[j] = testEvent{time: int64(i), fields: map[string]any{"key": fmt.Sprint("key ", i+j)}}
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
	if p := position(v); p.Applied != keys || p.Panes != keys {
		t.Errorf("position %+v", p)
	}
	t.Logf("at most %d bytes were in memory, with a budget of %d", greatest, budget)
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
