package eventlog_test

// This file holds what the tests of a tail stand on: batches, a map of
// checkpoints, and a log in memory with one partition.

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
)

// batch returns events numbered from first, with that number as time, as one
// request of a producer when number is not 0.
func batch(first, rows int, number uint64) *event.Batch {
	b := &event.Batch{}
	build := event.NewBuilder(b)
	for i := range rows {
		build.Begin()
		build.Int([]byte("n"), int64(first+i))
		build.String([]byte("text"), fmt.Appendf(nil, "event %d", first+i))
		build.End(int64(1000 + first + i))
	}
	if number != 0 {
		b.Segments = append(b.Segments, event.Segment{Producer: "p", Number: number, Partitions: 1, Rows: rows})
	}
	return b
}

// checkpoints is a map that satisfies eventlog.Checkpoints.
type checkpoints struct {
	mu    sync.Mutex
	saved map[string][]byte
}

func (c *checkpoints) LoadTail(stream string, partition int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved[fmt.Sprint(stream, partition)], nil
}

func (c *checkpoints) SaveTail(stream string, partition int, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved == nil {
		c.saved = map[string][]byte{}
	}
	c.saved[fmt.Sprint(stream, partition)] = append([]byte{}, b...)
	return nil
}

// rig is a log of one partition with what a tail needs.
type rig struct {
	t     *testing.T
	log   *memlog.Log
	part  eventlog.Partition
	saved *checkpoints
	cache int64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, log: memlog.New(), saved: &checkpoints{}}
	if err := r.log.Ensure(t.Context(), "s", eventlog.Settings{Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.part, err = r.log.Partition(t.Context(), "s", 0); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) open() *eventlog.Tail {
	r.t.Helper()
	t, err := eventlog.OpenTail(r.t.Context(), eventlog.TailConfig{Stream: "s", Log: r.part, Checkpoints: r.saved, CacheBytes: r.cache})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := t.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return t
}

// add appends batches of two events each through the tail.
func (r *rig) add(t *eventlog.Tail, batches int) {
	r.t.Helper()
	for range batches {
		head := t.Head()
		b := batch(int(head.Events), 2, 0)
		offset, err := t.Append(r.t.Context(), b, eventlog.AcksAll)
		if err != nil || offset != head.Offset+1 {
			r.t.Fatalf("append after offset %d gave %d, %v", head.Offset, offset, err)
		}
	}
}

// follow reads until the offset and returns the entries in short: "3" for a
// record, "4-6 lost" for a gap. It checks that they are consecutive.
func (r *rig) follow(reader *eventlog.Reader, after, to uint64) (seen []string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	for after < to {
		e, err := reader.Next(ctx)
		if err != nil {
			r.t.Fatalf("after offset %d: %v", after, err)
		}
		if e.First != after+1 || e.Offset < e.First || e.Batch != nil && e.First != e.Offset {
			r.t.Fatalf("after offset %d comes %d to %d", after, e.First, e.Offset)
		}
		after = e.Offset
		if e.Batch == nil {
			seen = append(seen, fmt.Sprintf("%d-%d lost", e.First, e.Offset))
		} else {
			seen = append(seen, fmt.Sprint(e.Offset))
		}
	}
	return seen
}

func (r *rig) expect(what string, got []string, want ...string) {
	r.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
