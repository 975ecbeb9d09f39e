package ingest

// Reading a definition from JSON, strictly: unknown fields, wrong types and repeated fields are refused, all of them named
// at once, and what is left out stays as it was. encoding/json's own strictness was not used because it stops at the first
// fault and takes "Partitions" for "partitions".

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxDefinition is the longest JSON of a definition in bytes; the longest honest one has about 1 KiB.
const maxDefinition = 64 << 10

// Patch returns the definition with the fields that the JSON object body gives changed; fields that it leaves out, or gives
// as null, stay. An empty body changes nothing. Faults are named all at once, each wrapped in ErrInvalid; what has a fault
// stays too. The result is not validated.
func (d Definition) Patch(body []byte) (Definition, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return d, nil
	}
	if len(body) > maxDefinition {
		return d, fmt.Errorf("%w: the definition has %d bytes: it may have %d", ErrInvalid, len(body), maxDefinition)
	}
	next := d
	err := readObject(body, "", map[string]any{
		"partitions": &next.Partitions,
		"replicas":   &next.Replicas,
		"key":        &next.Key,
		"time":       &next.Time,
		"lateness":   &next.Lateness,
		"ahead":      &next.Ahead,
		"retention": map[string]any{
			"age":       &next.Retention.Age,
			"bytes":     &next.Retention.Bytes,
			"when_full": &next.Retention.WhenFull,
		},
		"backlog": map[string]any{
			"limit":  &next.Backlog.Limit,
			"policy": &next.Backlog.Policy,
		},
	})
	return next, err
}

// readObject reads a JSON object into fields: a value is a pointer to decode into, or a map of the same kind for an object
// in the object. prefix stands before the names in messages.
func readObject(body []byte, prefix string, fields map[string]any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := openObject(dec, prefix); err != nil {
		return err
	}
	var faults []error
	fault := func(format string, a ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, a...)...))
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return syntaxError(err)
		}
		name, _ := token.(string) // the decoder takes nothing else before a colon
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return syntaxError(err)
		}
		full := prefix + name
		target, known := fields[name]
		switch {
		case !known:
			fault("unknown field %.80q: known are %s", full, namesOf(prefix, fields))
		case seen[name]:
			fault("field %q is given twice", full)
		case string(raw) == "null":
		default:
			if inner, ok := target.(map[string]any); ok {
				if err := readObject(raw, full+".", inner); err != nil {
					faults = append(faults, err)
				}
			} else if err := json.Unmarshal(raw, target); err != nil {
				fault("%s: %s", full, plain(err, raw))
			}
		}
		seen[name] = true
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return syntaxError(err)
	}
	if dec.InputOffset() < int64(len(body)) && len(bytes.TrimSpace(body[dec.InputOffset():])) > 0 {
		fault("something follows the definition's closing brace")
	}
	return errors.Join(faults...)
}

// openObject takes the opening brace.
func openObject(dec *json.Decoder, prefix string) error {
	token, err := dec.Token()
	if err != nil {
		return syntaxError(err)
	}
	if token == json.Delim('{') {
		return nil
	}
	what := "the definition"
	if prefix != "" {
		what = strings.TrimSuffix(prefix, ".")
	}
	return fmt.Errorf("%w: %s must be a JSON object such as {}", ErrInvalid, what)
}

func syntaxError(err error) error {
	return fmt.Errorf("%w: the definition is not JSON: %w", ErrInvalid, err)
}

// plain says in a user's words why raw was not taken.
func plain(err error, raw []byte) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		want := "a string"
		if wrong.Type.Kind().String() != "string" {
			want = "a whole number"
		}
		return fmt.Sprintf("%.80s is not %s", raw, want)
	}
	return err.Error()
}

// namesOf lists the fields that exist, in order.
func namesOf(prefix string, fields map[string]any) string {
	var names []string
	for name := range fields {
		names = append(names, prefix+name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
