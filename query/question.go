package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// What callers branch on.
var (
	// ErrInvalid marks a question that is wrong in itself: unknown, missing or
	// malformed parameters, or a number of key values that the view does not have.
	ErrInvalid = errors.New("invalid question")
	// ErrUnknownSketch marks a sketch name that the view does not define.
	ErrUnknownSketch = errors.New("unknown sketch")
	// ErrUnanswerable marks a question that no sketch of the view can answer.
	ErrUnanswerable = errors.New("no sketch of this view answers that")
	// ErrMissing marks a strict question for which some partition gave no answer.
	ErrMissing = errors.New("partitions are missing")
)

// The questions, as they are written in URLs.
const (
	Distinct  = "distinct"
	Frequency = "frequency"
	Contains  = "contains"
	TopK      = "topk"
	Sample    = "sample"
	Sum       = "sum"
	Count     = "count"
)

// Names lists every question.
var Names = []string{Distinct, Frequency, Contains, TopK, Sample, Sum, Count}

// answeredBy is the kind of sketch that answers a question by itself. Count is
// missing: every pane counts its events.
var answeredBy = map[string]sketches.Kind{
	Distinct:  sketches.KindHLL,
	Frequency: sketches.KindCountMin,
	Contains:  sketches.KindBloom,
	TopK:      sketches.KindHotList,
	Sample:    sketches.KindReservoir,
	Sum:       sketches.KindDecay,
}

// Limits of one question.
const (
	maxItems   = 100_000
	maxTop     = 100_000
	maxSample  = 1_000_000
	defaultTop = 10
)

// DefaultConfidence is the share of intervals that hold, unless a question
// asks for another.
const DefaultConfidence = 0.95

// Term is one key or item value as the asker wrote it. Its type is settled
// only when the view is known: an item of several fields is a JSON array, and
// the same text is a plain string for an item of one field.
type Term struct {
	text   string
	strict bool // a JSON value from a body, in which a string is always quoted
}

// Text makes a term from plain text, as in a URL: a JSON scalar is what it
// says, anything else is a string.
func Text(s string) Term { return Term{text: s} }

// JSON makes a term from one JSON value.
func JSON(raw []byte) Term { return Term{text: string(raw), strict: true} }

// Question is one question about one view.
type Question struct {
	View       string
	Question   string // one of Names
	Sketch     string // "" chooses the only one that fits
	Key        []Term // one a group-by field, in order; nil merges all keys
	Window     time.Duration
	From, To   *int64 // Unix ms, half-open, widened to whole panes
	At         *int64 // sum: the moment to which it decays
	Items      []Term
	K, N       int
	Confidence float64
	Strict     bool
	step       bool // one of a series: a sum is as of its end, unless At says otherwise
}

// check finds every fault that shows without knowing the view.
func (q *Question) check() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !slices.Contains(Names, q.Question) {
		add("question %q is not one of %s", abridged(q.Question), strings.Join(Names, ", "))
	}
	if !(q.Confidence > 0 && q.Confidence < 1) { // NaN neither
		add("confidence must lie between 0 and 1, both excluded; it is %v", q.Confidence)
	}
	if q.Window < 0 {
		add("window must be longer than 0")
	}
	if q.Window > 0 && (q.From != nil || q.To != nil) {
		add("window stands alone: leave out from and to, or leave out window")
	}
	if q.From != nil && q.To != nil && *q.From >= *q.To {
		add("from must lie before to")
	}
	needsItems := q.Question == Frequency || q.Question == Contains
	switch {
	case needsItems && len(q.Items) == 0:
		add("%s needs at least one item", abridged(q.Question))
	case !needsItems && len(q.Items) > 0:
		add("%s takes no item", abridged(q.Question))
	case len(q.Items) > maxItems:
		add("%d items are too many for one question; ask for at most %d at once", len(q.Items), maxItems)
	}
	if q.Question == Count && q.Sketch != "" {
		add("count takes no sketch: every view counts its events")
	}
	if q.K < 1 || q.K > maxTop {
		add("k must lie between 1 and %d; it is %d", maxTop, q.K)
	}
	if q.N < 1 || q.N > maxSample {
		add("n must lie between 1 and %d; it is %d", maxSample, q.N)
	}
	return invalid(faults...)
}

// invalid joins faults under ErrInvalid; nil when there are none.
func invalid(faults ...error) error {
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(faults...))
}

// values settles the types of terms.
func values(terms []Term) ([]event.Value, error) {
	out := make([]event.Value, len(terms))
	for i, term := range terms {
		v, err := term.value()
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// value is the scalar that the term stands for.
func (t Term) value() (event.Value, error) {
	if !t.strict {
		v := event.ParseText(t.text)
		if !utf8.ValidString(v.Text) {
			return v, fmt.Errorf("%q is not UTF-8", abridged(t.text))
		}
		return v, nil
	}
	v, err := event.ParseValue(t.text)
	if errors.Is(err, event.ErrNotScalar) {
		return v, fmt.Errorf("%s is not a string, number, true, false or null", abridged(t.text))
	}
	return v, err
}

// abridged keeps hostile input from filling an error message.
func abridged(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
