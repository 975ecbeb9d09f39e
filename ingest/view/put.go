package view

// This file makes, changes and deletes views.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sketchlog/ingest/eventlog"
)

// Put makes a view, or changes one: keep, rollups, max_keys, fresh and priority
// can change and stay as they are when they are left out, and from means nothing for a view that exists. It returns the
// definition with what was left out filled in, and whether the view is new. Errors: ErrInvalid with
// every fault, ErrConflict, ErrUnknownStream, ErrNoRoom, ErrClosed. When Put returns nil
// the view survives any crash.
func (v *Views) Put(ctx context.Context, name string, body []byte) (d Definition, created bool, err error) {
	if !namePattern.MatchString(name) {
		return d, false, fmt.Errorf("%w: %.100q is not a name: names are 1 to 64 of A-Z, a-z, 0-9, _ and -", ErrInvalid, name)
	}
	v.changing.Lock()
	defer v.changing.Unlock()
	if v.stopped() {
		return d, false, ErrClosed
	}
	var old *Definition
	view, unknown := v.Get(name)
	if unknown == nil {
		definition := view.Definition()
		old = &definition
	}
	if d, err = parseDefinition(body, old); err != nil {
		return d, false, err
	}
	if err := v.Stalled(); err != nil {
		return d, false, fmt.Errorf("make view %s: %w", name, err)
	}
	if unknown == nil {
		d, err = v.change(ctx, view, d)
		return d, false, err
	}
	err = v.create(ctx, name, d)
	return d, err == nil, err
}

func (v *Views) create(ctx context.Context, name string, d Definition) error {
	tails, err := v.streams.Tails(d.Stream)
	if err != nil {
		return fmt.Errorf("%w: view %s reads stream %s: %w", ErrUnknownStream, name, d.Stream, err)
	}
	generation, err := v.store.nextGeneration()
	if err != nil {
		return err
	}
	e := &entry{Generation: generation, Definition: d}
	view, err := newView(v, name, e)
	if err != nil {
		return fmt.Errorf("view %s: %w", name, err)
	}
	// State first, then the catalog: what is in the catalog has state, and what a
	// crash leaves of state without an entry is removed by the next Open.
	shards := make([]*Shard, len(tails))
	for i, t := range tails {
		shards[i] = newShard(view, i, t, Start{})
		if err := shards[i].establish(ctx); err != nil {
			return errors.Join(fmt.Errorf("view %s partition %d: %w", name, i, err), v.store.drop(generation))
		}
		e.Starts = append(e.Starts, shards[i].begin)
	}
	if err := v.save(ctx, name, e); err != nil {
		return err // the outcome may be unknown, so the state stays until the next Open
	}
	view.shards.Store(&shards)
	v.mu.Lock()
	v.views[name] = view
	v.mu.Unlock()
	for _, s := range shards {
		v.start(s)
	}
	return nil
}

// save writes a view into the catalog.
func (v *Views) save(ctx context.Context, name string, e *entry) error {
	b, err := e.marshal()
	if err == nil {
		err = v.catalog.Put(ctx, catalogKind, name, b)
	}
	if err != nil {
		return fmt.Errorf("save view %s: %w", name, err)
	}
	return nil
}

// change changes what can change of a view.
func (v *Views) change(ctx context.Context, view *View, next Definition) (Definition, error) {
	old := view.Definition()
	if fixed := old.fixedChanges(&next); len(fixed) > 0 {
		return old, fmt.Errorf("%w: view %s exists, and its %s cannot change; make a new view under another name, and switch to it when it has caught up", ErrConflict, view.name, strings.Join(fixed, ", "))
	}
	next.From = old.From
	e := &entry{Generation: view.generation, Definition: next}
	for _, s := range view.Partitions() {
		e.Starts = append(e.Starts, s.begin)
	}
	if err := v.save(ctx, view.name, e); err != nil {
		return old, err
	}
	view.define(&next)
	return next, nil
}

// Delete removes a view and its state, or returns ErrUnknownView or ErrNoRoom.
func (v *Views) Delete(ctx context.Context, name string) error {
	v.changing.Lock()
	defer v.changing.Unlock()
	view, err := v.Get(name)
	if err != nil {
		return err
	}
	if err := v.Stalled(); err != nil {
		return fmt.Errorf("delete view %s: %w", name, err)
	}
	// The catalog first: what a crash leaves of the state is removed by the next Open.
	if err := v.catalog.Delete(ctx, catalogKind, name); err != nil && !errors.Is(err, eventlog.ErrUnknown) {
		return fmt.Errorf("delete view %s: %w", name, err)
	}
	v.mu.Lock()
	delete(v.views, name)
	v.mu.Unlock()
	v.progress.tell()
	for _, s := range view.Partitions() {
		s.worker.stop()
		s.mu.Lock()
		s.clear()
		s.mu.Unlock()
	}
	return v.store.drop(view.generation)
}

// StreamChanged looks at a stream's partitions again, and has its views read
// those that are new, from their first event on. Streams call it after they
// have grown.
func (v *Views) StreamChanged(stream string) {
	v.changing.Lock()
	defer v.changing.Unlock()
	tails, err := v.streams.Tails(stream)
	if err != nil || v.stopped() {
		return // the stream is being deleted, or we are stopping
	}
	for _, view := range v.List() {
		if view.Definition().Stream != stream {
			continue
		}
		if err := v.extend(context.Background(), view, tails, nil); err != nil {
			v.logger.Error("a view cannot read new partitions until the next start", "view", view.name, "stream", stream, "error", err)
		}
	}
	v.progress.tell()
}
