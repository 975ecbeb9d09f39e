package bench

// `bench compare`: two results of the same kind, figure by figure.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Directions in which a figure gets better.
const (
	higherIsBetter = "higher"
	lowerIsBetter  = "lower"
	neither        = ""
)

// directions are searched in order for the end of a figure's path; the first
// that matches decides. What matches none describes the run and is not judged.
var directions = []struct{ suffix, better string }{
	{"questions_per_second", neither}, {"capacity_events_per_second", higherIsBetter},
	{"per_second", higherIsBetter}, {"per_cpu_second", higherIsBetter},
	{"intervals_held", higherIsBetter}, {"intervals_held_after_healing", higherIsBetter},
	{"least_rate", higherIsBetter}, {"recall", higherIsBetter}, {"equal_after_healing", higherIsBetter},
	{"freshness_target_seconds", neither},
	{"p50", lowerIsBetter}, {"p99", lowerIsBetter}, {"p999", lowerIsBetter}, {".max", lowerIsBetter},
	{"microseconds", lowerIsBetter},
	{"seconds", lowerIsBetter}, {"_ns", lowerIsBetter}, {".ns", lowerIsBetter}, {".allocs", lowerIsBetter}, {"peak_rss_bytes", lowerIsBetter},
	{"mean_error", lowerIsBetter}, {"max_error", lowerIsBetter},
	{"exact_wrong", lowerIsBetter}, {"false_negatives", lowerIsBetter}, {"lost", lowerIsBetter}, {"outcome_unknown", lowerIsBetter},
}

// seconds of these are as long as they were told to be.
var ownDuration = map[string]bool{"seconds": true}

func directionOf(path string, sameWork bool) string {
	if ownDuration[path] && !sameWork {
		return neither
	}
	for _, d := range directions {
		if strings.HasSuffix(path, d.suffix) {
			return d.better
		}
	}
	return neither
}

// Comparison is two results, figure by figure in the order of names.
type Comparison struct {
	Kind      string       `json:"bench"`
	Of        string       `json:"of"` // what both results are
	Tolerance float64      `json:"tolerance"`
	Figures   []Difference `json:"figures"`
	Worse     []string     `json:"worse"`     // those that got worse by more than the tolerance
	Different []string     `json:"different"` // in which the runs were not the same
	Missing   []string     `json:"missing"`   // figures of only one of the two
}

// Difference is one figure of both results.
type Difference struct {
	Name   string   `json:"name"`
	Before float64  `json:"before"`
	After  float64  `json:"after"`
	Ratio  *float64 `json:"ratio"`            // after to before; null when only before is 0
	Better string   `json:"better,omitempty"` // higher, lower, or neither
	Worse  bool     `json:"worse"`
}

// CompareFiles reads two results that were written as JSON. Names in ignore are
// shown and not judged; a name stands for every figure that ends in it.
func CompareFiles(before, after string, tolerance float64, ignore []string) (*Comparison, error) {
	a, err := readResult(before)
	if err != nil {
		return nil, fmt.Errorf("bench compare: %w", err)
	}
	b, err := readResult(after)
	if err != nil {
		return nil, fmt.Errorf("bench compare: %w", err)
	}
	return compare(a, b, tolerance, ignore)
}

// maxResult bounds what is read of a result, and maxResultDepth how deep.
const (
	maxResult      = 64 << 20
	maxResultDepth = 16
)

func readResult(path string) (map[string]any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxResult+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxResult {
		return nil, fmt.Errorf("%s has more than %d bytes, and no result has", path, maxResult)
	}
	var result map[string]any
	if err := json.Unmarshal(raw, &result); err != nil || result == nil {
		return nil, errors.Join(fmt.Errorf("%s is not the JSON object that a bench command writes with -o json or --save", path), err)
	}
	return result, nil
}

