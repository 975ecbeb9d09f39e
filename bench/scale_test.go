package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestScaleChecksEveryPointBeforeItBegins(t *testing.T) {
	load := LoadConfig{Workload: W(time.UnixMilli(0)), Format: NDJSON, Acks: "all", Connections: 1, Batch: 100, Partitions: 1}
	launched := errors.New("launched")
	c := ScaleConfig{Load: load, Runs: 1, Dimensions: Dimensions, Launch: func(context.Context) (*Target, error) { return nil, launched }}
	if err := c.Validate(); err != nil {
		t.Errorf("the dimensions there are: %v", err)
	}
	if _, err := Scale(t.Context(), c); !errors.Is(err, launched) {
		t.Errorf("%v instead of the launch's failure", err)
	}
	views, err := DimensionOf("views")
	if err != nil {
		t.Fatal(err)
	}
	views.Values = []int{1, 1000}
	c.Dimensions, c.Runs = []Dimension{views}, 0
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "views of 1000") || !strings.Contains(err.Error(), "runs") {
		t.Errorf("not every fault is named: %v", err)
	}
	if _, err := DimensionOf("colour"); err == nil || !strings.Contains(err.Error(), "partitions") {
		t.Errorf("an unknown dimension: %v", err)
	}
}

const benchmarks = `goos: linux
pkg: sketchlog/ingest/event
cpu: none
BenchmarkDecode/ndjson-2   	      10	   1000000 ns/op	  100.0 ns/event	      16 B/op	       1 allocs/op
BenchmarkDecode/ndjson-2   	      10	   3000000 ns/op	  300.0 ns/event	      16 B/op	       1 allocs/op
BenchmarkDecode/ndjson-2   	      10	   2000000 ns/op	  200.0 ns/event	      48 B/op	       1 allocs/op
PASS
pkg: sketchlog/query
BenchmarkAnswer-16 	    1000	      4000 ns/op
ok  	sketchlog/query	1.0s
`

func TestStagesAreTheMediansOfTheirRuns(t *testing.T) {
	r, err := ReadStages(strings.NewReader(benchmarks))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Stage{
		"ingest/event.Decode/ndjson": {EventNS: 200, NS: 2e6, Bytes: 16, Allocs: 1},
		"query.Answer":               {NS: 4000},
	}
	if len(r.Stages) != len(want) {
		t.Errorf("stages %v", r.Stages)
	}
	for name, stage := range want {
		if r.Stages[name] != stage {
			t.Errorf("%s is %+v, want %+v", name, r.Stages[name], stage)
		}
	}
	for _, text := range []string{"", "PASS\n", "BenchmarkX-2 ten 5 ns/op\n"} {
		if _, err := ReadStages(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for results", text)
		}
	}
}
