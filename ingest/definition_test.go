package ingest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sketchlog/ingest/event"
)

func TestDefaultDefinitionIsValid(t *testing.T) {
	d, err := DefaultDefinition().Patch([]byte(`{}`))
	if err != nil || d != DefaultDefinition() {
		t.Fatalf("{} made %+v, %v", d, err)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestPatchKeepsWhatItLeavesOut(t *testing.T) {
	d, err := DefaultDefinition().Patch([]byte(`{"partitions": 8, "key": "page", "time": "time", "lateness": "5m", "retention": {"bytes": 10737418240}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultDefinition()
	want.Partitions, want.Key, want.Time, want.Lateness = 8, "page", "time", event.Duration(5*time.Minute)
	want.Retention.Bytes = 10737418240
	if d != want {
		t.Fatalf("got %+v, want %+v", d, want)
	}
	d, err = d.Patch([]byte(`{"retention": {"age": "48h", "when_full": "refuse"}, "ahead": "0", "lateness": null}`))
	if err != nil {
		t.Fatal(err)
	}
	want.Retention.Age, want.Retention.WhenFull, want.Ahead = event.Duration(48*time.Hour), Refuse, 0
	if d != want {
		t.Fatalf("got %+v, want %+v", d, want)
	}
	if again, err := d.Patch(nil); err != nil || again != d {
		t.Fatalf("an empty body made %+v, %v", again, err)
	}
}

func TestDefinitionSurvivesJSON(t *testing.T) {
	want := DefaultDefinition()
	want.Key, want.Time, want.Ahead, want.Retention = "a.b", "t", 0, Retention{Bytes: 1 << 30, WhenFull: Refuse}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DefaultDefinition().Patch(body)
	if err != nil || got != want {
		t.Fatalf("%s became %+v, %v", body, got, err)
	}
}

// Each fault must be named, and all of a body at once.
func TestBadDefinitions(t *testing.T) {
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"partitons": 3}`, []string{`"partitons"`, "partitions"}},
		{`{"Partitions": 3}`, []string{`"Partitions"`}},
		{`{"partitions": -3}`, []string{"partitions is -3"}},
		{`{"partitions": 0}`, []string{"partitions is 0"}},
		{`{"partitions": 257}`, []string{"partitions is 257"}},
		{`{"partitions": 2.5}`, []string{"partitions: 2.5 is not a whole number"}},
		{`{"partitions": "4"}`, []string{`partitions: "4" is not a whole number`}},
		{`{"partitions": 99999999999999999999}`, []string{"partitions"}},
		{`{"replicas": 0, "partitions": -1}`, []string{"replicas is 0", "partitions is -1"}},
		{`{"replicas": "x", "lateness": "soon", "ahead": "-5m", "nonsense": 1}`, []string{"replicas", "lateness", "ahead", `"nonsense"`}},
		{`{"key": 7}`, []string{"key: 7 is not a string"}},
		{`{"key": "a\u0000b"}`, []string{"control characters"}},
		{`{"time": "` + strings.Repeat("x", 257) + `"}`, []string{"longer than 256"}},
		{`{"retention": 7}`, []string{"retention must be a JSON object"}},
		{`{"retention": {"size": 7, "age": 5.5}}`, []string{`"retention.size"`, "retention.age"}},
		{`{"retention": {"when_full": "panic"}}`, []string{"when_full", "drop-oldest"}},
		{`{"retention": {"when_full": "refuse"}}`, []string{"give retention.bytes"}},
		{`{"retention": {"bytes": -1}}`, []string{"retention.bytes is -1"}},
		{`{"retention": {"bytes": 10}}`, []string{"retention.bytes is 10"}},
		{`{"partitions": 1, "partitions": 2}`, []string{"twice"}},
		{`[]`, []string{"JSON object"}},
		{`{"partitions": 1`, []string{"not JSON"}},
		{`{"partitions": 1} {}`, []string{"follows"}},
		{`{"partitions" 1}`, []string{"not JSON"}},
		{`{"key": "` + strings.Repeat("x", maxDefinition) + `"}`, []string{"bytes"}},
	} {
		d, err := DefaultDefinition().Patch([]byte(c.body))
		err = errors.Join(err, d.Validate())
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%.100s: got %v, want ErrInvalid", c.body, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.100s: %q does not say %q", c.body, err, want)
			}
		}
	}
}

func TestWhatCannotChange(t *testing.T) {
	old := DefaultDefinition()
	old.Key, old.Time = "page", "time"
	for _, c := range []struct {
		name   string
		change func(*Definition)
		faults int
	}{
		{"nothing", func(*Definition) {}, 0},
		{"more partitions", func(d *Definition) { d.Partitions++ }, 0},
		{"the rest", func(d *Definition) {
			d.Replicas, d.Lateness, d.Ahead, d.Retention = 3, 0, 0, Retention{Bytes: 1 << 30, WhenFull: Refuse}
		}, 0},
		{"fewer partitions", func(d *Definition) { d.Partitions-- }, 1},
		{"no key", func(d *Definition) { d.Key = "" }, 1},
		{"all", func(d *Definition) { d.Partitions, d.Key, d.Time = 1, "x", "y" }, 3},
	} {
		next := old
		c.change(&next)
		err := old.change(next)
		if (err != nil) != (c.faults > 0) || err != nil && (!errors.Is(err, ErrConflict) || strings.Count(err.Error(), ErrConflict.Error()) != c.faults) {
			t.Errorf("%s: got %v, want %d faults", c.name, err, c.faults)
		}
	}
}

func TestOptionsForDecoding(t *testing.T) {
	d := DefaultDefinition()
	d.Time = "at"
	if o := d.Options(); o.Time != "at" || o.Ahead != 10*time.Minute {
		t.Errorf("got %+v", o)
	}
	d.Ahead = 0
	if o := d.Options(); o.Ahead >= 0 {
		t.Errorf("ahead 0 is not checked, but decoding got %v", o.Ahead)
	}
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "A-b_9": true, strings.Repeat("x", 64): true,
		"": false, "a b": false, "a/b": false, "é": false, "a\n": false, strings.Repeat("x", 65): false,
	} {
		if err := checkName("stream", name); (err == nil) != good || !good && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Hostile bytes are refused or understood, and what is understood survives being written and read again.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"partitions": 4, "replicas": 1, "key": "page", "time": "time", "lateness": "1m", "ahead": "0", "retention": {"age": "168h", "bytes": 10737418240, "when_full": "drop-oldest"}}`,
		`{"retention": {"bytes": 1e3}}`, `{"retention": null, "key": "é\ud800"}`, `[[[[`, `{"a":{"a":{"a":{}}}}`, `{"lateness": 5}`, `{} x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := DefaultDefinition().Patch(body)
		if err == nil {
			err = d.Validate()
		}
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		written, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DefaultDefinition().Patch(written)
		if err != nil || again != d {
			t.Fatalf("%+v was written as %s and read as %+v, %v", d, written, again, err)
		}
	})
}
