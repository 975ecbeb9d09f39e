package query

// Spans: what an answer covers, when it is final, sums as of a moment, series.

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func at(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05.999") }

func coverOf(a *Answer) string {
	text := func(m *Moment) string {
		if m == nil {
			return "null"
		}
		return at(int64(*m))
	}
	return text(a.From) + " " + text(a.To)
}

const spanSketches = `"sketches": {"items": {"kind": "hll", "of": "item"}, "recent": {"kind": "decay", "of": "x", "half_life": "1m"}}`

// spans is a node with views of each kind of pane over events of 10:00:30,
// 10:05:10 and 11:59:59, and key b only at the second.
func spans(t *testing.T) (*node, int64) {
	n := newNode(t)
	ten := time.Date(2024, 5, 5, 10, 0, 0, 0, time.UTC).UnixMilli()
	n.stream("s", `{"partitions": 1, "time": "time", "lateness": "1m"}`)
	n.stream("none", `{}`)
	for name, panes := range map[string]string{
		"minutes": `"pane": "1m", "keep": "30d",`, "whole": ``, "counted": `"pane": {"count": 100}, "keep": "30d",`,
		"short": `"pane": "1m", "keep": "1h",`, "rolled": `"pane": "1m", "keep": "30m", "rollups": [{"pane": "10m", "keep": "1d"}],`,
	} {
		n.view(name, `{"stream": "s", "by": ["g"], `+panes+` "from": "earliest", `+spanSketches+`}`)
		n.view(name+"-empty", `{"stream": "none", "by": ["g"], `+panes+` "from": "earliest", `+spanSketches+`}`)
	}
	for _, e := range []struct {
		after int64
		g     string
	}{{30_000, "a"}, {310_000, "b"}, {2*3600_000 - 1000, "a"}} {
		n.send("s", fmt.Sprintf(`{"time": %d, "g": %q, "item": %d, "x": 8}`, ten+e.after, e.g, e.after))
		n.settle("s")
	}
	return n, ten
}

func TestWhatAnAnswerCovers(t *testing.T) {
	n, ten := spans(t)
	span := func(from, to int64) string { return fmt.Sprintf("from=%d&to=%d", ten+from, ten+to) }
	for _, c := range []struct {
		view, parameters, covers string
		events                   int
		final                    bool
	}{
		{"minutes", "", "10:00:00 12:00:00", 3, false},
		{"minutes", "key=b", "10:05:00 10:06:00", 1, false},
		{"minutes", "key=never", "null null", 0, false},
		{"minutes", span(0, 60_000), "10:00:00 10:01:00", 1, true},
		{"minutes", span(1, 60_001), "10:00:00 10:02:00", 1, true},
		{"minutes", span(45_000, 60_000), "10:00:00 10:01:00", 1, true},
		{"minutes", "key=never&" + span(1, 2), "10:00:00 10:01:00", 0, true},
		{"minutes", fmt.Sprint("from=", ten+60_000), "10:01:00 12:00:00", 2, false},
		{"minutes", fmt.Sprint("to=", ten+60_000), "10:00:00 10:01:00", 1, true},
		{"minutes", fmt.Sprint("from=", ten+24*3600_000), "10:00:00 null", 0, false},
		// Thirty days before, where keeping begins.
		{"minutes", fmt.Sprint("to=", ten-3600_000), "11:59:00 09:00:00", 0, true},
		{"minutes", "window=59s", "11:59:00 12:00:00", 1, false},
		{"minutes", "window=61s", "11:58:00 12:00:00", 1, false},
		{"minutes", "window=2h", "09:59:00 12:00:00", 3, false},
		{"minutes", "window=1m&key=b", "11:58:00 12:00:00", 0, false},
		{"minutes", "window=100000d", "12:00:00 12:00:00", 3, false},
		// The watermark is 11:58:59 at most: events may yet come into the last minutes.
		{"minutes", span(0, 3600_000), "10:00:00 11:00:00", 2, true},
		{"minutes", span(0, 118*60_000), "10:00:00 11:58:00", 2, true},
		{"minutes", span(0, 118*60_000+1000), "10:00:00 11:59:00", 2, false},
		{"minutes", span(0, 120*60_000), "10:00:00 12:00:00", 3, false},
		{"minutes-empty", "", "null null", 0, false},
		{"minutes-empty", "window=5m", "null null", 0, false},
		{"minutes-empty", span(0, 60_000), "10:00:00 10:01:00", 0, false},
		{"whole", "", "null null", 3, false},
		{"whole", span(0, 60_000), "null null", 3, false},
		{"whole", "window=1m", "null null", 3, false},
		{"whole", "key=never", "null null", 0, false},
		{"whole-empty", "window=1m", "null null", 0, false},
		{"counted", "", "10:00:30 11:59:59.001", 3, false},
		{"counted", "key=b", "10:05:10 10:05:10.001", 1, false},
		{"counted", "key=b&" + span(0, 60_000), "null null", 0, false},
		{"counted", "key=b&" + span(0, 600_000), "10:05:10 10:05:10.001", 1, false},
		{"counted-empty", span(0, 60_000), "null null", 0, false},
		{"counted-empty", "window=1m", "null null", 0, false},
	} {
		a := n.ask(c.view, Count, c.parameters)
		if got := coverOf(a); c.parameters != "window=100000d" && got != c.covers || *a.Estimate != Number(c.events) || a.Final != c.final || !a.Exact {
			t.Errorf("%s?%s covers %s with %v events, final %v; want %s with %d, final %v", c.view, c.parameters, got, *a.Estimate, a.Final, c.covers, c.events, c.final)
		}
	}
}

// What has been dropped is not covered, and never answered with a sure 0.
func TestWhatIsNotKeptIsNotCovered(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 1, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": [], "pane": "1m", "keep": "1h", "from": "earliest", `+spanSketches+`}`)
	n.view("r", `{"stream": "s", "by": [], "pane": "1m", "keep": "10m", "rollups": [{"pane": "30m", "keep": "1h"}], "from": "earliest", `+spanSketches+`}`)
	ten := time.Date(2024, 5, 5, 10, 0, 0, 0, time.UTC).UnixMilli()
	for i := range int64(180) {
		n.send("s", fmt.Sprintf(`{"time": %d, "item": 1, "x": 1}`, ten+i*minute))
	}
	n.settle("s")
	span := func(from, to int64) string { return fmt.Sprintf("from=%d&to=%d", ten+from*minute, ten+to*minute) }
	for _, c := range []struct {
		view, parameters, covers string
		events                   int
	}{
		{"v", "", "11:59:00 13:00:00", 61},
		{"v", span(0, 180), "11:59:00 13:00:00", 61},
		{"v", span(0, 130), "11:59:00 12:10:00", 11},
		{"v", span(0, 60), "10:00:00 10:00:00", 0},
		{"v", fmt.Sprint("to=", ten+60*minute), "11:00:00 11:00:00", 0},
		{"v", span(125, 130), "12:05:00 12:10:00", 5},
		{"r", "", "11:30:00 13:00:00", 90},
		{"r", span(0, 180), "11:30:00 13:00:00", 90},
		{"r", span(125, 126), "12:00:00 12:30:00", 30},
		{"r", span(149, 172), "12:00:00 12:52:00", 52},
		{"r", span(10, 20), "10:00:00 10:00:00", 0},
	} {
		a := n.ask(c.view, Count, c.parameters)
		if got := coverOf(a); got != c.covers || *a.Estimate != Number(c.events) {
			t.Errorf("%s?%s covers %s with %v events; want %s with %d", c.view, c.parameters, got, *a.Estimate, c.covers, c.events)
		}
	}
}

func TestSumAsOfAMoment(t *testing.T) {
	n, ten := spans(t)
	want := func(question string, estimate float64, parameters string) {
		t.Helper()
		a := n.ask(question, Sum, parameters)
		if math.Abs(float64(*a.Estimate)-estimate) > 1e-9*math.Abs(estimate) {
			t.Errorf("%s?%s: %v, want %v", question, parameters, *a.Estimate, estimate)
		}
	}
	second := func(s int64) string { return fmt.Sprint("at=", ten+1000*s) }
	newest := 8 * (1 + math.Exp2(-(7199-310)/60.0) + math.Exp2(-(7199-30)/60.0))
	want("minutes", newest, "")
	want("whole", newest, "")
	want("minutes", newest/2, second(7199+60))
	want("minutes", 8+8*math.Exp2(-280/60.0), second(310)) // the last event is left out
	want("minutes", 8, second(30))
	want("minutes", 0, second(29))
	want("minutes", 0, "at=-62135596800000")
	want("minutes", 0, "at=253402300799999")
	want("minutes", 8*math.Exp2(-10/60.0), "key=b&"+second(320))
	want("minutes", 0, "key=never")
	want("minutes-empty", 0, "")
	want("minutes-empty", 0, second(5))
	// One pane has events on both sides.
	if _, err := n.try("whole", Sum, second(310)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "finer panes") {
		t.Errorf("at inside a pane: %v", err)
	}
	want("whole", 0, second(29))
}

// A decay by factor runs in log order within a pane, pane after pane in time,
// and adds partitions and keys.
func TestDecayByFactor(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 3, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g"], "pane": "1m", "keep": "30d", "from": "earliest", "sketches": {"r": {"kind": "decay", "of": "x", "factor": 0.9}}}`)
	n.view("w", `{"stream": "s", "by": [], "from": "earliest", "sketches": {"r": {"kind": "decay", "of": "x", "factor": 0.9}}}`)
	type chain struct {
		partition int
		g         string
	}
	panes := map[chain]map[int64][]float64{}
	inLogOrder := map[int][]float64{}
	for _, f := range draw(8, 300) {
		for partition := range n.send("s", f.line()) { // one event, one partition
			x, ok := f.number("x")
			if !ok {
				continue
			}
			inLogOrder[partition] = append(inLogOrder[partition], x)
			c := chain{partition, f.value("g")}
			if panes[c] == nil {
				panes[c] = map[int64][]float64{}
			}
			panes[c][f.time/minute] = append(panes[c][f.time/minute], x)
		}
	}
	n.settle("s")
	fold := func(sum float64, values []float64) float64 {
		for _, x := range values {
			sum = 0.9*sum + x
		}
		return sum
	}
	byKey, total, whole := map[string]float64{}, 0.0, 0.0
	for c, times := range panes {
		sum := 0.0
		for at := began / minute; at <= began/minute+120; at++ {
			sum = fold(sum, times[at])
		}
		byKey[c.g] += sum
		total += sum
	}
	for _, values := range inLogOrder {
		whole += fold(0, values)
	}
	near := func(what string, got *Number, want float64) {
		t.Helper()
		if math.Abs(float64(*got)-want) > 1e-9*(1+math.Abs(want)) {
			t.Errorf("%s: %v, want %v", what, *got, want)
		}
	}
	for _, key := range []string{`"a"`, `"b"`, `1`, `null`} {
		near("key "+key, n.ask("v", Sum, "key="+key).Estimate, byKey[key])
	}
	near("all keys", n.ask("v", Sum, "").Estimate, total)
	near("all time", n.ask("w", Sum, "").Estimate, whole)
}

func TestSeries(t *testing.T) {
	n, ten := spans(t)
	counts := func(points []*Answer) string {
		var b strings.Builder
		for i, p := range points {
			n.sane(p)
			if i > 0 && *p.From != *points[i-1].To {
				t.Errorf("a step ends at %d and the next begins at %d", *points[i-1].To, *p.From)
			}
			fmt.Fprintf(&b, "%s=%v ", at(int64(*p.From)), *p.Estimate)
		}
		return strings.TrimSpace(b.String())
	}
	for parameters, want := range map[string]string{
		"question=count&step=1h":       "10:00:00=2 11:00:00=1",
		"question=count&step=1h&key=b": "10:00:00=1 11:00:00=0",
		fmt.Sprintf("question=count&step=1h&from=%d&to=%d", ten-1, ten+7200_001):           "09:00:00=0 10:00:00=2 11:00:00=1 12:00:00=0",
		fmt.Sprintf("question=distinct&step=2m&from=%d&to=%d", ten+3*minute, ten+6*minute): "10:02:00=0 10:04:00=1",
		"question=count&step=2m&window=3m":                                                 "11:56:00=0 11:58:00=1",
		fmt.Sprintf("question=count&step=1h&from=%d", ten+3600_000):                        "11:00:00=1",
		fmt.Sprintf("question=count&step=1h&to=%d", ten+3600_000):                          "10:00:00=2",
		fmt.Sprintf("question=count&step=1h&from=%d", ten+24*3600_000):                     "",
	} {
		if got := counts(n.series("minutes", parameters)); got != want {
			t.Errorf("%s: %s, want %s", parameters, got, want)
		}
	}
	if points := n.series("minutes-empty", "question=count&step=1h&window=1h"); len(points) != 0 {
		t.Errorf("a series of nothing has %d points", len(points))
	}
	if points := n.series("minutes", fmt.Sprintf("question=count&step=1m&from=%d&to=%d", ten, ten+10_000*minute)); len(points) != 10_000 {
		t.Errorf("%d points", len(points))
	}
}

// TestSeriesOfSums: a step's sum is as of the step's end, or of the newest event where that
// is earlier; or as of the moment asked for.
func TestSeriesOfSums(t *testing.T) {
	n, ten := spans(t)
	hours := fmt.Sprintf("question=sum&step=1h&from=%d&to=%d", ten, ten+3*3600_000)
	minutes := fmt.Sprintf("question=sum&step=10m&from=%d&to=%d", ten, ten+20*minute)
	for _, c := range []struct {
		view, parameters string
		want             []float64
	}{
		{"minutes", hours, []float64{8*math.Exp2(-3570/60.0) + 8*math.Exp2(-3290/60.0), 8, 0}},
		{"minutes", minutes, []float64{8*math.Exp2(-570/60.0) + 8*math.Exp2(-290/60.0), 0}},
		{"minutes", minutes + fmt.Sprintf("&at=%d", ten+310_000), []float64{8 + 8*math.Exp2(-280/60.0), 0}},
		// Its panes of a minute are gone, and a step covers one of ten minutes.
		{"rolled", fmt.Sprintf("question=sum&step=1m&from=%d&to=%d", ten+5*minute, ten+6*minute),
			[]float64{8*math.Exp2(-570/60.0) + 8*math.Exp2(-290/60.0)}},
	} {
		points := n.series(c.view, c.parameters)
		if len(points) != len(c.want) {
			t.Fatalf("%s?%s: %d points", c.view, c.parameters, len(points))
		}
		for i, p := range points {
			if got := float64(*p.Estimate); math.Abs(got-c.want[i]) > 1e-9*c.want[i] {
				t.Errorf("%s?%s: step %d is %v, want %v", c.view, c.parameters, i, got, c.want[i])
			}
		}
	}
}

func TestSeriesRefuses(t *testing.T) {
	n, ten := spans(t)
	n.view("lists", `{"stream": "s", "by": [], "pane": "1m", "from": "earliest", "sketches": {"hot": {"kind": "hotlist", "of": "item", "size": 50}}}`)
	for _, c := range []struct{ view, parameters, why string }{
		{"minutes", "", "question is missing"},
		{"minutes", "question=count", "step is missing"},
		{"minutes", "question=count&step=0", "at least 1ms"},
		{"minutes", "question=count&step=1us", "at least 1ms"},
		{"minutes", "question=count&step=x", "step"},
		{"minutes", "question=count&step=90s", "not a multiple"},
		{"minutes", "question=median&step=1m", "not one of"},
		{"whole", "question=count&step=1m", "no panes of time"},
		{"counted", "question=count&step=1m", "no panes of time"},
		{"minutes", "question=count&step=1m&from=-62135596800000&to=253402300799999", "at most 10000"},
		{"minutes", fmt.Sprintf("question=count&step=1m&from=%d&to=%d", ten, ten+10_001*minute), "at most 10000"},
		{"lists", fmt.Sprintf("question=topk&k=1000&step=1m&from=%d&to=%d", ten, ten+2000*minute), "may list"},
	} {
		_, err := n.engine.Series(t.Context(), c.view, n.parameters(c.parameters))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s?%s: %v, want %q", c.view, c.parameters, err, c.why)
		}
	}
	for _, far := range []int64{math.MinInt64, math.MaxInt64} { // as no parameter can say, but a caller may
		q := Question{View: "minutes", Question: Count, K: 1, N: 1, Confidence: 0.95, From: &far}
		if far > 0 {
			q.From, q.To = nil, &far
		}
		if _, err := n.engine.Answer(t.Context(), q); err != nil {
			t.Errorf("from or to %d: %v", far, err)
		}
		low, high := int64(math.MinInt64+1), int64(math.MaxInt64-1)
		q.From, q.To = &low, &high
		if _, err := n.engine.series(t.Context(), q, time.Minute); !errors.Is(err, ErrInvalid) {
			t.Errorf("a series over all of time: %v", err)
		}
	}
}
