package query

// Every question against exact answers of the dumb model.

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// modelled is a view as the model sees it.
type modelled struct {
	name, definition string
	by               []string
	pane             int64 // ms; 0: all time
}

const modelSketches = `{
	"items": {"kind": "hll", "of": "item", "error": 0.02}, "pairs": {"kind": "hll", "of": ["item", "other"], "error": 0.02},
	"seen": {"kind": "bloom", "of": "item", "capacity": 2000, "error": 0.01},
	"often": {"kind": "countmin", "of": "item", "error": 0.001, "confidence": 0.99},
	"heavy": {"kind": "countmin", "of": "item", "error": 0.001, "confidence": 0.99, "weight": "w"},
	"hot": {"kind": "hotlist", "of": "item", "size": 100}, "weighty": {"kind": "hotlist", "of": "item", "size": 100, "weight": "w"},
	"sample": {"kind": "reservoir", "of": "item", "size": 50},
	"recent": {"kind": "decay", "of": "x", "half_life": "20m"}}`

var modelledViews = []modelled{
	{"minutes", `{"stream": "s", "by": ["g"], "pane": "1m", "keep": "30d", "from": "earliest", "sketches": ` + modelSketches + `}`, []string{"g"}, minute},
	{"pairs", `{"stream": "s", "by": ["g", "h"], "pane": "30m", "keep": "30d", "from": "earliest", "sketches": ` + modelSketches + `}`, []string{"g", "h"}, 30 * minute},
	{"whole", `{"stream": "s", "by": [], "from": "earliest", "sketches": ` + modelSketches + `}`, []string{}, 0},
	{"counted", `{"stream": "s", "by": ["g"], "pane": {"count": 100}, "keep": "30d", "from": "earliest", "sketches": ` + modelSketches + `}`, []string{"g"}, -1},
}

// tally counts intervals that hold.
type tally map[string][2]int

func (c tally) note(question string, holds bool) {
	n := c[question]
	if n[1]++; holds {
		n[0]++
	}
	c[question] = n
}

