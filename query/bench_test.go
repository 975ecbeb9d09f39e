package query

import (
	"context"
	"fmt"
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
