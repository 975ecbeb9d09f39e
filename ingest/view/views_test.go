package view

// This file tests the views of a node: making, changing and deleting them,
// where they begin, and how they come back.

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/sketches"
)

func TestPut(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 2)
	n := start(t, t.TempDir(), streams, nil)
	ctx := context.Background()
	const body = `{"stream": "s", "by": ["k"], "pane": "1m", "sketches": {"d": {"kind": "hll", "of": "x"}}}`
	d, created, err := n.views.Put(ctx, "v", []byte(body))
	if err != nil || !created || d.MaxKeys != defaultMaxKeys {
		t.Fatalf("%+v, %v, %v", d, created, err)
	}
	if _, created, err = n.views.Put(ctx, "v", []byte(body)); err != nil || created {
		t.Errorf("the same once more: %v, %v", created, err)
	}
	for _, c := range []struct {
		name, body string
		want       error
		says       string
	}{
		{"v", strings.Replace(body, "1m", "2m", 1), ErrConflict, "pane"},
		{"v", strings.Replace(body, `"x"`, `"y"`, 1), ErrConflict, "sketches.d"},
		{"v", strings.Replace(body, `"s"`, `"other"`, 1), ErrConflict, "stream"},
		{"w", strings.Replace(body, `"s"`, `"other"`, 1), ErrUnknownStream, "other"},
		{"w", strings.Replace(body, `"hll"`, `"hhl"`, 1), ErrInvalid, "hhl"},
		{"a/b", body, ErrInvalid, "name"},
	} {
		if _, _, err := n.views.Put(ctx, c.name, []byte(c.body)); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v", c.name, c.body, err)
		}
	}
	changed := strings.Replace(body, `"by"`, `"keep": "1h", "from": "earliest", "max_keys": 5, "by"`, 1)
	if d, created, err = n.views.Put(ctx, "v", []byte(changed)); err != nil || created || d.MaxKeys != 5 || d.From.Earliest {
		t.Errorf("%+v, %v, %v", d, created, err)
	}
	n.put("u", body)
	rolled := strings.Replace(body, `"by"`, `"keep": "1h", "rollups": [{"pane": "1h", "keep": "30d"}], "fresh": "5s", "priority": "low", "max_keys": 7, "by"`, 1)
	want, _, err := n.views.Put(ctx, "rolled", []byte(rolled))
	if err != nil || len(want.Rollups) != 1 {
		t.Fatalf("%+v, %v", want, err)
	}
	if d, created, err = n.views.Put(ctx, "rolled", []byte(body)); err != nil || created || !reflect.DeepEqual(d, want) {
		t.Errorf("what is left out stays: %+v, %v, %v, want %+v", d, created, err, want)
	}
	some := strings.Replace(body, `"by"`, `"rollups": [], "keep": "2h", "fresh": null, "by"`, 1)
	want.Keep, want.Rollups = event.Duration(2*time.Hour), nil
	if d, _, err = n.views.Put(ctx, "rolled", []byte(some)); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("what is given changes: %+v, %v, want %+v", d, err, want)
	}
	if _, _, err = n.views.Put(ctx, "rolled", []byte(strings.Replace(body, "1m", "4h", 1))); !errors.Is(err, ErrConflict) {
		t.Errorf("longer panes than are kept: %v", err)
	}
	if err := n.views.Delete(ctx, "rolled"); err != nil {
		t.Error(err)
	}
	n.stop()
	n = start(t, n.dir(), streams, nil)
	if got := n.view("v").Definition(); got.MaxKeys != 5 || got.Keep.String() != "1h" {
		t.Errorf("after a restart %+v", got)
	}
	if got := n.views.Reads("s"); !slices.Equal(got, []string{"u", "v"}) {
		t.Errorf("views of s: %v", got)
	}
	if got := n.views.Reads("t"); got != nil {
		t.Errorf("views of t: %v", got)
	}
	if _, err := n.views.Get("x"); !errors.Is(err, ErrUnknownView) {
		t.Errorf("get: %v", err)
	}
	v := n.view("v")
	if v.Name() != "v" || !slices.Equal(v.KeyFields(), []string{"k"}) || !slices.Equal(v.Fields(0), []string{"x"}) || len(v.Partitions()) != 2 {
		t.Errorf("view %+v", v)
	}
	n.stop()
	if _, _, err := n.views.Put(ctx, "z", []byte(body)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDelete(t *testing.T) {
	n, _ := single(t, `{"stream": "s", "by": ["k"], "from": "earliest"}`)
	n.streams.append("s", 0, at("a", 1, 2, 3))
	n.settle("s")
	ctx := context.Background()
	if err := n.views.Delete(ctx, "v"); err != nil {
		t.Fatal(err)
	}
	if err := n.views.Delete(ctx, "v"); !errors.Is(err, ErrUnknownView) {
		t.Errorf("once more: %v", err)
	}
	if left, err := n.store.generations(); len(left) != 0 || err != nil {
		t.Errorf("the store still holds generations %v, %v", left, err)
	}
	if held := n.views.Held(); held != 0 {
		t.Errorf("%d bytes are still in memory", held)
	}
	v := n.put("v", `{"stream": "s"}`)
	n.streams.append("s", 0, at("a", 1))
	n.settle("s")
	compareMaps(t, counts(t, v), map[place]uint64{{"[]", allTime}: 1})
}

// A crash between the catalog and the store leaves state that nobody owns.
func TestOpenRemovesOrphans(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "from": "earliest"}`)
	n.streams.append("s", 0, at("a", 1, 2, 3))
	n.settle("s")
	n.put("w", `{"stream": "s", "from": "earliest"}`)
	n.settle("s")
	n.stop()
	if err := n.streams.log.Catalog().Delete(context.Background(), catalogKind, "v"); err != nil {
		t.Fatal(err)
	}
	n = start(t, n.dir(), n.streams, nil)
	if left, err := n.store.generations(); err != nil || slices.Contains(left, v.generation) || len(left) != 1 {
		t.Errorf("generations %v, %v", left, err)
	}
	if w := n.put("v", `{"stream": "s"}`); w.generation <= v.generation {
		t.Errorf("generation %d was given twice", w.generation)
	}
}

func TestFrom(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 2)
	n := start(t, t.TempDir(), streams, nil)
	streams.append("s", 0, at("a", 1, 2, 3))
	streams.append("s", 1, at("a", 4, 5))
	n.put("latest", `{"stream": "s"}`)
	n.put("earliest", `{"stream": "s", "from": "earliest"}`)
	n.put("since", fmt.Sprintf(`{"stream": "s", "from": %d}`, 3*60_000))
	n.put("text", `{"stream": "s", "from": "1970-01-01T00:03:00Z"}`)
	for range 2 {
		streams.append("s", 0, at("a", 1, 9))
		n.settle("s")
		n.stop()
		n = start(t, n.dir(), streams, nil)
	}
	for _, c := range []struct {
		view            string
		events, applied uint64
	}{{"latest", 4, 4}, {"earliest", 9, 9}, {"since", 5, 9}, {"text", 5, 9}} {
		v := n.view(c.view)
		total := uint64(0)
		for _, events := range counts(t, v) {
			total += events
		}
		if p := position(v); total != c.events || p.Applied != c.applied || p.Owed != 0 {
			t.Errorf("%s: %d events, %+v", c.view, total, p)
		}
	}
}

func TestOwed(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 1)
	streams.append("s", 0, at("a", 1, 2))
	n := start(t, t.TempDir(), streams, nil)
	n.put("latest", `{"stream": "s"}`)
	n.put("earliest", `{"stream": "s", "from": "earliest"}`)
	n.settle("s")
	n.stop()
	streams.append("s", 0, at("a", 3, 4, 5))
	store, err := OpenStore(n.dir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	// Without Run nobody reads.
	views, err := Open(context.Background(), Config{Store: store, Streams: streams, Catalog: streams.log.Catalog()})
	if err != nil {
		t.Fatal(err)
	}
	for name, applied := range map[string]uint64{"latest": 0, "earliest": 2} {
		v, err := views.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if p := position(v); p.Owed != 3 || p.Applied != applied {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestGrowth(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"]}`)
	n.streams.append("s", 0, at("a", 1))
	n.streams.make("s", 3)
	n.streams.append("s", 2, at("a", 2, 3)) // before the view hears of it
	n.views.StreamChanged("s")
	n.streams.append("s", 1, at("b", 2))
	n.settle("s")
	want := map[place]uint64{{`["a"]`, allTime}: 3, {`["b"]`, allTime}: 1}
	compareMaps(t, counts(t, v), want)
	n.stop()
	n = start(t, n.dir(), n.streams, nil)
	compareMaps(t, counts(t, n.view("v")), want)
	n.views.StreamChanged("nowhere")
}

