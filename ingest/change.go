package ingest

// Making, changing and deleting streams.
//
// The order of the steps is chosen for a crash between any two. A stream is in the catalog only once its log is there, so
// every stream that recovery finds has one; a log without a definition holds no events and is taken over by the next stream
// of that name. A deletion is noted in the catalog before anything is deleted, and recovery finishes what is noted, so that a
// stream made anew never finds events or checkpoints of an old one.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sketchlog/ingest/eventlog"
)

// undoTimeout bounds what is done after the caller's context may have ended.
const undoTimeout = 5 * time.Second

// OnChange registers a function that is called, with no lock held, after a stream was made, changed or deleted. It must be
// called before the streams are shared, and what it registers must be quick.
func (s *Streams) OnChange(listener func(stream string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, listener)
}

// changed tells the listeners.
func (s *Streams) changed(name string) {
	s.mu.RLock()
	listeners := s.listeners
	s.mu.RUnlock()
	for _, listener := range listeners {
		listener(name)
	}
}

// Put makes the stream, or changes it, as the JSON object patch says; what the patch leaves out stays, or has its default.
// It returns the whole definition and whether the stream is new. Errors by errors.Is: ErrInvalid and ErrConflict, which
// name every fault at once, ErrClosing, or what the log says.
func (s *Streams) Put(ctx context.Context, name string, patch []byte) (Definition, bool, error) {
	d, created, changed, err := s.put(ctx, name, patch)
	if changed {
		s.changed(name)
	}
	return d, created, err
}

func (s *Streams) put(ctx context.Context, name string, patch []byte) (d Definition, created, changed bool, err error) {
	if err := checkName("stream", name); err != nil {
		return Definition{}, false, false, err
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	if s.closing.Load() {
		return Definition{}, false, false, ErrClosing
	}
	st, err := s.stream(name)
	created = err != nil
	old := DefaultDefinition()
	if created {
		st = &stream{name: name, numbered: newNumbered()}
	} else {
		if st.closed != nil { // written under s.changes only
			return Definition{}, false, false, fmt.Errorf("%w: stream %s is being deleted", ErrConflict, name)
		}
		old = st.definition
	}
	next, err := old.Patch(patch)
	if err = errors.Join(err, next.Validate()); err != nil {
		return old, false, false, err
	}
	if !created {
		if err := old.change(next); err != nil {
			return old, false, false, err
		}
		if next == old {
			return old, false, false, nil
		}
	}
	if err := s.apply(ctx, st, next, created); err != nil {
		return old, false, false, err
	}
	return next, created, true, nil
}

// apply brings log, catalog and memory to the definition next. s.changes is held.
func (s *Streams) apply(ctx context.Context, st *stream, next Definition, created bool) error {
	body, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("write the definition of %s: %w", st.name, err)
	}
	if err := s.config.Log.Ensure(ctx, st.name, next.settings()); err != nil {
		return errors.Join(fmt.Errorf("prepare the log of %s: %w", st.name, err), s.undo(ctx, st.name, nil, created))
	}
	var fresh []*partition
	for i := len(st.partitions); i < next.Partitions && err == nil; i++ {
		// A store of checkpoints that lost its last writes may still hold one of a stream that was deleted.
		if err = s.config.Checkpoints.SaveTail(st.name, i, nil); err != nil {
			err = fmt.Errorf("clear the checkpoint of partition %d of %s: %w", i, st.name, err)
			break
		}
		var p *partition
		if p, err = s.openPartition(ctx, st.name, i, next); err == nil {
			fresh = append(fresh, p)
		}
	}
	if err == nil {
		if err = s.config.Log.Catalog().Put(ctx, catalogKind, st.name, body); err != nil {
			err = fmt.Errorf("keep the definition of %s: %w", st.name, err)
		}
	}
	if err != nil {
		return errors.Join(err, s.undo(ctx, st.name, fresh, created))
	}
	st.mu.Lock()
	st.definition = next
	st.partitions = append(slices.Clip(st.partitions), fresh...) // readers may hold the old slice
	for _, p := range st.partitions {
		p.appender.setLimit(s.batchLimit(next))
	}
	st.mu.Unlock()
	s.mu.Lock()
	s.streams[st.name] = st
	s.mu.Unlock()
	return nil
}

