package eventlog_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
)

// known is what a test knows of a record.
type known struct {
	events          uint64
	least, greatest int64
	repeats         []uint32
}

// randomly appends records of random sizes and times, and repeats some requests.
func (r *rig) randomly(tail *eventlog.Tail, seed uint64, records int) []known {
	r.t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	producers := event.NewProducers()
	var out []known
	for range records {
		k := known{least: math.MaxInt64, greatest: math.MinInt64}
		b := &event.Batch{}
		build := event.NewBuilder(b)
		for segment := range rng.IntN(4) {
			rows := 1 + rng.IntN(5)
			for range rows {
				at := rng.Int64N(1_000_000) - 500_000
				build.Begin()
				if err := build.End(at); err != nil {
					r.t.Fatal(err)
				}
				k.least, k.greatest = min(k.least, at), max(k.greatest, at)
				k.events++
			}
			number := 1 + rng.Uint64N(uint64(records))
			b.Segments = append(b.Segments, event.Segment{Producer: "p", Number: number, Partitions: 1, Rows: rows})
			if producers.Note("p", number, 1) != event.Fresh {
				k.repeats = append(k.repeats, uint32(segment))
			}
		}
		if _, err := tail.Append(r.t.Context(), b, eventlog.AcksAll); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, k)
	}
	return out
}

// TestPastAgainstDumb compares what a tail tells of its past with a list of all
// records, before and after a restart.
func TestPastAgainstDumb(t *testing.T) {
	for seed := range uint64(6) {
		r := newRig(t)
		r.cache = 1
		tail := r.open()
		list := r.randomly(tail, seed, 200+int(seed)*37)
		for round := range 2 {
			for _, after := range []uint64{0, 1, 15, 16, 17, 100, uint64(len(list)) - 1, uint64(len(list))} {
				checkPast(t, tail, list, after, 1)
			}
			if round == 0 {
				if err := tail.Checkpoint(); err != nil {
					t.Fatal(err)
				}
				tail = r.open()
			}
		}
		if err := r.part.Trim(t.Context(), 40); err != nil {
			t.Fatal(err)
		}
		checkPast(t, tail, list, 0, 40)
		if first, err := tail.First(t.Context()); first != 40 || err != nil {
			t.Errorf("the log begins at %d, %v", first, err)
		}
	}
}

func checkPast(t *testing.T, tail *eventlog.Tail, list []known, after, retained uint64) {
	t.Helper()
	past, ok, err := tail.Past(t.Context(), after)
	if !ok || err != nil {
		t.Fatalf("the past after %d: %v, %v", after, ok, err)
	}
	if past.Head != tail.Head() || past.Producers.Len() != 1 {
		t.Errorf("head %+v", past.Head)
	}
	next := max(after+1, retained)
	for i, g := range past.Stretches {
		if g.First != next || g.Last < g.First || g.Last%16 != 0 && i+1 < len(past.Stretches) {
			t.Fatalf("after %d: stretch %d is %+v", after, i, g)
		}
		next = g.Last + 1
		events, before, hasBefore := uint64(0), int64(math.MinInt64), false
		for _, k := range list[g.First-1 : g.Last] {
			events += k.events
			if k.events > 0 && (k.least < g.Least || k.greatest > g.Greatest) {
				t.Errorf("after %d: %+v has times from %d to %d", after, g, k.least, k.greatest)
			}
		}
		for _, k := range list[:(g.First-1)/16*16] {
			before, hasBefore = max(before, k.greatest), hasBefore || k.events > 0
		}
		exact := (g.First-1)%16 == 0
		if exact && g.Events != events || g.HasBefore != hasBefore || hasBefore && g.Before != before {
			t.Errorf("after %d: %+v, want %d events and before them %d", after, g, events, before)
		}
	}
	if next != uint64(len(list))+1 {
		t.Errorf("after %d: the past ends before %d of %d", after, next, len(list))
	}
	var want []eventlog.Repeat
	first := max(after+1, retained)
	for i, k := range list {
		for _, segment := range k.repeats {
			if offset := uint64(i + 1); offset >= first {
				want = append(want, eventlog.Repeat{Offset: offset, Segment: segment})
			}
		}
	}
	if fmt.Sprint(past.Repeats) != fmt.Sprint(want) {
		t.Errorf("after %d: repeats %v, want %v", after, past.Repeats, want)
	}
	least, greatest, ok := tail.TimesAfter(after)
	for _, k := range list[after:] {
		if k.events > 0 && (!ok || k.least < least || k.greatest > greatest) {
			t.Errorf("after %d: times from %d to %d, %v", after, least, greatest, ok)
		}
	}
}

// Ready tells whether Next would wait.
func TestReaderIsReady(t *testing.T) {
	r := newRig(t)
	r.cache = 1
	tail := r.open()
	reader := tail.Reader(0)
	defer reader.Close()
	if reader.Ready() {
		t.Error("ready without records")
	}
	r.add(tail, 3)
	for range 3 {
		if !reader.Ready() {
			t.Error("not ready with records to come")
		}
		if _, err := reader.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if reader.Ready() {
		t.Error("ready at the end of the log")
	}
}
