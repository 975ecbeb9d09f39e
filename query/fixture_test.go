package query

// What the tests share: real streams and views over a log in memory.

import (
	"context"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest"
	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
	"sketchlog/ingest/view"
	"sketchlog/shedding"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// node is one node's streams and views, and an engine that asks them.
type node struct {
	t       testing.TB
	log     *memlog.Log
	dir     string
	streams *ingest.Streams
	views   *view.Views
	engine  *Engine
	pause   func() // ends the views' workers: what is sent from then on is owed
	stop    func()

	// decide overrides what views' controllers decide; nil: they stand.
	decide func(*view.Shard, shedding.Decision) shedding.Decision
}

func newNode(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir()}
	n.begin()
	return n
}

// begin starts the node on an empty log.
func (n *node) begin() {
	n.t.Helper()
	n.log = memlog.New()
	n.open(true)
}

// open starts the node on its log and state; without working, its views stay
// as far as they were.
func (n *node) open(working bool) {
	n.t.Helper()
	ctx := context.Background()
	store, err := view.OpenStore(n.dir)
	n.must(err)
	n.streams, err = ingest.Open(ctx, ingest.Config{Log: n.log, Checkpoints: store})
	n.must(err)
	n.views, err = view.Open(ctx, view.Config{Store: store, Streams: n.streams, Catalog: n.log.Catalog(), Override: n.decide})
	n.must(err)
	n.streams.OnChange(n.views.StreamChanged)
	still := time.Unix(0, 0)
	n.engine, err = New(Config{Views: n.views, Clock: func() time.Time { return still }})
	n.must(err)

	writing, stopWriting := context.WithCancel(ctx)
	reading, stopReading := context.WithCancel(ctx)
	written, read := make(chan error, 1), make(chan error, 1)
	go func() { written <- n.streams.Run(writing) }()
	if working {
		go func() { read <- n.views.Run(reading) }()
	} else {
		read <- nil
	}
	n.pause = sync.OnceFunc(func() {
		stopReading()
		n.must(<-read)
	})
	n.stop = sync.OnceFunc(func() {
		n.pause()
		stopWriting()
		n.must(<-written)
		n.must(store.Close())
	})
	n.t.Cleanup(n.stop)
}

// reopen starts the node anew: nothing of the log is in memory any more.
func (n *node) reopen(working bool) {
	n.t.Helper()
	n.stop()
	n.open(working)
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) stream(name, definition string) {
	n.t.Helper()
	_, _, err := n.streams.Put(context.Background(), name, []byte(definition))
	n.must(err)
}

func (n *node) view(name, definition string) *view.View {
	n.t.Helper()
	_, _, err := n.views.Put(context.Background(), name, []byte(definition))
	n.must(err)
	v, err := n.views.Get(name)
	n.must(err)
	return v
}

// send appends events, NDJSON with a field time, in one request and returns
// where they went.
func (n *node) send(stream string, lines ...string) map[int]uint64 {
	n.t.Helper()
	b := &event.Batch{}
	result, err := event.Decode(b, []byte(strings.Join(lines, "\n")), event.Options{Format: event.FormatNDJSON, Time: "time", Ahead: -1})
	n.must(err)
	if result.Rejected > 0 {
		n.t.Fatalf("events are refused: %+v", result.Faults)
	}
	receipt, err := n.streams.Append(context.Background(), ingest.Request{Stream: stream, Body: b, Acks: eventlog.AcksAll})
	n.must(err)
	return receipt.Offsets
}

// settle waits until the views of a stream have applied all of its log.
func (n *node) settle(stream string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	n.live(ctx, stream)
	for _, v := range n.views.List() { // and until the past is paid for
		for v.Definition().Stream == stream && owes(v) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	n.must(ctx.Err())
}

// live waits until the views of a stream have read all of its log, at whatever rate.
func (n *node) live(ctx context.Context, stream string) {
	n.t.Helper()
	tails, err := n.streams.Tails(stream)
	n.must(err)
	offsets := map[int]uint64{}
	for i, tail := range tails {
		offsets[i] = tail.Head().Offset
	}
	n.must(n.views.WaitApplied(ctx, stream, offsets))
}

func owes(v *view.View) bool {
	return slices.ContainsFunc(v.Partitions(), func(s *view.Shard) bool { return s.Position().Owed > 0 })
}

// parameters reads "key=a&from=0".
func (n *node) parameters(text string) url.Values {
	n.t.Helper()
	p, err := url.ParseQuery(text)
	n.must(err)
	return p
}

// try asks with the parameters of a URL.
func (n *node) try(viewName, question, parameters string) (*Answer, error) {
	n.t.Helper()
	q, err := Params(viewName, question, n.parameters(parameters))
	if err != nil {
		return nil, err
	}
	return n.engine.Answer(context.Background(), q)
}

func (n *node) ask(viewName, question, parameters string) *Answer {
	n.t.Helper()
	a, err := n.try(viewName, question, parameters)
	if err != nil {
		n.t.Fatalf("%s %s?%s: %v", viewName, question, parameters, err)
	}
	n.sane(a)
	return a
}

func (n *node) series(viewName, parameters string) []*Answer {
	n.t.Helper()
	s, err := n.engine.Series(context.Background(), viewName, n.parameters(parameters))
	if err != nil {
		n.t.Fatalf("series of %s?%s: %v", viewName, parameters, err)
	}
	return s.Points
}

// sane checks what holds for every answer.
func (n *node) sane(a *Answer) {
	n.t.Helper()
	within := func(what string, estimate, low, high *Number, exact bool) {
		if estimate == nil {
			return
		}
		if !(*low <= *estimate && *estimate <= *high) || exact && *low != *high {
			n.t.Errorf("%s %s of %s: %v is not in [%v, %v], exact %v", a.Question, what, a.Key, *estimate, *low, *high, exact)
		}
	}
	within("estimate", a.Estimate, a.Low, a.High, a.Exact)
	if a.Items != nil {
		for _, i := range *a.Items {
			within(string(i.Item), i.Estimate, i.Low, i.High, a.Exact)
		}
	}
	if a.From != nil && a.To != nil && *a.From > *a.To {
		n.t.Errorf("the answer covers %d to %d", *a.From, *a.To)
	}
	c := a.Coverage
	if c.Applied < 0 || c.Applied > 1 || (c.Owed == 0) != (c.Applied == 1) {
		n.t.Errorf("%d events are owed and a share of %v is applied", c.Owed, c.Applied)
	}
	if a.Exact && c.Owed+c.Lost > 0 && a.Question != Frequency {
		n.t.Errorf("an exact answer with %d events owed and %d lost", c.Owed, c.Lost)
	}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; run with -update if that is meant. Now:\n%s", path, got)
	}
}

func indented(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
