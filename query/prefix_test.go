package query

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"

	"sketchlog/sketches"
)

// However events come, late ones included, and whatever was asked before, an engine
// that remembers answers what one that does not remember answers, to the byte.
func TestRememberedPanesChangeNoAnswer(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 3, "time": "time", "lateness": "2m"}`)
	for _, v := range modelledViews {
		n.view(v.name, v.definition)
	}
	n.view("rolled", `{"stream": "s", "by": ["g"], "pane": "1m", "keep": "30m", "rollups": [{"pane": "10m", "keep": "70m"}], "from": "earliest", "sketches": `+modelSketches+`}`)
	forgetful, err := New(Config{Views: n.views, Clock: n.engine.clock, CacheBytes: -1})
	n.must(err)
	r := rand.New(rand.NewPCG(9, 9))
	facts := draw(5, 9000)
	for chunk := range slices.Chunk(facts.lines(), 150) {
		n.send("s", chunk...)
		n.settle("s")
		for range 40 {
			viewName, question, p := anyQuestion(r, facts)
			q, err := Params(viewName, question, p)
			n.must(err)
			want, wantErr := forgetful.Answer(t.Context(), q)
			got, gotErr := n.engine.Answer(t.Context(), q)
			if fmt.Sprint(wantErr) != fmt.Sprint(gotErr) {
				t.Fatalf("%s %s?%s: %v, without remembering %v", viewName, question, p.Encode(), gotErr, wantErr)
			}
			if wantErr == nil && indented(t, got) != indented(t, want) {
				t.Fatalf("%s %s?%s: %s\nwithout remembering: %s", viewName, question, p.Encode(), indented(t, got), indented(t, want))
			}
		}
	}
	if n.engine.prefixes.hits < 100 || forgetful.prefixes.hits > 0 || forgetful.prefixes.held > 0 {
		t.Errorf("%d hits, and %d of the engine that remembers nothing", n.engine.prefixes.hits, forgetful.prefixes.hits)
	}
}

// anyQuestion draws from few questions, so that most were asked before.
func anyQuestion(r *rand.Rand, facts model) (viewName, question string, p url.Values) {
	p = url.Values{}
	viewName = []string{"minutes", "minutes", "rolled", "whole", "counted", "pairs"}[r.IntN(6)]
	if viewName != "whole" && r.IntN(3) > 0 {
		p["key"] = []string{`"a"`}
		if viewName == "pairs" {
			p["key"] = []string{`"a"`, "x"}
		}
	}
	switch r.IntN(3) {
	case 0:
		p.Set("window", []string{"20m", "1h", "3h"}[r.IntN(3)])
	case 1:
		p.Set("from", fmt.Sprint(facts[0].time+[]int64{0, 17, 60}[r.IntN(3)]*minute))
	}
	question = Names[r.IntN(len(Names))]
	switch question {
	case Distinct:
		p.Set("sketch", []string{"items", "pairs"}[r.IntN(2)])
	case Frequency:
		p.Set("sketch", []string{"often", "heavy", "hot"}[r.IntN(3)])
		p["item"] = []string{"i0", "i3", "1", "nobody"}
	case Contains:
		p["item"] = []string{"i0", "i3", "1", "nobody"}
	case TopK:
		p.Set("sketch", []string{"hot", "weighty"}[r.IntN(2)])
	}
	return viewName, question, p
}

// A shard that went back to its last commit may have panes of as many events and of
// other ones: nothing that was remembered before counts.
func TestWhatWasRememberedBeforeALoadIsNotTrusted(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 1, "time": "time"}`)
	n.view("minutes", modelledViews[0].definition)
	facts := draw(6, 3000)
	n.send("s", facts.lines()...)
	n.settle("s")
	honest := indented(t, n.ask("minutes", TopK, "sketch=hot&key=a"))
	lies := n.view("minutes", modelledViews[0].definition).Layout().NewPane()
	for _, k := range n.engine.prefixes.lru.Keys() {
		known, _ := n.engine.prefixes.lru.Peek(k)
		known.pane, known.loads = lies, known.loads+1
	}
	if got := indented(t, n.ask("minutes", TopK, "sketch=hot&key=a")); got != honest {
		t.Errorf("an answer from what was remembered before a load: %s, want %s", got, honest)
	}
}

