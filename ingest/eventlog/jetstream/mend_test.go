package jetstream

// These tests let a write of the embedded server have failed. That a real one is
// noticed is an end-to-end test, for it takes a process whose writes fail.

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
)

var errTest = errors.New("no space left on a disk of the test")

// mended waits until the log takes appends again.
func mended(t *testing.T, l *Log) {
	t.Helper()
	for end := time.Now().Add(time.Minute); l.broken() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the log was not mended: ", l.broken())
		}
	}
}

// A log that is opened again holds what was acknowledged, once each, while
// producers that try again go on, and reads and the catalog work as before.
func TestMendUnderLoad(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir()})
	p := stream(t, l, eventlog.Retention{})
	if err := l.Catalog().Put(t.Context(), "k", "n", []byte("before")); err != nil {
		t.Fatal(err)
	}
	var acknowledged sync.Map // offset → record
	var refused, unsure atomic.Int64
	done := make(chan struct{})
	var producers sync.WaitGroup
	for producer := range 3 {
		producers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				record := fmt.Sprintf("%d/%d", producer, n)
				offset, err := p.Append(t.Context(), record, []byte(record), eventlog.AcksAll)
				switch {
				case err == nil:
					if other, taken := acknowledged.LoadOrStore(offset, record); taken {
						t.Errorf("offset %d is of %v and %v", offset, other, record)
					}
				case errors.Is(err, eventlog.ErrFull):
					refused.Add(1)
					time.Sleep(time.Millisecond)
				case errors.Is(err, eventlog.ErrUnavailable):
					unsure.Add(1)
				default:
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	for range 3 {
		time.Sleep(20 * time.Millisecond)
		l.breakDown(errTest)
		mended(t, l)
	}
	close(done)
	producers.Wait()
	if refused.Load() == 0 {
		t.Error("nothing was refused")
	}
	bounds, err := p.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]uint64{}
	for r, err := range p.Read(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if before, twice := held[string(r.Data)]; twice {
			t.Errorf("%s is at %d and at %d", r.Data, before, r.Offset)
		}
		held[string(r.Data)] = r.Offset
	}
	count := 0
	acknowledged.Range(func(offset, record any) bool {
		count++
		if held[record.(string)] != offset {
			t.Errorf("%v was acknowledged at %d and is at %d", record, offset, held[record.(string)])
		}
		return true
	})
	if count == 0 || len(held) != int(bounds.Last) || len(held)-count > int(unsure.Load()) {
		t.Errorf("%d records acknowledged, %d held up to offset %d, %d unsure", count, len(held), bounds.Last, unsure.Load())
	}
	if b, err := l.Catalog().Get(t.Context(), "k", "n"); string(b) != "before" || err != nil {
		t.Errorf("the catalog has %q, %v", b, err)
	}
	if err := l.Catalog().Put(t.Context(), "k", "n", []byte("after")); err != nil {
		t.Error(err)
	}
}

// A broken log says why, and is not opened again before its disk has room.
func TestMendWaitsForRoom(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir()})
	p := stream(t, l, eventlog.Retention{})
	var full atomic.Bool
	l.space.mu.Lock()
	l.space.free = func(dir string) (uint64, error) {
		if full.Load() {
			return 1, nil
		}
		return freeBytes(dir)
	}
	l.space.looked = time.Time{}
	l.space.mu.Unlock()
	full.Store(true)
	l.breakDown(errTest)
	before := l.embedded.running()
	time.Sleep(3 * mendLeast)
	for what, err := range map[string]error{
		"ready":  l.Ready(t.Context()),
		"put":    l.Catalog().Put(t.Context(), "k", "n", []byte("x")),
		"ensure": l.Ensure(t.Context(), "other", eventlog.Settings{Partitions: 1}),
		"append": func() error {
			_, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll)
			return err
		}(),
	} {
		if !errors.Is(err, eventlog.ErrFull) || !strings.Contains(err.Error(), errTest.Error()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if l.embedded.running() != before {
		t.Error("the server was started again on a full disk")
	}
	full.Store(false)
	mended(t, l)
	if l.embedded.running() == before {
		t.Error("the server was not started again")
	}
	if o, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll); o != 1 || err != nil {
		t.Errorf("append after that gave %d, %v", o, err)
	}
	if err := l.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// A broken log closes at once.
func TestCloseWhileBroken(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir()})
	l.breakDown(errTest)
	began := time.Now()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	l.breakDown(errTest) // as a try does that ends then
}

// Definitions can be changed on a disk that takes no events, unless it is full to the end.
func TestDefinitionsNeedLittleRoom(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir()})
	free := uint64(leastRoom)
	l.space.free = func(string) (uint64, error) { return free, nil }
	p := stream(t, l, eventlog.Retention{})
	if _, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll); !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("append below the reserve: %v", err)
	}
	if err := l.Catalog().Put(t.Context(), "k", "n", nil); err != nil {
		t.Error(err)
	}
	free--
	stream := eventlog.Settings{Partitions: 1, Retention: eventlog.Retention{Bytes: 1 << 20}}
	for what, err := range map[string]error{
		"put":    l.Catalog().Put(t.Context(), "k", "n", nil),
		"delete": l.Catalog().Delete(t.Context(), "k", "n"),
		"change": l.Ensure(t.Context(), "s", stream),
	} {
		if !errors.Is(err, eventlog.ErrFull) {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
}
