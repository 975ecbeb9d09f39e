package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sketchlog/ingest/event"
)

// body is a question as JSON writes it: the parameters of the URL under the
// same names, keys and items as JSON values.
type body struct {
	View       string            `json:"view"`
	Question   string            `json:"question"`
	Sketch     string            `json:"sketch"`
	Key        []json.RawMessage `json:"key"`
	Window     *event.Duration   `json:"window"`
	From       json.RawMessage   `json:"from"`
	To         json.RawMessage   `json:"to"`
	At         json.RawMessage   `json:"at"`
	Item       json.RawMessage   `json:"item"`
	Items      []json.RawMessage `json:"items"`
	K          *int              `json:"k"`
	N          *int              `json:"n"`
	Confidence *float64          `json:"confidence"`
	Strict     bool              `json:"strict"`
}

// maxFaults bounds what is said of a hostile body.
const maxFaults = 100

// FromJSON reads one question of POST /v1/query.
func FromJSON(raw []byte) (Question, error) {
	var b body
	if err := b.read(raw); err != nil {
		return Question{}, err
	}
	return b.question()
}

// ContainsFromJSON reads the body of POST /v1/views/{view}/contains: a
// membership question with many items.
func ContainsFromJSON(view string, raw []byte) (Question, error) {
	var b body
	if err := b.read(raw); err != nil {
		return Question{}, err
	}
	if b.View != "" && b.View != view || b.Question != "" && b.Question != Contains {
		return Question{}, invalid(fmt.Errorf("the path asks whether view %q contains items; leave view and question out of the body", view))
	}
	b.View, b.Question = view, Contains
	return b.question()
}

// read decodes one JSON object, and names every fault in it. encoding/json's own strictness was not used because it stops
// at the first fault, takes "View" for "view", and of two values of one name the last.
func (b *body) read(raw []byte) error {
	known := map[string]struct {
		into any
		want string
	}{
		"view": {&b.View, "a string"}, "question": {&b.Question, "a string"}, "sketch": {&b.Sketch, "a string"},
		"key": {&b.Key, "an array of values"}, "item": {&b.Item, "a value"}, "items": {&b.Items, "an array of values"},
		"window": {&b.Window, `a duration such as "90s", "5m", "24h" or "30d"`},
		"from":   {&b.From, "a time"}, "to": {&b.To, "a time"}, "at": {&b.At, "a time"},
		"k": {&b.K, "a whole number"}, "n": {&b.N, "a whole number"},
		"confidence": {&b.Confidence, "a number"}, "strict": {&b.Strict, "true or false"},
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if token, err := d.Token(); err != nil {
		return notJSON(err)
	} else if token != json.Delim('{') {
		return invalid(errors.New("a question must be a JSON object"))
	}
	var faults []error
	seen := make(map[string]bool, len(known))
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return notJSON(err)
		}
		name, _ := token.(string) // the decoder takes nothing else before a colon
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return notJSON(err)
		}
		field, ok := known[name]
		switch {
		case len(faults) == maxFaults: // enough for any honest question
		case !ok:
			faults = append(faults, fmt.Errorf("unknown field %q; known are %s", abridged(name), strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		case seen[name]:
			faults = append(faults, fmt.Errorf("%s is given twice", name))
		case json.Unmarshal(value, field.into) != nil:
			faults = append(faults, fmt.Errorf("%s: %s is not %s", name, abridged(string(value)), field.want))
		}
		seen[name] = ok
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return notJSON(err)
	}
	if len(bytes.TrimSpace(raw[d.InputOffset():])) > 0 {
		faults = append(faults, errors.New("the body goes on after its JSON object"))
	}
	return invalid(faults...)
}

func notJSON(err error) error { return invalid(fmt.Errorf("the body is not a JSON question: %w", err)) }

func (b *body) question() (Question, error) {
	q := Question{View: b.View, Question: b.Question, Sketch: b.Sketch, Strict: b.Strict, K: defaultTop, N: defaultTop, Confidence: DefaultConfidence}
	var faults []error
	if q.View == "" {
		faults = append(faults, errors.New("view is missing: name the view that is asked"))
	}
	moment := func(name string, raw json.RawMessage) *int64 {
		if len(raw) == 0 || string(raw) == "null" {
			return nil
		}
		text := string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &text); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", name, err))
				return nil
			}
		}
		ms, err := event.ParseMoment(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			return nil
		}
		return &ms
	}
	q.From, q.To, q.At = moment("from", b.From), moment("to", b.To), moment("at", b.At)
	if q.At != nil && q.Question != Sum {
		faults = append(faults, fmt.Errorf("%s takes no at", abridged(q.Question)))
	}
	for _, one := range []struct {
		name, of string
		given    bool
	}{{"k", TopK, b.K != nil}, {"n", Sample, b.N != nil}} {
		if one.given && q.Question != one.of {
			faults = append(faults, fmt.Errorf("%s takes no %s", abridged(q.Question), one.name))
		}
	}
	for _, raw := range b.Key {
		q.Key = append(q.Key, JSON(raw))
	}
	if b.Key != nil && q.Key == nil {
		q.Key = []Term{}
	}
	if len(b.Item) > 0 {
		q.Items = append(q.Items, JSON(b.Item))
	}
	for _, raw := range b.Items {
		q.Items = append(q.Items, JSON(raw))
	}
	if b.Window != nil {
		if q.Window = time.Duration(*b.Window); q.Window <= 0 {
			faults = append(faults, errors.New("window must be longer than 0"))
		}
	}
	if b.K != nil {
		q.K = *b.K
	}
	if b.N != nil {
		q.N = *b.N
	}
	if b.Confidence != nil {
		q.Confidence = *b.Confidence
	}
	if err := invalid(faults...); err != nil {
		return q, err
	}
	return q, q.check()
}

// arrayTerms takes a JSON array apart into its values.
func arrayTerms(text string) ([]Term, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return nil, fmt.Errorf("%s is not a JSON array of values", abridged(text))
	}
	terms := make([]Term, len(parts))
	for i, raw := range parts {
		terms[i] = JSON(raw)
	}
	return terms, nil
}