func TestFoldNoticesEveryChange(t *testing.T) {
	l, err := sketches.NewLayout(1, 0, 0, []sketches.Spec{{Name: "d", Kind: sketches.KindHLL, Weight: -1, Precision: 10}})
	if err != nil {
		t.Fatal(err)
	}
	pane := func(events int) *sketches.Pane {
		p := l.NewPane()
		r := &sketches.Rows{Hashes: make([][]uint64, 1), Items: make([]sketches.Items, 1)}
		for i := range events {
			r.Index, r.Times, r.Positions = append(r.Index, int32(i)), append(r.Times, int64(i)), append(r.Positions, uint64(i))
			r.Hashes[0] = append(r.Hashes[0], uint64(i)<<40|1)
		}
		p.Apply(r)
		return p
	}
	type one struct {
		from   int64
		events int
	}
	run := func(known *prefix, panes ...one) (*fold, error) {
		f := &fold{which: sketches.Only(0), pane: l.NewPane(), cutoff: 100, known: known}
		for _, p := range panes {
			if err := f.add(p.from, p.from+10, pane(p.events)); err != nil {
				return f, err
			}
		}
		return f, f.end()
	}
	var all []one
	for i := range 9 {
		all = append(all, one{int64(10 * i), i + 1})
	}
	first, err := run(nil, append(slices.Clone(all), one{95, 3})...)
	if err != nil || first.keep == nil || len(first.keep.spans) != 9 || first.keep.pane.Events() != 45 {
		t.Fatalf("%v, kept %+v", err, first.keep)
	}
	if again, err := run(first.keep, append(slices.Clone(all), one{95, 4})...); err != nil || again.pane.Events() != 49 || again.keep != nil {
		t.Errorf("%v: %d events after a known prefix", err, again.pane.Events())
	}
	longer := slices.Clone(all)
	longer[4].events++
	double := slices.Insert(slices.Clone(all), 4, one{40, 1})
	for name, panes := range map[string][]one{
		"an event more": longer, "a pane more": double, "a span less": slices.Delete(slices.Clone(all), 2, 3), "fewer spans": all[:7], "nothing": nil, "the last less": all[:8],
	} {
		if _, err := run(first.keep, panes...); !errors.Is(err, errChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is remembered keeps to its budget, and what was used last stays.
func TestPrefixesKeepToTheirBudget(t *testing.T) {
	l, err := sketches.NewLayout(1, 0, 0, []sketches.Spec{{Name: "d", Kind: sketches.KindHLL, Weight: -1, Precision: 10}})
	if err != nil {
		t.Fatal(err)
	}
	one := func() *prefix { return &prefix{pane: l.NewPane(), spans: make([]stretch, 100)} }
	size := one().size()
	p, err := newPrefixes(10 * size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		p.put(prefixKey{partition: i}, one())
		p.get(prefixKey{})
		p.put(prefixKey{partition: i}, one()) // in place of itself
	}
	if p.held != 10*size || p.lru.Len() != 10 || p.get(prefixKey{}) == nil || p.get(prefixKey{partition: 1}) != nil {
		t.Errorf("%d bytes in %d prefixes", p.held, p.lru.Len())
	}
	p.put(prefixKey{partition: 99}, &prefix{pane: l.NewPane(), spans: make([]stretch, 1000)})
	if p.get(prefixKey{partition: 99}) != nil {
		t.Error("one prefix pushes out nearly all others")
	}
	p.remove(prefixKey{})
	if p.held != 9*size {
		t.Errorf("%d bytes after a removal", p.held)
	}
}
