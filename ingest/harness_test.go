package ingest

// What the tests of intake share: streams on a log in memory, requests of events with an id, and reading back what the
// log holds.

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
)

// openOn opens streams on a log; they are closed with the test.
func openOn(t testing.TB, log eventlog.Log, change ...func(*Config)) *Streams {
	t.Helper()
	c := Config{Log: log, Checkpoints: newCheckpoints(), Linger: -1}
	for _, f := range change {
		f(&c)
	}
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put makes or changes a stream.
func put(t testing.TB, s *Streams, name, patch string) Definition {
	t.Helper()
	d, _, err := s.Put(context.Background(), name, []byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ids makes a batch of events first … first+n-1; the field key holds one of seven keys.
func ids(t testing.TB, first, n int) *event.Batch {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{"id": event.IntValue(int64(first + i)), "key": event.StringValue(fmt.Sprint("k", (first+i)%7))}
	}
	return batchOf(t, rows...)
}

// record is what the log holds at one offset.
type record struct {
	batch *event.Batch
	ids   []int64
}

// stored reads a partition back.
func stored(t testing.TB, log eventlog.Log, stream string, partition int) []record {
	t.Helper()
	p, err := log.Partition(context.Background(), stream, partition)
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	for r, err := range p.Read(context.Background(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := event.DecodeBatch(r.Data)
		if err != nil {
			t.Fatal(err)
		}
		rec := record{batch: b}
		for i := range b.Rows() {
			rec.ids = append(rec.ids, int64(b.Column("id").Bits[i]))
		}
		records = append(records, rec)
	}
	return records
}

// counted returns the ids in a partition as a view counts them: repeated segments are dropped in log order.
func counted(t testing.TB, log eventlog.Log, stream string, partition int) []int64 {
	t.Helper()
	seen := event.NewProducers()
	var all []int64
	for _, r := range stored(t, log, stream, partition) {
		at := 0
		for _, s := range r.batch.Segments {
			if s.Producer == "" || seen.Note(s.Producer, s.Number, s.Partitions) == event.Fresh {
				all = append(all, r.ids[at:at+s.Rows]...)
			}
			at += s.Rows
		}
		if at != len(r.ids) {
			t.Fatalf("segments cover %d of %d rows", at, len(r.ids))
		}
	}
	return all
}

// wantIDs checks that a stream counts the events 0 … n-1, each exactly once.
func wantIDs(t testing.TB, log eventlog.Log, stream string, partitions, n int) {
	t.Helper()
	var all []int64
	for i := range partitions {
		all = append(all, counted(t, log, stream, i)...)
	}
	slices.Sort(all)
	if len(all) != n {
		t.Errorf("the log counts %d events, want %d", len(all), n)
		return
	}
	for i, id := range all {
		if id != int64(i) {
			t.Errorf("event %d is counted in place of event %d", id, i)
			return
		}
	}
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// hold lets appends to a partition wait until release.
func hold(t testing.TB, log *memlog.Log, stream string, partition int) (release func()) {
	t.Helper()
	release, err := log.Hold(stream, partition)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return release
}

// checkpoints is a store of checkpoints in memory.
type checkpoints struct {
	mu    sync.Mutex
	saved map[string][]byte
	saves int
}

func newCheckpoints() *checkpoints { return &checkpoints{saved: map[string][]byte{}} }

func (c *checkpoints) LoadTail(stream string, partition int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved[fmt.Sprint(stream, " ", partition)], nil
}

func (c *checkpoints) SaveTail(stream string, partition int, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saves++
	c.saved[fmt.Sprint(stream, " ", partition)] = slices.Clone(b)
	return nil
}
