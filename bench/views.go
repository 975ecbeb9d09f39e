package bench

// The stream and the views that a run makes, and what they tell of themselves.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sketchlog/ingest/event"
)

// Of the sketches of every view that a run makes.
const (
	countMinWidth = 4096
	countMinDepth = 4
	hotListSize   = 100
	reservoirSize = 100
	halfLife      = 10 * time.Minute
)

// sixSketches is a definition with each kind of sketch, by key.
func sixSketches(stream string) map[string]any {
	return map[string]any{
		"stream": stream, "by": []string{"key"}, "from": "earliest",
		"sketches": map[string]any{
			"distinct": map[string]any{"kind": "hll", "of": "item", "precision": 14},
			"seen":     map[string]any{"kind": "bloom", "of": "item", "capacity": 10_000, "error": 0.01},
			"counts":   map[string]any{"kind": "countmin", "of": "item", "width": countMinWidth, "depth": countMinDepth},
			"hot":      map[string]any{"kind": "hotlist", "of": "item", "size": hotListSize},
			"sample":   map[string]any{"kind": "reservoir", "of": "item", "size": reservoirSize},
			"recent":   map[string]any{"kind": "decay", "of": "value", "half_life": "10m"},
		},
	}
}

// Suffixes of a run's views; the stream's name stands before them.
const (
	totalView   = "_total"
	minutesView = "_minutes"
)

// viewsOf names a run's views: the two of workload W, one with a pane a minute
// and one for all time; or n of the latter, all alike.
func viewsOf(stream string, n int) []string {
	if n == 0 {
		return []string{stream + minutesView, stream + totalView}
	}
	names := []string{stream + totalView}
	for i := 2; i <= n; i++ {
		names = append(names, stream+totalView+"_"+strconv.Itoa(i))
	}
	return names
}

// define makes a stream and its views. With fresh the views are asked to shed
// rather than to fall behind further than that; if the server refuses, the views
// are made without, and the note has its answer.
func (c LoadConfig) define(t *Target, stream, fresh string) (note string, err error) {
	definition := map[string]any{
		"partitions": c.Partitions, "key": "key", "time": "time", "lateness": event.Duration(c.Workload.Lateness).String(),
	}
	if err := t.put("/v1/streams/"+stream, definition); err != nil {
		return "", err
	}
	for _, name := range viewsOf(stream, c.Views) {
		view := sixSketches(stream)
		if name == stream+minutesView {
			view["pane"], view["keep"] = "1m", "2h"
		}
		if fresh != "" {
			view["fresh"] = fresh
		}
		err := t.put("/v1/views/"+name, view)
		var r *refusal
		if fresh != "" && errors.As(err, &r) && r.status == 400 {
			note = "the views have no freshness target of their own; the server answered " + r.body[:min(len(r.body), 500)]
			fresh = ""
			delete(view, "fresh")
			err = t.put("/v1/views/"+name, view)
		}
		if err != nil {
			return note, err
		}
	}
	return note, nil
}

// remove deletes a stream and its views.
func (c LoadConfig) remove(t *Target, stream string) error {
	for _, name := range viewsOf(stream, c.Views) {
		if err := t.call("DELETE", "/v1/views/"+name, "", nil, nil); err != nil {
			return err
		}
	}
	return t.call("DELETE", "/v1/streams/"+stream, "", nil, nil)
}

// viewState is what a view tells of itself.
type viewState struct {
	Partitions []partitionState `json:"partitions"`
}

type partitionState struct {
	Partition int        `json:"partition"`
	Offset    uint64     `json:"offset"`
	Lag       uint64     `json:"lag"` // records
	Watermark *time.Time `json:"watermark"`
	Rate      float64    `json:"rate"`
	Applied   uint64     `json:"applied"`
	Owed      uint64     `json:"owed"`
	Lost      uint64     `json:"lost"`
}

// state asks a view how far it is.
func (t *Target) state(view string) (viewState, error) {
	var s viewState
	err := t.call("GET", "/v1/views/"+view, "", nil, &s)
	return s, err
}

func (s viewState) applied() (n uint64) {
	for _, p := range s.Partitions {
		n += p.Applied
	}
	return n
}

func (s viewState) owed() (n uint64) {
	for _, p := range s.Partitions {
		n += p.Owed
	}
	return n
}

func (s viewState) lost() (n uint64) {
	for _, p := range s.Partitions {
		n += p.Lost
	}
	return n
}

// rate is the least over partitions.
func (s viewState) rate() float64 {
	least := 1.0
	for _, p := range s.Partitions {
		least = min(least, p.Rate)
	}
	return least
}

// newest is the event time of the newest event that answers include, on the
// partition where that is least; false before any event.
func (s viewState) newest(lateness time.Duration) (ms int64, ok bool) {
	for _, p := range s.Partitions {
		if p.Watermark == nil {
			continue
		}
		if at := p.Watermark.Add(lateness).UnixMilli(); !ok || at < ms {
			ms, ok = at, true
		}
	}
	return ms, ok
}

// awaitNothingOwed waits until a view has applied all that is in the log.
func awaitNothingOwed(ctx context.Context, t *Target, view string, every time.Duration, progress func(viewState)) (viewState, error) {
	for {
		s, err := t.state(view)
		if err != nil && !busy(err) {
			return s, err
		}
		if err == nil && s.owed() == 0 {
			return s, nil
		}
		if err == nil && progress != nil {
			progress(s)
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// awaitEvents waits until every view owes nothing and then expects it to hold
// so many events, or fewer where the server may drop what it took (acks=0).
func awaitEvents(ctx context.Context, t *Target, views []string, events int64, mayDrop bool) error {
	for _, view := range views {
		if _, err := awaitNothingOwed(ctx, t, view, 5*time.Millisecond, nil); err != nil {
			return err
		}
		a, err := t.ask(view, "count", nil)
		if err != nil {
			return err
		}
		if int64(a.estimate()) != events && !mayDrop {
			return fmt.Errorf("view %s holds %.0f events and owes none, but %d were acknowledged", view, a.estimate(), events)
		}
	}
	return nil
}
