package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// Results are kept and compared over years, so the names of their figures are a
// format: a name that changes breaks every comparison with what was measured
// before.
func TestNamesOfResultsAreKept(t *testing.T) {
	l := Latency{}
	for name, result := range map[string]any{
		"ingest":   &IngestResult{Kind: "ingest", Timeline: []Sample{{}}},
		"generate": &GenerateResult{Kind: "generate"},
		"query":    &QueryResult{Kind: "query", Latency: map[string]Latency{"count": l}},
		"mixed":    &MixedResult{Kind: "mixed", Latency: map[string]Latency{"count": l}, Answers: map[string]summary{"count": {}}, Timeline: []Sample{{}}},
		"overload": &OverloadResult{Kind: "overload", Answers: map[string]summary{"count": {}}, AnswersAfterHealing: map[string]summary{"count": {}},
			Differences: []string{""}, Notes: []string{""}, Timeline: []Sample{{}}},
		"recovery": &RecoveryResult{Kind: "recovery"},
		"accuracy": &AccuracyResult{Kind: "accuracy", Sketches: map[string]*SketchAccuracy{
			"bloom": {Denied: new(int)}, "hotlist": {Recall: new(float64)},
		}},
		"scale":   &ScaleResult{Kind: "scale", Scale: map[string]map[string]ScalePoint{"keys": {"1000": {}}}},
		"stages":  &StagesResult{Kind: "stages", Stages: map[string]Stage{"ingest/event.DecodeNDJSON": {}}},
		"compare": &Comparison{Kind: "compare", Figures: []Difference{{Better: lowerIsBetter}}, Worse: []string{}, Different: []string{}, Missing: []string{}},
	} {
		got, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		path := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the result has become\n%s\ninstead of\n%s", name, got, want)
		}
	}
}

// Every result can be shown, even of a run in which nothing happened.
func TestTablesOfEmptyResults(t *testing.T) {
	for _, table := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return (&IngestResult{PeakRSS: 1}).Table(b) },
		func(b *bytes.Buffer) error { return (&GenerateResult{}).Table(b) },
		func(b *bytes.Buffer) error { return (&QueryResult{}).Table(b) },
		func(b *bytes.Buffer) error { return (&MixedResult{}).Table(b) },
		func(b *bytes.Buffer) error { return (&OverloadResult{}).Table(b) },
		func(b *bytes.Buffer) error { return (&RecoveryResult{}).Table(b) },
		func(b *bytes.Buffer) error { return (&AccuracyResult{}).Table(b) },
		func(b *bytes.Buffer) error { return (&ScaleResult{order: Dimensions}).Table(b) },
		func(b *bytes.Buffer) error { return (&StagesResult{Stages: map[string]Stage{"a": {}}}).Table(b) },
	} {
		var b bytes.Buffer
		if err := table(&b); err != nil || b.Len() == 0 {
			t.Errorf("%v, %d bytes", err, b.Len())
		}
	}
}

// What compare judges must be named as results name it.
func TestDirectionsMatchFigures(t *testing.T) {
	figures := map[string]float64{}
	for _, r := range []any{&IngestResult{}, &OverloadResult{Answers: map[string]summary{"count": {}}}, &RecoveryResult{}, &GenerateResult{},
		&QueryResult{Latency: map[string]Latency{"count": {}}}, &MixedResult{}, &AccuracyResult{Sketches: map[string]*SketchAccuracy{"bloom": {Denied: new(int), Recall: new(float64)}}},
		&ScaleResult{Scale: map[string]map[string]ScalePoint{"keys": {"1000": {}}}}, &StagesResult{Stages: map[string]Stage{"event.Decode": {}}}} {
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		flatten(figures, map[string]string{}, "", parsed(t, string(raw)), 0)
	}
	used := map[string]bool{"_ns": true} // of bench sketches
	for name := range figures {
		for _, d := range directions {
			if len(name) >= len(d.suffix) && name[len(name)-len(d.suffix):] == d.suffix {
				used[d.suffix] = true
				break
			}
		}
	}
	for _, d := range directions {
		if !used[d.suffix] {
			t.Errorf("no result has a figure that ends in %q", d.suffix)
		}
	}
	if len(figures) < 50 {
		t.Errorf("only %d figures", len(figures))
	}
}
