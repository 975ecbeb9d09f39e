package bench

// `bench stages`: what `go test -bench` printed about each stage of an event's way, as
// a result that can be kept and compared, so that a regression of the whole can be
// found in its parts.

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchfmt"
)

// StagesResult is what `bench stages` reports.
type StagesResult struct {
	Kind   string           `json:"bench"`
	Stages map[string]Stage `json:"stages"` // by package and benchmark
}

// Stage is one benchmark: the medians of its runs. Figures that it does not report are 0.
type Stage struct {
	EventNS float64 `json:"event_ns"` // of an event, where the benchmark counts events
	NS      float64 `json:"ns"`       // of one operation
	Bytes   float64 `json:"bytes"`    // allocated an operation
	Allocs  float64 `json:"allocs"`   // an operation
}

// runs are a benchmark's figures, in the order of stageUnits.
type runs [len(stageUnits)][]float64

// stageUnits are the units as Go prints them, in the order of Stage's figures.
var stageUnits = [4]string{"ns/event", "ns/op", "B/op", "allocs/op"}

// ReadStages reads the output of go test -bench.
func ReadStages(r io.Reader) (*StagesResult, error) {
	stages := map[string]*runs{}
	reader := benchfmt.NewReader(io.LimitReader(r, maxResult), "benchmarks")
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			name := record.GetConfig("pkg")
			name = strings.TrimPrefix(name, "sketchlog/") + "." + withoutProcessors(record.Name)
			s := stages[name]
			if s == nil {
				s = &runs{}
				stages[name] = s
			}
			s.add(record)
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("bench stages: %w", record)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, fmt.Errorf("bench stages: %w", err)
	}
	if len(stages) == 0 {
		return nil, errors.New("bench stages: there is no benchmark in it; give it what go test -bench prints")
	}
	out := &StagesResult{Kind: "stages", Stages: map[string]Stage{}}
	for name, s := range stages {
		out.Stages[name] = Stage{EventNS: median(s[0]), NS: median(s[1]), Bytes: median(s[2]), Allocs: median(s[3])}
	}
	return out, nil
}

// add notes the figures of one run.
func (s *runs) add(r *benchfmt.Result) {
	for i, unit := range stageUnits {
		for _, v := range r.Values {
			switch unit {
			case v.OrigUnit:
				s[i] = append(s[i], v.OrigValue)
			case v.Unit:
				s[i] = append(s[i], v.Value)
			}
		}
	}
}

// withoutProcessors is a benchmark's name less the number of processors behind it.
func withoutProcessors(n benchfmt.Name) string {
	_, parts := n.Parts()
	full := n.String()
	if len(parts) > 0 {
		if last := string(parts[len(parts)-1]); strings.HasPrefix(last, "-") {
			full = strings.TrimSuffix(full, last)
		}
	}
	return full
}

// median of some values, which it sorts; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// Table writes the stages in the order of their names.
func (r *StagesResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "stage\tns/event\tns/op\tB/op\tallocs/op\t\n")
	for _, name := range slices.Sorted(maps.Keys(r.Stages)) {
		s := r.Stages[name]
		event := "-"
		if s.EventNS > 0 {
			event = fmt.Sprintf("%.1f", s.EventNS)
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.0f\t%.0f\t\n", name, event, s.NS, s.Bytes, s.Allocs)
	}
	return t.Flush()
}
