package view

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
)

// snapshotRig is a shard without a worker, whose records and commits a test steps.
type snapshotRig struct {
	t       *testing.T
	node    *node
	shard   *Shard
	batches []*event.Batch
}

// newSnapshotRig makes a view over a log of records of many keys whose time goes
// on, so that panes are made, changed, rolled up and dropped.
func newSnapshotRig(t *testing.T, definition string) *snapshotRig {
	random := rand.New(rand.NewPCG(5, 8))
	streams := newTestStreams(t)
	streams.make("s", 1)
	logged := make([][]testEvent, 60)
	r := &snapshotRig{t: t, batches: make([]*event.Batch, len(logged))}
	for i := range r.batches {
		events := make([]testEvent, 40)
		for j := range events {
			events[j] = testEvent{time: int64(i*20_000 + j), fields: map[string]any{"key": fmt.Sprint("key ", random.IntN(50)), "item": random.IntN(400)}}
		}
		logged[i], r.batches[i] = events, batchOf(t, events)
	}
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	views, err := Open(t.Context(), Config{Store: store, Streams: streams, Catalog: streams.log.Catalog(), slice: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := views.Put(t.Context(), "v", []byte(definition)); err != nil {
		t.Fatal(err)
	}
	v, err := views.Get("v")
	if err != nil {
		t.Fatal(err)
	}
	for _, events := range logged {
		streams.append("s", 0, events)
	}
	r.node = &node{t: t, store: store, views: views, streams: streams}
	r.shard = v.Partitions()[0]
	t.Cleanup(func() {
		r.shard.giveUp()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *snapshotRig) apply(from, to int) {
	r.t.Helper()
	for i := from; i < to; i++ {
		if err := r.shard.apply(entryOf(uint64(i+1), r.batches[i]), shedding.Full); err != nil {
			r.t.Fatal(err)
		}
	}
}

// stored is what a crash now would leave: the offset, and the bytes of all panes.
func (r *snapshotRig) stored() (offset uint64, panes map[place]string) {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "crashed")
	if err := r.node.store.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		r.t.Fatal(err)
	}
	store, err := OpenStore(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	views, err := Open(r.t.Context(), Config{Store: store, Streams: r.node.streams, Catalog: r.node.streams.log.Catalog()})
	if err != nil {
		r.t.Fatal(err)
	}
	v, err := views.Get("v")
	if err != nil {
		r.t.Fatal(err)
	}
	return v.Partitions()[0].Position().Offset, encodings(r.t, v)
}

// encodings returns the bytes of all panes.
func encodings(t *testing.T, v *View) map[place]string {
	t.Helper()
	out := map[place]string{}
	for at, p := range merged(t, v) {
		out[at] = string(p.AppendBinary(nil))
	}
	return out
}

// A commit is of the record at whose end it was begun, whatever is applied,
// rolled up, dropped and let go of while it is made; until the store has all of it,
// the store has nothing of it.
func TestACommitIsOfOneMoment(t *testing.T) {
	const head = `{"stream": "s", "by": ["key"], "from": "earliest", "sketches": {"d": {"kind": "hll", "of": "item"}, "c": {"kind": "countmin", "of": "item"}}, `
	for name, rest := range map[string]string{
		"all time":        `"max_keys": 1000}`,
		"kept":            `"pane": "1m", "keep": "3m"}`,
		"rolled up":       `"pane": "1m", "keep": "2m", "rollups": [{"pane": "5m", "keep": "10m"}]}`,
		"of so many":      `"pane": {"count": 16}, "keep": "3m"}`,
		"few of the keys": `"pane": "1m", "max_keys": 20}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newSnapshotRig(t, head+rest)
			first, second, end := 15, 35, len(r.batches)
			s := r.shard
			step := func() {
				if s.snapshot == nil {
					return // the store was quick, and the step before ended the commit
				}
				if err := s.saveOn(); err != nil {
					t.Fatal(err)
				}
			}
			before, before0 := r.stored()
			r.apply(0, first)
			atFirst := encodings(t, s.view)
			if err := s.fix(false); err != nil {
				t.Fatal(err)
			}
			for i := first; s.snapshot != nil && s.snapshot.written == nil; {
				if i < second {
					r.apply(i, i+1)
					i++
				}
				for range 3 {
					step()
				}
				if i == first+10 { // a crash while it is made
					offset, panes := r.stored()
					if offset != before || len(panes) != len(before0) {
						t.Errorf("half a commit: offset %d with %d panes, want %d with %d", offset, len(panes), before, len(before0))
					}
				}
				s.evict(0)
			}
			if err := s.complete(); err != nil {
				t.Fatal(err)
			}
			offset, panes := r.stored()
			if offset != uint64(first) {
				t.Errorf("the commit is of offset %d, want %d", offset, first)
			}
			compareMaps(t, panes, atFirst)

			r.apply(int(s.offset()), end)
			s.evict(0)
			atEnd := encodings(t, s.view)
			if err := s.commit(); err != nil {
				t.Fatal(err)
			}
			s.evict(0)
			if s.held != 0 {
				t.Errorf("%d bytes are in memory after everything was let go of", s.held)
			}
			compareMaps(t, encodings(t, s.view), atEnd)
			offset, panes = r.stored()
			if offset != uint64(end) {
				t.Errorf("the last commit is of offset %d, want %d", offset, end)
			}
			compareMaps(t, panes, atEnd)
		})
	}
}

// BenchmarkCommit commits 300 keys with full-size sketches, about 30 MB. held-ms is
// the longest that the worker is kept from records at a time, whole-ms what it spends in all.
func BenchmarkCommit(b *testing.B) {
	const keys, rows = 300, 10_000
	batches := make([]*event.Batch, 300)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range batches {
		events := make([]testEvent, rows)
		for j := range events {
			events[j] = testEvent{time: int64(i), fields: map[string]any{"key": random.IntN(keys), "item": int(random.Int64())}}
		}
		batches[i] = batchOf(b, events)
	}
	t := &testing.T{}
	streams := newTestStreams(t)
	streams.make("s", 1)
	store, err := OpenStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s := benchmarkShard(b, store, streams, `{"stream": "s", "by": ["key"], "sketches": {"d": {"kind": "hll", "of": "item"}, "often": {"kind": "countmin", "of": "item", "error": 0.0002, "confidence": 0.99}}}`)
	for i, batch := range batches {
		if err := s.apply(entryOf(uint64(i+1), batch), shedding.Full); err != nil {
			b.Fatal(err)
		}
	}
	var longest, whole time.Duration
	size := 0
	for i := 0; b.Loop(); i++ {
		if err := s.apply(entryOf(uint64(len(batches)+i+1), batches[i%len(batches)]), shedding.Full); err != nil {
			b.Fatal(err)
		}
		timed := func(fn func() error) {
			began := time.Now()
			if err := fn(); err != nil {
				b.Fatal(err)
			}
			took := time.Since(began)
			longest, whole = max(longest, took), whole+took
		}
		timed(func() error { return s.fix(false) })
		for s.snapshot.written == nil {
			timed(s.saveOn)
		}
		size = s.snapshot.batch.Len()
		<-s.snapshot.written.Done()
		timed(s.finish)
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "held-ms")
	b.ReportMetric(float64(whole.Microseconds())/1000/float64(b.N), "whole-ms")
	b.ReportMetric(float64(size)/(1<<20), "MiB")
}

// While a commit begins most panes have still to be encoded as they are, which takes
// long: it is done before the lock is taken for which readers wait.
func TestPanesAreEncodedBeforeReadersWait(t *testing.T) {
	r := newSnapshotRig(t, `{"stream":"s","by":["key"],"pane":"1m","sketches":{"d":{"kind":"hll","of":"item"}}}`)
	r.apply(0, 3)
	s := r.shard
	if err := s.fix(false); err != nil {
		t.Fatal(err)
	}
	tally := s.tally
	s.work.rows = s.work.filter.appendRows(s.work.rows[:0], nil, r.batches[1])
	s.prepare(entryOf(4, r.batches[1]), nil, &tally) // of the same keys and panes as a record before
	s.working.Lock()
	defer s.working.Unlock()
	if err := s.locate(); err != nil {
		t.Fatal(err)
	}
	waited := 0
	for _, g := range s.work.groups {
		if g.cell != nil && g.cell.saving == waiting {
			waited++
		}
	}
	if err := s.beforeGroups(); err != nil {
		t.Fatal(err)
	}
	for _, g := range s.work.groups {
		if g.cell != nil && g.cell.saving == waiting {
			t.Errorf("the pane of key %q is still to be encoded", g.cell.key)
		}
	}
	if waited == 0 {
		t.Error("no pane of the record was part of the commit")
	}
}
