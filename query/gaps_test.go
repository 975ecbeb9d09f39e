package query

// What an answer does not know has to widen it: events that are owed, lost, or
// in a pane that keys share.

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

const gapSketches = `"sketches": {
	"items": {"kind": "hll", "of": "item"}, "seen": {"kind": "bloom", "of": "item", "capacity": 1000},
	"often": {"kind": "countmin", "of": "item", "width": 1024, "depth": 4},
	"heavy": {"kind": "countmin", "of": "item", "width": 1024, "depth": 4, "weight": "w"},
	"hot": {"kind": "hotlist", "of": "item", "size": 50},
	"weighty": {"kind": "hotlist", "of": "item", "size": 50, "weight": "w"},
	"sample": {"kind": "reservoir", "of": "item", "size": 500},
	"recent": {"kind": "decay", "of": "x", "half_life": "20m"}}`

// sendAll sends facts in requests of so many events each, one record each.
func (n *node) sendAll(stream string, facts model, each int) {
	n.t.Helper()
	for len(facts) > 0 {
		size := min(each, len(facts))
		n.send(stream, facts[:size].lines()...)
		facts = facts[size:]
	}
}

// holds checks that intervals hold the truth about all facts, whatever of them
// the view has applied.
func holds(t *testing.T, n *node, viewName, parameters string, truth model) {
	t.Helper()
	in := func(what string, x float64, low, high *Number) {
		t.Helper()
		lowest, highest := math.Inf(-1), math.Inf(1)
		if !math.IsInf(float64(*low), 0) {
			lowest = float64(*low)
		}
		if !math.IsInf(float64(*high), 0) {
			highest = float64(*high)
		}
		if x < lowest || x > highest {
			t.Errorf("%s?%s %s: %v is not in [%v, %v]", viewName, parameters, what, x, *low, *high)
		}
	}
	join := func(more string) string { return parameters + "&" + more }
	a := n.ask(viewName, Count, parameters)
	in("count", float64(len(truth)), a.Low, a.High)
	sums, _ := truth.weights([]string{"item"}, "")
	a = n.ask(viewName, Distinct, join("confidence=0.9999"))
	in("distinct", float64(len(sums)), a.Low, a.High)
	at := truth.greatest() // the sum decays to a given moment, or it would move with the view
	if len(truth) > 0 {
		sum, magnitude := truth.decayed("x", float64(20*minute), at)
		a = n.ask(viewName, Sum, join(fmt.Sprint("at=", at)))
		if math.Abs(sum-float64(*a.Estimate)) > 1e-9*magnitude {
			in("sum", sum, a.Low, a.High)
		}
	}
	for sketch, weight := range map[string]string{"often": "", "heavy": "w", "hot": "", "weighty": "w"} {
		sums, _ := truth.weights([]string{"item"}, weight)
		a = n.ask(viewName, Frequency, join("confidence=0.9999&item=i0&item=i1&item=nobody&item=null&item=1&sketch="+sketch))
		for _, i := range *a.Items {
			in(sketch+" "+string(i.Item), sums[string(i.Item)], i.Low, i.High)
		}
	}
	a = n.ask(viewName, TopK, join("sketch=hot&k=20"))
	listed := map[string]bool{}
	for _, i := range *a.Items {
		in("topk "+string(i.Item), sums[string(i.Item)], i.Low, i.High)
		listed[string(i.Item)] = true
	}
	a = n.ask(viewName, Contains, join("item=i0&item=i1&item=i2&item=i3&item=null&item=nobody"))
	for _, i := range *a.Items {
		if sums[string(i.Item)] > 0 && i.Answer == "no" {
			t.Errorf("%s?%s: %s was seen, and the answer is no", viewName, parameters, i.Item)
		}
	}
}

