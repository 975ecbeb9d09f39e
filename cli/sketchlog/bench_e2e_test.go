//go:build e2e

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// benchmark runs one bench command as a process, which starts a server of its
// own, and returns its result.
func benchmark(t *testing.T, args ...string) map[string]any {
	t.Helper()
	plot := filepath.Join(t.TempDir(), "plot.svg")
	drawn := args[0] != "recovery"
	if drawn {
		args = append(args, "--plot", plot)
	}
	cmd := exec.CommandContext(t.Context(), binary, append(append([]string{"bench"}, args...), "-o", "json")...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bench %v: %v\n%s", args, err, stderr.String())
	}
	var result map[string]any
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("bench %v: %v in %s", args, err, out)
	}
	if drawn {
		f, err := os.Open(plot)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := xml.NewDecoder(f); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("bench %v: the plot: %v", args, err)
			}
		}
	}
	return result
}

// figureOf reads one figure by its dotted path.
func figureOf(t *testing.T, result map[string]any, path string) float64 {
	t.Helper()
	var at any = result
	for _, name := range strings.Split(path, ".") {
		fields, ok := at.(map[string]any)
		if !ok || fields[name] == nil {
			t.Fatalf("the result has no %s: %v", path, result)
		}
		at = fields[name]
	}
	if b, ok := at.(bool); ok {
		at = 0.0
		if b {
			at = 1.0
		}
	}
	return at.(float64)
}

// Each bench command runs at a small size and reports what it promises.
func TestBench(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		least map[string]float64 // figures, and what they are at least
	}{
		{"ingest", []string{"--events", "20000", "--event-bytes", "200", "--late", "0.1", "--lateness", "1m", "--views", "3", "--warm-up", "100ms"},
			map[string]float64{"events": 20000, "acknowledged": 20000, "events_per_second": 1, "latency_ms.p50": 0, "latency_ms.p99": 0, "latency_ms.p999": 0,
				"latency_ms.max": 0.01, "peak_rss_bytes": 1 << 20, "cpu_seconds": 0.01, "seconds": 0, "views": 3}},
		{"ingest", []string{"--duration", "500ms", "--rate", "20000", "--batch", "500", "--format", "msgpack"}, map[string]float64{"acknowledged": 5000, "events_per_second": 1000}},
		{"query", []string{"--events", "20000", "--duration", "500ms", "--rate", "200", "--warm-up", "100ms"},
			map[string]float64{"latency_ms.count.p50": 0.001, "latency_ms.distinct.p99": 0.001, "latency_ms.topk over 60 panes.max": 0.001, "asked": 100}},
		{"mixed", []string{"--duration", "1s", "--rate", "20000", "--batch", "500", "--questions", "100"},
			map[string]float64{"acknowledged": 10000, "events_per_second": 1000, "latency_ms.sum.p99": 0.001, "freshness_seconds.p99": 0, "intervals_held": 0.8, "answers.count.intervals_held": 1}},
		{"accuracy", []string{"--events", "20000", "--ask-keys", "20", "--ask-items", "10"},
			map[string]float64{"sketches.hll.intervals_held": 0.7, "sketches.hll.mean_error": 0, "sketches.decay.intervals_held": 1, "sketches.bloom.intervals_held": 0.7,
				"sketches.countmin.intervals_held": 0.9, "sketches.hotlist.max_error": 0, "sketches.reservoir.intervals_held": 0.5}},
		{"scale", []string{"--events", "20000", "--of", "partitions"},
			map[string]float64{"events": 20000, "scale.partitions.1.events_per_second": 1, "scale.partitions.8.server_microseconds": 0.01, "scale.partitions.8.peak_rss_bytes": 1 << 20}},
		{"recovery", []string{"--events", "30000"},
			map[string]float64{"events_in_log": 30000, "ready_seconds": 0.001, "caught_up_seconds": 0.001, "replay_events_per_second": 1}},
		{"overload", []string{"--duration", "1s", "--batch", "500", "--connections", "16", "--capacity", "50000", "--fresh", "2s"},
			map[string]float64{"acknowledged": 1000, "applied_after_healing": 1000, "freshness_p99_seconds": 0, "freshness_target_seconds": 2, "least_rate": 0,
				"intervals_held": 0.8, "equal_after_healing": 1, "healing_seconds": 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := benchmark(t, append([]string{c.name}, c.args...)...)
			for path, least := range c.least {
				if got := figureOf(t, result, path); got < least {
					t.Errorf("%s is %v; it should be at least %v", path, got, least)
				}
			}
			if result["bench"] != c.name {
				t.Errorf("the result says it is of %v", result["bench"])
			}
		})
	}
}

// A server that runs already is measured through --addr, more than once.
func TestBenchAgainstARunningServer(t *testing.T) {
	p := startProcess(t)
	for range 2 {
		result := benchmark(t, "ingest", "--events", "5000", "--addr", p.address())
		if figureOf(t, result, "acknowledged") != 5000 || figureOf(t, result, "peak_rss_bytes") != 0 {
			t.Errorf("%v", result)
		}
	}
}
