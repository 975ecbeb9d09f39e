package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
)

func TestTailAppendsAndReaders(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	b := batch(0, 3, 7)
	if _, err := tail.Append(t.Context(), b, eventlog.AcksAll); err != nil {
		t.Fatal(err)
	}
	r.add(tail, 2)
	head := tail.Head()
	if head.Offset != 3 || head.Events != 7 || head.Greatest != 1000+6 || head.Bytes == 0 {
		t.Errorf("head is %+v", head)
	}
	reader := tail.Reader(0)
	defer reader.Close()
	e, err := reader.Next(t.Context())
	if err != nil || e.Batch != b {
		t.Errorf("a batch from the cache is another one, or %v", err)
	}
	r.expect("the rest", r.follow(reader, 1, 3), "2", "3")
	if v, partitions := tail.Verdict("p", 7); v != event.Repeat || partitions != 1 {
		t.Errorf("verdict of a number in the log is %v, %d", v, partitions)
	}
	if v, _ := tail.Verdict("p", 8); v != event.Fresh {
		t.Errorf("verdict of a new number is %v", v)
	}
}

func TestReaderWaitsAndEnds(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	reader := tail.Reader(0)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	next := func(ctx context.Context) {
		_, err := reader.Next(ctx)
		got <- err
	}
	go next(ctx)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	go next(t.Context())
	r.add(tail, 1)
	if err := <-got; err != nil {
		t.Errorf("after an append: %v", err)
	}
	go next(t.Context())
	if err := tail.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if _, err := tail.Append(t.Context(), batch(0, 1, 0), eventlog.AcksAll); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
}

