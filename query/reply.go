package query

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// reply makes the answer of p's question from what was gathered.
func (p *plan) reply(g *gathered) (*Answer, error) {
	q := p.question
	a := &Answer{View: q.View, Question: q.Question, Key: json.RawMessage("null"), Confidence: q.Confidence}
	if p.sketch >= 0 {
		a.Sketch = p.view.Layout().Specs()[p.sketch].Name
		a.Ignored = g.pane().Ignored(p.sketch)
	}
	if p.key != nil {
		key, err := event.ItemJSON(nil, p.key)
		if err != nil {
			return nil, err
		}
		a.Key = key
	}
	p.cover(a, g)
	var err error
	switch q.Question {
	case Count:
		a.estimate(widened(g.mixture.Events(q.Confidence), g.unread, false))
	case Distinct:
		a.estimate(widened(g.mixture.Distinct(p.sketch, q.Confidence), g.unread, false))
	case Sum:
		a.estimate(p.sum(g))
	case Frequency:
		err = p.frequency(a, g)
	case Contains:
		err = p.contains(a, g)
	case TopK:
		err = p.top(a, g)
	case Sample:
		err = p.sample(a, g)
	}
	return a, err
}

// cover fills in the span, the coverage and the positions.
func (p *plan) cover(a *Answer, g *gathered) {
	c := &a.Coverage
	c.Missing = []int{}
	c.Partitions = len(g.positions)
	c.Events, c.Late = g.pane().Events(), g.pane().Late()
	a.Offsets = make(map[string]uint64, len(g.positions))
	var applied uint64
	watermark, any := int64(math.MaxInt64), false
	for _, at := range g.positions {
		a.Offsets[strconv.Itoa(at.Partition)] = at.Offset
		applied += at.Applied
		c.Owed += at.Owed
		c.Lost += at.Lost
		c.Overflow = c.Overflow || at.Overflow
		if at.HasEvents {
			watermark, any = min(watermark, at.Watermark), true
		}
	}
	c.Applied = 1
	if c.Owed > 0 {
		c.Applied = float64(applied) / float64(applied+c.Owed)
	}
	if any {
		a.Watermark = moment(watermark)
	}
	from, to, bounded := p.covered(g)
	if from != math.MinInt64 && from != math.MaxInt64 {
		a.From = moment(from)
	}
	if to != math.MinInt64 && to != math.MaxInt64 {
		a.To = moment(to)
	}
	// Events up to the end of the last pane can still change the answer.
	a.Final = p.question.To != nil && bounded && any && watermark >= max(to, *p.question.To) && g.deferred == 0
}

// covered is the span of the answer: what was asked for, widened to whole
// panes, and on a side that is open what the panes read cover. A side that
// stays open is math.MinInt64 or math.MaxInt64, whichever. What is no longer
// kept is not covered: a span that has been dropped altogether is empty. Bounded
// tells that the question and the panes bound the end.
func (p *plan) covered(g *gathered) (from, to int64, bounded bool) {
	from, to = g.asked.From, g.asked.To
	if from >= to { // a window before any event
		return math.MinInt64, math.MaxInt64, false
	}
	if bounded = to != math.MaxInt64; !bounded {
		to = g.to
	}
	kept := min(p.kept(g), g.from)
	if from == math.MinInt64 {
		if from = g.from; from == math.MaxInt64 && bounded && kept != math.MinInt64 {
			from = min(kept, to)
		}
		return from, to, bounded
	}
	if kept > from {
		if bounded && kept >= to {
			return from, from, bounded
		}
		from = kept
	}
	return from, to, bounded
}

// kept is the beginning of the panes that every partition still keeps.
func (p *plan) kept(g *gathered) int64 {
	d := p.view.Definition()
	keep, width := time.Duration(d.Keep), d.Pane.Width()
	if n := len(d.Rollups); n > 0 {
		keep, width = time.Duration(d.Rollups[n-1].Keep), time.Duration(d.Rollups[n-1].Pane)
	}
	from := int64(math.MinInt64)
	if keep == 0 || width == 0 {
		return from
	}
	for _, at := range g.positions {
		if at.HasEvents {
			from = max(from, floorTo(at.Greatest-keep.Milliseconds(), width.Milliseconds()))
		}
	}
	return from
}

