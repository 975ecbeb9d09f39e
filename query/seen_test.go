package query

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"sketchlog/ingest/view"
	"sketchlog/sketches"
)

// A key that has one pane is looked into where it is, and the answer is, to the byte, that
// which merging gives; one that has several is merged.
func TestContainsOfOnePane(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 3, "key": "g", "time": "time"}`)
	v := n.view("total", `{"stream": "s", "by": ["g"], "from": "earliest", "sketches": `+modelSketches+`}`)
	minutes := n.view("minutes", modelledViews[0].definition)
	n.send("s", draw(7, 9000).lines()...)
	n.settle("s")
	seen := 0
	for _, key := range []string{`"a"`, `"b"`, "c", "nobody"} {
		q, err := Params("total", Contains, map[string][]string{"key": {key}, "item": {"i0", "i3", "1", "nobody", "null"}})
		n.must(err)
		p, err := n.engine.plan(q)
		n.must(err)
		var answers []string
		for _, fresh := range []bool{false, true} {
			g, err := p.read(t.Context(), fresh)
			n.must(err)
			g.asked = p.widened()
			a, err := p.reply(g)
			n.must(err)
			answers = append(answers, indented(t, a))
			if !fresh && v.HasOnePane(p.key) {
				seen++
				if size, most := g.pane().Size(), 512; size > most {
					t.Errorf("%d bytes were copied of the pane of %s", size, key)
				}
			}
		}
		if answers[0] != answers[1] {
			t.Errorf("key %s: %s\nmerged: %s", key, answers[0], answers[1])
		}
	}
	if seen < 2 {
		t.Errorf("%d keys have one pane", seen)
	}

	// A second pane comes after it was looked how many there are.
	q, err := Params("minutes", Contains, map[string][]string{"key": {`"a"`}, "item": {"i0"}})
	n.must(err)
	p, err := n.engine.plan(q)
	n.must(err)
	g := &gathered{mixture: minutes.Layout().NewMixture(), from: math.MaxInt64, to: math.MinInt64}
	var last error
	for _, shard := range minutes.Partitions() {
		last = errors.Join(last, p.readSeen(g, shard, func(_, _ int64, _ *sketches.Pane) (bool, error) { return true, nil }))
	}
	if !errors.Is(last, errChanged) {
		t.Errorf("panes of several minutes: %v", last)
	}
}

// BenchmarkContains asks about a key of very many items, whose filters are large, while
// nothing is applied.
func BenchmarkContains(b *testing.B) {
	n := newNode(b)
	n.stream("s", `{"partitions": 4, "key": "g", "time": "time"}`)
	v := n.view("v", `{"stream": "s", "by": ["g"], "from": "earliest", "sketches": {"seen": {"kind": "bloom", "of": "item", "capacity": 10000, "error": 0.01}}}`)
	const lines = 5000
	for first := 0; first < 200_000; first += lines {
		batch := make([]string, lines)
		for i := range batch {
			batch[i] = fmt.Sprintf(`{"time": 1, "g": "k", "item": %d}`, first+i)
		}
		n.send("s", batch...)
	}
	n.settle("s")
	q, err := Params("v", Contains, map[string][]string{"key": {"k"}, "item": {"12345"}})
	n.must(err)
	largest := 0
	for _, s := range v.Partitions() {
		_, err := s.Panes(nil, view.Span{All: true}, func(_ []byte, _, _ int64, p *sketches.Pane) error {
			largest = max(largest, p.Size())
			return nil
		})
		n.must(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.engine.Answer(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(largest), "B/pane")
}
