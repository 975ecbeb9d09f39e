//go:build e2e && linux

package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// refuseWrites lets every write of the server to a file fail, as a full disk does;
// false: they succeed again. It needs no privilege, which a full disk does.
func (p *process) refuseWrites(refuse bool) {
	p.t.Helper()
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if refuse {
		limit.Cur = 1
	}
	if err := unix.Prlimit(p.command.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		p.t.Fatal(err)
	}
}

// faults is what the server says is wrong.
func (p *process) faults() string {
	var status struct{ Faults []string }
	p.must("GET", "/v1/status", nil, &status)
	return strings.Join(status.Faults, "\n")
}

// A disk refuses every write for a while, again and again, and the server is left
// alone, killed or stopped meanwhile. It says so, refuses what it cannot store and
// goes on answering; afterwards every acknowledged event counts exactly once.
func TestADiskThatRefusesWritesHeals(t *testing.T) {
	p := startProcess(t)
	p.must("PUT", "/v1/streams/numbered", map[string]any{"partitions": 2, "time": "time"}, nil)
	p.must("PUT", "/v1/views/numbered", map[string]any{
		"stream": "numbered", "by": []string{"key"}, "pane": "1m", "keep": "100000d", "from": "earliest",
		"sketches": map[string]any{"items": map[string]any{"kind": "hll", "of": "item"}},
	}, nil)
	p.must("PUT", "/v1/streams/other", map[string]any{}, nil)
	done := make(chan struct{})
	var wg sync.WaitGroup
	var sent [keysUnderway]atomic.Int64
	for producer := range 2 {
		wg.Go(func() { produceNumbered(p, producer, &sent, done) })
	}
	total := func() (n int64) {
		for key := range sent {
			n += sent[key].Load()
		}
		return n
	}
	more := func() {
		t.Helper()
		before := total()
		p.await("more is acknowledged", func() bool { return total() > before })
	}
	for _, end := range []string{"heal", "kill", "stop", "heal"} {
		more()
		p.refuseWrites(true)
		p.await("said", func() bool { return strings.Contains(p.faults(), "file too large") })
		p.refusesWhileFull()
		switch end {
		case "heal":
			p.refuseWrites(false)
			p.await("ready", func() bool {
				code, _, err := p.call("GET", "/readyz", "", nil)
				return err == nil && code == http.StatusOK
			})
		case "kill":
			p.kill()
			p.start()
		case "stop":
			began := time.Now()
			code := p.stop()
			if took := time.Since(began); took > 10*time.Second || code != exitRefused || !strings.Contains(p.stderr.String(), "the state store takes no writes") {
				t.Errorf("SIGTERM: exit code %d after %v: %s", code, took, p.stderr)
			}
			p.start()
		}
		if lines := strings.Count(p.stderr.String(), "\n"); lines > 200 {
			t.Errorf("the log has %d lines", lines)
		}
	}
	more()
	close(done)
	wg.Wait()
	if got := p.count("numbered", ""); int64(got) != total() {
		t.Errorf("%d events, %d were acknowledged", got, total())
	}
	p.kill()
	p.start()
	if got := p.count("numbered", ""); int64(got) != total() {
		t.Errorf("%d events after SIGKILL, %d were acknowledged", got, total())
	}
}

// refusesWhileFull looks at what clients see while nothing can be written.
func (p *process) refusesWhileFull() {
	p.t.Helper()
	// The log is opened again from time to time, so that an event may be tried in vain.
	p.refused("POST", "/v1/streams/other/events", `{"key":"k0"}`, "log-full", "log-unavailable")
	p.refused("PUT", "/v1/views/new", `{"stream":"other"}`, "state-full")
	p.await("said of log and state", func() bool { return strings.Count(p.faults(), "file too large") == 2 })
	if code, answer, err := p.call("GET", "/v1/views/numbered/distinct?key=k0", "", nil); err != nil || code != http.StatusOK {
		p.t.Errorf("a question: %d %s %v", code, answer, err)
	}
	if code, answer, err := p.call("GET", "/metrics", "", nil); err != nil || code != http.StatusOK || !strings.Contains(string(answer), "\nsketchlog_state_stalled 1\n") {
		p.t.Errorf("metrics: %d %v", code, err)
	}
	before := p.processorTime()
	time.Sleep(time.Second)
	if used := p.processorTime() - before; used > 0.7 {
		p.t.Errorf("the server takes %.0f%% of a processor while nothing can be written", 100*used)
	}
}

// refused makes a request that has to end with one of these problems, 503.
func (p *process) refused(method, path, body string, slugs ...string) {
	p.t.Helper()
	code, answer, err := p.call(method, path, "application/json", []byte(body))
	var problem struct{ Type, Detail string }
	if err == nil {
		err = json.Unmarshal(answer, &problem)
	}
	if err != nil || code != http.StatusServiceUnavailable || !slices.Contains(slugs, problem.Type) || !strings.Contains(problem.Detail, p.data) {
		p.t.Errorf("%s %s: %d %s %v", method, path, code, answer, err)
	}
}