// widened makes room for events that the answer does not know: each of them
// can add one, and when they are weighted, without bound.
func widened(e sketches.Estimate, unread uint64, weighted bool) sketches.Estimate {
	if unread == 0 {
		return e
	}
	e.Exact = false
	e.High += float64(unread)
	if weighted {
		e.High = math.Inf(1)
	}
	return e
}

func (a *Answer) estimate(e sketches.Estimate) {
	a.Estimate, a.Low, a.High, a.Exact = number(e.Value), end(e.Low), end(e.High), e.Exact
}

// sum is the decayed sum; values that were not read can move it either way, so
// its interval is open while there are any. So it is for a decay by factor over
// a pane that keys share: there the events of one key have aged those of others.
func (p *plan) sum(g *gathered) sketches.Estimate {
	at := p.at
	if _, greatest := g.pane().Times(); !p.atGiven && g.pane().Events() > 0 {
		at = max(at, greatest) // events that were applied after the plan was made
	}
	if _, to, bounded := p.covered(g); p.question.step && !p.atGiven && bounded {
		at = min(at, to)
	}
	e := g.mixture.Sum(p.sketch, at, p.question.Confidence)
	if g.unread > 0 || g.mixed {
		e.Low, e.High, e.Exact = math.Inf(-1), math.Inf(1), false
	}
	return e
}

func (p *plan) weighted() bool { return p.view.Layout().Specs()[p.sketch].Weight >= 0 }

func (p *plan) frequency(a *Answer, g *gathered) error {
	items := make([]Item, len(p.items))
	a.Exact = true
	for i, it := range p.items {
		e := g.mixture.Frequency(p.sketch, it.hash, p.question.Confidence)
		if it.hash != 0 { // a null is never counted
			e = widened(e, g.unread, p.weighted())
		}
		text, err := event.ItemJSON(nil, it.bytes)
		if err != nil {
			return err
		}
		items[i] = Item{Item: text, Estimate: number(e.Value), Low: end(e.Low), High: end(e.High)}
		a.Exact = a.Exact && e.Exact
	}
	a.Items = &items
	return nil
}

// contains answers no only when nothing that was left out could be the item.
func (p *plan) contains(a *Answer, g *gathered) error {
	found, rate := g.mixture.ContainsAll(p.sketch, p.hashes())
	items := make([]Item, len(p.items))
	a.Exact = g.deferred == 0 && g.unread == 0 && rate == 0
	for i, it := range p.items {
		text, err := event.ItemJSON(nil, it.bytes)
		if err != nil {
			return err
		}
		answer := found[i]
		if answer == sketches.No && g.unread > 0 && it.hash != 0 {
			answer = sketches.Unknown
		}
		items[i] = Item{Item: text, Answer: answer.String(), FalsePositiveRate: number(rate)}
	}
	a.Items = &items
	return nil
}

func (p *plan) top(a *Answer, g *gathered) error {
	top, bound, exact := g.mixture.TopK(p.sketch, p.question.K, p.question.Confidence)
	items := make([]Item, len(top))
	for i, c := range top {
		e := widened(c.Estimate, g.unread, p.weighted())
		text, err := event.ItemJSON(nil, c.Item)
		if err != nil {
			return err
		}
		items[i] = Item{Item: text, Estimate: number(e.Value), Low: end(e.Low), High: end(e.High)}
	}
	if g.unread > 0 {
		if bound += float64(g.unread); p.weighted() {
			bound = math.Inf(1)
		}
	}
	a.Items, a.ErrorBound, a.Exact = &items, end(bound), exact && g.unread == 0
	return nil
}

func (p *plan) sample(a *Answer, g *gathered) error {
	sample, n := g.mixture.Sample(p.sketch, p.question.N, p.question.Confidence)
	n = widened(n, g.unread, false)
	items := make([]Item, len(sample))
	for i, b := range sample {
		text, err := event.ItemJSON(nil, b)
		if err != nil {
			return err
		}
		items[i] = Item{Item: text, bare: true}
	}
	population := uint64(math.Round(n.Value))
	a.Items, a.Population, a.Exact = &items, &population, n.Exact && uint64(len(sample)) == population
	if !n.Exact { // the population is an estimate
		a.Low, a.High = end(n.Low), end(n.High)
	}
	return nil
}
