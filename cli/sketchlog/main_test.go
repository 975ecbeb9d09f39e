package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// execute runs a command line and returns its exit code and what it wrote.
func execute(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct{ line, why string }{
		{"nonsense", "unknown command"},
		{"--nonsense", "unknown flag"},
		{"stream", "create, delete, list, show"},
		{"stream nonsense", "unknown command"},
		{"stream create", "it takes 1"},
		{"stream create a b", "it takes 1"},
		{"stream create a --partitions x", "partitions"},
		{"view apply", "-f is missing"},
		{"produce", "it takes between 1 and 2"},
		{"produce a b c", "it takes between 1 and 2"},
		{"produce a --format xml", "--format"},
		{"produce a --batch 0", "--batch"},
		{"produce a --batch 1000001", "--batch"},
		{"produce a --acks 2", "--acks"},
		{"produce a --rate -1", "--rate"},
		{"produce a --rate NaN", "--rate"},
		{"produce a --on-error ignore", "--on-error"},
		{"consume", "it takes 1"},
		{"consume a --partition x", "partition"},
		{"query", "0 words"},
		{"query distinct", "1 words"},
		{"query nonsense v", "not a question"},
		{"query distinct v w", "3 words"},
		{"query distinct v --nonsense", "unknown flag"},
		{"keys", "it takes 1"},
		{"series", "it takes 1"},
		{"watch", "it takes 1"},
		{"status -o xml", "table, json"},
		{"status extra", "unknown command"},
		{"status --addr ftp://x", "ftp"},
		{"serve extra", "unknown command"},
		{"demo --events 0", "--events"},
		{"bench", "query"},
	} {
		code, out, errs := execute(t, "", strings.Fields(c.line)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.why) || !strings.Contains(errs, "Usage: sketchlog") || !strings.Contains(errs, "--help") {
			t.Errorf("%s: exit code %d, %q on standard output and %q on standard error, want 2 and %q", c.line, code, out, errs, c.why)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, line := range []string{"", "--help", "help", "help query", "query --help", "stream create --help", "bench --help"} {
		if code, out, errs := execute(t, "", strings.Fields(line)...); code != exitDone || !strings.Contains(out, "Usage:") || errs != "" {
			t.Errorf("%q: exit code %d, %q, %q", line, code, out, errs)
		}
	}
	t.Setenv("SKETCHLOG_TOKEN", "a secret")
	if _, out, _ := execute(t, "", "status", "--help"); strings.Contains(out, "secret") {
		t.Error("help prints the token")
	}
}

// canned is a server that answers every request alike and keeps them.
type canned struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // method and URI
	token    string
}

func serveCanned(t *testing.T, status int, body string) *canned {
	c := &canned{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, r.Method+" "+r.URL.RequestURI())
		c.token = r.Header.Get("Authorization")
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(c.Close)
	return c
}

func TestRefusalsAndFailures(t *testing.T) {
	s := serveCanned(t, 404, `{"type":"unknown-view","title":"x","status":404,"detail":"no view \u001b[31m\"v\"","errors":[{"detail":"one"},{"detail":"two"}]}`)
	code, out, errs := execute(t, "", "query", "count", "v", "--addr", s.URL)
	if code != exitRefused || out != "" || !strings.Contains(errs, "no view") || !strings.Contains(errs, "two") || strings.Contains(errs, "\x1b") || strings.Contains(errs, "Usage") {
		t.Errorf("a refusal: %d, %q, %q", code, out, errs)
	}
	s.Close()
	if code, _, errs := execute(t, "", "query", "count", "v", "--addr", s.URL); code != exitRefused || !strings.Contains(errs, "refused") {
		t.Errorf("no server: %d, %q", code, errs)
	}
	if code, _, errs := execute(t, "", "produce", "s", "/nowhere/at all", "--addr", s.URL); code != exitRefused || !strings.Contains(errs, "no such file") {
		t.Errorf("no file: %d, %q", code, errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if code := run(ctx, []string{"status", "--addr", s.URL}, nil, io.Discard, &stderr); code != exitRefused || stderr.String() != "sketchlog: interrupted\n" {
		t.Errorf("interrupted: %d, %q", code, stderr.String())
	}
}

func TestAddressAndTokenComeFromFlagOrEnvironment(t *testing.T) {
	s := serveCanned(t, 200, `{"streams":[]}`)
	t.Setenv("SKETCHLOG_ADDR", s.URL)
	t.Setenv("SKETCHLOG_TOKEN", "from the environment")
	if code, _, errs := execute(t, "", "stream", "list"); code != 0 || len(s.requests) != 1 || !strings.Contains(s.token, "from the environment") {
		t.Errorf("environment: %d, %s, %v, %q", code, errs, s.requests, s.token)
	}
	t.Setenv("SKETCHLOG_ADDR", "http://127.0.0.1:1")
	if code, _, errs := execute(t, "", "stream", "list", "--addr", s.URL, "--token", "flag"); code != 0 || len(s.requests) != 2 || !strings.Contains(s.token, "flag") {
		t.Errorf("flags: %d, %s, %v, %q", code, errs, s.requests, s.token)
	}
}

func TestFlagsOfAQuestionBecomeParameters(t *testing.T) {
	s := serveCanned(t, 200, `{"question": "frequency", "items": []}`)
	code, out, errs := execute(t, "", "query", "frequency", "v", "--key", "a,b", "--key", `"1"`, "--item", "x&y", "--item", "null", "--window", "1h", "--confidence", "0.9",
		"--sketch", "s", "--strict", "-o", "json", "--addr", s.URL)
	if code != 0 || out != "{\"question\": \"frequency\", \"items\": []}\n" {
		t.Fatalf("%d, %q, %s", code, out, errs)
	}
	u, err := url.Parse(strings.TrimPrefix(s.requests[0], "GET "))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"key": {"a,b", `"1"`}, "item": {"x&y", "null"}, "window": {"1h"}, "confidence": {"0.9"}, "sketch": {"s"}, "strict": {"true"}}
	if u.Path != "/v1/views/v/frequency" || u.Query().Encode() != want.Encode() {
		t.Errorf("asked for %s, want %s", u, want.Encode())
	}
	// What is not given is not sent: the server has its own defaults.
	execute(t, "", "query", "count", "v", "--addr", s.URL)
	if got := s.requests[1]; got != "GET /v1/views/v/count" {
		t.Errorf("asked for %s", got)
	}
}

func TestStreamCreateSendsWhatIsGiven(t *testing.T) {
	for line, want := range map[string]string{
		"":                                 `{}`,
		"--partitions 4 --key path":        `{"key":"path","partitions":4}`,
		"--retention-age 7d --replicas 1":  `{"replicas":1,"retention":{"age":"7d"}}`,
		"--retention-bytes 0 --lateness 0": `{"lateness":"0","retention":{"bytes":0}}`,
	} {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		f := streamFlags{}
		f.declare(set)
		if err := set.Parse(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(f.changed(set)); string(got) != want {
			t.Errorf("%q sends %s, want %s", line, got, want)
		}
	}
}

func TestApplyShowsAnswersAsJSON(t *testing.T) {
	s := serveCanned(t, 200, `{"name":"x"}`)
	const file = "views: {b: {}}\nstreams: {s: {}}\n"
	if code, out, _ := execute(t, file, "view", "apply", "-f", "-", "-o", "json", "--addr", s.URL); code != exitDone || out != "{\"name\":\"x\"}\n{\"name\":\"x\"}\n" {
		t.Errorf("%d, %q", code, out)
	}
	if code, out, errs := execute(t, file, "view", "apply", "-f", "-", "--addr", s.URL); code != exitDone || out != "" || !strings.Contains(errs, "view b applied") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

func TestApplyGoesOnAfterARefusal(t *testing.T) {
	s := serveCanned(t, 400, `{"type":"invalid","title":"x","status":400,"detail":"bad definition"}`)
	code, _, errs := execute(t, "views: {b: {}, a: {}}\nstreams:\n  s: {}\n", "view", "apply", "-f", "-", "--addr", s.URL)
	if code != exitRefused || strings.Count(errs, "bad definition") != 3 {
		t.Errorf("%d, %s", code, errs)
	}
	if got := strings.Join(s.requests, " "); got != "PUT /v1/streams/s PUT /v1/views/a PUT /v1/views/b" {
		t.Errorf("asked for %s", got)
	}
	for file, why := range map[string]string{
		"":                        "names no stream and no view",
		"views:":                  "names no stream and no view",
		"veiws: {a: {}}":          `"veiws"`,
		"views: [a]":              "neither YAML nor JSON",
		"views: {a: {}}\n---\n{}": "more than one",
		"{":                       "neither YAML nor JSON",
	} {
		if code, _, errs := execute(t, file, "view", "apply", "-f", "-", "--addr", s.URL); code != exitRefused || !strings.Contains(errs, why) {
			t.Errorf("%q: %d, %s, want %q", file, code, errs, why)
		}
	}
}

func TestSettings(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	defaults := settings{Data: "./sketchlog-data", Listen: "127.0.0.1:7600", NATS: "embedded", Memory: "50%"}
	for _, c := range []struct {
		name, path, flags string
		want              settings
		why               string
	}{
		{"nothing", "/nowhere/sketchlog.yaml", "", defaults, ""},
		{"a missing file that is named", "/nowhere/sketchlog.yaml", "--config x", settings{}, "no such file"},
		{"flags alone", "/nowhere/sketchlog.yaml", "--data d --nats nats://n:1", settings{"d", defaults.Listen, "nats://n:1", "50%", ""}, ""},
		{"a file", file("data: fd\nlisten: 127.0.0.1:1\nnats: nats://f:1\nmemory: 1GiB\npprof: 127.0.0.1:6060\n"), "", settings{"fd", "127.0.0.1:1", "nats://f:1", "1GiB", "127.0.0.1:6060"}, ""},
		{"flags win", file("data: fd\nlisten: 127.0.0.1:1\n"), "--data d --listen 127.0.0.1:2", settings{"d", "127.0.0.1:2", "embedded", "50%", ""}, ""},
		{"a flag that says the default wins", file("nats: nats://f:1\n"), "--nats embedded", defaults, ""},
		{"an empty file", file(""), "", defaults, ""},
		{"a comment", file("# nothing\n"), "", defaults, ""},
		{"an unknown name", file("dta: x\n"), "", settings{}, "dta"},
		{"no YAML", file("data: [\n"), "", settings{}, "c.yaml"},
	} {
		cmd := serveCommand()
		var given settings
		if err := cmd.ParseFlags(strings.Fields(c.flags)); err != nil {
			t.Fatal(err)
		}
		given.Data, _ = cmd.Flags().GetString("data")
		given.Listen, _ = cmd.Flags().GetString("listen")
		given.NATS, _ = cmd.Flags().GetString("nats")
		given.Memory, _ = cmd.Flags().GetString("memory")
		given.Pprof, _ = cmd.Flags().GetString("pprof")
		got, err := readSettings(c.path, cmd.Flags().Changed("config"), given, cmd.Flags())
		if c.why != "" {
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s: %v, want %q", c.name, err, c.why)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestStagesStopInTheOppositeOrder(t *testing.T) {
	var mu sync.Mutex
	var log []string
	say := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, what)
	}
	until := func(name string) stage {
		return stage{name, func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Millisecond) // whoever stops early would be seen first
			say(name)
			return ctx.Err()
		}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := runStages(ctx, []stage{until("views"), until("streams"), until("server")}, func() { say("started"); cancel() })
	if got := strings.Join(log, " "); err != nil || got != "started server streams views" {
		t.Errorf("%s, %v", got, err)
	}
	log = nil
	broken := errors.New("broken")
	err = runStages(t.Context(), []stage{until("views"), {"streams", func(context.Context) error { return broken }}, until("server")}, func() {})
	if got := strings.Join(log, " "); !errors.Is(err, broken) || !strings.Contains(err.Error(), "streams: ") || got != "server views" {
		t.Errorf("one that fails: %s, %v", got, err)
	}
}

func TestTruthOfTheDemo(t *testing.T) {
	tr := newTruth()
	for _, v := range []visit{
		{60_000, "/a", "u1", 10}, {120_000, "/a", "u2", 20}, {120_001, "/b", "u1", 5}, {59_000, "/a", "u1", 1},
	} {
		tr.add(v)
	}
	all := span{0, 1 << 60}
	for what, c := range map[string][2]float64{
		"late":      {float64(tr.late), 1},
		"count":     {tr.count("/a")(all, ""), 3},
		"span":      {tr.count("/a")(span{60_000, 120_000}, ""), 1},
		"site":      {tr.count("")(all, ""), 4},
		"distinct":  {tr.distinct("/a")(all, ""), 2},
		"frequency": {tr.frequency("/a")(all, "u1"), 2},
		"never":     {tr.frequency("/a")(all, "u9"), 0},
		"bytes":     {tr.pages(func(v visit) int64 { return v.bytes })(all, "/a"), 31},
		"decayed":   {tr.decayed("/b", time.Minute)(all, ""), 5},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %v, want %v", what, c[0], c[1])
		}
	}
	if top := tr.topUsers("/a", 5); len(top) != 2 || top[0] != (counted{"u1", 2}) {
		t.Errorf("top users are %v", top)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := progress{out: &out, total: 1000, began: time.Unix(0, 0)}
	p.read = 250
	p.show(10, time.Unix(2, 0))
	p.show(11, time.Unix(2, 1)) // too soon
	p.read = 1000
	p.end(40, time.Unix(4, 0))
	want := "\r[#######.......................]  25% · 10 events · 5 a second\x1b[K" +
		"\r[##############################] 100% · 40 events · 10 a second\x1b[K\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	q := progress{out: &out, began: time.Unix(0, 0)}
	q.end(5, time.Unix(1, 0))
	if out.Len() > 0 {
		t.Errorf("a short run leaves %q", out.String())
	}
	if got := q.line(5, time.Unix(0, 5)); got != "5 events" {
		t.Errorf("%q", got)
	}
}