// undo takes back what apply did before it failed. Partitions that a log has grown stay, unused, until the change is tried
// again.
func (s *Streams) undo(ctx context.Context, name string, fresh []*partition, created bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var faults []error
	for _, p := range fresh {
		p.appender.abort(ErrUnknownStream)
		<-p.appender.done
		faults = append(faults, p.tail.Close())
	}
	if created {
		// The catalog may have it although it did not say so.
		if err := s.config.Log.Catalog().Delete(ctx, catalogKind, name); err != nil && !errors.Is(err, eventlog.ErrUnknown) {
			faults = append(faults, fmt.Errorf("take back the definition of %s: %w", name, err))
		}
		if err := s.config.Log.Delete(ctx, name); err != nil && !errors.Is(err, eventlog.ErrUnknown) {
			faults = append(faults, fmt.Errorf("take back the log of %s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

// Delete deletes a stream with its events. Requests that wait fail with ErrUnknownStream. If it fails half-way, the stream
// takes no events any more and Delete may be called again. That no view reads the stream is the caller's to see to.
func (s *Streams) Delete(ctx context.Context, name string) error {
	if err := s.remove(ctx, name); err != nil {
		return err
	}
	s.changed(name)
	return nil
}

func (s *Streams) remove(ctx context.Context, name string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	if s.closing.Load() {
		return ErrClosing
	}
	st, err := s.stream(name)
	if err != nil {
		return err
	}
	again := st.closed != nil // written under s.changes only
	gone := unknown(name)
	partitions := st.refuse(gone)
	if !again {
		for _, p := range partitions {
			p.appender.abort(gone)
		}
		if err := st.finish(); err != nil {
			// The tails only failed to save what is deleted next.
			s.config.Logger.Warn("closing a stream that is being deleted", "stream", name, "error", err)
		}
	}
	if err := s.config.Log.Catalog().Put(ctx, deletedKind, name, []byte("{}")); err != nil {
		return fmt.Errorf("note that %s is deleted: %w", name, err)
	}
	if err := s.erase(ctx, name, len(partitions)); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.streams, name)
	s.mu.Unlock()
	return nil
}

// erase deletes all that is kept of a stream whose deletion is noted. It may be repeated.
func (s *Streams) erase(ctx context.Context, name string, partitions int) error {
	for i := range partitions {
		// An empty checkpoint is none.
		if err := s.config.Checkpoints.SaveTail(name, i, nil); err != nil {
			return fmt.Errorf("delete the checkpoint of partition %d of %s: %w", i, name, err)
		}
	}
	if err := s.config.Log.Delete(ctx, name); err != nil && !errors.Is(err, eventlog.ErrUnknown) {
		return fmt.Errorf("delete the log of %s: %w", name, err)
	}
	for _, kind := range []string{catalogKind, deletedKind} {
		if err := s.config.Log.Catalog().Delete(ctx, kind, name); err != nil && !errors.Is(err, eventlog.ErrUnknown) {
			return fmt.Errorf("delete the definition of %s: %w", name, err)
		}
	}
	return nil
}

// finishDeletions erases the streams whose deletion a crash interrupted.
func (s *Streams) finishDeletions(ctx context.Context) error {
	noted, err := s.config.Log.Catalog().List(ctx, deletedKind)
	if err != nil {
		return fmt.Errorf("list the deletions of the catalog: %w", err)
	}
	for name := range noted {
		if err := s.erase(ctx, name, MaxPartitions); err != nil {
			return err
		}
	}
	return nil
}
