package view

// This file holds what the tests share: a node's views over a log in memory,
// and a dumb model of what they should hold.

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// testStreams are streams over a memlog.
type testStreams struct {
	t   *testing.T
	log *memlog.Log

	mu       sync.Mutex
	tails    map[string][]*eventlog.Tail
	lateness time.Duration
	rejects  bool
}

func newTestStreams(t *testing.T) *testStreams {
	s := &testStreams{t: t, log: memlog.New(), tails: map[string][]*eventlog.Tail{}}
	t.Cleanup(s.close)
	return s
}

func (s *testStreams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tails := range s.tails {
		for _, tail := range tails {
			_ = tail.Close()
		}
	}
	s.tails = map[string][]*eventlog.Tail{}
}

// make creates a stream, or gives it more partitions.
func (s *testStreams) make(stream string, partitions int) {
	s.t.Helper()
	ctx := context.Background()
	if err := s.log.Ensure(ctx, stream, eventlog.Settings{Partitions: partitions}); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.tails[stream]); i < partitions; i++ {
		p, err := s.log.Partition(ctx, stream, i)
		if err != nil {
			s.t.Fatal(err)
		}
		tail, err := eventlog.OpenTail(ctx, eventlog.TailConfig{Stream: stream, Number: i, Log: p})
		if err != nil {
			s.t.Fatal(err)
		}
		s.tails[stream] = append(s.tails[stream], tail)
	}
}

func (s *testStreams) Tails(stream string) ([]*eventlog.Tail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tails, ok := s.tails[stream]
	if !ok {
		return nil, fmt.Errorf("stream %s: %w", stream, eventlog.ErrUnknown)
	}
	return slices.Clone(tails), nil
}

func (s *testStreams) Rejects(string) (bool, error) { return s.rejects, nil }

func (s *testStreams) Lateness(string) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lateness, nil
}

// append appends one record and returns its offset.
func (s *testStreams) append(stream string, partition int, events []testEvent, segments ...event.Segment) uint64 {
	s.t.Helper()
	tails, err := s.Tails(stream)
	if err != nil {
		s.t.Fatal(err)
	}
	b := batchOf(s.t, events)
	b.Segments = segments
	if len(segments) == 0 {
		b.Segments = []event.Segment{{Rows: len(events), Partitions: len(tails)}}
	}
	offset, err := tails[partition].Append(context.Background(), b, eventlog.AcksAll)
	if err != nil {
		s.t.Fatal(err)
	}
	return offset
}

// testEvent is an event as a test thinks of it; values are what FloatValue,
// IntValue, StringValue and BoolValue take, or nil.
type testEvent struct {
	time   int64
	fields map[string]any
}

func valueOf(v any) event.Value {
	switch v := v.(type) {
	case bool:
		return event.BoolValue(v)
	case int:
		return event.IntValue(int64(v))
	case float64:
		return event.FloatValue(v)
	case string:
		return event.StringValue(v)
	}
	return event.Value{}
}