// flatten collects numbers, and truths as 0 and 1, by dotted path. Lists are
// left out: they are timelines, which belong to one run.
func flatten(into map[string]float64, texts map[string]string, prefix string, v any, depth int) {
	switch v := v.(type) {
	case float64:
		into[prefix] = v
	case bool:
		into[prefix] = 0
		if v {
			into[prefix] = 1
		}
	case string:
		texts[prefix] = v
	case map[string]any:
		for name, field := range v {
			if depth < maxResultDepth {
				path := name
				if prefix != "" {
					path = prefix + "." + name
				}
				flatten(into, texts, path, field, depth+1)
			}
		}
	}
}

func compare(before, after map[string]any, tolerance float64, ignore []string) (*Comparison, error) {
	a, b := map[string]float64{}, map[string]float64{}
	textA, textB := map[string]string{}, map[string]string{}
	flatten(a, textA, "", before, 0)
	flatten(b, textB, "", after, 0)
	if textA["bench"] != textB["bench"] {
		return nil, fmt.Errorf("bench compare: results of different kinds: %q and %q", textA["bench"], textB["bench"])
	}
	c := &Comparison{Kind: "compare", Of: textA["bench"], Tolerance: tolerance, Figures: []Difference{}, Worse: []string{}, Different: []string{}, Missing: []string{}}
	for _, name := range slices.Sorted(maps.Keys(textA)) {
		if textA[name] != textB[name] {
			c.Different = append(c.Different, fmt.Sprintf("%s: %q and %q", name, textA[name], textB[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, both := b[name]; !both {
			c.Missing = append(c.Missing, name+" (only before)")
			continue
		}
		d := differenceOf(name, a[name], b[name], a["events"] == b["events"])
		ignored := slices.ContainsFunc(ignore, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
		if d.Worse = !ignored && worse(d, tolerance); d.Worse {
			c.Worse = append(c.Worse, name)
		}
		if d.Better == neither && d.Before != d.After && describes[name] {
			c.Different = append(c.Different, fmt.Sprintf("%s: %v and %v", name, d.Before, d.After))
		}
		c.Figures = append(c.Figures, d)
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, both := a[name]; !both {
			c.Missing = append(c.Missing, name+" (only after)")
		}
	}
	return c, nil
}

// describes are figures that say what was run: where they differ, the others
// can hardly be compared.
var describes = map[string]bool{
	"events": true, "connections": true, "batch": true, "partitions": true, "views": true, "keys": true, "items": true,
	"rate": true, "times": true, "questions_per_second": true,
}

func differenceOf(name string, before, after float64, sameWork bool) Difference {
	d := Difference{Name: name, Before: before, After: after, Better: directionOf(name, sameWork)}
	switch {
	case before == after:
		one := 1.0
		d.Ratio = &one
	case before != 0:
		ratio := after / before
		d.Ratio = &ratio
	}
	return d
}

// worse reports whether a figure got worse by more than the tolerance, as a
// share of what it was. From nothing to something bad is always more; what is no
// more than the rounding of sums is nothing.
func worse(d Difference, tolerance float64) bool {
	loss := d.After - d.Before
	switch d.Better {
	case higherIsBetter:
		loss = -loss
	case neither:
		return false
	}
	return loss > rounding && loss > tolerance*math.Abs(d.Before)
}

// Table writes the comparison for people.
func (c *Comparison) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "figure\tbefore\tafter\tratio\t\t\n")
	for _, d := range c.Figures {
		ratio, mark := "-", ""
		if d.Ratio != nil {
			ratio = fmt.Sprintf("%.3f", *d.Ratio)
		}
		if d.Worse {
			mark = "worse"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", d.Name, plainNumber(d.Before), plainNumber(d.After), ratio, mark)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range c.Missing {
		fmt.Fprintf(w, "not in both: %s\n", m)
	}
	for _, d := range c.Different {
		fmt.Fprintf(w, "the runs differ in %s\n", d)
	}
	_, err := fmt.Fprintf(w, "%d figures got worse by more than %.3g%%\n", len(c.Worse), 100*c.Tolerance)
	return err
}

func plainNumber(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.4g", f)
}
