package view

// This file reads a definition from JSON, strictly: unknown, repeated and
// wrongly typed fields are refused, all of them named at once. encoding/json's
// own strictness stops at the first fault, takes "Stream" for "stream" and
// cannot say which sketch a fault is in.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// maxDefinition is the longest JSON of a definition, in bytes.
const maxDefinition = 1 << 20

// ParseDefinition reads a view's JSON, fills in defaults and checks it. The
// error wraps ErrInvalid and joins every fault.
func ParseDefinition(body []byte) (Definition, error) { return parseDefinition(body, nil) }

// parseDefinition is ParseDefinition for a view that exists as old, or does not:
// nil. What can change of a view stays as it is when it is left out: a default in
// its place could drop panes that nobody spoke of.
func parseDefinition(body []byte, old *Definition) (Definition, error) {
	var d Definition
	var f faults
	if len(body) > maxDefinition {
		f.add("", "the definition has %d bytes, and %d are allowed", len(body), maxDefinition)
		return d, f.err()
	}
	given := d.read(&f, body)
	if !f.structural {
		d.fill(given, old)
		d.validate(&f)
	}
	return d, f.err()
}

// faults gathers what is wrong with a definition.
type faults struct {
	all        []error
	structural bool // not even the outer object could be read
}

// maxFaults bounds the answer to a hostile definition.
const maxFaults = 100

func (f *faults) add(path, format string, args ...any) {
	if len(f.all) == maxFaults {
		return
	}
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	f.all = append(f.all, errors.New(text))
}

func (f *faults) err() error {
	if len(f.all) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(f.all...))
}

// members reads a JSON object into its members, and hands each that is not
// null to the reader of its name. It reports whether the object could be read.
func (f *faults) members(path string, raw []byte, readers map[string]func(path string, raw []byte)) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil {
		f.add(path, "not JSON: %v", err)
		return false
	} else if start != json.Delim('{') {
		f.add(path, "must be a JSON object")
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			f.add(path, "not JSON: %v", err)
			return false
		}
		name, _ := token.(string)
		inner := name
		if path != "" {
			inner = path + "." + name
		}
		read, known := readers[name]
		if !known {
			read, known = readers[whole]
		}
		switch {
		case !known:
			f.add("", "unknown field %.100q; known are %s", inner, strings.Join(slices.Sorted(maps.Keys(readers)), ", "))
		case seen[name]:
			f.add(inner, "given twice")
		case string(value) != "null":
			read(inner, value)
		}
		seen[name] = true
	}
	if _, err := dec.Token(); err != nil {
		f.add(path, "not JSON: %v", err)
		return false
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		f.add(path, "something follows the closing brace: %.40q", rest)
		return false
	}
	return true
}

// into returns a reader that stores a value of a type that encoding/json knows.
func into[T any](f *faults, target *T, want string) func(string, []byte) {
	return func(path string, raw []byte) {
		if err := json.Unmarshal(raw, target); err != nil {
			f.add(path, "%.80s is not %s", raw, want)
		}
	}
}

const (
	aString   = "a string"
	aWhole    = "a whole number"
	aNumber   = "a number"
	aDuration = `a duration such as "90s", "5m", "24h" or "30d"`
)

// given says which of the fields were present whose default depends on others, or on the view that there is.
type given struct{ keep, rollups, maxKeys, fresh, priority bool }

// read fills d from its JSON.
func (d *Definition) read(f *faults, body []byte) given {
	var g given
	d.By, d.Sketches = []string{}, map[string]SketchSpec{}
	d.Fresh, d.Priority = defaultFresh, NormalPriority
	f.structural = !f.members("", body, map[string]func(string, []byte){
		"stream": into(f, &d.Stream, aString),
		"by":     into(f, &d.By, "a list of fields"),
		"where":  into(f, &d.Where, aString),
		"pane":   func(path string, raw []byte) { d.Pane.read(f, path, raw) },
		"keep": func(path string, raw []byte) {
			g.keep = true
			into(f, &d.Keep, aDuration)(path, raw)
		},
		"rollups": func(path string, raw []byte) {
			g.rollups = true
			d.readRollups(f, path, raw)
		},
		"from": func(path string, raw []byte) { d.From.read(f, path, raw) },
		"max_keys": func(path string, raw []byte) {
			g.maxKeys = true
			into(f, &d.MaxKeys, aWhole)(path, raw)
		},
		"fresh": func(path string, raw []byte) {
			g.fresh = true
			into(f, &d.Fresh, aDuration)(path, raw)
		},
		"priority": func(path string, raw []byte) {
			g.priority = true
			into(f, &d.Priority, aString)(path, raw)
		},
		"sketches": func(path string, raw []byte) {
			f.members(path, raw, map[string]func(string, []byte){whole: func(path string, raw []byte) {
				var s SketchSpec
				s.read(f, path, raw)
				d.Sketches[strings.TrimPrefix(path, "sketches.")] = s
			}})
		},
	})
	return g
}

