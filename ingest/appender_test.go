package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
)

// While one append is under way, all that comes is gathered into one record.
func TestGroupCommit(t *testing.T) {
	log := memlog.New()
	var mu sync.Mutex
	var seen []Appended
	s := openOn(t, log, func(c *Config) {
		c.Observe = func(a Appended) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, a)
		}
	})
	put(t, s, "edits", `{"partitions": 1}`)
	release := hold(t, log, "edits", 0)
	var group sync.WaitGroup
	send := func(i int) {
		group.Go(func() {
			if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i, 1), Acks: eventlog.AcksAll}); err != nil {
				t.Error(err)
			}
		})
	}
	send(0)
	a := s.streams["edits"].partitions[0].appender
	until(t, "the first is being appended", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.busy })
	for i := 1; i < 100; i++ {
		send(i)
	}
	until(t, "the others are gathered", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.open != nil && a.open.batch.Rows() == 99
	})
	release()
	group.Wait()
	wantIDs(t, log, "edits", 1, 100)
	records := stored(t, log, "edits", 0)
	if len(records) != 2 || len(records[1].batch.Segments) != 99 {
		t.Errorf("100 events are in %d records", len(records))
	}
	if len(seen) != 2 || seen[1].Events != 99 || seen[1].Requests != 99 || seen[1].Stream != "edits" || seen[1].Err != nil {
		t.Errorf("observed %+v", seen)
	}
}

// An idle partition waits for company, exactly as long as it was told, and full batches do not wait.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := memlog.New()
		s, err := Open(background, Config{Log: log, Linger: 2 * time.Millisecond, BatchEvents: 10})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "edits", `{"partitions": 1}`)
		append1 := func(first, n int) time.Duration {
			began := time.Now()
			if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, first, n), Acks: eventlog.AcksAll}); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		var second time.Duration
		go func() {
			time.Sleep(time.Millisecond)
			second = append1(1, 1)
		}()
		if took := append1(0, 1); took != 2*time.Millisecond {
			t.Errorf("the first event waited %v", took)
		}
		synctest.Wait()
		if second != time.Millisecond {
			t.Errorf("the second event waited %v", second)
		}
		if took := append1(2, 10); took != 0 {
			t.Errorf("a full batch waited %v", took)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n := len(stored(t, log, "edits", 0)); n != 2 {
			t.Errorf("%d records", n)
		}
	})
}

// Requests whose fields all differ must not make a record wider than the log takes.
func TestWideBatchesAreClosedInTime(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "wide", `{"partitions": 1}`)
	release := hold(t, log, "wide", 0)
	for i := range 30 {
		r := row{"id": event.IntValue(int64(i))}
		for j := range 200 {
			r[fmt.Sprintf("f%d-%d", i, j)] = event.IntValue(1)
		}
		if _, err := s.Append(background, Request{Stream: "wide", Body: batchOf(t, r), Acks: eventlog.AcksNone}); err != nil {
			t.Fatal(err)
		}
	}
	release()
	until(t, "all are appended", func() bool { return s.Stats().QueuedBytes == 0 })
	wantIDs(t, log, "wide", 1, 30)
}

// A batch size is meant as encoded: what repeats itself is gathered for longer.
func TestBatchSizeIsAsEncoded(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log, func(c *Config) { c.BatchBytes = 16 << 10 })
	put(t, s, "edits", `{"partitions": 1}`)
	for i := range 60 {
		if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i*500, 500), Acks: eventlog.AcksAll}); err != nil {
			t.Fatal(err)
		}
	}
	a := s.streams["edits"].partitions[0].appender
	a.mu.Lock()
	share := a.share
	a.mu.Unlock()
	if share >= 0.5 || share < 1.0/16 {
		t.Errorf("measured bytes become %.2f bytes each", share)
	}
}

func TestCloseDrains(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log, func(c *Config) { c.BatchEvents = 7 })
	put(t, s, "edits", `{"partitions": 3}`)
	release := hold(t, log, "edits", 1)
	for i := range 20 {
		if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i*10, 10), Acks: eventlog.AcksNone}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(background)
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	stop()
	until(t, "the stream is closed", func() bool {
		st := s.streams["edits"]
		st.mu.RLock()
		defer st.mu.RUnlock()
		return st.closed != nil
	})
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 1), Acks: eventlog.AcksNone}); !errors.Is(err, ErrClosing) {
		t.Errorf("a request after closing: %v", err)
	}
	release()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, _, err := s.Put(background, "new", nil); !errors.Is(err, ErrClosing) {
		t.Errorf("a stream was made after closing: %v", err)
	}
	if err := s.Delete(background, "edits"); !errors.Is(err, ErrClosing) {
		t.Errorf("a stream was deleted after closing: %v", err)
	}
	if s.Stats().QueuedBytes != 0 || s.Dropped() != 0 {
		t.Errorf("got %+v", s.Stats())
	}
	wantIDs(t, log, "edits", 3, 200)
}

// A log that does not answer cannot hold closing up for ever, and nobody is left waiting.
func TestCloseGivesUp(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log, func(c *Config) { c.BatchEvents, c.DrainTimeout = 10, 20*time.Millisecond })
	put(t, s, "edits", `{"partitions": 1}`)
	hold(t, log, "edits", 0)
	errs := make(chan error)
	const requests = 5
	for i := range requests {
		go func() {
			_, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i*10, 10), Acks: eventlog.AcksAll})
			errs <- err
		}()
	}
	until(t, "all are queued", func() bool {
		a := s.streams["edits"].partitions[0].appender
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.busy && len(a.sealed) == requests-1
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range requests {
		if err := <-errs; !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	log := memlog.New()
	s := openOn(b, log)
	put(b, s, "edits", `{"partitions": 4, "key": "key", "retention": {"bytes": 268435456}}`)
	body := ids(b, 0, 1000)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Append(background, Request{Stream: "edits", Body: body, Acks: eventlog.AcksAll}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/event")
}
