package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// drawn checks that a picture is well-formed XML and returns its elements by name.
func drawn(t *testing.T, plot func(io.Writer) error) map[string]int {
	t.Helper()
	var b bytes.Buffer
	if err := plot(&b); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
		t.Errorf("a place that is none: %s", s)
	}
	elements := map[string]int{}
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
}

func timelineOf(n int) []Sample {
	var out []Sample
	for i := range n {
		out = append(out, Sample{
			Seconds: float64(i) / 4, Offered: int64(min(i, 20)) * 1000, Accepted: int64(i) * 700, Refused: int64(i) * 100, Applied: int64(i) * 600,
			Rate: 0.5, Freshness: 1.5, NewestAge: 2, Owed: uint64(i), Error: 0.01, Asked: 4 * (i % 2), Held: 3 * (i % 2), at: time.UnixMilli(int64(i) * 250),
		})
	}
	return out
}

func TestEveryPictureIsWellFormed(t *testing.T) {
	curve := []point{{0, 0.1}, {50, 1}, {99.9, 30}}
	curves := map[string][]point{"count": curve, "sum": curve, "distinct": curve, "topk": curve, "sample": curve, "contains": curve}
	for _, n := range []int{0, 1, 40} {
		timeline := timelineOf(n)
		for name, p := range map[string]struct {
			Plotted
			lines int
		}{
			"ingest":   {&IngestResult{Format: NDJSON, Timeline: timeline, curve: curve}, 2},
			"query":    {&QueryResult{curves: curves}, 6},
			"mixed":    {&MixedResult{Timeline: timeline, curves: curves}, 11},
			"overload": {&OverloadResult{Timeline: timeline, curve: curve, Target: 2}, 12},
			"scale": {&ScaleResult{order: Dimensions[:2], Scale: map[string]map[string]ScalePoint{
				"keys": {"1000": {EventsPerSecond: 1, EventCPU: 2}}, "partitions": {"4": {EventsPerSecond: 3}}}}, 4},
			"accuracy": {&AccuracyResult{Sketches: map[string]*SketchAccuracy{"hll": {byKey: []point{{0, 0.1}, {5, 0.2}}}}}, 1},
		} {
			elements := drawn(t, p.Plot)
			if n == 40 && elements["path"] != p.lines {
				t.Errorf("%s: %d lines; want %d", name, elements["path"], p.lines)
			}
		}
	}
}

func TestHostileNamesAndValuesAreDrawnSafely(t *testing.T) {
	c := chart{title: "<a & \"b\">\x00\xff", note: "</svg>", panels: []panel{{
		title: "<script>", logY: true, marks: []markedAt{{math.Inf(1), "&"}},
		series: []series{{name: "<", points: []point{{0, -1}, {1, math.NaN()}, {2, math.Inf(1)}, {3, 10}, {4, 0}, {5, 20}}, steps: true}},
	}, {series: []series{{points: []point{{1, 5}}}}}, {percentiles: true, series: []series{{points: []point{{0, 1}, {100, 2}}}}}}}
	if e := drawn(t, c.writeSVG); e["script"] != 0 || e["svg"] != 1 {
		t.Errorf("names became elements: %v", e)
	}
}

func TestAxes(t *testing.T) {
	p := panel{series: []series{{points: []point{{0, 0}, {10, 930}}}}}
	_, y := p.axes()
	if y.least != 0 || y.greatest != 1000 || len(y.ticks()) != 6 {
		t.Errorf("0 to 930 is drawn from %v to %v with %v", y.least, y.greatest, y.ticks())
	}
	p = panel{logY: true, series: []series{{points: []point{{0, 0.3}, {10, 45}}}}}
	_, y = p.axes()
	if y.least < 0.0999 || y.greatest > 100.001 || len(y.ticks()) != 4 {
		t.Errorf("0.3 to 45 by decades is drawn from %v to %v with %v", y.least, y.greatest, y.ticks())
	}
	x := axis{least: 0, greatest: 99.9, from: 0, to: 300, kind: nines}
	for value, want := range map[float64]float64{0: 0, 90: 100, 99: 200, 99.9: 300} {
		if got := x.place(value); math.Abs(got-want) > 1e-9 {
			t.Errorf("percentile %v is at %v; want %v", value, got, want)
		}
	}
	for _, span := range []float64{1e-9, 0.7, 1, 3, 8, 9.99, 12345, 1e12} {
		if n := span / niceStep(span); n < 3.9 || n > 10.1 {
			t.Errorf("a span of %v gets %v ticks", span, n)
		}
	}
	for f, want := range map[float64]string{0: "0", 0.25: "0.25", 1500: "1.5k", 2e6: "2M", 3e9: "3G"} {
		if got := shortNumber(f); got != want {
			t.Errorf("%v is written %s; want %s", f, got, want)
		}
	}
}

func TestStretchesKeepEveryEventAndAnswer(t *testing.T) {
	timeline := timelineOf(42)
	rows := everySecond(timeline)
	if len(rows) < 10 || len(rows) > 12 {
		t.Fatalf("%d rows of 10.25 seconds", len(rows))
	}
	var accepted float64
	asked, last := 0, 0.0
	for _, r := range rows {
		accepted += r.accepted * (r.Seconds - last)
		last = r.Seconds
		asked += r.Asked
		if math.Abs(r.Error-0.01) > 1e-12 || r.Freshness != 1.5 {
			t.Errorf("a row of samples with error 0.01 and freshness 1.5: %+v", r)
		}
	}
	if math.Abs(accepted-41*700) > 1e-6 || asked != 4*21 {
		t.Errorf("%v events and %d answers in rows; want %d and %d", accepted, asked, 41*700, 4*21)
	}
}
