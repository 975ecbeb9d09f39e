package ingest

// What a log and a state that take no more do to requests and checkpoints.

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
)

// A request that a full log refused in one partition says that the others have their part; a repeat appends what is missing.
func TestAFullLogSaysWhatItHas(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 2}`)
	r := Request{Stream: "edits", Body: ids(t, 0, 10), Acks: eventlog.AcksAll, Producer: "p", Number: 1}
	for _, partition := range []int{0, 1} {
		if err := log.FailAppend("edits", partition, false, eventlog.ErrFull); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Append(background, r); !errors.Is(err, eventlog.ErrFull) || strings.Contains(err.Error(), "other parts") {
		t.Errorf("refused in all partitions: %v", err)
	}
	if err := log.FailAppend("edits", 1, false, eventlog.ErrFull); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(background, r); !errors.Is(err, eventlog.ErrFull) || !strings.Contains(err.Error(), "other parts of the request are in the log") {
		t.Errorf("refused in one: %v", err)
	}
	for _, duplicate := range []bool{false, true} {
		if got, err := s.Append(background, r); err != nil || got.Duplicate != duplicate {
			t.Errorf("a repeat: %+v, %v", got, err)
		}
	}
	wantIDs(t, log, "edits", 2, 10)
}

// fullCheckpoints take none while full is set.
type fullCheckpoints struct {
	*checkpoints
	full  atomic.Bool
	tries atomic.Int64
}

func (c *fullCheckpoints) SaveTail(stream string, partition int, b []byte) error {
	if c.tries.Add(1); c.full.Load() {
		return errors.New("no room")
	}
	return c.checkpoints.SaveTail(stream, partition, b)
}

// Checkpoints that fail again and again are logged once, and are made when that is over.
func TestFailingCheckpointsAreLoggedOnce(t *testing.T) {
	var text bytes.Buffer // written by Run alone, read when it has ended
	saved := &fullCheckpoints{checkpoints: newCheckpoints()}
	s := openOn(t, memlog.New(), func(c *Config) {
		c.Checkpoints, c.CheckpointEvery, c.Logger = saved, time.Millisecond, slog.New(slog.NewTextHandler(&text, nil))
	})
	put(t, s, "edits", `{"partitions": 3}`)
	saved.full.Store(true)
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 9), Acks: eventlog.AcksAll}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	until(t, "it was tried often", func() bool { return saved.tries.Load() > 20 })
	saved.full.Store(false)
	until(t, "checkpoints are saved", func() bool {
		saved.mu.Lock()
		defer saved.mu.Unlock()
		return len(saved.saved) == 3
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(text.String(), "checkpoints fail"); n != 1 {
		t.Errorf("it was logged %d times: %s", n, &text)
	}
}