// TestReadersJoin lets readers start anywhere, with contexts that end, while a
// small cache makes them change between log and cache, and appends fail at times.
func TestReadersJoin(t *testing.T) {
	r := newRig(t)
	r.cache = 2000
	tail := r.open()
	const records = 300
	r.add(tail, 50)
	var work sync.WaitGroup
	for seed := range uint64(4) {
		work.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			after := rng.Uint64N(50)
			reader := tail.Reader(after)
			defer reader.Close()
			for after < records {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(500))*time.Microsecond)
				e, err := reader.Next(ctx)
				cancel()
				if errors.Is(err, context.DeadlineExceeded) {
					continue
				}
				if err != nil || e.First != after+1 || e.Batch == nil || e.Batch.Times[0] != int64(1000+2*after) {
					t.Errorf("after offset %d: %+v, %v", after, e, err)
					return
				}
				after = e.Offset
			}
		})
	}
	rng := rand.New(rand.NewPCG(9, 9))
	for events := 100; tail.Head().Offset < records; {
		stored, failed := rng.IntN(2) == 0, rng.IntN(5) == 0
		if failed {
			if err := r.log.FailAppend("s", 0, stored, nil); err != nil {
				t.Fatal(err)
			}
		}
		_, err := tail.Append(t.Context(), batch(events, 2, 0), eventlog.AcksAll)
		if failed != (err != nil) {
			t.Fatalf("append: %v", err)
		}
		if !failed || stored {
			events += 2
		}
		if failed {
			if err := tail.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	work.Wait()
}

func TestUnknownOutcome(t *testing.T) {
	for _, stored := range []bool{false, true} {
		r := newRig(t)
		tail := r.open()
		r.add(tail, 1)
		if err := r.log.FailAppend("s", 0, stored, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := tail.Append(t.Context(), batch(2, 2, 5), eventlog.AcksAll); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Fatalf("error is %v", err)
		}
		want := map[bool]event.Verdict{true: event.Repeat, false: event.Fresh}[stored]
		if v, _ := tail.Verdict("p", 5); v != want {
			t.Errorf("stored %v: verdict is %v, want %v", stored, v, want)
		}
		r.add(tail, 1)
		last := tail.Head().Offset
		seen := r.follow(tail.Reader(0), 0, last)
		if want := map[bool]int{true: 3, false: 2}[stored]; len(seen) != want {
			t.Errorf("stored %v: read %v", stored, seen)
		}
	}
}

func TestRefusedAppend(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	for _, sentinel := range []error{eventlog.ErrFull, eventlog.ErrTooLarge} {
		if err := r.log.FailAppend("s", 0, false, sentinel); err != nil {
			t.Fatal(err)
		}
		if _, err := tail.Append(t.Context(), batch(0, 1, 0), eventlog.AcksAll); !errors.Is(err, sentinel) {
			t.Errorf("error is %v, want %v", err, sentinel)
		}
	}
	r.add(tail, 1)
}

func TestOtherWriters(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	r.add(tail, 1)
	other := func(first int, number uint64) {
		t.Helper()
		if _, err := r.part.Append(t.Context(), "", batch(first, 2, number).AppendBinary(nil), eventlog.AcksAll); err != nil {
			t.Fatal(err)
		}
	}
	other(2, 1)
	other(4, 2)
	if offset, err := tail.Append(t.Context(), batch(6, 2, 0), eventlog.AcksAll); err != nil || offset != 4 {
		t.Fatalf("append after another writer gave %d, %v", offset, err)
	}
	other(8, 3)
	if err := tail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect("entries", r.follow(tail.Reader(0), 0, 5), "1", "2", "3", "4", "5")
	if v, _ := tail.Verdict("p", 3); v != event.Repeat || tail.Head().Events != 10 {
		t.Errorf("verdict is %v, head %+v", v, tail.Head())
	}
}

func TestGaps(t *testing.T) {
	r := newRig(t)
	r.cache = 1
	tail := r.open()
	r.add(tail, 4)
	if _, err := r.part.Append(t.Context(), "", []byte("no batch"), eventlog.AcksAll); err != nil {
		t.Fatal(err)
	}
	r.add2(tail, 7)
	if err := r.log.Hole("s", 0, 2, 3); err != nil {
		t.Fatal(err)
	}
	want := []string{"1", "2-3 lost", "4", "5-5 lost", "6", "7", "8", "9"}
	r.expect("entries", r.follow(tail.Reader(0), 0, 9), want...)
	if events, exact := tail.EventsBetween(2, 3); exact || events == 0 {
		t.Errorf("events of a sparse range are %d, exact %v", events, exact)
	}
	if err := r.part.Trim(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	r.expect("after trim", r.follow(tail.Reader(0), 0, 9), append([]string{"1-3 lost"}, want[2:]...)...)
	if err := r.part.Trim(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	r.expect("after more trim", r.follow(tail.Reader(1), 1, 9), "2-8 lost", "9")
}

// add2 appends until the head is past offset; the first append may find records of others.
func (r *rig) add2(t *eventlog.Tail, offset uint64) {
	r.t.Helper()
	for t.Head().Offset < offset+2 {
		if _, err := t.Append(r.t.Context(), batch(int(t.Head().Events), 2, 0), eventlog.AcksAll); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestCheckpoint(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	r.add(tail, 300)
	if _, err := tail.Append(t.Context(), batch(600, 5, 42), eventlog.AcksAll); err != nil {
		t.Fatal(err)
	}
	if err := tail.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	r.add(tail, 3)
	want := tail.Head()
	good := r.saved.saved["s0"]
	check := func(what string) {
		t.Helper()
		again := r.open()
		if got := again.Head(); got != want {
			t.Errorf("%s: head is %+v, want %+v", what, got, want)
		}
		if v, _ := again.Verdict("p", 42); v != event.Repeat {
			t.Errorf("%s: verdict is %v", what, v)
		}
		if events, exact := again.EventsBefore(257); events != 512 || !exact {
			t.Errorf("%s: %d events before 257, exact %v", what, events, exact)
		}
	}
	check("reopened")
	for _, bad := range [][]byte{nil, {}, good[:len(good)-1], append([]byte("xxxx"), good...), append([]byte{'S', 'L', 'T', 99}, good[4:]...)} {
		r.saved.saved["s0"] = bad
		check(fmt.Sprintf("checkpoint of %d bytes", len(bad)))
	}
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		r.saved.saved["s0"] = bad
		check(fmt.Sprintf("bit flipped in byte %d", i))
	}
	// With the checkpoint, the records before it may be gone and are still known.
	r.saved.saved["s0"] = good
	if err := r.part.Trim(t.Context(), 290); err != nil {
		t.Fatal(err)
	}
	check("trimmed before the checkpoint")
	// What was trimmed unread is unknown; events do not fall.
	if err := r.part.Trim(t.Context(), 303); err != nil {
		t.Fatal(err)
	}
	again := r.open()
	if got := again.Head(); got.Offset != want.Offset || got.Events != want.Events-2 {
		t.Errorf("trimmed past the checkpoint: head is %+v, was %+v", got, want)
	}
	if _, exact := again.EventsBefore(want.Offset + 1); exact {
		t.Error("events before the end are called exact though some were lost unread")
	}
	if events, exact := again.EventsBetween(1, 256); events != 512 || !exact {
		t.Errorf("events of records 1 to 256 are %d, exact %v", events, exact)
	}
}

func TestCheckpointOfAnotherLog(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	r.add(tail, 5)
	if err := tail.Close(); err != nil {
		t.Fatal(err)
	}
	other := newRig(t)
	other.add(other.open(), 1)
	if _, err := other.part.Append(t.Context(), "", batch(2, 20, 0).AppendBinary(nil), eventlog.AcksAll); err != nil {
		t.Fatal(err)
	}
	next := other.open()
	other.add(next, 6)
	other.saved = r.saved
	if got := other.open().Head(); got != next.Head() {
		t.Errorf("head is %+v, want %+v", got, next.Head())
	}
	if err := other.open().Forget(); err != nil {
		t.Fatal(err)
	}
	if b := r.saved.saved["s0"]; len(b) != 0 {
		t.Errorf("a forgotten checkpoint has %d bytes", len(b))
	}
}

// TestLostEnd cuts acknowledged records off: their offsets are not given again.
func TestLostEnd(t *testing.T) {
	r := newRig(t)
	tail := r.open()
	r.add(tail, 8)
	want := tail.Head()
	if err := tail.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.log.Cut("s", 0, 5); err != nil {
		t.Fatal(err)
	}
	tail = r.open()
	if got := tail.Head(); got != want {
		t.Errorf("head is %+v, want %+v", got, want)
	}
	r.add(tail, 1)
	r.expect("entries", r.follow(tail.Reader(3), 3, 9), "4", "5", "6-6 lost", "7-7 lost", "8-8 lost", "9")
	// A reader that was further than the tail knew.
	reader := tail.Reader(12)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan eventlog.Entry)
	go func() {
		e, err := reader.Next(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- e
	}()
	for tail.Head().Offset < 12 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	r.add(tail, 1)
	if e := <-got; e.Offset != 13 || e.Batch == nil {
		t.Errorf("a reader after offset 12 got %+v", e)
	}
	if _, err := tail.Reader(1 << 30).Next(ctx); !errors.Is(err, eventlog.ErrTruncated) {
		t.Errorf("a reader far ahead of the log: %v", err)
	}
}

// A record of many events waits for its turn to be encoded; one that does not get it is not in the log.
func TestEncodingTakesATurn(t *testing.T) {
	r := newRig(t)
	line := turns.New(1)
	tail, err := eventlog.OpenTail(t.Context(), eventlog.TailConfig{Stream: "s", Log: r.part, Turns: line})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tail.Close(); err != nil {
			t.Error(err)
		}
	}()
	line.Try()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := tail.Append(ctx, batch(0, turns.LeastEvents, 0), eventlog.AcksAll); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a turn: %v", err)
	}
	if offset, err := tail.Append(t.Context(), batch(0, 2, 0), eventlog.AcksAll); err != nil || offset != 1 {
		t.Errorf("a few events: offset %d, %v", offset, err)
	}
	line.Done()
	if offset, err := tail.Append(t.Context(), batch(2, turns.LeastEvents, 0), eventlog.AcksAll); err != nil || offset != 2 {
		t.Errorf("with a turn: offset %d, %v", offset, err)
	}
	if !line.Try() {
		t.Error("the turn was not given back")
	}
}
