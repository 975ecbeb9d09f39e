package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// TestSketchesReport: a small run has every figure that the API names, and ends
// with them as one line of JSON.
func TestSketchesReport(t *testing.T) {
	c := SketchesConfig{Events: 20_000, Runs: 1, Items: 5000, Seed: 1}
	steps := 0
	r, err := Sketches(c, func(string) { steps++ })
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Table(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var figures map[string]float64
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &figures); err != nil {
		t.Fatalf("the last line is %q: %v", lines[len(lines)-1], err)
	}
	for _, name := range []string{"six_zipf_ns", "six_uniform_ns", "six_1k_keys_ns", "six_100k_keys_ns", "libraries_zipf_ns", "libraries_uniform_ns"} {
		if figures[name] <= 0 {
			t.Errorf("%s is %v", name, figures[name])
		}
	}
	if steps < len(figures)/2 {
		t.Errorf("progress was told %d times", steps)
	}
}

func TestSketchesConfig(t *testing.T) {
	good := SketchesConfig{Events: 1, Runs: 1, Items: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []SketchesConfig{{Runs: 1, Items: 1}, {Events: 1, Items: 1}, {Events: 1, Runs: 1}, {Events: 1<<30 + 1, Runs: 1, Items: 1}} {
		if _, err := Sketches(bad, func(string) {}); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// TestGroupingCountsEverything: what is measured on many keys does the work:
// every event reaches its key's pane, under the product's own hash.
func TestGroupingCountsEverything(t *testing.T) {
	const keys, batch = 50, 512
	s := newSketchStream(SketchesConfig{Events: 3000, Items: 40, Seed: 2}, 1, keys)
	l, err := newLayout(keySize())
	if err != nil {
		t.Fatal(err)
	}
	g, panes := newGrouping(keys, batch), make([]*sketches.Pane, keys)
	s.batches(batch, &stopwatch{}, func(b *sketchStream) {
		g.group(b)
		g.apply(l, panes)
	})
	counts := make([]map[string]int, keys)
	events := make([]uint64, keys)
	for i, key := range s.keys {
		if counts[key] == nil {
			counts[key] = map[string]int{}
		}
		counts[key][string(s.AppendItem(nil, int32(i)))]++
		events[key]++
	}
	for key, pane := range panes {
		if pane.Events() != events[key] || pane.Distinct(0, 0.95).Value != float64(len(counts[key])) {
			t.Errorf("key %d: %d events, %v items; want %d, %d", key, pane.Events(), pane.Distinct(0, 0.95), events[key], len(counts[key]))
		}
		for item, n := range counts[key] {
			if f := pane.Frequency(2, event.HashItem([]byte(item)), 0.95); f.Value != float64(n) {
				t.Errorf("key %d, item %q: %v times, want %d", key, item, f, n)
			}
		}
	}
}
