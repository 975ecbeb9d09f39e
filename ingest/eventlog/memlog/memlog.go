// Package memlog is a log in memory, for tests: it passes the suite of a log
// and can be told to fail in the ways that a real one does.
package memlog

// This file is the log as a whole; partition.go is one partition, catalog.go
// the definitions and fault.go the failures that tests ask for.

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sketchlog/ingest/eventlog"
)

// MaxRecord is the largest record that the log takes, in bytes.
const MaxRecord = 8<<20 - 4<<10

// Log is a log in memory. The zero value is not usable; see New.
type Log struct {
	clock func() time.Time

	mu      sync.Mutex
	streams map[string]*stream
	catalog catalog
	closed  bool
}

type stream struct {
	settings   eventlog.Settings
	partitions []*partition
}

var _ eventlog.Log = (*Log)(nil)

// New returns an empty log that stamps records with the machine's time.
func New() *Log { return NewAt(time.Now) }

// NewAt returns an empty log whose time is clock: of arrivals, of retention by
// age and of the two minutes in which an id is remembered.
func NewAt(clock func() time.Time) *Log {
	return &Log{clock: clock, streams: map[string]*stream{}, catalog: catalog{values: map[string][]byte{}}}
}

// Ensure creates or adapts a stream.
func (l *Log) Ensure(ctx context.Context, name string, s eventlog.Settings) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Check(name); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return eventlog.ErrClosed
	}
	st := l.streams[name]
	if st == nil {
		st = &stream{}
		l.streams[name] = st
	}
	for len(st.partitions) < s.Partitions {
		st.partitions = append(st.partitions, newPartition(l.clock))
	}
	st.settings = s
	for _, p := range st.partitions {
		p.adapt(s)
	}
	return nil
}

// Delete removes a stream; its partitions answer ErrUnknown from then on.
func (l *Log) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.streams[name]
	if st == nil {
		return fmt.Errorf("stream %s: %w", name, eventlog.ErrUnknown)
	}
	delete(l.streams, name)
	for _, p := range st.partitions {
		p.end(eventlog.ErrUnknown)
	}
	return nil
}

// Partition returns a partition of a stream.
func (l *Log) Partition(ctx context.Context, name string, number int) (eventlog.Partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := l.find(name, number)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (l *Log) find(name string, number int) (*partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, eventlog.ErrClosed
	}
	st := l.streams[name]
	if st == nil || number < 0 || number >= len(st.partitions) {
		return nil, fmt.Errorf("stream %s partition %d: %w", name, number, eventlog.ErrUnknown)
	}
	return st.partitions[number], nil
}

// Catalog returns the definitions of this log.
func (l *Log) Catalog() eventlog.Catalog { return &l.catalog }

// Ready is nil until the log is closed.
func (l *Log) Ready(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return eventlog.ErrClosed
	}
	return ctx.Err()
}

// Leader is always "memory".
func (l *Log) Leader(_ context.Context, name string, number int) (string, error) {
	if _, err := l.find(name, number); err != nil {
		return "", err
	}
	return "memory", nil
}

// Close makes everything answer ErrClosed until Reopen.
func (l *Log) Close() error {
	l.setClosed(true)
	return nil
}

// Reopen undoes Close with all records kept, as if a durable log were opened again.
func (l *Log) Reopen() { l.setClosed(false) }

func (l *Log) setClosed(closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = closed
	var err error
	if closed {
		err = eventlog.ErrClosed
	}
	for _, st := range l.streams {
		for _, p := range st.partitions {
			p.end(err)
		}
	}
	l.catalog.end(err)
}
