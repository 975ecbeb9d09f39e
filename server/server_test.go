package server

// Definitions, questions, watching, running and stopping over real packages.

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConfigNamesEveryFault(t *testing.T) {
	err := Config{Listen: "nowhere", Limits: Limits{Body: -1, Stop: -time.Second}}.Validate()
	for _, name := range []string{"Streams", "Views", "Queries", "Log", "Listen", "Limits.Body", "Limits.Stop"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

func TestDefinitions(t *testing.T) {
	f := start(t, Limits{Definition: 4 << 10})
	f.edits()
	if got := f.expect(200, "PUT", "/v1/streams/edits", `{"lateness": "5m"}`); got["partitions"] != 2.0 || got["name"] != "edits" || got["key"] != "page" {
		t.Errorf("%v", got)
	}
	got := f.expect(200, "GET", "/v1/streams/edits", "")
	if got["lateness"] != "5m" || len(got["state"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	if list := f.expect(200, "GET", "/v1/streams", "")["streams"].([]any); len(list) != 1 || list[0].(map[string]any)["name"] != "edits" {
		t.Errorf("%v", list)
	}
	if list := f.expect(200, "GET", "/v1/views", "")["views"].([]any); len(list) != 1 || list[0].(map[string]any)["stream"] != "edits" {
		t.Errorf("%v", list)
	}
	view := f.expect(200, "GET", "/v1/views/wiki", "")
	for _, name := range []string{"stream", "by", "pane", "keep", "sketches", "keys", "panes", "bytes", "partitions"} {
		if _, ok := view[name]; !ok {
			t.Errorf("a view without %s: %v", name, view)
		}
	}
	for _, p := range view["partitions"].([]any) {
		for _, name := range []string{"partition", "offset", "lag", "watermark", "rate", "owed", "lost"} {
			if _, ok := p.(map[string]any)[name]; !ok {
				t.Errorf("a partition without %s: %v", name, p)
			}
		}
	}
	f.refused(409, "conflict", "PUT", "/v1/streams/edits", `{"partitions": 1}`)
	f.refused(400, "invalid-definition", "PUT", "/v1/streams/other", `{"partitons": 3}`)
	if p := f.refused(400, "invalid-definition", "PUT", "/v1/streams/other", `{"partitions": -3, "lateness": "soon"}`); len(p["errors"].([]any)) < 1 {
		t.Errorf("%v", p)
	}
	f.refused(400, "invalid-name", "PUT", "/v1/streams/bad%20name", `{}`)
	f.refused(413, "too-large", "PUT", "/v1/streams/other", `{"key": "`+strings.Repeat("x", 5000)+`"}`)
	f.refused(415, "unsupported-media-type", "PUT", "/v1/streams/other", `{}`, "Content-Encoding: gzip")
	f.refused(404, "unknown-stream", "PUT", "/v1/views/v", `{"stream": "nowhere"}`)
	f.refused(400, "invalid-definition", "PUT", "/v1/views/v", `{"stream": "edits", "sketches": {"a": {"kind": "hyperbolic", "of": "x"}}}`)
	f.refused(409, "in-use", "DELETE", "/v1/streams/edits", "")
	f.refused(404, "unknown-stream", "DELETE", "/v1/streams/nowhere", "")
	f.refused(404, "unknown-view", "DELETE", "/v1/views/nowhere", "")
	f.expect(204, "DELETE", "/v1/views/wiki", "")
	f.expect(204, "DELETE", "/v1/streams/edits", "")
	f.refused(404, "unknown-stream", "GET", "/v1/streams/edits", "")
	f.refused(405, "method-not-allowed", "POST", "/v1/streams/edits", "")
	f.refused(404, "unknown-path", "GET", "/no/such/path", "")
}

func TestQuestions(t *testing.T) {
	f := start(t, Limits{Questions: 3})
	f.edits()
	f.expect(200, "POST", "/v1/streams/edits/events?wait=applied", oneEdit+"\n"+strings.Replace(oneEdit, "ken", "rob", 1), ndjson)
	for path, want := range map[string]any{
		"distinct": 2.0, "count?key=%23en": 2.0, "count?key=never": 0.0, "frequency?item=Go": nil, "contains?item=Go&item=C": nil, "topk?k=1": nil, "sample": nil, "sum": nil,
	} {
		got := f.expect(200, "GET", "/v1/views/wiki/"+path, "")
		if want != nil && got["estimate"] != want {
			t.Errorf("%s: %v", path, got)
		}
		if got["view"] != "wiki" || got["coverage"] == nil || got["elapsed_us"] == nil {
			t.Errorf("%s: %v", path, got)
		}
	}
	got := f.expect(200, "POST", "/v1/views/wiki/contains", `{"key": ["#en"], "items": ["Go", "C"]}`)
	if items := got["items"].([]any); len(items) != 2 || items[0].(map[string]any)["answer"] != "maybe" || items[1].(map[string]any)["answer"] != "no" {
		t.Errorf("%v", got)
	}
	if keys := f.expect(200, "GET", "/v1/views/wiki/keys?order=events", "")["keys"].([]any); len(keys) != 1 {
		t.Errorf("%v", keys)
	}
	series := f.expect(200, "GET", "/v1/views/wiki/series?question=count&step=1h&from=2015-09-12T00:00:00Z&to=2015-09-12T02:00:00Z", "")
	if points := series["points"].([]any); len(points) != 2 || points[1].(map[string]any)["estimate"] != 0.0 {
		t.Errorf("%v", series)
	}
	a := f.call("POST", "/v1/query", `[{"view": "wiki", "question": "count"}, {"view": "nowhere", "question": "count"}, {"question": 7}]`)
	var answers []map[string]any
	must(t, json.Unmarshal(a.body, &answers))
	if a.status != 200 || len(answers) != 3 || answers[0]["estimate"] != 2.0 || answers[1]["type"] != "unknown-view" || answers[2]["status"] != 400.0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	f.refused(413, "too-large", "POST", "/v1/query", `[1,2,3,4]`)
	for _, body := range []string{"", "{}", "[", "[1,]", "[] []", `[{"view"]`} {
		f.refused(400, "bad-request", "POST", "/v1/query", body)
	}
	f.refused(404, "unknown-view", "GET", "/v1/views/nowhere/count", "")
	f.refused(404, "unknown-view", "GET", "/v1/views/nowhere/frequency", "")
	f.refused(404, "unknown-sketch", "GET", "/v1/views/wiki/distinct?sketch=nothing", "")
	f.refused(422, "unanswerable", "GET", "/v1/views/wiki/distinct?sketch=hot", "")
	for _, path := range []string{
		"distinct?from=yesterday", "distinct?key=a&key=b", "frequency", "count?nonsense=1", "topk?k=0", "count?confidence=2", "series?question=count", "keys?order=up",
	} {
		f.refused(400, "invalid-question", "GET", "/v1/views/wiki/"+path, "")
	}
	f.refused(400, "invalid-question", "POST", "/v1/views/wiki/contains", `{"itmes": []}`)
}

func TestAnswersInMsgpack(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	f.expect(200, "POST", "/v1/streams/edits/events?wait=applied", oneEdit, ndjson)
	for _, path := range []string{
		"/v1/views/wiki/distinct", "/v1/views/wiki/topk", "/v1/views/wiki/frequency?item=Go", "/v1/views/wiki", "/v1/streams", "/v1/streams/edits", "/v1/views/wiki/keys",
	} {
		for _, accept := range []string{"application/msgpack", "text/html, Application/MsgPack;q=0.9"} {
			a := f.call("GET", path, "", "Accept: "+accept)
			if a.header.Get("Content-Type") != msgpackType {
				t.Fatalf("%s: %v", path, a.header)
			}
			got := unpack(t, a.body).(map[string]any)
			want := f.expect(200, "GET", path, "")
			delete(got, "elapsed_us")
			delete(want, "elapsed_us")
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v and %v", path, got, want)
			}
		}
	}
	if a := f.call("GET", "/v1/streams", "", "Accept: application/msgpack;q=0, */*"); a.header.Get("Content-Type") != jsonType {
		t.Errorf("msgpack was ruled out: %v", a.header)
	}
	f.refused(404, "unknown-view", "GET", "/v1/views/nowhere/count", "", "Accept: application/msgpack")
}

func TestWatch(t *testing.T) {
	f := start(t, Limits{Watchers: 1})
	f.edits()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", f.base+"/v1/views/wiki/watch?question=count&every=100ms", nil)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Fatal(got)
	}
	f.refused(503, "overloaded", "GET", "/v1/views/wiki/watch?question=count", "")
	f.expect(200, "POST", "/v1/streams/edits/events?wait=applied", oneEdit, ndjson)
	lines := bufio.NewReader(response.Body)
	for count := 0.0; count != 1; {
		line, err := lines.ReadString('\n')
		must(t, err)
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var a map[string]any
			must(t, json.Unmarshal([]byte(data), &a))
			count = a["estimate"].(float64)
		}
	}
	for _, query := range []string{"", "?question=count&every=1ms", "?question=count&every=2h", "?question=count&every=x", "?question=count&question=sum"} {
		f.refused(400, "invalid-parameters", "GET", "/v1/views/wiki/watch"+query, "")
	}
	f.refused(404, "unknown-view", "GET", "/v1/views/nowhere/watch?question=count", "")
	// The end of the server is the end of the stream.
	must(t, f.stop())
	if _, err := io.Copy(io.Discard, lines); err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestRunningIt(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	f.expect(200, "POST", "/v1/streams/edits/events?wait=applied", oneEdit, ndjson)
	f.expect(200, "GET", "/healthz", "")
	f.expect(200, "GET", "/readyz", "")
	status := f.expect(200, "GET", "/v1/status", "")
	if status["version"] != "1.2.3" || len(status["nodes"].([]any)) != 1 || len(status["streams"].([]any)) != 1 || len(status["views"].([]any)) != 1 {
		t.Errorf("%v", status)
	}
	metrics := string(f.call("GET", "/metrics", "").body)
	for _, want := range []string{
		"# TYPE sketchlog_http_request_duration_seconds histogram", `sketchlog_events_total{outcome="accepted",stream="edits"} 1`,
		`sketchlog_stream_offset{partition="0",stream="edits"}`, `sketchlog_view_owed_events{partition="1",view="wiki"}`, "sketchlog_intake_appended_events_total 1",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics without %s", want)
		}
	}
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "sketchlog_") {
			t.Errorf("a metric of another name: %s", line)
		}
	}
	page := f.call("GET", "/", "")
	if page.status != 200 || !strings.Contains(string(page.body), "<html") || !strings.Contains(page.header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("%d %v", page.status, page.header)
	}
	for path, mediaType := range map[string]string{"/dashboard.js": "text/javascript", "/dashboard.css": "text/css", "/openapi.yaml": "application/yaml"} {
		if a := f.call("GET", path, ""); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), mediaType) || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	must(t, f.log.Close())
	a := f.call("GET", "/readyz", "")
	if a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("ready without a log: %d %s", a.status, a.body)
	}
	f.log.Reopen()
}

