package query

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

const (
	defaultKeys = 100
	maxKeys     = 100_000
)

// Keys lists keys of a view with what they hold.
type Keys struct {
	Keys []Key `json:"keys"`
}

// Key is one key, summed over partitions and panes.
type Key struct {
	Key    json.RawMessage `json:"key"`
	Events uint64          `json:"events"`
	Bytes  uint64          `json:"bytes"` // of its panes, in memory

	bytes  []byte
	values []event.Value
}

// Keys lists the keys of a view: order=events (default, most events first) or
// key, limit (default 100), prefix of the text of the key's first field, and
// the span of a question.
func (e *Engine) Keys(ctx context.Context, viewName string, p map[string][]string) (*Keys, error) {
	r := reader{params: p}
	r.only([]string{"order", "limit", "prefix", "window", "from", "to"}, "keys")
	order, limit, prefix := r.one("order"), r.integer("limit", defaultKeys), ""
	if given := p["prefix"]; len(given) > 0 && given[0] != "" {
		prefix = r.one("prefix")
	}
	if order != "" && order != "events" && order != "key" {
		r.fault("order: %q is neither events nor key", abridged(order))
	}
	if limit < 1 || limit > maxKeys {
		r.fault("limit must lie between 1 and %d; it is %d", maxKeys, limit)
	}
	q := Question{View: viewName, Question: Count, K: 1, N: 1, Confidence: DefaultConfidence}
	r.span(&q)
	if err := invalid(r.faults...); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	plan, err := e.plan(q)
	if err != nil {
		return nil, err
	}
	keys, err := plan.keys(ctx, prefix)
	if err != nil {
		return nil, err
	}
	byEvents := func(a, b *Key) int { return cmp.Or(cmp.Compare(b.Events, a.Events), compareKeys(a, b)) }
	if order == "key" {
		slices.SortFunc(keys, compareKeys)
	} else {
		slices.SortFunc(keys, byEvents)
	}
	out := &Keys{Keys: make([]Key, 0, min(limit, len(keys)))}
	for _, k := range keys[:min(limit, len(keys))] {
		if k.Key, err = event.ItemJSON(nil, k.bytes); err != nil {
			return nil, err
		}
		out.Keys = append(out.Keys, *k)
	}
	return out, nil
}

// keys adds up every key that begins with prefix.
func (p *plan) keys(ctx context.Context, prefix string) ([]*Key, error) {
	found := map[string]*Key{}
	var keys []*Key
	panes := 0
	for _, shard := range p.view.Partitions() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		_, err := shard.Panes(nil, p.span, func(key []byte, _, _ int64, pane *sketches.Pane) error {
			if panes++; panes%panesBetweenChecks == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			k, known := found[string(key)]
			if !known {
				values, err := event.TupleValues(key)
				if err != nil {
					return err
				}
				if prefix == "" || len(values) > 0 && strings.HasPrefix(keyText(values[0]), prefix) {
					k = &Key{bytes: bytes.Clone(key), values: values}
					keys = append(keys, k)
				}
				found[string(key)] = k // nil: does not begin with prefix
			}
			if k != nil {
				k.Events += pane.Events()
				k.Bytes += uint64(pane.Size())
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// keyText is how a prefix sees a value: a string's own text, else its JSON.
func keyText(v event.Value) string {
	if v.Kind == event.String {
		return v.Text
	}
	return string(v.AppendJSON(nil))
}

// compareKeys orders keys field by field: null, booleans, numbers, strings.
func compareKeys(a, b *Key) int {
	for i := range min(len(a.values), len(b.values)) {
		if c := compareValues(a.values[i], b.values[i]); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(a.values), len(b.values)), bytes.Compare(a.bytes, b.bytes))
}

// compareValues orders scalars of any kinds: null, false, true, numbers by
// size, strings by their bytes.
func compareValues(a, b event.Value) int {
	if c := cmp.Compare(rank(a.Kind), rank(b.Kind)); c != 0 {
		return c
	}
	if a.Kind == event.Int && b.Kind == event.Int {
		return cmp.Compare(int64(a.Bits), int64(b.Bits))
	}
	x, _ := a.Number()
	y, _ := b.Number()
	return cmp.Or(cmp.Compare(x, y), strings.Compare(a.Text, b.Text))
}

func rank(k event.Kind) event.Kind {
	if k == event.Float {
		return event.Int
	}
	return k
}
