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
)

// sameEvents are three thousand events of six keys, some of few items and some
// of many, hardly any in order.
func sameEvents() string {
	r := rand.New(rand.NewPCG(31, 7))
	var b strings.Builder
	for i := range 3000 {
		key := r.IntN(6)
		fmt.Fprintf(&b, `{"time":%d,"page":"k%d","user":%d,"n":%d}`+"\n", 1_700_000_000_000+int64(i)*500+r.Int64N(60_000), key, r.IntN([]int{3, 40, 200, 900, 5000, 30}[key]), i)
	}
	return b.String()
}

// However the same events are partitioned, batched and interrupted, counts,
// distinct estimates and what is exact are the same.
func TestTheSameEventsGiveTheSameAnswers(t *testing.T) {
	input := sameEvents()
	type variant struct {
		name              string
		partitions, batch int
		key               string
		killed            bool
	}
	variants := []variant{
		{"one", 1, 1000, "page", false}, {"five", 5, 1000, "page", false}, {"small", 5, 7, "page", false},
		{"scattered", 5, 100, "", false}, {"killed", 3, 7, "", true},
	}
	p := startProcess(t)
	for _, v := range variants {
		p.must("PUT", "/v1/streams/"+v.name, map[string]any{"partitions": v.partitions, "key": v.key, "time": "time"}, nil)
		for pane, definition := range map[string]any{"minutes": "1m", "whole": nil} {
			view := map[string]any{"stream": v.name, "by": []string{"page"}, "pane": definition, "from": "earliest",
				"sketches": map[string]any{"users": map[string]any{"kind": "hll", "of": "user", "error": 0.05}, "hot": map[string]any{"kind": "hotlist", "of": "user", "size": 20}}}
			if definition != nil {
				view["keep"] = "100000d"
			}
			p.must("PUT", "/v1/views/"+v.name+"-"+pane, view, nil)
		}
		if v.killed {
			produceThroughKills(t, p, v.name, input, v.batch)
			continue
		}
		if code, _, errs := p.cli(input, "produce", v.name, "--batch", fmt.Sprint(v.batch)); code != exitDone {
			t.Fatal(errs)
		}
	}
	type shape struct {
		Estimate float64
		Exact    bool
		Low      float64
		High     float64
	}
	ask := func(view, question, parameters string) (s shape) {
		t.Helper()
		p.must("GET", "/v1/views/"+view+"/"+question+"?"+parameters, nil, &s)
		return s
	}
	for _, v := range variants {
		for _, pane := range []string{"minutes", "whole"} {
			view := v.name + "-" + pane
			p.count(view, "") // settled
			for key := range 7 {
				parameters := url.Values{"key": {fmt.Sprintf("k%d", key)}}.Encode()
				if key == 6 {
					parameters = ""
				}
				for _, question := range []string{"count", "distinct"} {
					if want, got := ask("one-minutes", question, parameters), ask(view, question, parameters); got != want {
						t.Errorf("%s of %s?%s is %+v, with one partition %+v", question, view, parameters, got, want)
					}
				}
			}
		}
	}
	if all := ask("one-minutes", "count", ""); all.Estimate != 3000 {
		t.Errorf("%v events", all.Estimate)
	}
	if small := ask("one-minutes", "distinct", "key=k0"); !small.Exact {
		t.Error("three items are not counted exactly")
	}
	if large := ask("one-minutes", "distinct", "key=k4"); large.Exact {
		t.Error("the largest key is still exact: this test compares no estimates")
	}
}

// produceThroughKills sends numbered requests and retries each until it is
// acknowledged, while the server is killed three times.
func produceThroughKills(t *testing.T, p *process, stream, input string, batch int) {
	t.Helper()
	var wg sync.WaitGroup
	var sent atomic.Int64
	wg.Go(func() {
		lines := strings.SplitAfter(strings.TrimSpace(input), "\n")
		for number := 1; len(lines) > 0; number++ {
			n := min(batch, len(lines))
			body := strings.Join(lines[:n], "")
			lines = lines[n:]
			if !p.sendNumbered(stream, fmt.Sprintf("one/%d", number), body) {
				return
			}
			sent.Store(int64(number))
		}
	})
	for kill := range 3 {
		p.await("far enough", func() bool { return sent.Load() >= int64(100*(kill+1)) || t.Failed() })
		p.kill()
		p.start()
	}
	wg.Wait()
}
