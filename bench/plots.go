package bench

// Which picture each result makes.

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Plotted is a result that makes a picture.
type Plotted interface{ Plot(w io.Writer) error }

// plotEvery is the distance of the points of a rate: shorter ones show batches
// rather than rates.
const plotEvery = 0.49

// column takes one value of every stretch.
func column(rows []second, name string, value func(second) float64) series {
	s := series{name: name}
	for _, r := range rows {
		s.points = append(s.points, point{r.Seconds, value(r)})
	}
	return s
}

// moments takes one value of every sample.
func moments(timeline []Sample, name string, value func(Sample) float64) series {
	s := series{name: name}
	for _, r := range timeline {
		s.points = append(s.points, point{r.Seconds, value(r)})
	}
	return s
}

// latencyPanel draws distributions by name.
func latencyPanel(title string, curves map[string][]point) panel {
	p := panel{title: title, xTitle: "percentile", logY: true, percentiles: true}
	for _, name := range slices.Sorted(maps.Keys(curves)) {
		p.series = append(p.series, series{name: name, points: curves[name]})
	}
	return p
}

// overTime gives the panels of one run the same axis of time.
func overTime(timeline []Sample, panels ...panel) []panel {
	for i := range panels {
		panels[i].xTitle = xSeconds
		if n := len(timeline); n > 0 {
			panels[i].xTo = timeline[n-1].Seconds
		}
	}
	return panels
}

const xSeconds = "seconds since the first request was due"

// Plot draws events a second and the latency of requests.
func (r *IngestResult) Plot(w io.Writer) error {
	rows := stretches(r.Timeline, plotEvery)
	c := chart{
		title: "sketchlog bench ingest",
		note:  fmt.Sprintf("%d %s events, acks=%s: %.0f a second until they can be queried", r.Events, r.Format, r.Acks, r.EventsPerSecond),
		panels: overTime(r.Timeline,
			panel{title: "Events a second", series: []series{column(rows, "acknowledged", func(s second) float64 { return s.accepted })}}),
	}
	c.panels = append(c.panels, latencyPanel("Latency of a request, ms", map[string][]point{fmt.Sprintf("requests of %d events", r.Batch): r.curve}))
	return c.writeSVG(w)
}

// Plot draws the latency of every question.
func (r *QueryResult) Plot(w io.Writer) error {
	c := chart{title: "sketchlog bench query", note: fmt.Sprintf("%.0f questions a second over %d events; latency from when a question was due", r.Rate, r.Events)}
	for _, half := range split(r.curves) {
		c.panels = append(c.panels, latencyPanel("Latency of an answer, ms", half))
	}
	return c.writeSVG(w)
}

// split halves curves by name, so that no panel has more than a reader can tell
// apart.
func split(curves map[string][]point) []map[string][]point {
	names := slices.Sorted(maps.Keys(curves))
	var out []map[string][]point
	for part := range slices.Chunk(names, 5) {
		m := map[string][]point{}
		for _, n := range part {
			m[n] = curves[n]
		}
		out = append(out, m)
	}
	return out
}

// Plot draws both sides of the run.
func (r *MixedResult) Plot(w io.Writer) error {
	rows := stretches(r.Timeline, plotEvery)
	c := chart{
		title: "sketchlog bench mixed",
		note:  fmt.Sprintf("%.0f %s events a second and %.0f questions a second", r.EventsPerSecond, r.Format, r.QuestionRate),
		panels: overTime(r.Timeline,
			panel{title: "Events a second", series: []series{
				column(rows, "offered", func(s second) float64 { return s.offered }),
				column(rows, "accepted", func(s second) float64 { return s.accepted }),
				column(rows, "applied", func(s second) float64 { return s.applied }),
			}},
			freshnessPanel(r.Timeline),
		),
	}
	for _, half := range split(r.curves) {
		c.panels = append(c.panels, latencyPanel("Latency of an answer, ms", half))
	}
	return c.writeSVG(w)
}

