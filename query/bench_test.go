package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkAnswer is what one question costs without the network: a key of a
// view in one pane and in sixty, small and promoted.
func BenchmarkAnswer(b *testing.B) {
	n := newNode(b)
	n.stream("s", `{"partitions": 4, "time": "time"}`)
	for name, pane := range map[string]string{"1 pane": "1h", "60 panes": "1m"} {
		n.view(name[:1]+"x", fmt.Sprintf(`{"stream": "s", "by": ["g"], "pane": %q, "keep": "30d", "from": "earliest", "sketches": {
			"items": {"kind": "hll", "of": "item", "error": 0.01}, "hot": {"kind": "hotlist", "of": "item", "size": 256}}}`, pane))
	}
	const hour = 1_700_002_800_000 // a whole one
	lines := make([]string, 0, 5000)
	for i := range int64(200_000) {
		g := "busy"
		if i%100 == 0 {
			g = "quiet"
		}
		lines = append(lines, fmt.Sprintf(`{"time": %d, "g": %q, "item": %d}`, hour+i*60*minute/200_000, g, i*i%30_011))
		if len(lines) == cap(lines) {
			n.send("s", lines...)
			lines = lines[:0]
		}
	}
	n.settle("s")
	for _, question := range []string{Distinct, TopK} {
		for _, key := range []string{"busy", "quiet"} {
			for _, panes := range []string{"1 pane", "60 panes"} {
				b.Run(fmt.Sprintf("%s/%s/%s", question, key, panes), func(b *testing.B) {
					q, err := Params(panes[:1]+"x", question, map[string][]string{"key": {key}})
					n.must(err)
					b.ReportAllocs()
					for b.Loop() {
						if _, err := n.engine.Answer(context.Background(), q); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// BenchmarkFirstAnswer is what the first question about a key costs, when nothing is
// remembered of what its panes of a minute merge to: for keys of so many events a pane,
// which are those of rank 1, 10, 40, 100 and 900 of `bench query`. There are several keys
// of the smaller kinds, so that panes come from memory as they do among a thousand keys.
func BenchmarkFirstAnswer(b *testing.B) {
	n := newNode(b)
	n.stream("s", `{"partitions": 4, "key": "g", "time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g"], "pane": "1m", "keep": "30d", "from": "earliest", "sketches": {
		"items": {"kind": "hll", "of": "item", "precision": 14}, "seen": {"kind": "bloom", "of": "item", "capacity": 10000, "error": 0.01},
		"often": {"kind": "countmin", "of": "item", "width": 4096, "depth": 4}, "hot": {"kind": "hotlist", "of": "item", "size": 100},
		"some": {"kind": "reservoir", "of": "item", "size": 100}, "lately": {"kind": "decay", "of": "value", "half_life": "10m"}}}`)
	const hour = 1_700_002_800_000 // a whole one
	ranks := []struct{ rank, keys, events int }{{1, 1, 14_954}, {10, 4, 1188}, {40, 8, 258}, {100, 16, 94}, {900, 64, 8}}
	items := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.05, 1, 999_999)
	for at := range int64(60) {
		var lines []string
		for _, r := range ranks {
			for key := range r.keys {
				for i := range int64(r.events) {
					lines = append(lines, fmt.Sprintf(`{"time": %d, "g": "%d-%d", "item": "i%d", "value": 1}`, hour+at*minute+i*minute/int64(r.events), r.rank, key, items.Uint64()))
				}
			}
		}
		n.send("s", lines...)
	}
	n.settle("s")
	for _, r := range ranks {
		for _, question := range []string{TopK, Distinct, Count} {
			b.Run(fmt.Sprintf("rank=%d/%s", r.rank, question), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					n.engine.prefixes, _ = newPrefixes(defaultCache)
					q, err := Params("v", question, map[string][]string{"key": {fmt.Sprintf("%d-%d", r.rank, i%r.keys)}})
					n.must(err)
					if _, err := n.engine.Answer(context.Background(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
