package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
)

func TestPutGetListDelete(t *testing.T) {
	s := openOn(t, memlog.New())
	var changes []string
	s.OnChange(func(stream string) { changes = append(changes, stream) })
	for _, name := range []string{"b", "a"} {
		if _, created, err := s.Put(background, name, []byte(`{"partitions": 2}`)); err != nil || !created {
			t.Fatalf("made %s: %v, %v", name, created, err)
		}
	}
	d, created, err := s.Put(background, "a", []byte(`{"lateness": "5m"}`))
	if err != nil || created || d.Partitions != 2 || d.Lateness != event.Duration(5*time.Minute) {
		t.Fatalf("changed to %+v, %v, %v", d, created, err)
	}
	if late, err := s.Lateness("a"); err != nil || late != 5*time.Minute {
		t.Errorf("lateness %v, %v", late, err)
	}
	if _, created, err := s.Put(background, "a", []byte(`{"partitions": 2}`)); err != nil || created {
		t.Errorf("the same definition: %v, %v", created, err)
	}
	if list := s.List(); len(list) != 2 || list[0].Name != "a" || list[0].Definition != d || list[1].Name != "b" {
		t.Errorf("listed %+v", list)
	}
	if err := s.Delete(background, "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(background, "b"); !errors.Is(err, ErrUnknownStream) {
		t.Errorf("deleted twice: %v", err)
	}
	for _, err := range []error{
		second(s.Get("b")), second(s.Tails("b")), second(s.State(background, "b")), second(s.Lateness("b")),
	} {
		if !errors.Is(err, ErrUnknownStream) {
			t.Errorf("a deleted stream: %v", err)
		}
	}
	if want := []string{"b", "a", "a", "b"}; !slices.Equal(changes, want) {
		t.Errorf("told of %v, want %v", changes, want)
	}
}

func second[T any](_ T, err error) error { return err }

