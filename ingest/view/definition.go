package view

// This file holds what a view is, as its user defines it.

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// Definition is a view as its user defines it, with every default filled in.
type Definition struct {
	Stream   string                `json:"stream"`
	By       []string              `json:"by"`              // fields to group by; none: one global key
	Where    string                `json:"where,omitempty"` // which events count; empty: all
	Pane     PaneSpec              `json:"pane,omitzero"`
	Keep     event.Duration        `json:"keep"` // how long panes are kept, in event time; 0: for ever
	Rollups  []Rollup              `json:"rollups,omitempty"`
	From     From                  `json:"from"`
	MaxKeys  int                   `json:"max_keys"` // distinct keys a pane and partition
	Fresh    event.Duration        `json:"fresh"`    // how old the newest event that answers take in may be before the view sheds
	Priority Priority              `json:"priority"` // which views shed first
	Sketches map[string]SketchSpec `json:"sketches"`
}

// Priority says which of a node's views shed first: low before normal before high.
type Priority string

const (
	LowPriority    Priority = "low"
	NormalPriority Priority = "normal"
	HighPriority   Priority = "high"
)

// priority is the priority as the controller takes it.
func (d *Definition) priority() shedding.Priority {
	switch d.Priority {
	case LowPriority:
		return shedding.Low
	case HighPriority:
		return shedding.High
	}
	return shedding.Normal
}

// PaneSpec says how a view's events are cut into panes: by event time, by
// count, or (the zero PaneSpec) not at all.
type PaneSpec struct {
	Every event.Duration // of event time, aligned to the epoch; 0: not by time
	Count int            // events of a key and partition; 0: not by count
}

// Width returns the event time that a pane spans, 0 when panes are not of time.
func (p PaneSpec) Width() time.Duration { return time.Duration(p.Every) }

// MarshalJSON writes "1m" or {"count": 1000}.
func (p PaneSpec) MarshalJSON() ([]byte, error) {
	switch {
	case p.Every > 0:
		return json.Marshal(p.Every)
	case p.Count > 0:
		return json.Marshal(map[string]int{"count": p.Count})
	}
	return []byte("null"), nil
}

// Rollup merges panes into coarser ones once the finer ones are past their
// keep.
type Rollup struct {
	Pane event.Duration `json:"pane"`
	Keep event.Duration `json:"keep"`
}

// From says where a new view begins in its stream.
type From struct {
	Earliest bool  // at the first event that the log still holds
	Since    bool  // there, counting only events with event time at or after Time
	Time     int64 // Unix ms
} // zero: at the end of the log

// MarshalJSON writes "latest", "earliest" or the time as RFC 3339.
func (f From) MarshalJSON() ([]byte, error) {
	switch {
	case f.Since:
		return json.Marshal(time.UnixMilli(f.Time).UTC().Format("2006-01-02T15:04:05.999Z"))
	case f.Earliest:
		return []byte(`"earliest"`), nil
	}
	return []byte(`"latest"`), nil
}

// Fields are the fields that make up an item: one, several (a tuple), or "*"
// for the whole event.
type Fields []string

// MarshalJSON writes one field as a string and several as an array.
func (f Fields) MarshalJSON() ([]byte, error) {
	if len(f) == 1 {
		return json.Marshal(f[0])
	}
	return json.Marshal([]string(f))
}

// whole are the Fields of a whole event.
const whole = "*"

// SketchSpec is one sketch as its user defines it: the parameters that its
// kind takes, either by the error that is asked for or exactly.
type SketchSpec struct {
	Kind       sketches.Kind  `json:"kind"`
	Of         Fields         `json:"of"`
	Weight     string         `json:"weight,omitempty"`
	Error      float64        `json:"error,omitempty"`
	Confidence float64        `json:"confidence,omitempty"`
	Precision  int            `json:"precision,omitempty"`
	Capacity   uint64         `json:"capacity,omitempty"`
	Bits       int            `json:"bits,omitempty"`
	Hashes     int            `json:"hashes,omitempty"`
	Width      int            `json:"width,omitempty"`
	Depth      int            `json:"depth,omitempty"`
	Size       int            `json:"size,omitempty"`
	HalfLife   event.Duration `json:"half_life,omitzero"`
	Factor     float64        `json:"factor,omitempty"`
}

// names returns the sketches' names in the order in which a layout holds them.
func (d *Definition) names() []string { return slices.Sorted(maps.Keys(d.Sketches)) }

// fixedChanges names what next changes of d that cannot change.
func (d *Definition) fixedChanges(next *Definition) []string {
	var changed []string
	note := func(name string, same bool) {
		if !same {
			changed = append(changed, name)
		}
	}
	note("stream", d.Stream == next.Stream)
	note("by", slices.Equal(d.By, next.By))
	note("where", d.Where == next.Where)
	note("pane", d.Pane == next.Pane)
	for _, name := range slices.Sorted(maps.Keys(union(d.Sketches, next.Sketches))) {
		a, had := d.Sketches[name]
		b, has := next.Sketches[name]
		note("sketches."+name, had == has && reflect.DeepEqual(a, b))
	}
	return changed
}

func union(a, b map[string]SketchSpec) map[string]SketchSpec {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]SketchSpec{}
	}
	maps.Copy(all, b)
	return all
}

// String shows what panes are, for messages.
func (p PaneSpec) String() string {
	switch {
	case p.Every > 0:
		return p.Every.String()
	case p.Count > 0:
		return strconv.Itoa(p.Count) + " events"
	}
	return "all time"
}
