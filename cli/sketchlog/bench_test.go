package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBenchRefusesWrongUsage(t *testing.T) {
	for _, line := range []string{
		"bench", "bench nonsense", "bench ingest extra", "bench ingest --workload x", "bench ingest --workload w --events 5",
		"bench ingest --format xml", "bench ingest --acks 2", "bench ingest --connections 0", "bench ingest --batch 0", "bench ingest --rate -1",
		"bench ingest --late 0.5", "bench ingest --late 2 --lateness 1m", "bench ingest --events 5 --duration 1s", "bench ingest --events 0",
		"bench ingest --event-bytes -1", "bench ingest --key-skew -1", "bench ingest --views 65", "bench ingest --partitions 0",
		"bench query --rate 0", "bench query --duration 0s", "bench query --question-connections 0",
		"bench mixed --events 5", "bench mixed --duration 0s", "bench mixed --acks 0",
		"bench overload --times 0", "bench overload --fresh soon", "bench overload --acks 0", "bench overload --capacity -1",
		"bench recovery --addr http://127.0.0.1:1", "bench recovery --plot x.svg", "bench accuracy --ask-keys 0",
		"bench scale --of colour", "bench scale --of keys --runs 0", "bench scale --addr http://127.0.0.1:1", "bench stages one two",
		"bench compare", "bench compare one", "bench compare one two --tolerance -1",
	} {
		if code, _, stderr := execute(t, "", strings.Fields(line)...); code != exitUsage {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
	}
}

func TestBenchDryRunNeedsNoServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "result.json")
	code, stdout, stderr := execute(t, "", "bench", "ingest", "--dry-run", "--events", "20000", "-o", "json", "--save", file)
	var shown, saved map[string]any
	if code != exitDone || json.Unmarshal([]byte(stdout), &shown) != nil || shown["events"] != 20000.0 || shown["events_per_second"].(float64) <= 0 {
		t.Fatalf("exit code %d, %s%s", code, stdout, stderr)
	}
	raw, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(raw, &saved) != nil || saved["events"] != shown["events"] {
		t.Errorf("the file holds %s, %v", raw, err)
	}
}

func TestBenchCompareTellsByItsExitCode(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	before := write("before", `{"bench": "ingest", "events_per_second": 100, "latency_ms": {"max": 5}}`)
	slower := write("slower", `{"bench": "ingest", "events_per_second": 80, "latency_ms": {"max": 5}}`)
	spiky := write("spiky", `{"bench": "ingest", "events_per_second": 100, "latency_ms": {"max": 50}}`)
	other := write("other", `{"bench": "query"}`)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{before, before}, exitDone, "0 figures got worse"},
		{[]string{before, slower}, exitRefused, "0.800"},
		{[]string{slower, before}, exitDone, "1.250"},
		{[]string{before, slower, "--tolerance", "0.3"}, exitDone, "30%"},
		{[]string{before, spiky}, exitRefused, "latency_ms.max"},
		{[]string{before, spiky, "--ignore", "max"}, exitDone, "latency_ms.max"},
		{[]string{before, slower, "-o", "json"}, exitRefused, `"worse":["events_per_second"]`},
		{[]string{before, other}, exitRefused, ""},
		{[]string{before, filepath.Join(dir, "absent")}, exitRefused, ""},
	} {
		code, stdout, stderr := execute(t, "", append([]string{"bench", "compare"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout, c.says) {
			t.Errorf("%v: exit code %d, %s%s", c.args, code, stdout, stderr)
		}
	}
}

func TestBenchStagesReadsWhatGoPrints(t *testing.T) {
	printed := "pkg: sketchlog/query\nBenchmarkAnswer-2 	 1000	 4000 ns/op	 7 allocs/op\n"
	code, stdout, stderr := execute(t, printed, "bench", "stages", "-o", "json")
	if code != exitDone || !strings.Contains(stdout, `"query.Answer":{"event_ns":0,"ns":4000,"bytes":0,"allocs":7}`) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if code, _, _ := execute(t, "no benchmark", "bench", "stages"); code != exitRefused {
		t.Errorf("exit code %d for input without benchmarks", code)
	}
}

// Every run of the suite must be one that the command line takes.
func TestSuiteRunsAreCommands(t *testing.T) {
	for _, quick := range []bool{false, true} {
		for _, run := range suite(quick) {
			group := benchCommand(&remote{})
			cmd, rest, err := group.Find(run.args)
			if err != nil || cmd == group {
				t.Errorf("%v: %v", run.args, err)
				continue
			}
			if err := cmd.ParseFlags(slices.Concat(rest, []string{"--save", "x"})); err != nil {
				t.Errorf("%v: %v", run.args, err)
			}
		}
	}
}
