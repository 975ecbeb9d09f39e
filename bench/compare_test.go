package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatGotWorse(t *testing.T) {
	for _, c := range []struct {
		before, after string
		worse         []string
	}{
		{`{"events_per_second": 100}`, `{"events_per_second": 91}`, nil},
		{`{"events_per_second": 100}`, `{"events_per_second": 89}`, []string{"events_per_second"}},
		{`{"events_per_second": 100}`, `{"events_per_second": 300}`, nil},
		{`{"latency_ms": {"count": {"p50": 1, "p99": 2}}}`, `{"latency_ms": {"count": {"p50": 1.2, "p99": 2.1}}}`, []string{"latency_ms.count.p50"}},
		{`{"latency_ms": {"p999": 10, "max": 20}}`, `{"latency_ms": {"p999": 5, "max": 40}}`, []string{"latency_ms.max"}},
		{`{"peak_rss_bytes": 1000}`, `{"peak_rss_bytes": 2000}`, []string{"peak_rss_bytes"}},
		{`{"healing_seconds": 2, "freshness_target_seconds": 2}`, `{"healing_seconds": 3, "freshness_target_seconds": 9}`, []string{"healing_seconds"}},
		{`{"sketches": {"hll": {"mean_error": 0.01, "intervals_held": 0.95}}}`, `{"sketches": {"hll": {"mean_error": 0.02, "intervals_held": 0.5}}}`,
			[]string{"sketches.hll.intervals_held", "sketches.hll.mean_error"}},
		{`{"equal_after_healing": true}`, `{"equal_after_healing": false}`, []string{"equal_after_healing"}},
		{`{"equal_after_healing": false}`, `{"equal_after_healing": true}`, nil},
		{`{"lost": 0}`, `{"lost": 1}`, []string{"lost"}},
		{`{"mean_error": 1e-16}`, `{"mean_error": 5e-15}`, nil},
		{`{"six_zipf_ns": 20}`, `{"six_zipf_ns": 30}`, []string{"six_zipf_ns"}},
		{`{"connections": 4, "batch": 100}`, `{"connections": 8, "batch": 1}`, nil},
		{`{"events": 5, "seconds": 1}`, `{"events": 50, "seconds": 10}`, nil},
		{`{"events": 5, "seconds": 1}`, `{"events": 5, "seconds": 10}`, []string{"seconds"}},
		{`{"timeline": [{"seconds": 1}]}`, `{"timeline": [{"seconds": 9}]}`, nil},
		{`{"questions_per_second": 1000}`, `{"questions_per_second": 10}`, nil},
	} {
		got, err := compare(parsed(t, c.before), parsed(t, c.after), 0.1, nil)
		if err != nil || !slices.Equal(got.Worse, append([]string{}, c.worse...)) {
			t.Errorf("%s to %s: worse are %v, %v; want %v", c.before, c.after, got.Worse, err, c.worse)
		}
	}
}

func TestCompareShowsEveryFigureAndHowTheRunsDiffer(t *testing.T) {
	a := parsed(t, `{"bench": "ingest", "format": "ndjson", "connections": 4, "retries": 0, "events_per_second": 100, "old": 1, "latency_ms": {"max": 1}}`)
	b := parsed(t, `{"bench": "ingest", "format": "msgpack", "connections": 8, "retries": 3, "events_per_second": 50, "new": 1, "latency_ms": {"max": 9}}`)
	c, err := compare(a, b, 0.1, []string{"max"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range c.Figures {
		names = append(names, f.Name)
		if f.Name == "events_per_second" && (*f.Ratio != 0.5 || !f.Worse) {
			t.Errorf("half as much: %+v", f)
		}
		if f.Name == "retries" && f.Ratio != nil {
			t.Errorf("there is no ratio to nothing: %v", *f.Ratio)
		}
	}
	if !slices.Equal(names, []string{"connections", "events_per_second", "latency_ms.max", "retries"}) {
		t.Errorf("figures %v", names)
	}
	if !slices.Equal(c.Worse, []string{"events_per_second"}) {
		t.Errorf("worse are %v; max was not to be judged", c.Worse)
	}
	if len(c.Different) != 2 || len(c.Missing) != 2 {
		t.Errorf("different %v, missing %v", c.Different, c.Missing)
	}
	var out bytes.Buffer
	if err := c.Table(&out); err != nil || !strings.Contains(out.String(), "1 figures got worse by more than 10%") {
		t.Errorf("%v in %s", err, out.String())
	}
}

func TestCompareRefusesWhatIsNoResult(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ingest := write("ingest.json", `{"bench": "ingest"}`)
	for name, other := range map[string]string{
		"another kind": write("query.json", `{"bench": "query"}`), "no JSON": write("text", "events 5"), "no object": write("list.json", "[1]"),
		"null": write("null.json", "null"), "no file": filepath.Join(dir, "absent"),
	} {
		if _, err := CompareFiles(ingest, other, 0.1, nil); err == nil {
			t.Errorf("%s is taken for a result", name)
		}
	}
	if _, err := CompareFiles(ingest, ingest, 0.1, nil); err != nil {
		t.Errorf("a result is refused: %v", err)
	}
}

// Whatever two files hold, comparing ends and judges no figure worse than itself.
func FuzzCompare(f *testing.F) {
	f.Add(`{"bench":"ingest","latency_ms":{"p50":1}}`, `{"bench":"ingest","latency_ms":{"p50":2}}`)
	f.Add(`{"a":{"a":{"a":[{}]}}}`, `{}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		var a, b map[string]any
		if json.Unmarshal([]byte(before), &a) != nil || json.Unmarshal([]byte(after), &b) != nil {
			return
		}
		if c, err := compare(a, a, 0, nil); err == nil && len(c.Worse) > 0 {
			t.Errorf("worse than itself: %v", c.Worse)
		}
		if c, err := compare(a, b, 0.1, nil); err == nil {
			if _, err := json.Marshal(c); err != nil {
				t.Error(err)
			}
		}
	})
}