func batchOf(t testing.TB, events []testEvent) *event.Batch {
	t.Helper()
	b := &event.Batch{}
	w := event.NewBuilder(b)
	for _, e := range events {
		w.Begin()
		for name, v := range e.fields {
			switch v := v.(type) {
			case nil:
				w.Null([]byte(name))
			case bool:
				w.Bool([]byte(name), v)
			case int:
				w.Int([]byte(name), int64(v))
			case float64:
				w.Float([]byte(name), v)
			case string:
				w.String([]byte(name), []byte(v))
			default:
				t.Fatalf("a value of type %T", v)
			}
		}
		if err := w.End(e.time); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// node is the views of one node, running.
type node struct {
	t       testing.TB
	store   *Store
	views   *Views
	streams *testStreams
	path    string
	stop    func()
}

// dir is where the node's store is.
func (n *node) dir() string { return n.path }

// start opens views over a directory and runs them; the test's end stops them.
func start(t testing.TB, dir string, streams *testStreams, change func(*Config)) *node {
	t.Helper()
	store, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, store, dir, streams, change)
}

// startOn is start with a store that is open, which the node closes.
func startOn(t testing.TB, store *Store, dir string, streams *testStreams, change func(*Config)) *node {
	t.Helper()
	c := Config{Store: store, Streams: streams, Catalog: streams.log.Catalog(), CommitEvery: 5 * time.Millisecond, Control: quick}
	if testing.Verbose() {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if change != nil {
		change(&c)
	}
	views, err := Open(context.Background(), c)
	if err != nil {
		store.Close()
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- views.Run(ctx) }()
	n := &node{t: t, store: store, views: views, streams: streams, path: dir}
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// put makes or changes a view.
func (n *node) put(name, body string) *View {
	n.t.Helper()
	if _, _, err := n.views.Put(context.Background(), name, []byte(body)); err != nil {
		n.t.Fatal(err)
	}
	return n.view(name)
}

func (n *node) view(name string) *View {
	n.t.Helper()
	v, err := n.views.Get(name)
	if err != nil {
		n.t.Fatal(err)
	}
	return v
}

// quick is a controller that decides so often that tests need not wait for it.
var quick = shedding.Config{Period: time.Millisecond, Hold: time.Millisecond, Patience: time.Millisecond}

// settle waits until every view of the stream has applied all of the log, and
// owes nothing.
func (n *node) settle(stream string) {
	n.t.Helper()
	n.live(stream)
	n.await("nothing is owed", func() bool {
		for _, name := range n.views.Reads(stream) {
			if position(n.view(name)).Owed > 0 {
				return false
			}
		}
		return true
	})
}

// await waits until something holds.
func (n *node) await(what string, holds func() bool) {
	n.t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("it took too long until %s", what)
		}
	}
}

// live waits until every view of the stream has come to the end of the log.
func (n *node) live(stream string) {
	n.t.Helper()
	tails, err := n.streams.Tails(stream)
	if err != nil {
		n.t.Fatal(err)
	}
	offsets := map[int]uint64{}
	for i, tail := range tails {
		offsets[i] = tail.Head().Offset
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.views.WaitApplied(ctx, stream, offsets); err != nil {
		n.t.Fatal(err)
	}
}

// checkpoint copies the store as it stands on disk: what a crash would leave.
func (n *node) checkpoint() string {
	n.t.Helper()
	dir := filepath.Join(n.t.TempDir(), "crashed")
	if err := n.store.db.Checkpoint(dir); err != nil {
		n.t.Fatal(err)
	}
	return dir
}

// place names a pane in what tests compare.
type place struct {
	key  string // JSON
	from int64
}

func (p place) String() string { return fmt.Sprintf("%s@%d", p.key, p.from) }

// merged returns the panes of all partitions, merged by key and start.
func merged(t testing.TB, v *View) map[place]*sketches.Pane {
	t.Helper()
	out := map[place]*sketches.Pane{}
	for _, s := range v.Partitions() {
		last := place{}
		_, err := s.Panes(nil, Span{All: true}, func(key []byte, from, to int64, p *sketches.Pane) error {
			at := place{keyText(t, key), from}
			if at == last {
				t.Errorf("pane %v comes twice", at)
			}
			last = at
			if out[at] == nil {
				out[at] = v.Layout().NewPane()
			}
			return out[at].Merge(p, v.Layout().All())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func keyText(t testing.TB, key []byte) string {
	t.Helper()
	text, err := event.ItemJSON(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// counts returns the events of every pane.
func counts(t testing.TB, v *View) map[place]uint64 {
	t.Helper()
	out := map[place]uint64{}
	for at, p := range merged(t, v) {
		out[at] = p.Events()
	}
	return out
}

// raw returns the encoded panes of every partition.
func raw(t testing.TB, v *View) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i, s := range v.Partitions() {
		_, err := s.Panes(nil, Span{All: true}, func(key []byte, from, _ int64, p *sketches.Pane) error {
			out[fmt.Sprintf("%d %s@%d", i, keyText(t, key), from)] = string(p.AppendBinary(nil))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// position sums up the positions of a view's shards; times are of the last.
func position(v *View) Position {
	var sum Position
	for _, s := range v.Partitions() {
		p := s.Position()
		sum.Applied += p.Applied
		sum.Owed += p.Owed
		sum.Lost += p.Lost
		sum.Late += p.Late
		sum.Expired += p.Expired
		sum.Panes += p.Panes
		sum.Keys = max(sum.Keys, p.Keys)
		sum.Overflow = sum.Overflow || p.Overflow
		sum.Greatest, sum.Watermark, sum.HasEvents = p.Greatest, p.Watermark, p.HasEvents
	}
	return sum
}

// zipfEvents draws events of a few hot and many cold keys and items.
func zipfEvents(seed uint64, n int) []testEvent {
	r := rand.New(rand.NewPCG(seed, 1))
	keys, items := rand.NewZipf(r, 1.2, 1, 40), rand.NewZipf(r, 1.1, 1, 5000)
	events := make([]testEvent, n)
	for i := range events {
		events[i] = testEvent{
			time: 1_700_000_000_000 + int64(i)*100,
			fields: map[string]any{
				"key": fmt.Sprintf("k%d", keys.Uint64()), "item": fmt.Sprintf("item-%d", items.Uint64()),
				"n": int(r.Uint64N(100)), "ok": r.IntN(3) > 0,
			},
		}
		if r.IntN(50) == 0 {
			events[i].fields["key"] = nil
		}
	}
	return events
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
