package client

// The client against servers that misbehave.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"": DefaultAddress, "localhost:7600": "http://localhost:7600", "https://a.example/": "https://a.example", "http://[::1]:1": "http://[::1]:1",
		"ftp://a": "", "http://": "", "http://a?b=c": "", "http://user@a": "", "::": "",
	} {
		c, err := New(given, "")
		if (err == nil) != (want != "") || err == nil && c.base != want {
			t.Errorf("%q: %v, expected %q", given, err, want)
		}
	}
}

// scripted answers requests with one status after another and remembers them.
type scripted struct {
	statuses []int // 0 cuts the connection
	slug     string
	after    string // Retry-After

	mu     sync.Mutex
	seen   []string
	bodies []string
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r.Method+" "+r.URL.String()+" "+r.Header.Get("Idempotency-Key")+" "+r.Header.Get("Authorization"))
	s.bodies = append(s.bodies, string(body))
	status := s.statuses[min(len(s.seen), len(s.statuses))-1]
	switch {
	case status == 0:
		panic(http.ErrAbortHandler)
	case status == 200:
		fmt.Fprint(w, `{"accepted": 1, "offsets": {"0": 3}}`)
	default:
		w.Header().Set("Content-Type", "application/problem+json")
		if s.after != "" {
			w.Header().Set("Retry-After", s.after)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type": %q, "title": "t", "status": %d, "detail": "d"}`, s.slug, status)
	}
}

func TestProduceTriesAgain(t *testing.T) {
	const numbered, plain = true, false
	for name, c := range map[string]struct {
		numbered bool
		script   *scripted
		attempts int
		status   int // of the problem; 0 none, -1 another error
		waits    []time.Duration
	}{
		"at once":                   {plain, &scripted{statuses: []int{200}}, 1, 0, nil},
		"busy, then taken":          {plain, &scripted{statuses: []int{429, 429, 200}, slug: "overloaded"}, 3, 0, []time.Duration{10, 20}},
		"as the server says":        {plain, &scripted{statuses: []int{503, 200}, slug: "closing", after: "0"}, 2, 0, []time.Duration{10}},
		"no longer than is useful":  {plain, &scripted{statuses: []int{503, 200}, slug: "log-full", after: "3600"}, 2, 0, []time.Duration{50}},
		"outcome unknown":           {plain, &scripted{statuses: []int{503, 200}, slug: "log-unavailable"}, 1, 503, nil},
		"outcome unknown, numbered": {numbered, &scripted{statuses: []int{503, 0, 502, 200}, slug: "log-unavailable"}, 4, 0, []time.Duration{10, 20, 40}},
		"never":                     {numbered, &scripted{statuses: []int{503}, slug: "log-unavailable"}, 5, 503, []time.Duration{10, 20, 40, 50}},
		"refused":                   {numbered, &scripted{statuses: []int{400}, slug: "bad-events"}, 1, 400, nil},
		"stale":                     {numbered, &scripted{statuses: []int{409}, slug: "stale-number"}, 1, 409, nil},
		"cut":                       {plain, &scripted{statuses: []int{0}}, 1, -1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.script)
			defer server.Close()
			var waits []time.Duration
			// Without keeping connections, the transport does not try again by itself.
			client, err := New(server.URL, "secret", WithRetry(Retry{Attempts: 5, First: 10, Most: 50}), WithTransport(&http.Transport{DisableKeepAlives: true}))
			if err != nil {
				t.Fatal(err)
			}
			client.sleep = func(_ context.Context, d time.Duration) error {
				waits = append(waits, d)
				return nil
			}
			o := ProduceOptions{Acks: "1", Applied: true, Skip: true}
			if c.numbered {
				o.Producer, o.Number = "me", 42
			}
			receipt, err := client.Produce(t.Context(), "s", []byte("{}"), "ndjson", o)
			var p *Problem
			switch {
			case c.status == 0 && (err != nil || receipt.Accepted != 1 || receipt.Offsets["0"] != 3):
				t.Errorf("%+v %v", receipt, err)
			case c.status > 0 && (!errors.As(err, &p) || p.Status != c.status || p.Type != c.script.slug):
				t.Errorf("%v", err)
			case c.status < 0 && (err == nil || errors.As(err, &p)):
				t.Errorf("%v", err)
			}
			if receipt.Attempts != c.attempts || !slices.Equal(waits, c.waits) {
				t.Errorf("%d attempts with waits %v, expected %d with %v", receipt.Attempts, waits, c.attempts, c.waits)
			}
			want := "POST /v1/streams/s/events?acks=1&on_error=skip&wait=applied  Bearer secret"
			if c.numbered {
				want = strings.Replace(want, "  ", " me/42 ", 1)
			}
			c.script.mu.Lock()
			defer c.script.mu.Unlock()
			for i, seen := range c.script.seen {
				if seen != want || c.script.bodies[i] != "{}" {
					t.Errorf("request %d: %s with %q", i, seen, c.script.bodies[i])
				}
			}
		})
	}
}

func TestProduceKnowsItsFormats(t *testing.T) {
	c, err := New("", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Produce(t.Context(), "s", nil, "xml", ProduceOptions{}); err == nil || !strings.Contains(err.Error(), "ndjson") {
		t.Error(err)
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		`{"type": "t", "status": 400, "detail": "two are bad", "errors": [{"index": 3, "detail": "a"}, {"detail": "b"}]}`: "two are bad\n  event 3: a\n  b",
		`<html>proxy</html>`: `the server answered 400 Bad Request: "<html>proxy</html>"`,
		``:                   `the server answered 400 Bad Request: ""`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(400)
			fmt.Fprint(w, text)
		}))
		c, err := New(server.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Status(t.Context())
		var p *Problem
		if !errors.As(err, &p) || p.Error() != want || p.Status != 400 || p.RetryAfter != 7*time.Second {
			t.Errorf("%s: %v", text, err)
		}
		c.Close()
		server.Close()
	}
	many := &Problem{Detail: "many", Errors: make([]Fault, 25)}
	if got := strings.Count(many.Error(), "\n"); got != 11 {
		t.Errorf("%d lines", got)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer server.Close()
	c, err := New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Error(err)
	}
}

func TestWatch(t *testing.T) {
	text := ": hello\n\nevent: answer\ndata: {\"estimate\": 1}\n\nevent: answer\ndata: {\"estimate\": 2}\n\n"
	end := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, text+end)
	}))
	defer server.Close()
	c, err := New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	watch := func() (got []string, err error) {
		err = c.Watch(t.Context(), "v", url.Values{"question": {"count"}}, func(answer json.RawMessage) error {
			got = append(got, string(answer))
			return nil
		})
		return got, err
	}
	want := []string{`{"estimate": 1}`, `{"estimate": 2}`}
	if got, err := watch(); !slices.Equal(got, want) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v %v", got, err)
	}
	end = "event: problem\ndata: {\"type\": \"unknown-view\", \"status\": 404, \"detail\": \"gone\"}\n\n"
	var p *Problem
	if got, err := watch(); !slices.Equal(got, want) || !errors.As(err, &p) || p.Detail != "gone" {
		t.Errorf("%v %v", got, err)
	}
}