func TestOwedEventsWidenAnswers(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 2, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g"], "pane": "10m", "keep": "30d", "from": "earliest", `+gapSketches+`}`)
	facts := draw(3, 3000)
	n.sendAll("s", facts[:2000], 200)
	n.settle("s")
	n.pause()
	n.sendAll("s", facts[2000:], 200)

	for _, key := range []string{"", "key=a", "key=never"} {
		a := n.ask("v", Count, key)
		if c := a.Coverage; c.Owed != 1000 || math.Abs(c.Applied-2.0/3) > 1e-9 || a.Exact || *a.High != *a.Estimate+1000 {
			t.Errorf("%q: %s", key, indented(t, a))
		}
		holds(t, n, "v", key, facts.key([]string{"g"}, map[string][]string{"key=a": {`"a"`}, "key=never": {`"never"`}}[key]))
	}
	a := n.ask("v", Contains, "item=nobody&item=null&item=i0")
	if items := *a.Items; items[0].Answer != "unknown" || items[1].Answer != "no" || items[2].Answer != "maybe" || a.Exact {
		t.Errorf("contains: %s", indented(t, a))
	}
	if a := n.ask("v", Sum, "key=a"); !math.IsInf(float64(*a.Low), -1) || !math.IsInf(float64(*a.High), 1) || a.Exact {
		t.Errorf("sum: %s", indented(t, a))
	}
	if a := n.ask("v", TopK, "sketch=weighty"); !math.IsInf(float64(*a.ErrorBound), 1) || a.Exact {
		t.Errorf("weighted topk: %s", indented(t, a))
	}
	if a := n.ask("v", TopK, "sketch=hot"); *a.ErrorBound < 1000 {
		t.Errorf("topk: %s", indented(t, a))
	}
	if a := n.ask("v", Sample, "n=500"); a.Exact {
		t.Errorf("sample: %s", indented(t, a))
	}
	if a := n.ask("v", Count, fmt.Sprint("to=", began+minute)); a.Final {
		t.Errorf("final with events owed: %s", indented(t, a))
	}
	// Nothing is owed once the view goes on from where it was.
	n.reopen(true)
	n.settle("s")
	if a := n.ask("v", Count, ""); !a.Exact || *a.Estimate != 3000 || a.Coverage.Applied != 1 {
		t.Errorf("healed: %s", indented(t, a))
	}
}

func TestAViewThatNeverRan(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 2, "time": "time"}`)
	facts := draw(4, 500)
	n.sendAll("s", facts, 100)
	n.reopen(false)
	n.view("v", `{"stream": "s", "by": ["g"], "pane": "10m", "keep": "30d", "from": "earliest", `+gapSketches+`}`)
	a := n.ask("v", Count, "")
	if a.Coverage.Owed != 500 || a.Coverage.Applied != 0 || a.Exact || *a.Estimate != 0 || *a.High != 500 || a.Watermark == nil {
		t.Errorf("%s", indented(t, a))
	}
	holds(t, n, "v", "", facts)
}

func TestLostEventsWidenAnswersForEver(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 1, "time": "time"}`)
	n.view("before", `{"stream": "s", "by": ["g"], "pane": "10m", "keep": "30d", "from": "earliest", `+gapSketches+`}`)
	facts := draw(5, 1000)
	n.sendAll("s", facts[:200], 100)
	n.settle("s")
	n.pause()
	n.sendAll("s", facts[200:], 100)
	n.must(n.log.Hole("s", 0, 4, 5))
	n.reopen(true)
	n.settle("s")
	applied := append(append(model{}, facts[:300]...), facts[500:]...)
	a := n.ask("before", Count, "")
	if a.Coverage.Lost < 2 || a.Coverage.Owed != 0 || *a.Estimate != Number(len(applied)) || *a.High < 1000 || a.Exact {
		t.Errorf("%s", indented(t, a))
	}
	holds(t, n, "before", "", facts)
	holds(t, n, "before", "key=a", facts.key([]string{"g"}, []string{`"a"`}))
	if a := n.ask("before", Contains, "item=nobody"); (*a.Items)[0].Answer != "unknown" {
		t.Errorf("contains with events lost: %s", indented(t, a))
	}
}

// Past max_keys keys share a pane. What is asked of one key must allow for the
// events in it, and must not where the key cannot have any there.
func TestKeysThatShareAPaneWidenAnswers(t *testing.T) {
	for name, panes := range map[string]string{
		"all time": ``,
		"minutes":  `"pane": "1m", "keep": "30d", `,
		"rolled":   `"pane": "1m", "keep": "10m", "rollups": [{"pane": "30m", "keep": "30d"}], `,
		"counted":  `"pane": {"count": 20}, "keep": "30d", `,
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.stream("s", `{"partitions": 2, "time": "time"}`)
			n.view("v", `{"stream": "s", "by": ["g"], `+panes+`"max_keys": 3, "from": "earliest", `+gapSketches+`}`)
			facts := overflowing(6, 3000)
			n.sendAll("s", facts, 250)
			n.settle("s")
			narrow := 0
			for i := range 10 {
				key := fmt.Sprintf(`"k%d"`, i)
				truth := facts.key([]string{"g"}, []string{key})
				a := n.ask("v", Count, "key="+key)
				if a.Exact != (*a.Low == *a.High) || a.Exact == a.Coverage.Overflow {
					t.Errorf("key %s: %s", key, indented(t, a))
				}
				if a.Exact {
					narrow++
				}
				holds(t, n, "v", "key="+key, truth)
			}
			if name == "all time" && narrow == 0 {
				t.Error("every key's answer is widened, though some keys have a pane of their own")
			}
			holds(t, n, "v", "", facts)
			if a := n.ask("v", Count, ""); !a.Exact || !a.Coverage.Overflow || *a.Estimate != 3000 {
				t.Errorf("all keys: %s", indented(t, a))
			}
		})
	}
}

