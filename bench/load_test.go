package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// scripted is a server that takes, refuses or loses requests as a script says.
type scripted struct {
	mu     sync.Mutex
	status []int // of the next requests to append events; then 200
	bodies []string
	offset int
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	status := http.StatusOK
	if len(s.status) > 0 {
		status, s.status = s.status[0], s.status[1:]
	}
	switch status {
	case http.StatusOK:
		s.offset++
		s.bodies = append(s.bodies, string(body))
		fmt.Fprintf(w, `{"accepted": 1, "offsets": {"1": %d}}`, s.offset)
	case http.StatusTooManyRequests:
		w.WriteHeader(status)
		io.WriteString(w, `{"type": "overloaded", "status": 429}`)
	default:
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type": "log-unavailable", "status": %d}`, status)
	}
}

func (s *scripted) events() int {
	n := 0
	for _, b := range s.bodies {
		n += strings.Count(b, "\n")
	}
	return n
}

func loadOn(t *testing.T, s *scripted, c LoadConfig) *load {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	target, err := Connect(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	return newLoad(c, target, sourceOf(t, c.Workload), "s")
}

func loadConfig() LoadConfig {
	w := small()
	w.Events = 1050
	return LoadConfig{Workload: w, Format: NDJSON, Acks: "all", Connections: 3, Batch: 100, Partitions: 2, Name: "s"}
}

func TestEveryEventIsSentOnceThoughTheServerPutsSomeOff(t *testing.T) {
	s := &scripted{status: []int{200, 429, 503, 200, 429}}
	l := loadOn(t, s, loadConfig())
	l.receipts = true
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.accepted.Load() != 1050 || l.sent.Load() != 1050 || s.events() != 1050 || l.retries.Load() != 3 {
		t.Errorf("%d sent, %d accepted, the server has %d, %d retries", l.sent.Load(), l.accepted.Load(), s.events(), l.retries.Load())
	}
	firsts := map[int]bool{}
	for _, r := range l.kept {
		firsts[r.first] = true
		if r.offsets[0] != 0 || r.offsets[1] == 0 || r.acked.IsZero() {
			t.Errorf("a receipt %+v", r)
		}
	}
	if len(firsts) != 11 || l.histogram.TotalCount() != 11 {
		t.Errorf("%d receipts and %d latencies of 11 requests", len(firsts), l.histogram.TotalCount())
	}
}

// Where a run sheds, what is refused is given up, and what may or may not be in
// the log is counted apart.
func TestSheddingLoadsGiveUp(t *testing.T) {
	s := &scripted{status: []int{429, 200, 503, 429}}
	c := loadConfig()
	c.Connections = 1
	l := loadOn(t, s, c)
	l.shed, l.live = true, true
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.refused.Load() != 200 || l.unknown.Load() != 100 || l.accepted.Load() != 750 || s.events() != 750 || l.sent.Load() != 1050 {
		t.Errorf("%d sent, %d accepted, %d refused, %d unknown, the server has %d",
			l.sent.Load(), l.accepted.Load(), l.refused.Load(), l.unknown.Load(), s.events())
	}
	if l.newest.Load() == 0 {
		t.Error("the newest event that was acknowledged is not known")
	}
}

func TestRefusedForGoodEndsTheRun(t *testing.T) {
	for _, status := range []int{400, 404, 413, 500} {
		l := loadOn(t, &scripted{status: []int{status}}, loadConfig())
		var r *refusal
		if err := l.run(t.Context()); !errors.As(err, &r) || r.status != status {
			t.Errorf("status %d: %v", status, err)
		}
	}
	gone, err := Connect("http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	l := newLoad(loadConfig(), gone, sourceOf(t, small()), "s")
	if err := l.run(t.Context()); err == nil {
		t.Error("a server that is not there took every event")
	}
	l = newLoad(loadConfig(), gone, sourceOf(t, small()), "s")
	l.shed = true
	l.config.Workload.Events = 1 << 30
	if err := l.run(t.Context()); err == nil || l.unknown.Load() < maxUnknown*100 {
		t.Errorf("a run goes on though the server has gone: %v after %d events", err, l.unknown.Load())
	}
}

// A rate holds whatever the server does, and latency counts from when a request
// was due: a server that stalls once makes all that were due meanwhile late.
func TestRatesAreKeptInAnOpenLoop(t *testing.T) {
	stalled := make(chan struct{})
	var once sync.Once
	s := &scripted{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { <-stalled })
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	target, err := Connect(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	c := loadConfig()
	c.Connections, c.Rate = 1, 10_000 // a request each 10 ms, 11 of them
	l := newLoad(c, target, sourceOf(t, c.Workload), "s")
	time.AfterFunc(300*time.Millisecond, func() { close(stalled) })
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The last was due after 100 ms and could be sent after 300.
	if least := float64(l.histogram.Min()) / 1000; least < 150 {
		t.Errorf("a request that waited for 200 ms counts as %.0f ms", least)
	}
	if n := l.offered(l.began.Add(50 * time.Millisecond)); n != 1050 {
		t.Errorf("%d events were offered; what was sent counts at least", n)
	}
}

func TestOffered(t *testing.T) {
	l := &load{config: LoadConfig{Rate: 1000, Workload: small()}, source: sourceOf(t, small()), began: time.UnixMilli(0)}
	l.until = l.began.Add(5 * time.Second)
	for ms, want := range map[int64]int64{0: 0, 500: 500, 5000: 5000, 60_000: 5000} {
		if got := l.offered(time.UnixMilli(ms)); got != want {
			t.Errorf("after %d ms %d events were due; want %d", ms, got, want)
		}
	}
	l.until = time.Time{}
	if got := l.offered(time.UnixMilli(1_000_000)); got != 10_000 {
		t.Errorf("%d events were due of a workload of 10,000", got)
	}
}

func TestLoadsThatLastEndInTime(t *testing.T) {
	c := loadConfig()
	c.Duration = 50 * time.Millisecond
	l := loadOn(t, &scripted{}, c)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := l.run(ctx); err != nil || l.accepted.Load() == 0 {
		t.Errorf("%v after %d events", err, l.accepted.Load())
	}
}

func TestAcknowledgementsAreReadWithCare(t *testing.T) {
	if got, err := readOffsets([]byte(`{"offsets": {"0": 5, "2": 7}}`), 3); err != nil || got[0] != 5 || got[1] != 0 || got[2] != 7 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{``, `{"offsets": {"3": 1}}`, `{"offsets": {"-1": 1}}`, `{"offsets": {"x": 1}}`, `{"offsets": {"0": -1}}`} {
		if _, err := readOffsets([]byte(bad), 3); err == nil {
			t.Errorf("%q is taken for an acknowledgement", bad)
		}
	}
}

func TestLoadConfigNamesAllFaults(t *testing.T) {
	c := LoadConfig{Format: "xml", Acks: "2", Connections: 0, Views: -1}
	err := c.Validate()
	for _, word := range []string{"events", "format", "acks", "connections", "views"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not name %s: %v", word, err)
		}
	}
	if err := loadConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestGenerateMakesEveryEvent(t *testing.T) {
	r, err := Generate(t.Context(), loadConfig())
	if err != nil || r.Events != 1050 || r.Bytes == 0 || r.EventsPerSecond <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAnswersDiffer(t *testing.T) {
	read := func(text string) *answer {
		var a answer
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		return &a
	}
	for _, c := range []struct {
		question, healed, whole string
		differ                  bool
	}{
		{"count", `{"estimate": 5}`, `{"estimate": 5}`, false},
		{"count", `{"estimate": 5}`, `{"estimate": 6}`, true},
		{"distinct", `{"estimate": 5.5}`, `{"estimate": 5.6}`, true},
		{"sum", `{"estimate": 1000000000}`, `{"estimate": 1000000000.1}`, false},
		{"sum", `{"estimate": 1000}`, `{"estimate": 1000.1}`, true},
		{"frequency", `{"items": [{"item": "i1", "estimate": 5}]}`, `{"items": [{"item": "i1", "estimate": 5}]}`, false},
		{"frequency", `{"items": [{"item": "i1", "estimate": 5}]}`, `{"items": [{"item": "i1", "estimate": 7}]}`, true},
		{"contains", `{"items": [{"item": "i1", "answer": "no"}]}`, `{"items": [{"item": "i1", "answer": "maybe"}]}`, true},
		{"contains", `{"items": [{"item": "i1", "answer": "no"}]}`, `{"items": []}`, true},
		{"sample", `{"items": ["i1", "i2"], "population": 9}`, `{"items": ["i1", "i2"], "population": 9}`, false},
		{"sample", `{"items": ["i1", "i3"], "population": 9}`, `{"items": ["i1", "i2"], "population": 9}`, true},
		{"sample", `{"items": ["i1"], "population": 8}`, `{"items": ["i1"], "population": 9}`, true},
		{"topk", `{"items": [{"item": "i1", "low": 5, "high": 9}]}`, `{"items": [{"item": "i1", "low": 9, "high": 12}]}`, false},
		{"topk", `{"items": [{"item": "i1", "low": 5, "high": 8}]}`, `{"items": [{"item": "i1", "low": 9, "high": null}]}`, true},
		{"topk", `{"items": []}`, `{"items": [{"item": "i1", "low": 9, "high": 9}]}`, true},
	} {
		reason, err := differs(c.question, read(c.healed), read(c.whole))
		if err != nil || (reason != "") != c.differ {
			t.Errorf("%s: %s beside %s: %q, %v", c.question, c.healed, c.whole, reason, err)
		}
	}
}

func TestUsageIsReadFromProc(t *testing.T) {
	stat := "42 (a name) with) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9"
	u, err := parseUsage(stat, "Name:\tx\nVmHWM:\t  2048 kB\n")
	if err != nil || u.CPU != 3*time.Second || u.PeakRSS != 2<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := parseUsage("42 (x) S 1", ""); err == nil {
		t.Error("half a line is taken for accounts")
	}
}