func TestAnswersAgainstTheModel(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 3, "time": "time"}`)
	facts := draw(1, 8000)
	for chunk := range slices.Chunk(facts.lines(), 400) {
		n.send("s", chunk...)
	}
	for _, v := range modelledViews {
		n.view(v.name, v.definition)
	}
	n.settle("s")
	held := tally{}
	r := rand.New(rand.NewPCG(2, 3))
	for i := range 2000 {
		v := modelledViews[r.IntN(len(modelledViews))]
		if v.pane == -1 && i%2 == 0 {
			continue // spans of panes by count are the panes' own; below
		}
		checkAgainst(t, n, facts, v, r, held)
	}
	for question, c := range held {
		if c[1] < 30 || float64(c[0]) < 0.95*float64(c[1]) {
			t.Errorf("%s: %d of %d intervals hold", question, c[0], c[1])
		}
		t.Logf("%s: %d of %d intervals hold", question, c[0], c[1])
	}
}

// checkAgainst asks one random question.
func checkAgainst(t *testing.T, n *node, facts model, v modelled, r *rand.Rand, held tally) {
	t.Helper()
	p := url.Values{}
	var key []string
	if len(v.by) > 0 && r.IntN(4) > 0 {
		key = []string{[]string{`"a"`, "b", "1", "1.0", `"1"`, "null", `"null"`, "true", "é\n", "never"}[r.IntN(10)]}
		if len(v.by) == 2 {
			key = append(key, []string{"x", "2", "null"}[r.IntN(3)])
		}
		p["key"] = key
	}
	m := facts.key(v.by, quoted(key))
	if v.pane > 0 {
		m = randomSpan(facts, m, v.pane, r, p)
	}
	question := Names[r.IntN(len(Names))]
	ask := func(sketch string) *Answer {
		t.Helper()
		if sketch != "" {
			p.Set("sketch", sketch)
		}
		a := n.ask(v.name, question, p.Encode())
		if a.Coverage.Events != uint64(len(m)) || a.Coverage.Owed != 0 || a.Coverage.Lost != 0 {
			t.Errorf("%s %s?%s: %d events covered, %d exactly: %s", v.name, question, p.Encode(), a.Coverage.Events, len(m), indented(t, a))
		}
		return a
	}
	fail := func(a *Answer, want any) {
		t.Helper()
		t.Errorf("%s %s?%s: exactly %v: %s", v.name, question, p.Encode(), want, indented(t, a))
	}
	switch question {
	case Count:
		if a := ask(""); *a.Estimate != Number(len(m)) || !a.Exact {
			fail(a, len(m))
		}
	case Distinct:
		of, sketch := []string{"item"}, "items"
		if r.IntN(2) == 0 {
			of, sketch = []string{"item", "other"}, "pairs"
		}
		sums, _ := m.weights(of, "")
		p.Set("confidence", "0.999") // the same items over and over: intervals do not fail independently
		a := ask(sketch)
		if a.Exact {
			if float64(*a.Estimate) != float64(len(sums)) {
				fail(a, len(sums))
			}
		} else if held.note(question, *a.Low <= Number(len(sums)) && Number(len(sums)) <= *a.High); len(sums) <= 32 {
			fail(a, "a small key")
		}
	case Frequency:
		checkFrequency(t, m, r, p, held, ask)
	case Contains:
		sums, _ := m.weights([]string{"item"}, "")
		p["item"] = []string{"i0", "1", `"1"`, "true", "null", "nobody", "i777"}
		a := ask("")
		for _, i := range *a.Items {
			if _, in := sums[string(i.Item)]; in && i.Answer != "maybe" || !in && a.Exact && i.Answer != "no" || i.Answer == "unknown" {
				fail(a, sums[string(i.Item)])
			}
		}
	case TopK:
		checkTop(t, m, r, p, ask, fail)
	case Sample:
		checkSample(m, r, p, ask, fail)
	case Sum:
		at := facts.greatest()
		if r.IntN(2) == 0 {
			at += 30 * minute
			p.Set("at", fmt.Sprint(at))
		}
		want, magnitude := m.decayed("x", float64(20*minute), at)
		if a := ask(""); math.Abs(float64(*a.Estimate)-want) > 1e-9*magnitude || !a.Exact {
			fail(a, want)
		}
	}
}

// quoted turns keys as they are asked for into JSON.
func quoted(key []string) []string {
	out := slices.Clone(key)
	for i, k := range out {
		if !json.Valid([]byte(k)) {
			b, _ := json.Marshal(k)
			out[i] = strings.ReplaceAll(string(b), `\u00e9`, "é")
		}
	}
	return out
}

// randomSpan adds a span to the parameters and keeps the facts in its panes.
func randomSpan(all, m model, pane int64, r *rand.Rand, p url.Values) model {
	down := func(ms int64) int64 { return ms / pane * pane }
	up := func(ms int64) int64 { return down(ms+pane-1) + 0 }
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	a := began - 10*minute + r.Int64N(140*minute)
	b := a + 1 + r.Int64N(60*minute)
	switch r.IntN(5) {
	case 0:
		return m
	case 1:
		from = a
		p.Set("from", fmt.Sprint(a))
	case 2:
		to = b
		p.Set("to", fmt.Sprint(b))
	case 3:
		from, to = a, b
		p.Set("from", fmt.Sprint(a))
		p.Set("to", fmt.Sprint(b))
	case 4:
		w := 1 + r.Int64N(40)
		from, to = all.greatest()+1-w*minute, all.greatest()+1
		p.Set("window", fmt.Sprintf("%dm", w))
	}
	if from != math.MinInt64 {
		from = down(from)
	}
	if to != math.MaxInt64 {
		to = up(to)
	}
	return m.within(from, to)
}

func checkFrequency(t *testing.T, m model, r *rand.Rand, p url.Values, held tally, ask func(string) *Answer) {
	t.Helper()
	p["item"] = []string{"i0", "i1", "i2", "i40", "1", `"1"`, "1.0", "true", "null", "nobody"}
	sketch := []string{"often", "heavy", "hot", "weighty"}[r.IntN(4)]
	weight := ""
	if sketch == "heavy" || sketch == "weighty" {
		weight = "w"
	}
	sums, ignored := m.weights([]string{"item"}, weight)
	a := ask(sketch)
	if a.Ignored != ignored {
		t.Errorf("%d events are ignored, exactly %d", a.Ignored, ignored)
	}
	for i, one := range *a.Items {
		if name := canonical(quoted([]string{p["item"][i]})[0]); string(one.Item) != name {
			t.Errorf("item %s comes back as %s", name, one.Item)
		}
		want := Number(sums[string(one.Item)])
		if holds := *one.Low <= want && want <= *one.High; a.Exact || sketch == "hot" || sketch == "weighty" {
			if !holds {
				t.Errorf("%s of %s: exactly %v, not in [%v, %v]", sketch, one.Item, want, *one.Low, *one.High)
			}
		} else {
			held.note(Frequency, holds)
		}
	}
}

func checkTop(t *testing.T, m model, r *rand.Rand, p url.Values, ask func(string) *Answer, fail func(*Answer, any)) {
	t.Helper()
	k := 1 + r.IntN(20)
	p.Set("k", fmt.Sprint(k))
	sketch, weight := "hot", ""
	if r.IntN(2) == 0 {
		sketch, weight = "weighty", "w"
	}
	sums, _ := m.weights([]string{"item"}, weight)
	a := ask(sketch)
	listed := map[string]bool{}
	last := math.Inf(1)
	for _, i := range *a.Items {
		want := Number(sums[string(i.Item)])
		if want < *i.Low || want > *i.High || float64(*i.Estimate) > last || a.Exact && want != *i.Estimate {
			fail(a, fmt.Sprint(string(i.Item), " ", want))
		}
		last = float64(*i.Estimate)
		listed[string(i.Item)] = true
	}
	for item, sum := range sums {
		if !listed[item] && sum > last+float64(*a.ErrorBound) && sum > 0 && len(listed) == k {
			fail(a, fmt.Sprint(item, " is missing with ", sum))
		}
	}
	if positive := len(model(nil).positive(sums)); a.Exact && len(*a.Items) != min(k, positive) {
		fail(a, positive)
	}
}

func (model) positive(sums map[string]float64) (items []string) {
	for item, sum := range sums {
		if sum > 0 {
			items = append(items, item)
		}
	}
	return items
}

func checkSample(m model, r *rand.Rand, p url.Values, ask func(string) *Answer, fail func(*Answer, any)) {
	size := 1 + r.IntN(60)
	p.Set("n", fmt.Sprint(size))
	sums, _ := m.weights([]string{"item"}, "")
	population := uint64(0)
	for _, n := range sums {
		population += uint64(n)
	}
	a := ask("")
	if *a.Population != population || len(*a.Items) != int(min(uint64(size), 50, population)) || a.Exact != (uint64(len(*a.Items)) == population) {
		fail(a, population)
	}
	for _, i := range *a.Items {
		if sums[string(i.Item)]--; sums[string(i.Item)] < 0 {
			fail(a, string(i.Item)+" is sampled too often")
		}
	}
}