func TestWaitApplied(t *testing.T) {
	n, _ := single(t, `{"stream": "s"}`)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := n.views.WaitApplied(ctx, "s", map[int]uint64{0: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("for what is not there: %v", err)
	}
	if err := n.views.WaitApplied(context.Background(), "other", map[int]uint64{0: 1}); err != nil {
		t.Errorf("for a stream without views: %v", err)
	}
	done := make(chan error)
	go func() { done <- n.views.WaitApplied(context.Background(), "s", map[int]uint64{0: 2}) }()
	n.streams.append("s", 0, at("a", 1))
	n.streams.append("s", 0, at("a", 1))
	if err := <-done; err != nil {
		t.Error(err)
	}
	go func() { done <- n.views.WaitApplied(context.Background(), "s", map[int]uint64{0: 3}) }()
	if err := n.views.Delete(context.Background(), "v"); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("for a view that was deleted: %v", err)
	}
	n.put("w", `{"stream": "s"}`)
	go func() { done <- n.views.WaitApplied(context.Background(), "s", map[int]uint64{0: 3}) }()
	n.stop()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("at the end: %v", err)
	}
}

// A worker that fails goes back to its last commit, and tries again.
func TestWorkerRecovers(t *testing.T) {
	streams := newTestStreams(t)
	streams.make("s", 1)
	events := zipfEvents(2, 500)
	appendAll(streams, events, variant{partitions: 1, batch: 20})
	streams.close()
	streams.make("s", 1) // its tail has nothing in memory: views read the log
	broken := errors.New("the disk hums")
	for range 2 {
		if err := streams.log.FailRead("s", 0, broken); err != nil {
			t.Fatal(err)
		}
	}
	n := start(t, t.TempDir(), streams, nil)
	v := n.put("v", `{"stream": "s", "from": "earliest"}`)
	n.settle("s")
	compareMaps(t, counts(t, v), map[place]uint64{{"[]", allTime}: 500})
	if p := v.Partitions()[0].Position(); p.Failure != nil {
		t.Errorf("it still fails: %v", p.Failure)
	}
}

