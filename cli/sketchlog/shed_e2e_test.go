//go:build e2e

package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	shedViews = 16
	shedKeys  = 40
	shedKills = 3
	shedBody  = 4000 // events a request
)

// Views that cannot keep up shed, and the server is killed while they do: at once,
// and while they heal. Afterwards every acknowledged event counts exactly once, in
// every view, and answers are those of a new view over the same log.
func TestSIGKILLWhileSheddingAndHealing(t *testing.T) {
	p := startProcess(t)
	p.must("PUT", "/v1/streams/s", map[string]any{"partitions": 2, "key": "key", "time": "time"}, nil)
	// So much work an event that the views, and not the way into the log, are the bottleneck.
	sketches := map[string]any{
		"users": map[string]any{"kind": "hll", "of": "user", "precision": 14},
		"often": map[string]any{"kind": "countmin", "of": "user", "error": 0.0005},
		"seen":  map[string]any{"kind": "bloom", "of": "user", "capacity": 100_000, "error": 0.01},
		"some":  map[string]any{"kind": "reservoir", "of": "user", "size": 100},
	}
	for i := range 8 {
		sketches[fmt.Sprint("weighty", i)] = map[string]any{"kind": "hotlist", "of": []string{"user", "key"}, "size": 500 + i, "weight": "n"}
	}
	define := func(name string) {
		p.must("PUT", "/v1/views/"+name, map[string]any{
			"stream": "s", "by": []string{"key"}, "pane": "1m", "keep": "100000d", "from": "earliest", "fresh": "500ms",
			"sketches": sketches,
		}, nil)
	}
	for i := range shedViews {
		define(fmt.Sprint("v", i))
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	var sent [shedKeys]atomic.Int64
	for producer := range 3 {
		wg.Go(func() { produceHeavily(p, producer, &sent, done) })
	}
	random := rand.New(rand.NewPCG(41, 1))
	for kill := range shedKills {
		p.await(fmt.Sprint("shedding before kill ", kill), func() bool { return shares(p) < 1 || t.Failed() })
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		p.kill()
		p.start()
	}
	p.await("shedding once more", func() bool { return shares(p) < 1 || t.Failed() })
	close(done)
	wg.Wait()
	time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond) // healing
	p.kill()
	p.start()

	total := 0
	for key := range sent {
		total += int(sent[key].Load())
	}
	for i := range shedViews {
		if got := p.count(fmt.Sprint("v", i), ""); got != total || total == 0 {
			t.Errorf("view %d holds %d events after %d kills; %d were acknowledged", i, got, shedKills+1, total)
		}
	}
	define("never")
	p.count("never", "") // settled
	for key := range shedKeys {
		if got := p.count("v0", fmt.Sprint("k", key)); got != int(sent[key].Load()) {
			t.Errorf("key k%d has %d events; %d were acknowledged", key, got, sent[key].Load())
		}
		for _, question := range []string{"distinct", "frequency", "contains", "sample"} {
			asked := url.Values{"key": {fmt.Sprint("k", key)}}
			if question == "frequency" {
				asked.Set("sketch", "often")
			}
			if question == "frequency" || question == "contains" {
				asked["item"] = []string{"u1", "u7", "u100", "u99999", "nobody"}
			}
			if question == "sample" {
				asked.Set("n", "100")
			}
			if healed, never := p.figures("v0", question, asked), p.figures("never", question, asked); healed != never {
				t.Errorf("%s of k%d after healing: %s; of a view that never shed: %s", question, key, healed, never)
			}
		}
	}
	t.Logf("%d events acknowledged", total)
}

// shares is the least share of new events that any view applies at once.
func shares(p *process) float64 {
	var status struct {
		Views []struct{ Rate float64 }
	}
	p.must("GET", "/v1/status", nil, &status)
	least := 1.0
	for _, v := range status.Views {
		least = min(least, v.Rate)
	}
	return least
}

// figures is what an answer says, without the times and the view's name.
func (p *process) figures(view, question string, asked url.Values) string {
	p.t.Helper()
	var a map[string]any
	p.must("GET", "/v1/views/"+view+"/"+question+"?"+asked.Encode(), nil, &a)
	delete(a, "view")
	delete(a, "elapsed_us")
	return fmt.Sprint(a) // fmt sorts the keys of maps
}

// produceHeavily sends large numbered requests, each until it is acknowledged.
func produceHeavily(p *process, producer int, sent *[shedKeys]atomic.Int64, done <-chan struct{}) {
	for number := 1; ; number++ {
		select {
		case <-done:
			return
		default:
		}
		var body strings.Builder
		var keys [shedKeys]int64
		random := rand.New(rand.NewPCG(uint64(producer), uint64(number)))
		for range shedBody {
			key := random.IntN(shedKeys)
			keys[key]++
			fmt.Fprintf(&body, `{"time":%d,"key":"k%d","user":"u%d","n":%d}`+"\n", 1_600_000_000_000+int64(number)*1000+random.Int64N(1000), key, random.IntN(200_000), random.IntN(100))
		}
		if !p.sendNumbered("s", fmt.Sprintf("heavy-%d/%d", producer, number), body.String()) {
			return
		}
		for key, n := range keys {
			sent[key].Add(n)
		}
	}
}
