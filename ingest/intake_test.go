package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
	"sketchlog/ingest/turns"
)

var background = context.Background()

func TestAppendSaysWhereTheEventsAre(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 3, "key": "key"}`)
	body := ids(t, 0, 100)
	got, err := s.Append(background, Request{Stream: "edits", Body: body, Acks: eventlog.AcksAll})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		records := stored(t, log, "edits", i)
		for _, r := range records {
			for _, id := range r.ids {
				if want := Partition(fmt.Appendf(nil, "k%d", id%7), 3); want != i {
					t.Errorf("event %d is on partition %d, not %d", id, i, want)
				}
			}
		}
		if got.Offsets[i] != uint64(len(records)) {
			t.Errorf("partition %d: offset %d of %d records", i, got.Offsets[i], len(records))
		}
	}
	if got.Duplicate || !maps.Equal(got.Offsets, got.Through) {
		t.Errorf("got %+v", got)
	}
	wantIDs(t, log, "edits", 3, 100)
	if stats := s.Stats(); stats.Events != 100 || stats.Requests != 1 || stats.QueuedBytes != 0 {
		t.Errorf("got %+v", stats)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := openOn(t, memlog.New())
	put(t, s, "one", `{"partitions": 1}`)
	ended, end := context.WithCancel(background)
	end()
	huge := batchOf(t, row{"id": event.IntValue(0)}, row{"text": event.StringValue(strings.Repeat("x", recordBytes))})
	for _, c := range []struct {
		name string
		ctx  context.Context
		r    Request
		want error
	}{
		{"unknown stream", background, Request{Stream: "two", Body: ids(t, 0, 1)}, ErrUnknownStream},
		{"bad name of a producer", background, Request{Stream: "one", Body: ids(t, 0, 1), Producer: "a/1"}, ErrInvalid},
		{"an event that fits no record", background, Request{Stream: "one", Body: huge}, ErrTooLarge},
		{"an event that fits no record, numbered", background, Request{Stream: "one", Body: huge, Producer: "p"}, ErrTooLarge},
		{"nobody waits any more", ended, Request{Stream: "one", Body: ids(t, 0, 1)}, context.Canceled},
	} {
		if _, err := s.Append(c.ctx, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	got, err := s.Append(background, Request{Stream: "one", Body: new(event.Batch), Producer: "p", Number: 1})
	if err != nil || got.Duplicate || len(got.Offsets) != 0 {
		t.Errorf("no events: %+v, %v", got, err)
	}
	if stats := s.Stats(); stats.Batches != 0 {
		t.Errorf("refused requests left %d batches", stats.Batches)
	}
}

// Whatever is interleaved, repeated and batched, each event counts once, and repeats are not even appended.
func TestEachEventOnce(t *testing.T) {
	for _, partitions := range []int{1, 3, 7} {
		for _, batchEvents := range []int{1, 7, 1000} {
			t.Run(fmt.Sprintf("%d partitions, batches of %d", partitions, batchEvents), func(t *testing.T) {
				log := memlog.New()
				s := openOn(t, log, func(c *Config) { c.BatchEvents = batchEvents })
				put(t, s, "edits", fmt.Sprintf(`{"partitions": %d}`, partitions))
				const requests, perRequest = 60, 10
				var group sync.WaitGroup
				var duplicates atomic.Int64
				for i := range requests {
					r := Request{Stream: "edits", Body: ids(t, i*perRequest, perRequest), Acks: eventlog.Acks(1 + i%2)}
					times := 1
					if i%3 > 0 {
						r.Producer, r.Number, times = fmt.Sprint("p", i%2), uint64(i), 3
					}
					for range times {
						group.Go(func() {
							got, err := s.Append(background, r)
							if err != nil {
								t.Error(err)
							}
							if got.Duplicate {
								duplicates.Add(1)
							}
						})
					}
				}
				group.Wait()
				wantIDs(t, log, "edits", partitions, requests*perRequest)
				if got := s.Stats().Events; got != requests*perRequest {
					t.Errorf("%d events were appended", got)
				}
				if got := duplicates.Load(); got != 2*requests*2/3 {
					t.Errorf("%d duplicates", got)
				}
			})
		}
	}
}

// The placement of a numbered request is a function of its name, number and rows: batching and timing have no part in it.
func TestNumberedPlacementIsAFunction(t *testing.T) {
	placements := func(seed uint64, batchEvents int) []map[int64]bool {
		log := memlog.New()
		s := openOn(t, log, func(c *Config) { c.BatchEvents = batchEvents })
		put(t, s, "edits", `{"partitions": 5}`)
		var group sync.WaitGroup
		for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(40) {
			group.Go(func() {
				if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, i*9, 9), Acks: eventlog.AcksAll, Producer: "p", Number: uint64(i)}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		var sets []map[int64]bool
		for i := range 5 {
			set := map[int64]bool{}
			for _, id := range counted(t, log, "edits", i) {
				set[id] = true
			}
			sets = append(sets, set)
		}
		return sets
	}
	first := placements(1, 1)
	for seed := range uint64(3) {
		for i, set := range placements(seed+2, 100) {
			if !maps.Equal(set, first[i]) {
				t.Fatalf("partition %d got other events", i)
			}
		}
	}
}

// After a failure whose outcome is unknown, a repeat appends what is missing and nothing else.
func TestRepeatAfterUnknownOutcome(t *testing.T) {
	for _, c := range []struct {
		name      string
		stored    bool
		partition int
		duplicate bool
		grow      bool
	}{
		{"stored", true, 1, true, false},
		{"not stored", false, 1, false, false},
		{"stored, then the stream grew", true, 0, true, true},
		{"not stored, then the stream grew", false, 2, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := memlog.New()
			s := openOn(t, log)
			put(t, s, "edits", `{"partitions": 3}`)
			if err := log.FailAppend("edits", c.partition, c.stored, nil); err != nil {
				t.Fatal(err)
			}
			r := Request{Stream: "edits", Body: ids(t, 0, 30), Acks: eventlog.AcksAll, Producer: "p", Number: 7}
			if _, err := s.Append(background, r); !errors.Is(err, eventlog.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			partitions := 3
			if c.grow {
				partitions = put(t, s, "edits", `{"partitions": 8}`).Partitions
			}
			got, err := s.Append(background, r)
			if err != nil || got.Duplicate != c.duplicate || len(got.Through) != 3 {
				t.Fatalf("the repeat: %+v, %v", got, err)
			}
			wantIDs(t, log, "edits", partitions, 30)
			for i := range partitions {
				if n := len(stored(t, log, "edits", i)); i < 3 && n != 1 || i >= 3 && n != 0 {
					t.Errorf("partition %d has %d records", i, n)
				}
			}
			if got, err := s.Append(background, r); err != nil || !got.Duplicate || len(got.Offsets) != 0 {
				t.Errorf("the third: %+v, %v", got, err)
			}
		})
	}
}

// The log's own memory judges after a restart.
func TestRepeatAfterRestart(t *testing.T) {
	log, saved := memlog.New(), newCheckpoints()
	keep := func(c *Config) { c.Checkpoints = saved }
	s := openOn(t, log, keep)
	put(t, s, "edits", `{"partitions": 3, "key": "key", "lateness": "7m"}`)
	r := Request{Stream: "edits", Body: ids(t, 0, 30), Acks: eventlog.AcksAll, Producer: "p", Number: 7}
	if _, err := s.Append(background, r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openOn(t, log, keep)
	if d, err := s.Get("edits"); err != nil || d.Partitions != 3 || d.Key != "key" {
		t.Fatalf("recovered %+v, %v", d, err)
	}
	if got, err := s.Append(background, r); err != nil || !got.Duplicate {
		t.Fatalf("got %+v, %v", got, err)
	}
	r.Number = 8
	r.Body = ids(t, 30, 5)
	if got, err := s.Append(background, r); err != nil || got.Duplicate {
		t.Fatalf("got %+v, %v", got, err)
	}
	wantIDs(t, log, "edits", 3, 35)
}

// Producers that repeat until they are told it is done get each event counted once, whatever fails on the way.
func TestEachEventOnceDespiteFailures(t *testing.T) {
	for seed := range uint64(5) {
		log := memlog.New()
		s := openOn(t, log, func(c *Config) { c.BatchEvents = 1 + int(seed)*8 })
		put(t, s, "edits", `{"partitions": 3, "key": "key"}`)
		random := rand.New(rand.NewPCG(seed, 5))
		for range 40 {
			if err := log.FailAppend("edits", random.IntN(3), random.IntN(2) == 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		const producers, requests, perRequest = 4, 25, 10
		var group sync.WaitGroup
		var failures atomic.Int64
		for p := range producers {
			group.Go(func() {
				for i := range requests {
					r := Request{Stream: "edits", Acks: eventlog.AcksAll, Producer: fmt.Sprint("p", p), Number: uint64(i)}
					r.Body = ids(t, (p*requests+i)*perRequest, perRequest)
					for _, err := s.Append(background, r); err != nil; _, err = s.Append(background, r) {
						if failures.Add(1); !errors.Is(err, eventlog.ErrUnavailable) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		group.Wait()
		if failures.Load() == 0 {
			t.Error("nothing failed: the test shows nothing")
		}
		wantIDs(t, log, "edits", 3, producers*requests*perRequest)
		if got := counted(t, log, "edits", 0); len(got) != storedEvents(t, log, "edits", 0) {
			t.Error("a repeat was appended although its first attempt was known to be in the log")
		}
	}
}

func storedEvents(t *testing.T, log eventlog.Log, stream string, partition int) (n int) {
	for _, r := range stored(t, log, stream, partition) {
		n += len(r.ids)
	}
	return n
}

// A large numbered request is several records, each of which counts once on its own.
func TestLargeNumberedRequest(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "big", `{"partitions": 1}`)
	rows := make([]row, 10)
	for i := range rows {
		rows[i] = row{"id": event.IntValue(int64(i)), "text": event.StringValue(strings.Repeat(string(rune('a'+i)), 1<<20-100))}
	}
	r := Request{Stream: "big", Body: batchOf(t, rows...), Acks: eventlog.AcksAll, Producer: "p", Number: 1}
	// The first record is stored and the second is not.
	for _, err := range []error{log.FailAppend("big", 0, true, nil), log.FailAppend("big", 0, false, nil)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Append(background, r); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if got, err := s.Append(background, r); err != nil || got.Duplicate {
		t.Fatalf("the repeat: %+v, %v", got, err)
	}
	wantIDs(t, log, "big", 1, 10)
	if n := len(stored(t, log, "big", 0)); n != 3 {
		t.Errorf("10 MiB are in %d records", n)
	}
	if got, err := s.Append(background, r); err != nil || !got.Duplicate {
		t.Fatalf("the third: %+v, %v", got, err)
	}
}

func TestStaleNumbers(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 2}`)
	body := ids(t, 0, 1)
	send := func(number uint64) (Receipt, error) {
		return s.Append(background, Request{Stream: "edits", Body: body, Acks: eventlog.AcksLeader, Producer: "p", Number: number})
	}
	var group sync.WaitGroup
	var next atomic.Uint64
	for range 32 {
		group.Go(func() {
			for n := next.Add(1); n <= 10_000; n = next.Add(1) {
				if _, err := send(n + 10); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if got, err := send(11); err != nil || !got.Duplicate {
		t.Errorf("a number that is remembered: %+v, %v", got, err)
	}
	if _, err := send(5); !errors.Is(err, ErrStale) {
		t.Errorf("a number lower than all 10,000: %v", err)
	}
	if _, err := send(20_000); err != nil {
		t.Error(err)
	}
	if _, err := send(11); !errors.Is(err, ErrStale) {
		t.Errorf("a number that was pushed out: %v", err)
	}
}

// Two requests of the same number at once: the second waits, and is then a repeat.
func TestSameNumberAtOnce(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 1}`)
	release := hold(t, log, "edits", 0)
	r := Request{Stream: "edits", Body: ids(t, 0, 5), Acks: eventlog.AcksAll, Producer: "p", Number: 1}
	short, giveUp := context.WithCancel(background)
	results := make(chan Receipt, 2)
	gaveUp := make(chan error)
	go func() {
		_, err := s.Append(short, r)
		gaveUp <- err
	}()
	until(t, "the first is queued", func() bool { return s.Stats().QueuedBytes > 0 })
	giveUp()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	// The first is still under way although nobody waits for it.
	for range 2 {
		go func() {
			got, err := s.Append(background, r)
			if err != nil {
				t.Error(err)
			}
			results <- got
		}()
	}
	release()
	for range 2 {
		if got := <-results; !got.Duplicate {
			t.Errorf("got %+v", got)
		}
	}
	wantIDs(t, log, "edits", 1, 5)
}

func TestDroppedEventsAreCounted(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log)
	put(t, s, "edits", `{"partitions": 1}`)
	if err := log.FailAppend("edits", 0, false, eventlog.ErrFull); err != nil {
		t.Fatal(err)
	}
	body := ids(t, 0, 5)
	got, err := s.Append(background, Request{Stream: "edits", Body: body, Acks: eventlog.AcksNone})
	if err != nil || len(got.Offsets) != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	body.Reset() // the caller's again
	until(t, "the drop is counted", func() bool { return s.Dropped() == 5 })
	if err := log.FailAppend("edits", 0, false, eventlog.ErrFull); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 5), Acks: eventlog.AcksAll}); !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("a full log: %v", err)
	}
	if s.Dropped() != 5 {
		t.Error("an event whose producer was told counts as dropped")
	}
}

// Past the budget requests are refused as a whole, others are not held up, and what was taken is appended.
func TestQueueIsBounded(t *testing.T) {
	log := memlog.New()
	s := openOn(t, log, func(c *Config) { c.QueueBytes = 64 << 10 })
	put(t, s, "slow", `{"partitions": 2}`)
	put(t, s, "quick", `{"partitions": 1}`)
	release := hold(t, log, "slow", 1)
	taken := 0
	for {
		_, err := s.Append(background, Request{Stream: "slow", Body: ids(t, taken*4, 4), Acks: eventlog.AcksNone})
		if err != nil {
			var busy *BusyError
			if !errors.Is(err, ErrBusy) || !errors.As(err, &busy) || busy.RetryAfter <= 0 || busy.Queued == 0 {
				t.Fatalf("got %v", err)
			}
			break
		}
		if taken++; taken > 1000 {
			t.Fatal("nothing bounds the queue")
		}
	}
	if taken < 2 {
		t.Fatalf("only %d requests were taken", taken)
	}
	until(t, "the other partition is empty", func() bool { return s.streams["slow"].partitions[0].appender.ownRoom.held.Load() == 0 })
	if _, err := s.Append(background, Request{Stream: "quick", Body: ids(t, 0, 4), Acks: eventlog.AcksAll}); err != nil {
		t.Errorf("a slow partition stops others: %v", err)
	}
	release()
	until(t, "the queue is empty", func() bool { return s.Stats().QueuedBytes == 0 })
	wantIDs(t, log, "slow", 2, taken*4)
	if s.Stats().Busy != 1 {
		t.Errorf("got %+v", s.Stats())
	}
	// Larger than the whole budget, but nothing else waits.
	large := slices.Repeat([]row{{"id": event.IntValue(0), "text": event.StringValue(strings.Repeat("x", 1000))}}, 200)
	if _, err := s.Append(background, Request{Stream: "quick", Body: batchOf(t, large...), Acks: eventlog.AcksAll}); err != nil {
		t.Errorf("a large request on idle streams: %v", err)
	}
}

// Many events wait until it is their turn, and are not taken if that does not come; a few do not wait.
func TestPlacingManyEventsTakesATurn(t *testing.T) {
	log := memlog.New()
	line := turns.New(2) // one for placing, one for encoding
	s := openOn(t, log, func(c *Config) { c.Turns = line })
	put(t, s, "edits", `{"partitions": 1}`)
	if taken := []bool{line.Try(), line.Try()}; slices.Contains(taken, false) {
		t.Fatal("the line has no turns")
	}
	for _, producer := range []string{"", "p"} {
		ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
		many := Request{Stream: "edits", Body: ids(t, 0, turns.LeastEvents), Acks: eventlog.AcksAll, Producer: producer, Number: 1}
		if _, err := s.Append(ctx, many); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("producer %q: without a turn: %v", producer, err)
		}
		cancel()
	}
	if _, err := s.Append(background, Request{Stream: "edits", Body: ids(t, 0, 10), Acks: eventlog.AcksAll}); err != nil {
		t.Errorf("a few events: %v", err)
	}
	line.Done()
	line.Done()
	for i, producer := range []string{"", "p"} {
		many := Request{Stream: "edits", Body: ids(t, 10+i*turns.LeastEvents, turns.LeastEvents), Acks: eventlog.AcksAll, Producer: producer, Number: 1}
		if _, err := s.Append(background, many); err != nil {
			t.Errorf("producer %q: with a turn: %v", producer, err)
		}
	}
	wantIDs(t, log, "edits", 1, 10+2*turns.LeastEvents)
	if taken := []bool{line.Try(), line.Try()}; slices.Contains(taken, false) {
		t.Error("a turn was not given back")
	}
}