func freshnessPanel(timeline []Sample) panel {
	return panel{title: "Freshness, s", series: []series{
		moments(timeline, "since the oldest event that answers leave out was acknowledged", func(s Sample) float64 { return s.Freshness }),
		moments(timeline, "since the newest that they include was made", func(s Sample) float64 { return s.NewestAge }),
	}}
}

// Plot draws the timeline of an overload.
func (r *OverloadResult) Plot(w io.Writer) error {
	rows := stretches(r.Timeline, plotEvery)
	var marks []markedAt
	if end := r.endOfOffering(); end > 0 {
		marks = []markedAt{{end, "nothing offered from here on"}}
	}
	rate := moments(r.Timeline, "", func(s Sample) float64 { return s.Rate })
	rate.steps = true
	answered := slices.DeleteFunc(slices.Clone(rows), func(s second) bool { return s.Asked == 0 })
	freshness := freshnessPanel(r.Timeline)
	freshness.levels = []markedAt{{r.Target, "target of freshness"}}
	c := chart{
		title: "sketchlog bench overload",
		note: fmt.Sprintf("%.3g times the capacity of %s events a second; least rate %.3g; equal after healing: %v",
			r.Times, shortNumber(r.Capacity), r.LeastRate, r.Equal),
		panels: overTime(r.Timeline,
			panel{title: "Events a second", marks: marks, series: []series{
				column(rows, "offered", func(s second) float64 { return s.offered }),
				column(rows, "accepted", func(s second) float64 { return s.accepted }),
				column(rows, "refused", func(s second) float64 { return s.refused }),
				column(rows, "applied in full", func(s second) float64 { return s.applied }),
			}},
			freshness,
			panel{title: "Rate: share of new events that the views apply at once", yMax: 1, series: []series{rate}},
			panel{title: "Events owed, and lost", series: []series{
				moments(r.Timeline, "owed", func(s Sample) float64 { return float64(s.Owed) }),
				moments(r.Timeline, "lost", func(s Sample) float64 { return float64(s.Lost) }),
			}},
			panel{title: "Answers against exact ones", series: []series{
				column(answered, "mean relative error", func(s second) float64 { return s.Error }),
				column(answered, "share of 95% intervals that failed", func(s second) float64 { return 1 - float64(s.Held)/float64(s.Asked) }),
			}},
		),
	}
	for i := 1; i < len(c.panels); i++ { // the same moment, named once
		for _, m := range marks {
			c.panels[i].marks = append(c.panels[i].marks, markedAt{at: m.at})
		}
	}
	c.panels = append(c.panels, latencyPanel("Latency of an acknowledged request, ms from when it was due",
		map[string][]point{fmt.Sprintf("requests of %d events", r.Batch): r.curve}))
	return c.writeSVG(w)
}

// endOfOffering is when the last event was offered; 0 if it was to the end.
func (r *OverloadResult) endOfOffering() float64 {
	for i := len(r.Timeline) - 1; i > 0; i-- {
		if r.Timeline[i].Offered > r.Timeline[i-1].Offered {
			if i == len(r.Timeline)-1 {
				return 0
			}
			return r.Timeline[i].Seconds
		}
	}
	return 0
}

// Plot draws the mean error of every sketch by key.
func (r *AccuracyResult) Plot(w io.Writer) error {
	c := chart{title: "sketchlog bench accuracy", note: fmt.Sprintf("%d events, %d keys; errors against the rank of the key, 0 being the most frequent", r.Events, r.Keys)}
	for _, kind := range slices.Sorted(maps.Keys(r.Sketches)) {
		s := r.Sketches[kind]
		c.panels = append(c.panels, panel{title: kind + ": mean error, relative to " + s.Of, xTitle: "rank of the key", series: []series{{points: s.byKey}}})
	}
	return c.writeSVG(w)
}