func TestPutRefuses(t *testing.T) {
	s := openOn(t, memlog.New())
	put(t, s, "old", `{"partitions": 4, "key": "page", "time": "time"}`)
	for _, c := range []struct {
		stream, patch string
		want          error
	}{
		{"bad name", `{}`, ErrInvalid},
		{"", `{}`, ErrInvalid},
		{"new", `{"partitions": -3}`, ErrInvalid},
		{"new", `{"partitons": 3}`, ErrInvalid},
		{"old", `{"partitons": 3}`, ErrInvalid},
		{"old", `{"partitions": 3}`, ErrConflict},
		{"old", `{"key": "user"}`, ErrConflict},
		{"old", `{"key": ""}`, ErrConflict},
		{"old", `{"time": "when"}`, ErrConflict},
	} {
		if _, _, err := s.Put(background, c.stream, []byte(c.patch)); !errors.Is(err, c.want) {
			t.Errorf("%s %s: got %v, want %v", c.stream, c.patch, err, c.want)
		}
	}
	if _, err := s.Get("new"); !errors.Is(err, ErrUnknownStream) {
		t.Error("a refused definition made a stream")
	}
	_, _, err := s.Put(background, "new", []byte(`{"partitons": 3, "replicas": -1, "lateness": "soon"}`))
	for _, want := range []string{"partitons", "replicas", "lateness"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// Partitions that are added take events, readers that hold the old tails go on, and a key keeps its order within what it has.
func TestGrowth(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 2}`)
	old, err := s.Tails("edits")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	const requests = 50
	for i := range requests {
		group.Go(func() {
			if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i*20, 20), Acks: eventlog.AcksAll, Producer: "p", Number: uint64(i)}); err != nil {
				t.Error(err)
			}
		})
		if i%10 == 5 {
			put(t, s, "edits", fmt.Sprintf(`{"partitions": %d}`, 3+i/10))
		}
	}
	group.Wait()
	wantIDs(t, log, "edits", 7, requests*20)
	tails, err := s.Tails("edits")
	if err != nil || len(tails) != 7 || tails[0] != old[0] || tails[1] != old[1] {
		t.Errorf("%d tails, %v", len(tails), err)
	}
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, requests*20, 70), Acks: eventlog.AcksAll}); err != nil {
		t.Fatal(err)
	}
	states, err := s.State(background, "edits")
	if err != nil || len(states) != 7 {
		t.Fatalf("%d states, %v", len(states), err)
	}
	total := uint64(0)
	for i, p := range states {
		total += p.Events
		if p.Partition != i || p.Last == 0 || p.First != 1 || p.Bytes == 0 {
			t.Errorf("partition %d: %+v", i, p)
		}
	}
	if total != requests*20+70 {
		t.Errorf("the states count %d events", total)
	}
}

// Requests that wait learn that their stream is gone, and its name is free for another that begins anew.
func TestDeleteWhileRequestsWait(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log, func(c *Config) { c.BatchEvents = 5 })
	put(t, s, "edits", `{"partitions": 1}`)
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 5), Acks: eventlog.AcksAll, Producer: "p", Number: 1}); err != nil {
		t.Fatal(err)
	}
	hold(t, log, "edits", 0)
	errs := make(chan error)
	for i := range 3 {
		go func() {
			_, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i*5, 5), Acks: eventlog.AcksAll})
			errs <- err
		}()
	}
	a := s.streams["edits"].partitions[0].appender
	until(t, "all are queued", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.busy && len(a.sealed) == 2 })
	if err := s.Delete(background, "edits"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		// What was being appended has an unknown outcome.
		if err := <-errs; !errors.Is(err, ErrUnknownStream) && !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if s.Stats().QueuedBytes != 0 {
		t.Errorf("%d bytes stay queued", s.Stats().QueuedBytes)
	}
	put(t, s, "edits", `{"partitions": 1}`)
	got, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 5), Acks: eventlog.AcksAll, Producer: "p", Number: 1})
	if err != nil || got.Duplicate || got.Offsets[0] != 1 {
		t.Errorf("a new stream of the same name: %+v, %v", got, err)
	}
}

// unruly is a log of which some calls fail.
type unruly struct {
	*memlog.Log
	fail string // the name of the call
}

var errUnruly = errors.New("not today")

func (l *unruly) Ensure(ctx context.Context, stream string, s eventlog.Settings) error {
	if l.fail == "ensure" {
		return errUnruly
	}
	return l.Log.Ensure(ctx, stream, s)
}

func (l *unruly) Partition(ctx context.Context, stream string, number int) (eventlog.Partition, error) {
	if l.fail == "partition" && number == 2 {
		return nil, errUnruly
	}
	return l.Log.Partition(ctx, stream, number)
}

func (l *unruly) Delete(ctx context.Context, stream string) error {
	if l.fail == "delete" {
		return errUnruly
	}
	return l.Log.Delete(ctx, stream)
}

func (l *unruly) Catalog() eventlog.Catalog { return unrulyCatalog{l.Log.Catalog(), l} }

type unrulyCatalog struct {
	eventlog.Catalog
	log *unruly
}

func (c unrulyCatalog) Put(ctx context.Context, kind, name string, value []byte) error {
	if c.log.fail == "put" {
		return errUnruly
	}
	return c.Catalog.Put(ctx, kind, name, value)
}

// A change that fails half-way leaves things as they were, and can be tried again.
func TestPutThatFails(t *testing.T) {
	for _, fail := range []string{"ensure", "partition", "put"} {
		t.Run(fail, func(t *testing.T) {
			log := &unruly{Log: memlog.New()}
			s := openOn(t, log)
			put(t, s, "old", `{"partitions": 2}`)
			log.fail = fail
			if _, _, err := s.Put(background, "new", nil); !errors.Is(err, errUnruly) {
				t.Errorf("made a stream: %v", err)
			}
			if _, _, err := s.Put(background, "old", []byte(`{"partitions": 4}`)); !errors.Is(err, errUnruly) {
				t.Errorf("grew a stream: %v", err)
			}
			if _, err := s.Get("new"); !errors.Is(err, ErrUnknownStream) {
				t.Error("the failed stream is there")
			}
			if d, err := s.Get("old"); err != nil || d.Partitions != 2 {
				t.Errorf("the old stream is now %+v, %v", d, err)
			}
			log.fail = ""
			if _, err := s.Append(background, Request{Stream: "old", Body: ids(t, 0, 10), Acks: eventlog.AcksAll}); err != nil {
				t.Error(err)
			}
			put(t, s, "new", "")
			put(t, s, "old", `{"partitions": 4}`)
			if _, err := s.Append(background, Request{Stream: "old", Body: ids(t, 10, 10), Acks: eventlog.AcksAll}); err != nil {
				t.Error(err)
			}
			wantIDs(t, log, "old", 4, 20)
		})
	}
}

// A deletion that fails can be repeated, and one that a crash interrupts is finished at the next start.
func TestDeleteThatFails(t *testing.T) {
	log, saved := &unruly{Log: memlog.New()}, newCheckpoints()
	keep := func(c *Config) { c.Checkpoints = saved }
	s := openOn(t, log, keep)
	for _, name := range []string{"again", "crash"} {
		put(t, s, name, `{"partitions": 2}`)
		if _, err := s.Append(background, Request{Stream: name, Body: ids(t, 0, 10), Acks: eventlog.AcksAll}); err != nil {
			t.Fatal(err)
		}
	}
	log.fail = "delete"
	for _, name := range []string{"again", "crash"} {
		if err := s.Delete(background, name); !errors.Is(err, errUnruly) {
			t.Errorf("got %v", err)
		}
		if _, err := s.Append(background, Request{Stream: name, Body: ids(t, 0, 1)}); !errors.Is(err, ErrUnknownStream) {
			t.Errorf("a half deleted stream takes events: %v", err)
		}
		if _, _, err := s.Put(background, name, nil); !errors.Is(err, ErrConflict) {
			t.Errorf("a half deleted stream was changed: %v", err)
		}
	}
	log.fail = ""
	if err := s.Delete(background, "again"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openOn(t, log, keep)
	if list := s.List(); len(list) != 0 {
		t.Errorf("after the restart there are %+v", list)
	}
	put(t, s, "crash", `{"partitions": 2}`)
	if states, err := s.State(background, "crash"); err != nil || states[0].Last != 0 || states[1].Last != 0 {
		t.Errorf("the new stream holds %+v, %v", states, err)
	}
}

func TestRunSavesCheckpoints(t *testing.T) {
	log, saved := memlog.New(), newCheckpoints()
	s := openOn(t, log, func(c *Config) { c.Checkpoints, c.CheckpointEvery = saved, time.Millisecond })
	put(t, s, "edits", `{"partitions": 1}`)
	ctx, stop := context.WithCancel(background)
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 10), Acks: eventlog.AcksAll}); err != nil {
		t.Fatal(err)
	}
	until(t, "a checkpoint is saved", func() bool {
		b, err := saved.LoadTail("edits", 0)
		return err == nil && len(b) > 0
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatItCannotUnderstand(t *testing.T) {
	if _, err := Open(background, Config{BatchBytes: -1, QueueBytes: -5}); err == nil ||
		!strings.Contains(err.Error(), "Log") || !strings.Contains(err.Error(), "BatchBytes") || !strings.Contains(err.Error(), "QueueBytes") {
		t.Errorf("a bad config: %v", err)
	}
	log := memlog.New()
	if err := log.Catalog().Put(background, catalogKind, "edits", []byte(`{"partitions": 1, "tiers": 3}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(background, Config{Log: log}); err == nil || !strings.Contains(err.Error(), "edits") || !strings.Contains(err.Error(), "tiers") {
		t.Errorf("a definition of another version: %v", err)
	}
	log = memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 3}`)
	if err := log.FailRead("edits", 1, errUnruly); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 9), Acks: eventlog.AcksAll}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(background, Config{Log: log}); !errors.Is(err, errUnruly) {
		t.Errorf("a partition that cannot be read: %v", err)
	}
}
