package ingest

// The streams of this node: recovering them, looking them up, and ending them.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sketchlog/ingest/eventlog"
)

const (
	// catalogKind is what definitions of streams are kept as in the log's catalog.
	catalogKind = "stream"
	// deletedKind is what notes there that a stream is being deleted.
	deletedKind = "stream-deleted"
	// recoverAtOnce bounds how many partitions are recovered at the same time: each reads and decodes the end of its log.
	recoverAtOnce = 8
)

// Streams is the streams of this node: their definitions, the tails of their partitions, and the appenders that feed them.
// Its methods may be called by any number of goroutines.
type Streams struct {
	config   Config
	counters counters
	room     budget

	// changes is held by what changes definitions, one at a time, and by Close. It is taken before mu and stream.mu.
	changes   sync.Mutex
	mu        sync.RWMutex // guards what follows
	streams   map[string]*stream
	listeners []func(stream string)
	behind    func(stream string) Behind // nil: nobody knows

	closing   atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// stream is one stream.
type stream struct {
	name     string
	turn     atomic.Uint64 // the round robin of requests without a number
	numbered *numbered

	// mu is held for reading while a request is placed and queued, so that whoever holds it for writing knows that
	// every request is either wholly queued or not at all.
	mu         sync.RWMutex
	definition Definition
	partitions []*partition
	closed     error // not nil: why nothing is taken any more
}

// partition is one partition of a stream.
type partition struct {
	log      eventlog.Partition
	tail     *eventlog.Tail
	appender *appender
	saved    uint64 // the offset of the last checkpoint; for the goroutine of Run only
}

// Named is a stream's name and definition.
type Named struct {
	Name string `json:"name"`
	Definition
}

// PartitionState is what a partition of the log holds.
type PartitionState struct {
	Partition int    `json:"partition"`
	First     uint64 `json:"first"`  // the first offset that is kept; Last+1 if none is
	Last      uint64 `json:"last"`   // the last offset ever given, 0 before any
	Events    uint64 `json:"events"` // kept; about, once retention has removed some
	Bytes     uint64 `json:"bytes"`  // kept
	Leader    string `json:"leader"` // the node that leads the partition; "" if none is known
}

// Open recovers the streams that the log's catalog defines, fully: when it returns every partition knows its end. Close must
// follow; Run does it when its context ends.
func Open(ctx context.Context, c Config) (*Streams, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Streams{config: c, streams: map[string]*stream{}, room: budget{limit: c.QueueBytes}}
	if err := s.finishDeletions(ctx); err != nil {
		return nil, err
	}
	stored, err := c.Log.Catalog().List(ctx, catalogKind)
	if err != nil {
		return nil, fmt.Errorf("list the streams of the catalog: %w", err)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(recoverAtOnce)
	for name, body := range stored {
		definition, err := DefaultDefinition().Patch(body)
		if err = errors.Join(err, definition.Validate()); err != nil {
			return nil, fmt.Errorf("the catalog's definition of stream %s (made by a newer version?): %w", name, err)
		}
		st := &stream{name: name, numbered: newNumbered(), definition: definition, partitions: make([]*partition, definition.Partitions)}
		s.streams[name] = st
	}
	for _, st := range s.streams {
		if err := c.Log.Ensure(ctx, st.name, st.definition.settings()); err != nil {
			return nil, fmt.Errorf("recover stream %s: %w", st.name, err)
		}
	}
	for _, st := range s.streams {
		for i := range st.partitions {
			group.Go(func() (err error) {
				st.partitions[i], err = s.openPartition(groupCtx, st.name, i, st.definition)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openPartition opens the log and tail of a partition and starts its appender.
func (s *Streams) openPartition(ctx context.Context, stream string, number int, d Definition) (*partition, error) {
	log, err := s.config.Log.Partition(ctx, stream, number)
	if err != nil {
		return nil, fmt.Errorf("open partition %d of %s: %w", number, stream, err)
	}
	tail, err := eventlog.OpenTail(ctx, eventlog.TailConfig{
		Stream: stream, Number: number, Log: log, Checkpoints: s.config.Checkpoints, CacheBytes: s.config.CacheBytes, Caches: s.config.Caches,
		Turns: s.config.Turns, Clock: s.config.Clock, Logger: s.config.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("recover partition %d of %s: %w", number, stream, err)
	}
	return &partition{
		log: log, tail: tail, saved: tail.Head().Offset,
		appender: startAppender(s, stream, number, tail, s.batchLimit(d)),
	}, nil
}

// batchLimit is how large a full batch is: as configured, but so that a small log holds several.
func (s *Streams) batchLimit(d Definition) int {
	if d.Retention.Bytes == 0 {
		return s.config.BatchBytes
	}
	return int(max(1, min(int64(s.config.BatchBytes), d.Retention.Bytes/int64(d.Partitions)/4)))
}

// Run saves from time to time what the tails know, and closes the streams when ctx ends.
func (s *Streams) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.config.CheckpointEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return s.Close()
		case <-ticker.C:
		}
		err := s.checkpoint()
		if err != nil && !failing {
			s.config.Logger.Warn("checkpoints fail; a start after a crash takes longer", "error", err)
		}
		failing = err != nil
	}
}

// checkpoint saves what has changed. A checkpoint that fails costs time at the next start and nothing else; the others
// wait for the next time then.
func (s *Streams) checkpoint() error {
	for _, st := range s.all() {
		if err := s.checkpointStream(st); err != nil {
			return err
		}
	}
	return nil
}

// checkpointStream holds off deletion meanwhile: a checkpoint of a deleted stream must not come after all.
func (s *Streams) checkpointStream(st *stream) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	if st.closed != nil {
		return nil
	}
	for _, p := range st.partitions {
		head := p.tail.Head().Offset
		if head == p.saved {
			continue
		}
		if err := p.tail.Checkpoint(); err != nil {
			return err
		}
		p.saved = head
	}
	return nil
}

// Close refuses new requests, appends what was taken, saves what the tails know, and closes them. What cannot be appended
// within Config.DrainTimeout fails with eventlog.ErrUnavailable. It may be called more than once.
func (s *Streams) Close() error {
	s.closeOnce.Do(func() {
		s.changes.Lock()
		defer s.changes.Unlock()
		s.closing.Store(true)
		all := s.all()
		for _, st := range all {
			for _, p := range st.refuse(ErrClosing) {
				p.appender.close()
			}
		}
		hurried := make(chan struct{})
		hurry := time.AfterFunc(s.config.DrainTimeout, func() {
			defer close(hurried)
			for _, st := range all {
				for _, p := range st.refuse(ErrClosing) {
					p.appender.abort(fmt.Errorf("%w: %w before this was appended", eventlog.ErrUnavailable, ErrClosing))
				}
			}
		})
		var faults []error
		for _, st := range all {
			faults = append(faults, st.finish())
		}
		if !hurry.Stop() {
			<-hurried
		}
		s.closeErr = errors.Join(faults...)
	})
	return s.closeErr
}

// refuse lets the stream take nothing more, because of err unless it was refused before, and returns its partitions.
func (st *stream) refuse(err error) []*partition {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed == nil {
		st.closed = err
	}
	return slices.DeleteFunc(slices.Clone(st.partitions), func(p *partition) bool { return p == nil }) // nil: Open failed half-way
}

// finish waits for the appenders, which were told to end, and closes the tails.
func (st *stream) finish() error {
	var faults []error
	for i, p := range st.refuse(ErrClosing) {
		<-p.appender.done
		if err := p.tail.Close(); err != nil {
			faults = append(faults, fmt.Errorf("close partition %d of %s: %w", i, st.name, err))
		}
	}
	return errors.Join(faults...)
}

// stream looks a stream up.
func (s *Streams) stream(name string) (*stream, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if st := s.streams[name]; st != nil {
		return st, nil
	}
	return nil, unknown(name)
}

func unknown(name string) error { return fmt.Errorf("%w %.80q", ErrUnknownStream, name) }

// all returns the streams in order of name.
func (s *Streams) all() []*stream {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*stream, 0, len(s.streams))
	for _, st := range s.streams {
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b *stream) int { return cmp.Compare(a.name, b.name) })
	return all
}

// Get returns the definition of a stream, or ErrUnknownStream.
func (s *Streams) Get(name string) (Definition, error) {
	st, err := s.stream(name)
	if err != nil {
		return Definition{}, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.definition, nil
}

// List returns the streams in order of name.
func (s *Streams) List() []Named {
	list := []Named{}
	for _, st := range s.all() {
		st.mu.RLock()
		list = append(list, Named{st.name, st.definition})
		st.mu.RUnlock()
	}
	return list
}

// Tails returns the tails of a stream, by partition; the slice is the caller's. A tail is closed with its stream.
func (s *Streams) Tails(name string) ([]*eventlog.Tail, error) {
	st, err := s.stream(name)
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	tails := make([]*eventlog.Tail, len(st.partitions))
	for i, p := range st.partitions {
		tails[i] = p.tail
	}
	return tails, nil
}

// Lateness returns how late events of a stream may be.
func (s *Streams) Lateness(name string) (time.Duration, error) {
	d, err := s.Get(name)
	return time.Duration(d.Lateness), err
}

// State returns what the partitions of a stream hold, by partition.
func (s *Streams) State(ctx context.Context, name string) ([]PartitionState, error) {
	st, err := s.stream(name)
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	partitions := st.partitions
	st.mu.RUnlock()
	states := make([]PartitionState, len(partitions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(recoverAtOnce)
	for i, p := range partitions {
		group.Go(func() error {
			bounds, err := p.log.Bounds(ctx)
			if err != nil {
				return fmt.Errorf("state of partition %d of %s: %w", i, name, err)
			}
			leader, err := s.config.Log.Leader(ctx, name, i)
			if err != nil {
				return fmt.Errorf("leader of partition %d of %s: %w", i, name, err)
			}
			removed, _ := p.tail.EventsBefore(bounds.First)
			events := p.tail.Head().Events
			states[i] = PartitionState{i, bounds.First, bounds.Last, events - min(removed, events), bounds.Bytes, leader}
			return nil
		})
	}
	return states, group.Wait()
}
