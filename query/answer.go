package query

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// Answer is what is known about one question at one moment: an estimate with
// its interval, and everything that says how far to trust it.
type Answer struct {
	View     string          `json:"view"`
	Question string          `json:"question"`
	Sketch   string          `json:"sketch,omitempty"`
	Key      json.RawMessage `json:"key"`  // array of values; null: all keys merged
	From     *Moment         `json:"from"` // the span covered, whole panes; null: nothing bounds it
	To       *Moment         `json:"to"`

	Estimate *Number `json:"estimate,omitempty"`
	Low      *Number `json:"low,omitempty"`
	High     *Number `json:"high,omitempty"`

	Items      *[]Item `json:"items,omitempty"`
	ErrorBound *Number `json:"error_bound,omitempty"`
	Population *uint64 `json:"population,omitempty"`
	Ignored    uint64  `json:"ignored,omitempty"` // events whose weight was not a number from 0 to below 2^63

	Confidence float64           `json:"confidence"`
	Exact      bool              `json:"exact"`
	Coverage   Coverage          `json:"coverage"`
	Watermark  *Moment           `json:"watermark"`
	Final      bool              `json:"final"`
	Offsets    map[string]uint64 `json:"offsets"`
	Elapsed    int64             `json:"elapsed_us"`
}

// Item is one line of an answer about items. A sampled item is only itself.
type Item struct {
	Item              json.RawMessage `json:"item"`
	Estimate          *Number         `json:"estimate,omitempty"`
	Low               *Number         `json:"low,omitempty"`
	High              *Number         `json:"high,omitempty"`
	Answer            string          `json:"answer,omitempty"` // contains: no, maybe, unknown
	FalsePositiveRate *Number         `json:"false_positive_rate,omitempty"`

	bare bool
}

// MarshalJSON writes a sampled item as the item alone.
func (i Item) MarshalJSON() ([]byte, error) {
	if i.bare {
		return i.Item, nil
	}
	type plain Item
	return json.Marshal(plain(i))
}

// Coverage says what an answer rests on.
type Coverage struct {
	Events     uint64  `json:"events"`   // applied events in the panes read
	Applied    float64 `json:"applied"`  // share of the log's events that the view has applied in full
	Owed       uint64  `json:"owed"`     // events in the log that it has not
	Lost       uint64  `json:"lost"`     // events that the log no longer holds and the view never applied
	Late       uint64  `json:"late"`     // of Events, those that came behind the watermark
	Overflow   bool    `json:"overflow"` // some keys share the overflow key
	Partitions int     `json:"partitions"`
	Missing    []int   `json:"missing"` // partitions that gave no answer
}

// Partial reports whether some partition is missing from the answer.
func (a *Answer) Partial() bool { return len(a.Coverage.Missing) > 0 }

// Number is a float64 that JSON can carry: what is unbounded is null.
type Number float64

// MarshalJSON writes the shortest text that reads back as the same number.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return []byte("null"), nil
	}
	return json.Marshal(f)
}

func number(f float64) *Number {
	n := Number(f)
	return &n
}

// end is an end of an interval. Sketches say by the greatest number that there is none.
func end(f float64) *Number {
	if math.Abs(f) == math.MaxFloat64 {
		f *= 2
	}
	return number(f)
}

// Moment is a time in Unix milliseconds, written as RFC 3339 in UTC.
type Moment int64

// MarshalJSON writes milliseconds only where there are any. What lies beyond
// the years of RFC 3339 is written as Unix milliseconds.
func (m Moment) MarshalJSON() ([]byte, error) {
	t := time.UnixMilli(int64(m)).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return strconv.AppendInt(nil, int64(m), 10), nil
	}
	b := append(make([]byte, 0, 32), '"')
	b = t.AppendFormat(b, "2006-01-02T15:04:05.999Z07:00")
	return append(b, '"'), nil
}

func moment(ms int64) *Moment {
	m := Moment(ms)
	return &m
}
