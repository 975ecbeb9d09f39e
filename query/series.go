package query

import (
	"context"
	"fmt"
	"math"
	"time"

	"sketchlog/ingest/event"
)

// Limits of one series.
const (
	maxPoints      = 10_000
	maxSeriesItems = 1_000_000 // that its answers may list together
)

// farthest bounds the moments of a series, in milliseconds around 1970, so that
// steps do not overflow. It is 146 million years.
const farthest = math.MaxInt64 / 2

// Series is an answer for each step of a span, in time order, empty steps
// included.
type Series struct {
	Points []*Answer `json:"points"`
}

// Series answers a question once a step. Parameters are those of the question,
// and question and step. Steps begin at multiples of step since the epoch;
// without from and to they run from the first pane to the last.
func (e *Engine) Series(ctx context.Context, viewName string, p map[string][]string) (*Series, error) {
	r := reader{params: p}
	question, text := r.one("question"), r.one("step")
	if question == "" {
		r.fault("question is missing: one of %q", Names)
	}
	step, err := event.ParseDuration(text)
	if text == "" {
		r.fault("step is missing: a duration such as 1h")
	} else if err != nil {
		r.fault("step: %w", err)
	} else if step < time.Millisecond {
		r.fault("step must be at least 1ms")
	}
	if err := invalid(r.faults...); err != nil {
		return nil, err
	}
	rest := make(map[string][]string, len(p))
	for name, given := range p {
		if name != "question" && name != "step" {
			rest[name] = given
		}
	}
	q, err := Params(viewName, question, rest)
	if err != nil {
		return nil, err
	}
	return e.series(ctx, q, step)
}

func (e *Engine) series(ctx context.Context, q Question, step time.Duration) (*Series, error) {
	p, err := e.plan(q)
	if err != nil {
		return nil, err
	}
	pane := p.view.Definition().Pane.Width()
	if pane == 0 {
		return nil, invalid(fmt.Errorf("view %q has no panes of time, so it has no series; make a view with a pane such as \"1m\"", q.View))
	}
	if step%pane != 0 {
		return nil, invalid(fmt.Errorf("step must be a whole number of panes: %s is not a multiple of %s", event.Duration(step), event.Duration(pane)))
	}
	from, to, err := p.extent()
	if err != nil {
		return nil, err
	}
	out := &Series{Points: []*Answer{}}
	if from >= to {
		return out, nil
	}
	from, to = max(from, -farthest), min(to, farthest)
	width := step.Milliseconds()
	first, last := floorTo(from, width), floorTo(to-1, width)
	n := (uint64(last)-uint64(first))/uint64(width) + 1 // the difference holds whatever the signs
	if n > maxPoints {
		return nil, invalid(fmt.Errorf("the span has %d steps of %s, and a series has at most %d; ask for a shorter span or a longer step", n, event.Duration(step), maxPoints))
	}
	if listed := n * uint64(q.listed()); listed > maxSeriesItems {
		return nil, invalid(fmt.Errorf("%d steps of %d items each are more than the %d that a series may list; ask for fewer items, a shorter span or a longer step", n, q.listed(), maxSeriesItems))
	}
	for at := first; ; at += width {
		start, end := at, at+width
		q.Window, q.From, q.To, q.step = 0, &start, &end, true
		point, err := e.Answer(ctx, q)
		if err != nil {
			return nil, err
		}
		out.Points = append(out.Points, point)
		if at >= last {
			return out, nil
		}
	}
}

// listed is how many items an answer to q lists at most.
func (q *Question) listed() int {
	switch q.Question {
	case TopK:
		return q.K
	case Sample:
		return q.N
	}
	return len(q.Items)
}

// extent is the span of a series: the one asked for, and where it is open the
// panes that there are.
func (p *plan) extent() (from, to int64, err error) {
	from, to = math.MaxInt64, math.MinInt64
	if p.span.All || p.span.From == math.MinInt64 || p.span.To == math.MaxInt64 {
		for _, shard := range p.view.Partitions() {
			first, last, ok, err := shard.Extent()
			if err != nil {
				return 0, 0, err
			}
			if ok {
				from, to = min(from, first), max(to, last)
			}
		}
	}
	if !p.span.All && p.span.From != math.MinInt64 {
		from = p.span.From
	}
	if !p.span.All && p.span.To != math.MaxInt64 {
		to = p.span.To
	}
	return from, to, nil
}

// floorTo is the greatest multiple of width that is not above ms.
func floorTo(ms, width int64) int64 {
	m := ms % width
	if m < 0 {
		m += width
	}
	return ms - m
}
