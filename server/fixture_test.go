package server

// A server on a free port over real packages and a log in memory.

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"sketchlog/ingest"
	"sketchlog/ingest/eventlog/memlog"
	"sketchlog/ingest/view"
	"sketchlog/query"
)

type fixture struct {
	t      *testing.T
	server *Server
	log    *memlog.Log
	base   string
	stop   func() error // ends Run and returns what it returned; once
}

// start runs a server until the test ends.
func start(t *testing.T, limits Limits) *fixture {
	t.Helper()
	ctx := context.Background()
	log := memlog.New()
	store, err := view.OpenStore(t.TempDir())
	must(t, err)
	streams, err := ingest.Open(ctx, ingest.Config{Log: log, Checkpoints: store})
	must(t, err)
	views, err := view.Open(ctx, view.Config{Store: store, Streams: streams, Catalog: log.Catalog()})
	must(t, err)
	streams.OnChange(views.StreamChanged)
	engine, err := query.New(query.Config{Views: views})
	must(t, err)
	s, err := New(Config{
		Listen: "127.0.0.1:0", Streams: streams, Views: views, Queries: engine, Log: log, Limits: limits,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Node: "test", Version: "1.2.3",
	})
	must(t, err)
	return run(t, s, log, streams.Run, views.Run, store.Close)
}

// run runs a server and the parts below it, and ends them in this order.
func run(t *testing.T, s *Server, log *memlog.Log, streams, views func(context.Context) error, closeStore func() error) *fixture {
	t.Helper()
	serving, stopServing := context.WithCancel(context.Background())
	working, stopWorking := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return streams(working) })
	group.Go(func() error { return views(working) })
	served := make(chan error, 1)
	go func() { served <- s.Run(serving) }()
	f := &fixture{t: t, server: s, log: log, base: "http://" + s.Addr()}
	stopped := false
	f.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		stopServing()
		return <-served
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		must(t, f.stop())
		stopWorking()
		must(t, group.Wait())
		must(t, closeStore())
	})
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes a request; header is "Name: value" lines.
func (f *fixture) call(method, path, body string, header ...string) answer {
	f.t.Helper()
	request, err := http.NewRequest(method, f.base+path, strings.NewReader(body))
	must(f.t, err)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	return f.do(request)
}

func (f *fixture) do(request *http.Request) answer {
	f.t.Helper()
	response, err := http.DefaultClient.Do(request)
	must(f.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(f.t, err)
	return answer{response.StatusCode, response.Header, text}
}

// expect makes a request that must end with a status, and decodes its JSON.
func (f *fixture) expect(status int, method, path, body string, header ...string) map[string]any {
	f.t.Helper()
	a := f.call(method, path, body, header...)
	if a.status != status {
		f.t.Fatalf("%s %s: %d, expected %d: %s", method, path, a.status, status, a.body)
	}
	var out map[string]any
	if len(bytes.TrimSpace(a.body)) > 0 {
		if err := json.Unmarshal(a.body, &out); err != nil {
			f.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
		}
	}
	return out
}

// refused makes a request that must end with a problem.
func (f *fixture) refused(status int, slug, method, path, body string, header ...string) map[string]any {
	f.t.Helper()
	a := f.call(method, path, body, header...)
	if got := a.header.Get("Content-Type"); a.status != status || got != problemType {
		f.t.Fatalf("%s %s: %d %s, expected a problem with %d: %s", method, path, a.status, got, status, a.body)
	}
	var p map[string]any
	must(f.t, json.Unmarshal(a.body, &p))
	if p["type"] != slug || p["status"] != float64(status) || p["detail"] == "" || p["title"] == "" {
		f.t.Fatalf("%s %s: %s, expected type %s", method, path, a.body, slug)
	}
	return p
}

const ndjson = "Content-Type: application/x-ndjson"

// edits makes a stream and a view over it.
func (f *fixture) edits() {
	f.t.Helper()
	f.expect(201, "PUT", "/v1/streams/edits", `{"partitions": 2, "key": "page", "time": "time"}`)
	f.expect(201, "PUT", "/v1/views/wiki", `{"stream": "edits", "by": ["channel"], "pane": "1h", "keep": "100000d", "from": "earliest", "sketches": {
		"editors": {"kind": "hll", "of": "user"}, "seen": {"kind": "bloom", "of": "page", "capacity": 1000},
		"edits": {"kind": "countmin", "of": "page"}, "hot": {"kind": "hotlist", "of": "user", "size": 16},
		"sample": {"kind": "reservoir", "of": "page", "size": 10}, "recent": {"kind": "decay", "of": "added", "half_life": "10m"}}}`)
}
