//go:build e2e

package main

// How much memory a server takes with many more keys than fit into it.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"sketchlog/bench"
)

// manyKeys is a stream of uniform keys whose every event is a function of its
// number, so that what is right can be computed beside the server.
type manyKeys struct {
	events, keys int
	batch        int
}

func (m *manyKeys) event(i int) bench.Event {
	random := rand.NewPCG(uint64(i), 7)
	return bench.Event{
		Time: 1_700_000_000_000 + int64(i)/1000, Key: uint32(random.Uint64() % uint64(m.keys)),
		Item: uint32(random.Uint64() % 1000), Value: 1 + uint32(random.Uint64()%100),
	}
}

// count returns how many events each key has.
func (m *manyKeys) count() []uint8 {
	counts := make([]uint8, m.keys)
	for i := range m.events {
		counts[m.event(i).Key]++
	}
	return counts
}

// body is the events of a request as msgpack.
func (m *manyKeys) body(dst []byte, first, last int) []byte {
	dst = msgp.AppendArrayHeader(dst, uint32(last-first))
	for i := first; i < last; i++ {
		dst = m.event(i).AppendMsgpack(dst)
	}
	return dst
}

// send sends everything over four connections, as fast as it is taken.
func (m *manyKeys) send(p *process) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var body []byte
			for {
				first := int(next.Add(1)-1) * m.batch
				if first >= m.events {
					return
				}
				body = m.body(body[:0], first, min(first+m.batch, m.events))
				for {
					code, answer, err := p.call("POST", "/v1/streams/s/events", "application/msgpack", body)
					if err == nil && code == http.StatusOK {
						break
					}
					if err != nil || code != http.StatusTooManyRequests && code != http.StatusServiceUnavailable {
						p.t.Errorf("sending: %d %s %v", code, answer, err)
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

// manyKeysView has a pane a key, for all time.
var manyKeysView = map[string]any{"stream": "s", "by": []string{"key"}, "max_keys": 20_000_000, "sketches": map[string]any{
	"items": map[string]any{"kind": "hll", "of": "item"},
	"hot":   map[string]any{"kind": "hotlist", "of": "item", "size": 64},
	"load":  map[string]any{"kind": "decay", "of": "value", "half_life": "1h"},
}}

// run sends the stream to a server of its own and checks what it makes of it.
// It returns the peak of its resident memory in bytes.
func (m *manyKeys) run(t *testing.T, patience time.Duration, flags ...string) (peak int64) {
	p := startProcess(t, flags...)
	p.must("PUT", "/v1/streams/s", map[string]any{"partitions": 4, "key": "key", "time": "time"}, nil)
	p.must("PUT", "/v1/views/v", manyKeysView, nil)
	began := time.Now()
	m.send(p)
	sent := time.Since(began)
	var a answer
	for end := began.Add(patience); ; time.Sleep(50 * time.Millisecond) {
		p.must("GET", "/v1/views/v/count?key=k0", nil, &a)
		if a.Coverage.Owed == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d events are owed after %v: %+v; the server's log: %s", a.Coverage.Owed, patience, a, p.stderr)
		}
	}
	took := time.Since(began)
	peak = p.peak()
	t.Logf("%d events of %d keys: sent in %.1f s, applied and healed after %.1f s, %.0f events a second; %.1f s of processor time of the server; peak of resident memory %.0f MiB",
		m.events, m.keys, sent.Seconds(), took.Seconds(), float64(m.events)/took.Seconds(), p.processorTime(), float64(peak)/(1<<20))
	m.check(p)
	if after := p.peak(); after > peak {
		t.Logf("peak of resident memory after the questions: %.0f MiB", float64(after)/(1<<20))
		peak = after
	}
	return peak
}

// check asks for the number of keys, and for the events of some of them.
func (m *manyKeys) check(p *process) {
	counts := m.count()
	distinct := 0
	for _, n := range counts {
		if n > 0 {
			distinct++
		}
	}
	var v struct {
		Panes  int    `json:"panes"`
		Events uint64 `json:"events"`
	}
	p.must("GET", "/v1/views/v", nil, &v)
	if v.Panes != distinct {
		p.t.Errorf("%d panes, want %d", v.Panes, distinct)
	}
	random := rand.New(rand.NewPCG(3, 5))
	for range 500 {
		key := random.IntN(m.keys)
		var a answer
		p.must("GET", "/v1/views/v/count?key=k"+strconv.Itoa(key), nil, &a)
		if a.Estimate == nil || *a.Estimate != float64(counts[key]) || !a.Exact || a.Coverage.Lost != 0 {
			p.t.Fatalf("key %d has %d events, and the answer is %+v", key, counts[key], a)
		}
	}
}

// processorTime is what the server has used so far, in seconds.
func (p *process) processorTime() float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		p.t.Fatalf("no times in %s", stat)
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // in ticks, a hundred a second on Linux
}

// peak is the most memory that the server ever had resident, in bytes.
func (p *process) peak() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	if !ok || err != nil || kb > math.MaxInt64>>10 {
		p.t.Fatalf("no peak in %s", status)
	}
	return kb << 10
}

// A budget for the whole process holds with many more keys than fit into it,
// nothing is lost by that, and counts are exact.
func TestMemoryOfTheProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Log("this system does not tell the peak of a process's memory")
		return
	}
	m := manyKeys{events: 1_000_000, keys: 800_000, batch: 5000}
	if peak := m.run(t, time.Minute, "--memory", "256MiB"); peak > 256<<20 {
		t.Errorf("the server took %d bytes of memory, and was given 256 MiB", peak)
	}
}
