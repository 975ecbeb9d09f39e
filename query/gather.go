package query

// This file merges what a question needs from every partition of its view.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"sketchlog/ingest/view"
	"sketchlog/sketches"
)

// gathered is the merged state of all partitions, and how far each of them was.
type gathered struct {
	pane      *sketches.Pane
	positions []view.Position
	from, to  int64 // span of the panes read; from > to: none was
	asked     view.Span
	shared    uint64 // events that may be of the key asked for, in panes that keys share
	mixed     bool   // a chain went through a pane that keys share
}

// panesBetweenChecks is how many panes are merged before the context is looked
// at again: a question about all keys may read very many.
const panesBetweenChecks = 256

// triesToGather is how often a question is gathered anew because panes were
// rolled up meanwhile; they are a few times a day.
const triesToGather = 4

// gather reads all partitions within one span. Panes that are rolled up widen
// a span that cuts through the new ones; when that happens between two
// partitions, what was read of the first no longer covers the span of the
// second, and all are read again.
func (p *plan) gather(ctx context.Context) (*gathered, error) {
	before := p.widened()
	for try := 1; ; try++ {
		g, err := p.read(ctx)
		if err != nil {
			return nil, err
		}
		g.asked = p.widened()
		if g.asked == before || try == triesToGather {
			return g, nil
		}
		before = g.asked
	}
}

// widened is the span asked for in whole panes. A side that nothing bounds, by
// the question or by panes, is open.
func (p *plan) widened() view.Span {
	if p.span.All {
		return view.Span{From: math.MinInt64, To: math.MaxInt64, All: true}
	}
	from, to := p.view.Widen(p.span.From, p.span.To)
	return view.Span{From: from, To: to}
}

// read merges partition by partition.
func (p *plan) read(ctx context.Context) (*gathered, error) {
	l := p.view.Layout()
	g := &gathered{pane: l.NewPane(), from: math.MaxInt64, to: math.MinInt64}
	// A decay by factor joins the panes of one key and partition end to end and
	// then adds partitions and keys; every other sketch merges in any order.
	chained := p.sketch >= 0 && l.Specs()[p.sketch].Kind == sketches.KindDecay && l.Specs()[p.sketch].HalfLife == 0
	panes := 0
	for _, shard := range p.view.Partitions() {
		c := chains{layout: l, which: p.which, panes: map[string]*sketches.Pane{}}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		position, err := shard.Panes(p.key, p.span, func(key []byte, from, to int64, pane *sketches.Pane) error {
			if panes++; panes%panesBetweenChecks == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if skip, err := p.outside(pane); skip || err != nil {
				return err
			}
			g.from, g.to = min(g.from, from), max(g.to, to)
			if chained {
				return c.follow(key, pane)
			}
			return g.pane.Merge(pane, p.which)
		})
		if err != nil {
			return nil, err
		}
		if chained {
			if err := c.mergeInto(g.pane); err != nil {
				return nil, err
			}
		}
		g.positions = append(g.positions, position)
		g.shared += position.Shared
		g.mixed = g.mixed || chained && position.Overflow
	}
	return g, nil
}

// chains joins panes of the same key end to end.
type chains struct {
	layout *sketches.Layout
	which  sketches.Set
	panes  map[string]*sketches.Pane
	order  []string
}

func (c *chains) follow(key []byte, later *sketches.Pane) error {
	pane := c.panes[string(key)]
	if pane == nil {
		pane = c.layout.NewPane()
		c.panes[string(key)] = pane
		c.order = append(c.order, string(key))
	}
	return pane.Follow(later, c.which)
}

// mergeInto adds the chains in a fixed order: sums of floats depend on it.
func (c *chains) mergeInto(total *sketches.Pane) error {
	slices.Sort(c.order)
	for _, key := range c.order {
		if err := total.Merge(c.panes[key], c.which); err != nil {
			return err
		}
	}
	return nil
}

// outside tells a pane that a sum as of an earlier moment has to leave out,
// and refuses one that lies on both sides of that moment.
func (p *plan) outside(pane *sketches.Pane) (bool, error) {
	if !p.atGiven || pane.Events() == 0 {
		return false, nil
	}
	least, greatest := pane.Times()
	if greatest <= p.at {
		return false, nil
	}
	if least > p.at {
		return true, nil
	}
	return false, invalid(fmt.Errorf("at %s lies inside a pane with events on both sides of it; ask for a time at the end of a pane, or make a view with finer panes", time.UnixMilli(p.at).UTC().Format(time.RFC3339Nano)))
}
