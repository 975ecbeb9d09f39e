package view

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// full is the definition that the documentation shows.
const full = `{"stream": "edits", "by": ["channel"], "where": "robot == false && added > 0",
 "pane": "1m", "keep": "24h", "rollups": [{"pane": "1h", "keep": "30d"}], "from": "earliest", "max_keys": 100000,
 "sketches": {
   "editors": {"kind": "hll", "of": "user", "error": 0.01},
   "seen":    {"kind": "bloom", "of": "page", "capacity": 100000, "error": 0.01},
   "edits":   {"kind": "countmin", "of": "page", "error": 0.0001, "confidence": 0.99},
   "hot":     {"kind": "hotlist", "of": "page", "size": 256, "weight": "added"},
   "sample":  {"kind": "reservoir", "of": "page", "size": 100},
   "recent":  {"kind": "decay", "of": "added", "half_life": "10m"}}}`

func TestDefinition(t *testing.T) {
	d, err := ParseDefinition([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if d.Pane.Width() != time.Minute || time.Duration(d.Keep) != 24*time.Hour || d.MaxKeys != 100000 || !d.From.Earliest || len(d.Sketches) != 6 {
		t.Errorf("read %+v", d)
	}
	p, err := newPlan(&d)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.items) != 2 || len(p.weights) != 1 || len(p.values) != 1 || len(p.layout.Specs()) != 6 {
		t.Errorf("columns %v %v %v", p.items, p.weights, p.values)
	}
	if i, ok := p.layout.Index("hot"); !ok || p.fields[i][0] != "page" || p.layout.Specs()[i].Weight != 0 {
		t.Errorf("hot is %d of %v", i, p.layout.Specs())
	}
}

func TestDefinitionDefaults(t *testing.T) {
	d, err := ParseDefinition([]byte(`{"stream": "s", "pane": {"count": 10}, "sketches": {
		"h": {"kind": "hll", "of": "a"}, "b": {"kind": "bloom", "of": ["a", "b"]}, "c": {"kind": "countmin", "of": "a"},
		"l": {"kind": "hotlist", "of": "a"}, "r": {"kind": "reservoir", "of": "*"}, "d": {"kind": "decay", "of": "n", "factor": 0.9}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]SketchSpec{
		"h": {Kind: sketches.KindHLL, Of: Fields{"a"}, Error: 0.01},
		"b": {Kind: sketches.KindBloom, Of: Fields{"a", "b"}, Capacity: 100_000, Error: 0.01},
		"c": {Kind: sketches.KindCountMin, Of: Fields{"a"}, Error: 0.001, Confidence: 0.99},
		"l": {Kind: sketches.KindHotList, Of: Fields{"a"}, Size: 256},
		"r": {Kind: sketches.KindReservoir, Of: Fields{"*"}, Size: 100},
		"d": {Kind: sketches.KindDecay, Of: Fields{"n"}, Factor: 0.9},
	}
	if !reflect.DeepEqual(d.Sketches, want) {
		t.Errorf("sketches %+v", d.Sketches)
	}
	if d.Fresh != event.Duration(2*time.Second) || d.Priority != NormalPriority {
		t.Errorf("fresh within %s at %s priority", d.Fresh, d.Priority)
	}
	if d.MaxKeys != 1_000_000 || d.Keep != event.Duration(7*24*time.Hour) || d.From != (From{}) {
		t.Errorf("defaults %+v", d)
	}
	if d, err = ParseDefinition([]byte(`{"stream": "s"}`)); err != nil || d.Keep != 0 || d.Pane != (PaneSpec{}) {
		t.Errorf("a view of counts alone: %+v, %v", d, err)
	}
	if d, err = ParseDefinition([]byte(`{"stream": "s", "pane": "1h", "keep": 0}`)); err != nil || d.Keep != 0 {
		t.Errorf("kept for ever: %+v, %v", d, err)
	}
	if d, err = ParseDefinition([]byte(`{"stream": "s", "pane": "30d"}`)); err != nil || d.Keep != event.Duration(30*24*time.Hour) {
		t.Errorf("a pane longer than the usual keep: %+v, %v", d, err)
	}
}

// A definition that is written back reads as itself.
func TestDefinitionRoundTrip(t *testing.T) {
	for _, text := range []string{
		full, `{"stream": "s"}`, `{"stream": "s", "pane": "90s", "keep": "0", "from": "2020-01-02T03:04:05.678Z"}`,
		`{"stream": "s", "pane": {"count": 7}, "from": 1442018818771, "by": ["a", "b.c"]}`,
	} {
		d, err := ParseDefinition([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDefinition(b)
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Errorf("%s\nwas written as %s\nand read as %+v, %v", text, b, again, err)
		}
	}
}

func TestDefinitionFaults(t *testing.T) {
	sketch := func(s string) string { return `{"stream": "s", "sketches": {"x": ` + s + `}}` }
	for _, c := range []struct {
		text string
		want []string // each has to be named
	}{
		{`nonsense`, []string{"not JSON"}},
		{`[]`, []string{"must be a JSON object"}},
		{`{"stream": "s"} {}`, []string{"something follows"}},
		{`{"stream": "s"`, []string{"not JSON"}},
		{`{"strem": "s", "by": 7, "panes": "1m"}`, []string{`"strem"`, `"panes"`, "by: 7 is not a list", "stream:"}},
		{`{"stream": "s", "stream": "t"}`, []string{"given twice"}},
		{`{"Stream": "s"}`, []string{`unknown field "Stream"`}},
		{`{"stream": "a/b"}`, []string{"not the name of a stream"}},
		{`{"stream": "s", "by": ["a", "a", ""]}`, []string{"given twice", "is not a field"}},
		{`{"stream": "s", "by": ["*"]}`, []string{"whole events"}},
		{`{"stream": "s", "where": "added >"}`, []string{"where:", "character 8"}},
		{`{"stream": "s", "pane": "fortnight"}`, []string{"pane:"}},
		{`{"stream": "s", "pane": "0s"}`, []string{"pane:"}},
		{`{"stream": "s", "pane": "1ms"}`, []string{"pane:", "100ms"}},
		{`{"stream": "s", "pane": {"count": 0}}`, []string{"pane.count"}},
		{`{"stream": "s", "pane": {"count": 5, "width": 6}}`, []string{`"pane.width"`}},
		{`{"stream": "s", "keep": "1h"}`, []string{"keep:", "pane"}},
		{`{"stream": "s", "pane": "1h", "keep": "5m"}`, []string{"keep:", "shorter"}},
		{`{"stream": "s", "pane": "1h", "rollups": [{"pane": "90m", "keep": "30d"}]}`, []string{"rollups[0].pane", "multiple"}},
		{`{"stream": "s", "pane": "1h", "rollups": [{"pane": "2h", "keep": "1d"}]}`, []string{"rollups[0].keep", "longer"}},
		{`{"stream": "s", "rollups": [{"pane": "2h", "keep": "1d"}]}`, []string{"rollups", "panes of time"}},
		{`{"stream": "s", "pane": "1h", "keep": 0, "rollups": [{"pane": "2h", "keep": "1d"}]}`, []string{"for ever"}},
		{`{"stream": "s", "from": "yesterday"}`, []string{"from:", "earliest"}},
		{`{"stream": "s", "max_keys": 0}`, []string{"max_keys"}},
		{`{"stream": "s", "max_keys": 1.5}`, []string{"max_keys", "whole number"}},
		{`{"stream": "s", "fresh": "1ms"}`, []string{"fresh: must be between 500ms and 1h"}},
		{`{"stream": "s", "fresh": 2, "priority": 7}`, []string{"fresh:", "priority: 7 is not a string"}},
		{`{"stream": "s", "priority": "urgent"}`, []string{`"urgent" is neither low, normal nor high`}},
		{`{"stream": "s", "sketches": {"a b": {"kind": "hll", "of": "a"}}}`, []string{`"a b" is not a name`}},
		{sketch(`{"kind": "magic", "of": "a"}`), []string{"sketches.x.kind", `"magic"`, "reservoir"}},
		{sketch(`{"kind": "hll"}`), []string{"sketches.x.of", "missing"}},
		{sketch(`{"kind": "hll", "of": "a", "error": 7}`), []string{"sketches.x.error", "7 is not a probability"}},
		{sketch(`{"kind": "hll", "of": "a", "error": 0}`), []string{"sketches.x.error"}},
		{sketch(`{"kind": "hll", "of": "a", "error": 0.00001}`), []string{"x"}},
		{sketch(`{"kind": "hll", "of": "a", "error": 0.1, "precision": 4}`), []string{"either error or precision"}},
		{sketch(`{"kind": "hll", "of": "a", "precision": 40}`), []string{"between 4 and 18"}},
		{sketch(`{"kind": "hll", "of": "a", "capacity": 5}`), []string{"sketches.x.capacity", "does not take"}},
		{sketch(`{"kind": "hll", "of": "*"}`), []string{"whole events"}},
		{sketch(`{"kind": "bloom", "of": "a", "bits": 100}`), []string{"bits, hashes together"}},
		{sketch(`{"kind": "bloom", "of": "a", "capacity": -1}`), []string{"capacity", "-1"}},
		{sketch(`{"kind": "bloom", "of": "a", "capacity": 1000000000000}`), []string{"capacity"}},
		{sketch(`{"kind": "countmin", "of": "a", "width": 100, "depth": 5}`), []string{"power of two"}},
		{sketch(`{"kind": "countmin", "of": "a", "error": 1e-12}`), []string{"x"}},
		{sketch(`{"kind": "countmin", "of": "a", "confidence": 1}`), []string{"confidence"}},
		{sketch(`{"kind": "hotlist", "of": "a", "size": 0, "weight": ""}`), []string{"size", "weight"}},
		{sketch(`{"kind": "reservoir", "of": ["*", "a"]}`), []string{"alone"}},
		{sketch(`{"kind": "decay", "of": "a"}`), []string{"either"}},
		{sketch(`{"kind": "decay", "of": "a", "half_life": "1m", "factor": 0.5}`), []string{"either"}},
		{sketch(`{"kind": "decay", "of": "a", "factor": 1.5}`), []string{"factor"}},
		{sketch(`{"kind": "decay", "of": ["a", "b"], "factor": 0.5}`), []string{"one numeric field"}},
		{sketch(`7`), []string{"must be a JSON object"}},
	} {
		_, err := ParseDefinition([]byte(c.text))
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v", c.text, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", c.text, want, err)
			}
		}
	}
}

func TestFixedChanges(t *testing.T) {
	parse := func(text string) *Definition {
		d, err := ParseDefinition([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	old := parse(full)
	for _, c := range []struct{ from, to, changed string }{
		{`"24h"`, `"48h"`, ""}, {`100000, "error"`, `5, "error"`, "sketches.seen"}, {`: 100000,`, `: 5,`, "sketches.seen"},
		{`"30d"`, `"60d"`, ""}, {`"earliest"`, `"latest"`, ""}, {`added > 0`, `added > 1`, "where"},
		{`["channel"]`, `["page"]`, "by"}, {`"1m"`, `"30s"`, "pane"}, {`"editors"`, `"people"`, "sketches.editors, sketches.people"},
		{`"edits", "by"`, `"other", "by"`, "stream"}, {`"of": "user"`, `"of": ["user"]`, ""},
	} {
		got := strings.Join(old.fixedChanges(parse(strings.Replace(full, c.from, c.to, 1))), ", ")
		if got != c.changed && !(c.from == `: 100000,`) {
			t.Errorf("%s to %s changes %q, want %q", c.from, c.to, got, c.changed)
		}
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"stream": "s", "pane": {"count": 5}, "sketches": {"a": {"kind": "bloom", "of": "x", "bits": 8, "hashes": 3}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDefinition(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error %v", err)
			}
			return
		}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDefinition(b)
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("%s was written as %s and read as %+v, %v", text, b, again, err)
		}
	})
}
