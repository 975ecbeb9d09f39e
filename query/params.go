package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sketchlog/ingest/event"
)

// common are the parameters that every question takes.
var common = []string{"key", "window", "from", "to", "confidence", "strict", "sketch"}

// own are the parameters of one question alone.
var own = map[string][]string{
	Frequency: {"item"},
	Contains:  {"item"},
	TopK:      {"k"},
	Sample:    {"n"},
	Sum:       {"at"},
}

// Params reads a question from the parameters of a URL. Every fault is named
// at once, under ErrInvalid.
func Params(view, question string, p map[string][]string) (Question, error) {
	q := Question{View: view, Question: question, K: defaultTop, N: defaultTop, Confidence: DefaultConfidence}
	r := reader{params: p}
	r.only(slices.Concat(common, own[question]), question)
	for _, text := range p["key"] {
		q.Key = append(q.Key, Text(text))
	}
	for _, text := range p["item"] {
		q.Items = append(q.Items, Text(text))
	}
	q.Sketch = r.one("sketch")
	r.span(&q)
	q.At = r.moment("at")
	q.K = r.integer("k", q.K)
	q.N = r.integer("n", q.N)
	if text := r.one("confidence"); text != "" {
		c, err := strconv.ParseFloat(text, 64)
		if err != nil {
			r.fault("confidence: %q is not a number", abridged(text))
		}
		q.Confidence = c
	}
	q.Strict = r.boolean("strict")
	if err := invalid(r.faults...); err != nil {
		return q, err
	}
	return q, q.check()
}

// reader takes parameters one by one and gathers what is wrong with them.
type reader struct {
	params map[string][]string
	faults []error
}

func (r *reader) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// only refuses parameters that are not in known.
func (r *reader) only(known []string, of string) {
	var unknown []string
	for name := range r.params {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		r.fault("%s takes no parameter %q; it takes %s", abridged(of), abridged(name), strings.Join(known, ", "))
	}
}

// one is the value of a parameter that may be given once, "" when it is absent.
func (r *reader) one(name string) string {
	given := r.params[name]
	if len(given) == 0 {
		return ""
	}
	if len(given) > 1 {
		r.fault("%s is given %d times; give it once", name, len(given))
	}
	if given[0] == "" {
		r.fault("%s is empty", name)
	}
	return given[0]
}

// span reads window, from and to.
func (r *reader) span(q *Question) {
	if text := r.one("window"); text != "" {
		d, err := event.ParseDuration(text)
		if err != nil {
			r.fault("window: %w", err)
		} else if d <= 0 {
			r.fault("window must be longer than 0")
		}
		q.Window = d
	}
	q.From, q.To = r.moment("from"), r.moment("to")
}

func (r *reader) moment(name string) *int64 {
	text := r.one(name)
	if text == "" {
		return nil
	}
	ms, err := event.ParseMoment(text)
	if err != nil {
		r.fault("%s: %w", name, err)
		return nil
	}
	return &ms
}

func (r *reader) integer(name string, otherwise int) int {
	text := r.one(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		r.fault("%s: %q is not a whole number", name, abridged(text))
		return otherwise
	}
	return n
}

func (r *reader) boolean(name string) bool {
	switch text := r.one(name); text {
	case "", "false":
		return false
	case "true":
		return true
	default:
		r.fault("%s: %q is neither true nor false", name, abridged(text))
		return false
	}
}