// State of more than the log holds is not taken for the log's.
func TestTruncatedLogIsNoticed(t *testing.T) {
	n, _ := single(t, `{"stream": "s"}`)
	n.streams.append("s", 0, at("a", 1))
	n.settle("s")
	n.stop()
	other := newTestStreams(t)
	other.make("s", 1)
	ctx := context.Background()
	entries, err := n.streams.log.Catalog().List(ctx, catalogKind)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.log.Catalog().Put(ctx, catalogKind, "v", entries["v"]); err != nil {
		t.Fatal(err)
	}
	store, err := OpenStore(n.dir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := Open(ctx, Config{Store: store, Streams: other, Catalog: other.log.Catalog()}); !errors.Is(err, eventlog.ErrTruncated) {
		t.Errorf("opened over another log: %v", err)
	}
}

// Readers see whole records or groups, whatever the worker does meanwhile.
func TestReadWhileApplying(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["key"], "pane": "1m", "from": "earliest", "sketches": {"d": {"kind": "hll", "of": "item"}}}`)
	events := zipfEvents(4, 6000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		appendAll(n.streams, events, variant{partitions: 1, batch: 50})
	}()
	last := uint64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		total := uint64(0)
		p, err := v.Partitions()[0].Panes(nil, Span{All: true}, func(_ []byte, _, _ int64, p *sketches.Pane) error {
			total += p.Events()
			return nil
		})
		if err != nil || total != p.Applied || total < last {
			t.Fatalf("%d events in panes, after %d; %+v, %v", total, last, p, err)
		}
		last = total
	}
	n.settle("s")
}

func TestConfig(t *testing.T) {
	if _, err := Open(context.Background(), Config{CommitEvery: -1}); err == nil || !strings.Contains(err.Error(), "Store") || !strings.Contains(err.Error(), "CommitEvery") {
		t.Errorf("error %v", err)
	}
}

// Whole events and tuples of fields, as samples and items.
func TestItems(t *testing.T) {
	n, v := single(t, `{"stream": "s", "sketches": {"all": {"kind": "reservoir", "of": "*", "size": 3},
		"pairs": {"kind": "hotlist", "of": ["k", "n"], "weight": "w"}}}`)
	n.streams.append("s", 0, []testEvent{
		{1, map[string]any{"k": "a", "n": 1, "w": 2.4}},
		{2, map[string]any{"k": "a", "n": 1.0, "w": 3}},
		{3, map[string]any{"k": "b", "w": -1}},
		{4, map[string]any{}},
	})
	n.settle("s")
	all, pairs := 0, 1
	for _, p := range merged(t, v) {
		sample, population := p.Sample(all, 9)
		if len(sample) != 3 || population != 4 {
			t.Errorf("a sample of %d of %d", len(sample), population)
		}
		for _, item := range sample {
			if text, err := event.ItemJSON(nil, item); err != nil || text[0] != '{' {
				t.Errorf("sampled %s, %v", text, err)
			}
		}
		top, _, exact := p.TopK(pairs, 5)
		if len(top) == 0 || !exact || keyText(t, top[0].Item) != `["a",1]` || top[0].Value != 5 || p.Ignored(pairs) != 1 {
			t.Errorf("top %+v, %v, %d ignored", top, exact, p.Ignored(pairs))
		}
	}
}