func (p *PaneSpec) read(f *faults, path string, raw []byte) {
	if raw[0] == '{' {
		f.members(path, raw, map[string]func(string, []byte){"count": func(path string, raw []byte) {
			into(f, &p.Count, aWhole)(path, raw)
			if p.Count < 1 || p.Count > maxPaneCount {
				f.add(path, "must be between 1 and %d", maxPaneCount)
			}
		}})
		if p.Count == 0 {
			f.add(path, `write {"count": 1000} for a pane per 1,000 events`)
		}
		return
	}
	if err := json.Unmarshal(raw, &p.Every); err != nil {
		f.add(path, `%.80s is neither %s nor {"count": 1000}`, raw, aDuration)
	} else if p.Every == 0 {
		f.add(path, "must be longer than nothing; leave it out for one pane of all time")
	}
}

func (d *Definition) readRollups(f *faults, path string, raw []byte) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		f.add(path, `must be a list such as [{"pane": "1h", "keep": "30d"}]`)
		return
	}
	if len(list) > maxRollups {
		f.add(path, "has %d steps, and %d are allowed", len(list), maxRollups)
		return
	}
	for i, raw := range list {
		var r Rollup
		path := fmt.Sprintf("%s[%d]", path, i)
		f.members(path, raw, map[string]func(string, []byte){
			"pane": into(f, &r.Pane, aDuration),
			"keep": into(f, &r.Keep, aDuration),
		})
		d.Rollups = append(d.Rollups, r)
	}
}

func (t *From) read(f *faults, path string, raw []byte) {
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			f.add(path, "%v", err)
			return
		}
	}
	switch text {
	case "latest":
		return
	case "earliest":
		t.Earliest = true
		return
	}
	at, err := event.ParseMoment(text)
	if err != nil {
		f.add(path, `%.80s is neither "latest", "earliest" nor a time (RFC 3339 or Unix milliseconds)`, raw)
		return
	}
	*t = From{Earliest: true, Since: true, Time: at}
}

func (s *SketchSpec) read(f *faults, path string, raw []byte) {
	var kind string
	present := map[string]bool{}
	note := func(name string, read func(string, []byte)) func(string, []byte) {
		return func(path string, raw []byte) {
			present[name] = true
			read(path, raw)
		}
	}
	readers := map[string]func(string, []byte){
		"kind":       into(f, &kind, aString),
		"of":         func(path string, raw []byte) { s.Of.read(f, path, raw) },
		"weight":     into(f, &s.Weight, aString),
		"error":      into(f, &s.Error, aNumber),
		"confidence": into(f, &s.Confidence, aNumber),
		"precision":  into(f, &s.Precision, aWhole),
		"capacity":   into(f, &s.Capacity, aWhole),
		"bits":       into(f, &s.Bits, aWhole),
		"hashes":     into(f, &s.Hashes, aWhole),
		"width":      into(f, &s.Width, aWhole),
		"depth":      into(f, &s.Depth, aWhole),
		"size":       into(f, &s.Size, aWhole),
		"half_life":  into(f, &s.HalfLife, aDuration),
		"factor":     into(f, &s.Factor, aNumber),
	}
	for name, read := range readers {
		readers[name] = note(name, read)
	}
	if !f.members(path, raw, readers) {
		return
	}
	s.Kind = sketches.Kind(kind)
	s.settle(f, path, present)
}

func (list *Fields) read(f *faults, path string, raw []byte) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*list = Fields{one}
		return
	}
	var several []string
	if err := json.Unmarshal(raw, &several); err != nil {
		f.add(path, "%.80s is neither a field nor a list of fields", raw)
		return
	}
	*list = several
}

// list joins names for a message.
func list(names []string) string { return strings.Join(names, ", ") }
