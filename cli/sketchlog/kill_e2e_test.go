//go:build e2e

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	kills        = 20
	keysUnderway = 7
	perRequest   = 200
)

// A server is killed at random moments under load. Producers that number their
// requests retry until they are acknowledged: every event must then count
// exactly once. A producer that does not number its requests must find at least
// what was acknowledged, and at most what it ever sent.
func TestSIGKILLLosesNothingAcknowledgedAndDoublesNothing(t *testing.T) {
	p := startProcess(t)
	for _, stream := range []string{"numbered", "plain"} {
		p.must("PUT", "/v1/streams/"+stream, map[string]any{"partitions": 3, "time": "time"}, nil)
		p.must("PUT", "/v1/views/"+stream, map[string]any{
			"stream": stream, "by": []string{"key"}, "pane": "1m", "keep": "100000d", "from": "earliest",
			"sketches": map[string]any{"items": map[string]any{"kind": "countmin", "of": "item"}},
		}, nil)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	var sent [keysUnderway]atomic.Int64 // numbered events acknowledged, by key
	for producer := range 3 {
		wg.Go(func() { produceNumbered(p, producer, &sent, done) })
	}
	var acknowledged, uncertain atomic.Int64
	wg.Go(func() { producePlain(t, p, &acknowledged, &uncertain, done) })

	random := rand.New(rand.NewPCG(20, 1))
	for range kills {
		time.Sleep(time.Duration(20+random.IntN(300)) * time.Millisecond)
		p.kill()
		p.start()
	}
	close(done)
	wg.Wait()
	p.kill() // once more, with everything acknowledged and much of it uncommitted
	p.start()

	total := 0
	for key := range sent {
		want := int(sent[key].Load())
		total += want
		if got := p.count("numbered", fmt.Sprintf("k%d", key)); got != want {
			t.Errorf("key k%d has %d events after %d kills; %d were acknowledged", key, got, kills, want)
		}
	}
	if got := p.count("numbered", ""); got != total || total == 0 {
		t.Errorf("%d events after %d kills; %d were acknowledged", got, kills, total)
	}
	least, most := int(acknowledged.Load()), int(acknowledged.Load()+uncertain.Load())
	if got := p.count("plain", ""); got < least || got > most || least == 0 {
		t.Errorf("%d unnumbered events after %d kills; %d were acknowledged and %d more were sent", got, kills, least, most-least)
	}
	t.Logf("%d numbered events, %d unnumbered acknowledged and %d uncertain, over %d kills", total, least, most-least, kills)
}

// events makes one request's body: the same for the same producer and number.
func events(producer, number int) (body string, keys [keysUnderway]int64) {
	var b strings.Builder
	random := rand.New(rand.NewPCG(uint64(producer), uint64(number)))
	for range perRequest {
		key := random.IntN(keysUnderway)
		keys[key]++
		at := 1_600_000_000_000 + int64(number)*1000 + random.Int64N(1000)
		fmt.Fprintf(&b, `{"time":%d,"key":"k%d","item":"i%d"}`+"\n", at, key, random.IntN(1000))
	}
	return b.String(), keys
}

func produceNumbered(p *process, producer int, sent *[keysUnderway]atomic.Int64, done <-chan struct{}) {
	for number := 1; ; number++ {
		select {
		case <-done:
			return
		default:
		}
		body, keys := events(producer, number)
		if !p.sendNumbered("numbered", fmt.Sprintf("producer-%d/%d", producer, number), body) {
			return
		}
		for key, n := range keys {
			sent[key].Add(n)
		}
	}
}

func producePlain(t *testing.T, p *process, acknowledged, uncertain *atomic.Int64, done <-chan struct{}) {
	for number := 1; ; number++ {
		select {
		case <-done:
			return
		default:
		}
		body, _ := events(99, number)
		code, answer, err := p.call("POST", "/v1/streams/plain/events", "application/x-ndjson", []byte(body))
		switch {
		case err == nil && code == 200:
			acknowledged.Add(perRequest)
		case err != nil || code == 503 || code == 429:
			uncertain.Add(perRequest)
			time.Sleep(5 * time.Millisecond)
		default:
			t.Errorf("request %d: %d %s", number, code, answer)
			return
		}
	}
}