// overflowing are facts of ten keys that come and go over two hours.
func overflowing(seed uint64, n int) model {
	r := rand.New(rand.NewPCG(seed, 1))
	m := make(model, n)
	for i := range m {
		key := (i*10/n + r.IntN(6)) % 10
		m[i] = fact{time: began + int64(i)*120*minute/int64(n), fields: map[string]string{
			"g": fmt.Sprintf(`"k%d"`, key), "item": fmt.Sprintf(`"i%d"`, r.IntN(40)), "x": fmt.Sprint(r.IntN(9)), "w": fmt.Sprint(r.IntN(5)),
		}}
	}
	return m
}

// Keys of panes by count begin anew once all their panes are too old, and may
// then get a pane of their own while the shared one still has events of theirs.
func TestACountedKeyThatLeavesTheSharedPane(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 1, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g"], "pane": {"count": 10}, "keep": "1h", "max_keys": 1, "from": "earliest", "sketches": {"items": {"kind": "hll", "of": "item"}}}`)
	send := func(key string, after int64) {
		n.send("s", fmt.Sprintf(`{"time": %d, "g": %q, "item": 1}`, began+after, key))
	}
	send("own", 0)
	send("shared", 59*minute)
	send("other", 70*minute) // own's pane is too old now
	send("shared", 75*minute)
	send("shared", 76*minute)
	n.settle("s")
	a := n.ask("v", Count, "key=shared")
	if *a.Low > 3 || *a.High < 3 || a.Exact && *a.Estimate != 3 {
		t.Errorf("3 events are kept: %s", indented(t, a))
	}
}

// A decay by factor over a pane that keys share cannot tell the keys' events
// apart, so its interval is open.
func TestDecayByFactorOverSharedPanes(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 1, "time": "time"}`)
	for _, limit := range []int{2, 100} {
		n.view(fmt.Sprint("max", limit), fmt.Sprintf(`{"stream": "s", "by": ["g"], "max_keys": %d, "from": "earliest", "sketches": {"r": {"kind": "decay", "of": "x", "factor": 0.5}}}`, limit))
	}
	n.sendAll("s", overflowing(7, 200), 50)
	n.settle("s")
	if a := n.ask("max2", Sum, ""); a.Exact || !math.IsInf(float64(*a.High), 1) || !a.Coverage.Overflow {
		t.Errorf("shared: %s", indented(t, a))
	}
	if a := n.ask("max100", Sum, ""); !a.Exact || a.Coverage.Overflow {
		t.Errorf("apart: %s", indented(t, a))
	}
}

// Three weights near 2^63 are more than a counter holds: the answer says that it knows no
// upper end, whether the items are few or many.
func TestFullCountersHaveNoUpperEnd(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{}`)
	n.view("v", `{"stream": "s", "from": "earliest", `+gapSketches+`}`)
	for range 3 {
		n.send("s", `{"time": 1442016000000, "item": "gold", "w": 9223372036854775807}`)
	}
	for _, items := range []int{0, 3000} {
		var others []string
		for i := range items {
			others = append(others, fmt.Sprintf(`{"time": 1442016000000, "item": "i%d", "w": 1}`, i))
		}
		n.send("s", others...)
		n.settle("s")
		for _, sketch := range []string{"heavy", "weighty"} {
			a := n.ask("v", Frequency, "item=gold&sketch="+sketch)
			if i := (*a.Items)[0]; a.Exact || !math.IsInf(float64(*i.High), 1) {
				t.Errorf("%d other items: %s has %v in [%v, %v], exact: %v", items, sketch, *i.Estimate, *i.Low, *i.High, a.Exact)
			}
		}
		if a := n.ask("v", TopK, "k=1&sketch=weighty"); a.Exact || !math.IsInf(float64(*(*a.Items)[0].High), 1) {
			t.Errorf("%d other items: the first is at most %v, exact: %v", items, *(*a.Items)[0].High, a.Exact)
		}
	}
}

func TestAnswersStopWithTheirContext(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 1, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g"], "from": "earliest", "sketches": {"items": {"kind": "hll", "of": "item"}}}`)
	lines := make([]string, 5000)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"time": %d, "g": %d, "item": 1}`, began, i)
	}
	n.send("s", lines...)
	n.settle("s")
	ctx := &countdown{Context: context.Background(), left: 3}
	q, err := Params("v", Distinct, nil)
	n.must(err)
	if _, err := n.engine.Answer(ctx, q); err != context.Canceled {
		t.Errorf("an answer over 5,000 keys goes on after its context has ended: %v", err)
	}
	ctx.left = 3
	if _, err := n.engine.Keys(ctx, "v", nil); err != context.Canceled {
		t.Errorf("a list of 5,000 keys goes on after its context has ended: %v", err)
	}
}

// countdown ends after it has been looked at so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}