// The page has no markup that its policy would forbid.
func TestPageObeysItsPolicy(t *testing.T) {
	f := start(t, Limits{})
	page := string(f.call("GET", "/", "").body)
	for _, forbidden := range []string{"<style", "style=", "onclick", "javascript:", "http://", "https://"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page has %s", forbidden)
		}
	}
	if script := string(f.call("GET", "/dashboard.js", "").body); strings.Contains(script, "innerHTML") || strings.Contains(script, "eval(") {
		t.Error("the script makes markup out of text")
	}
}

// What was begun is finished; what comes later is refused; connections end.
func TestStop(t *testing.T) {
	f := start(t, Limits{Stop: 2 * time.Second})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	release, err := f.log.Hold("s", 0)
	must(t, err)
	begun := make(chan answer)
	go func() { begun <- f.call("POST", "/v1/streams/s/events", `{"a": 1}`, ndjson) }()
	await(t, func() bool { return f.server.config.Streams.Stats().QueuedBytes > 0 })
	stopped := make(chan error)
	go func() { stopped <- f.stop() }()
	await(t, f.server.closing.Load)
	release()
	if a := <-begun; a.status != 200 {
		t.Errorf("a request that was begun: %d %s", a.status, a.body)
	}
	must(t, <-stopped)
	if _, err := http.Get(f.base + "/healthz"); err == nil {
		t.Error("a server that has stopped answers")
	}
}

// A request that hangs does not keep the server from stopping.
func TestStopGivesUp(t *testing.T) {
	f := start(t, Limits{Stop: 100 * time.Millisecond})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	release, err := f.log.Hold("s", 0)
	must(t, err)
	var hanging sync.WaitGroup
	hanging.Go(func() {
		response, err := http.Post(f.base+"/v1/streams/s/events", "application/x-ndjson", strings.NewReader(`{"a": 1}`))
		if err == nil {
			response.Body.Close()
		}
	})
	await(t, func() bool { return f.server.config.Streams.Stats().QueuedBytes > 0 })
	began := time.Now()
	must(t, f.stop())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	release()
	hanging.Wait()
}

func TestRunEndsWhenItsContextHasEnded(t *testing.T) {
	f := start(t, Limits{Stop: time.Second})
	must(t, f.stop())
	s, err := New(f.server.config)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, s.Run(ctx))
	if _, err := New(Config{}); err == nil {
		t.Error("a server of nothing")
	}
}

// await polls until a condition holds.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 10 s")
		}
	}
}
