package view

// This file holds one view: its definition, and its shards.

import (
	"math"
	"sync/atomic"

	"sketchlog/sketches"
)

// View is one view of a node. It is safe for concurrent use.
type View struct {
	name       string
	views      *Views
	generation uint64
	plan       *plan

	definition atomic.Pointer[Definition]
	aging      atomic.Pointer[levels]
	shards     atomic.Pointer[[]*Shard]
	late       atomic.Int64 // the stream's lateness as it was last known, ms
}

func newView(v *Views, name string, e *entry) (*View, error) {
	p, err := newPlan(&e.Definition)
	if err != nil {
		return nil, err
	}
	view := &View{name: name, views: v, generation: e.Generation, plan: p}
	view.define(&e.Definition)
	view.shards.Store(&[]*Shard{})
	return view, nil
}

// define sets the definition, or changes what can change of it.
func (v *View) define(d *Definition) {
	l := newLevels(d)
	v.definition.Store(d)
	v.aging.Store(&l)
}

// Name returns the view's name.
func (v *View) Name() string { return v.name }

// Generation returns a number that no other view of this node has or had, one of the
// same name included.
func (v *View) Generation() uint64 { return v.generation }

// Definition returns the view's definition. Its lists and maps must not be changed.
func (v *View) Definition() Definition { return *v.definition.Load() }

// Layout returns what all panes of the view share.
func (v *View) Layout() *sketches.Layout { return v.plan.layout }

// Fields returns what a sketch is of: a field, several, or "*". It must not be changed.
func (v *View) Fields(sketch int) []string { return v.plan.fields[sketch] }

// KeyFields returns the fields that the view groups by. It must not be changed.
func (v *View) KeyFields() []string { return v.plan.by }

// Partitions returns the view's shards by partition. It must not be changed.
func (v *View) Partitions() []*Shard { return *v.shards.Load() }

func (v *View) levels() levels { return *v.aging.Load() }

func (v *View) maxKeys() int { return v.definition.Load().MaxKeys }

// counted tells whether panes are of so many events.
func (v *View) counted() bool { return v.definition.Load().Pane.Count > 0 }

// timeless tells whether there is one pane a key, for all time.
func (v *View) timeless() bool { return v.definition.Load().Pane == PaneSpec{} }

// paneCount is how many events a pane has; it means nothing for other panes.
func (v *View) paneCount() int64 { return int64(v.definition.Load().Pane.Count) }

// ordered tells whether the view's state depends on the order of the log, so
// that it must apply every record in full before the next: when panes are of so
// many events, or a sketch decays by a factor an event. Such a view does not
// shed, and a new one reads the past before what is new.
func (v *View) ordered() bool { return v.plan.ordered || v.counted() }

// since is the event time from which on events count.
func (v *View) since() int64 {
	if from := v.definition.Load().From; from.Since {
		return from.Time
	}
	return math.MinInt64
}

// lateness returns how far behind the greatest event time an event may be
// without being late, in milliseconds.
func (v *View) lateness() int64 {
	if d, err := v.views.streams.Lateness(v.definition.Load().Stream); err == nil {
		v.late.Store(max(d.Milliseconds(), 0))
	} // else the stream is being deleted; what was known before will do
	return v.late.Load()
}
