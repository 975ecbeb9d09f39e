package query

import (
	"fmt"
	"strings"
	"testing"
)

// The answers' JSON is a contract: names, order, what is null and what is left
// out. The golden file has one answer of every kind.
func TestAnswersAsJSON(t *testing.T) {
	n := newNode(t)
	n.stream("edits", `{"partitions": 2, "key": "page", "time": "time", "lateness": "1m"}`)
	n.view("wiki", `{"stream": "edits", "by": ["channel"], "pane": "1h", "keep": "30d", "from": "earliest", "sketches": {
		"editors": {"kind": "hll", "of": "user", "error": 0.01}, "seen": {"kind": "bloom", "of": ["page", "user"], "capacity": 1000},
		"edits": {"kind": "countmin", "of": "page"}, "hot": {"kind": "hotlist", "of": "page", "size": 3, "weight": "added"},
		"sample": {"kind": "reservoir", "of": "*", "size": 10}, "recent": {"kind": "decay", "of": "added", "half_life": "10m"}}}`)
	n.view("total", `{"stream": "edits", "by": [], "max_keys": 1, "from": "earliest", "sketches": {"editors": {"kind": "hll", "of": "user", "precision": 4}}}`)
	n.view("few", `{"stream": "edits", "by": ["channel"], "max_keys": 1, "from": "earliest", "sketches": {"editors": {"kind": "hll", "of": "user"}}}`)
	begin := int64(1442016000000) // 2015-09-12T00:00:00Z
	for i := range int64(200) {
		added := fmt.Sprint(i)
		if i%50 == 49 {
			added = "-1"
		}
		n.send("edits", fmt.Sprintf(`{"time": %d, "channel": %q, "page": "p%d", "user": "user-%d", "added": %s}`, begin+i*minute+i, []string{"#en", "#de"}[i%2], i%13, i%150, added))
	}
	n.settle("edits")
	n.pause()
	var b strings.Builder
	write := func(title string, v any) { fmt.Fprintf(&b, "# %s\n%s\n\n", title, indented(t, v)) }
	for _, c := range []struct{ view, question, parameters string }{
		{"wiki", Distinct, "key=%23en&from=2015-09-12T00:00:00Z&to=2015-09-12T01:00:00Z"},
		{"wiki", Count, "window=30m"},
		{"wiki", Count, "key=null"},
		{"wiki", Frequency, "item=p1&item=1&confidence=0.99"},
		{"wiki", Contains, `key=%23en&item=["p0","user-0"]&item=[null,1]`},
		{"wiki", TopK, "k=2"},
		{"wiki", Sample, "key=%23de&n=2&to=2015-09-12T01:00:00Z"},
		{"wiki", Sum, "key=%23en"},
		{"total", Distinct, ""},
		{"few", Count, "key=%23de"},
	} {
		write(c.view+" "+c.question+"?"+c.parameters, n.ask(c.view, c.question, c.parameters))
	}
	series, err := n.engine.Series(t.Context(), "wiki", n.parameters("question=count&step=2h&key=%23de"))
	n.must(err)
	write("series", series)
	keys, err := n.engine.Keys(t.Context(), "wiki", nil)
	n.must(err)
	for i := range keys.Keys {
		keys.Keys[i].Bytes = 1 // what panes take in memory is no contract
	}
	write("keys", keys)

	n.send("edits", fmt.Sprintf(`{"time": %d, "channel": "#en", "page": "p1"}`, begin)) // owed from here on
	for _, c := range []struct{ question, parameters string }{
		{Count, ""}, {Sum, ""}, {TopK, "k=1"}, {Contains, `item=["p0","never"]`}, {Frequency, "item=p1"},
	} {
		write("owed: wiki "+c.question+"?"+c.parameters, n.ask("wiki", c.question, c.parameters))
	}
	golden(t, "answers.golden", []byte(b.String()))
}

// Strictness refuses what is missing, and nothing else: events that are owed
// are in the interval.
func TestStrictQuestions(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 2, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": [], "from": "earliest", "sketches": {}}`)
	n.settle("s")
	n.pause()
	n.send("s", `{"time": 5}`)
	if a := n.ask("v", Count, "strict=true"); a.Partial() || a.Coverage.Owed != 1 {
		t.Errorf("%s", indented(t, a))
	}
	a := Answer{Coverage: Coverage{Missing: []int{1}}}
	if !a.Partial() {
		t.Error("an answer with a missing partition is not partial")
	}
}
