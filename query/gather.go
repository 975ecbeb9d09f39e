package query

// This file merges what a question needs from every partition of its view.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sketchlog/ingest/view"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// gathered is the merged state of all partitions, and how far each of them was.
type gathered struct {
	mixture   *sketches.Mixture // what was applied, in full and sampled
	positions []view.Position
	from, to  int64 // span of the panes read; from > to: none was
	asked     view.Span
	unread    uint64 // events that may belong to the answer and of which it knows nothing
	deferred  uint64 // events that may belong to it and were not applied in full, those included
	mixed     bool   // a chain went through a pane that keys share
}

// pane is what was applied in full.
func (g *gathered) pane() *sketches.Pane { return g.mixture.Base() }

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
	fresh := false
	for try := 1; ; try++ {
		g, err := p.read(ctx, fresh)
		if errors.Is(err, errChanged) && try < triesToGather {
			fresh = true
			continue
		}
		if err != nil {
			return nil, err
		}
		g.asked = p.widened()
		if g.asked == before || try >= triesToGather {
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
func (p *plan) read(ctx context.Context, fresh bool) (*gathered, error) {
	l := p.view.Layout()
	g := &gathered{mixture: l.NewMixture(), from: math.MaxInt64, to: math.MinInt64}
	// A decay by factor joins the panes of one key and partition end to end and
	// then adds partitions and keys; every other sketch merges in any order.
	chained := p.sketch >= 0 && l.Specs()[p.sketch].Kind == sketches.KindDecay && l.Specs()[p.sketch].HalfLife == 0
	seen := !fresh && p.question.Question == Contains && p.key != nil && p.view.HasOnePane(p.key)
	panes := 0
	take := func(from, to int64, pane *sketches.Pane) (taken bool, err error) {
		if panes++; panes%panesBetweenChecks == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		if skip, err := p.outside(pane); skip || err != nil {
			return false, err
		}
		g.from, g.to = min(g.from, from), max(g.to, to)
		return true, nil
	}
	for _, shard := range p.view.Partitions() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		switch {
		case chained:
			err = p.readChained(g, shard, take)
		case seen:
			err = p.readSeen(g, shard, take)
		default:
			err = p.readMerged(g, shard, take, fresh)
		}
		if err != nil {
			return nil, err
		}
	}
	return g, p.learn(g)
}

// taking notes a pane that is read, and tells whether the answer takes it.
type taking func(from, to int64, pane *sketches.Pane) (taken bool, err error)

// readMerged adds a partition whose panes merge in any order.
func (p *plan) readMerged(g *gathered, shard *view.Shard, take taking, fresh bool) error {
	merged, position, err := p.readShard(shard, view.Visitor{Provisional: p.sampled(g, take)}, take, fresh)
	if err != nil {
		return err
	}
	g.add(position)
	return g.mixture.Adopt(merged, p.which)
}

// sampled adds provisional panes.
func (p *plan) sampled(g *gathered, take taking) func([]byte, int64, int64, *sketches.Provisional) error {
	return func(_ []byte, from, to int64, pane *sketches.Provisional) error {
		if taken, err := take(from, to, pane.ByPosition); !taken {
			return err
		}
		return g.mixture.MergeProvisional(pane, p.which)
	}
}

// readSeen adds a partition to a question whether items were seen by a key that has one
// pane in all: it is looked into where it is, and not copied. When there turn out to
// be two, they have to be merged.
func (p *plan) readSeen(g *gathered, shard *view.Shard, take taking) error {
	position, err := shard.Read(p.key, p.span, view.Visitor{
		Pane: func(_ []byte, from, to int64, pane *sketches.Pane) error {
			if taken, err := take(from, to, pane); !taken {
				return err
			}
			if g.pane().Events() > 0 {
				return errChanged
			}
			return g.mixture.MergeSeen(pane, p.sketch, p.hashes())
		},
		Provisional: p.sampled(g, take),
	})
	if err == nil {
		g.add(position)
	}
	return err
}

// readChained adds a partition of a decay by factor. Such views do not sample.
func (p *plan) readChained(g *gathered, shard *view.Shard, take taking) error {
	c := chains{layout: p.view.Layout(), which: p.which, panes: map[string]*sketches.Pane{}}
	position, err := shard.Read(p.key, p.span, view.Visitor{Pane: func(key []byte, from, to int64, pane *sketches.Pane) error {
		if taken, err := take(from, to, pane); !taken {
			return err
		}
		return c.follow(key, pane)
	}})
	if err != nil {
		return err
	}
	g.add(position)
	g.mixed = g.mixed || position.Overflow
	return c.mergeInto(g.pane())
}

// add notes how far a partition is: every range that was sampled is declared,
// whether or not the key was sampled there, and what was not even sampled is counted.
func (g *gathered) add(position view.Position) {
	g.positions = append(g.positions, position)
	g.unread += position.Shared + position.LostHere
	for _, debt := range position.Deferred {
		g.deferred += debt.Events
		if debt.Rate == shedding.Nothing {
			g.unread += debt.Events
		} else {
			g.mixture.Owe(int(debt.Rate), debt.Events)
		}
	}
}

// lessons is how many provisional panes are looked at for how great weights and
// values are: they differ little from key to key next to what they bound.
const lessons = 256

// learn looks at other keys' provisional panes where the question is about
// weights or values of one key, which may never have been sampled itself.
func (p *plan) learn(g *gathered) error {
	weighs := p.sketch >= 0 && (p.question.Question == Sum || p.weighted())
	if !weighs || p.key == nil || !g.mixture.Sampled() {
		return nil
	}
	left := lessons
	for _, shard := range p.view.Partitions() {
		_, err := shard.Read(nil, p.span, view.Visitor{Provisional: func(_ []byte, _, _ int64, pane *sketches.Provisional) error {
			if left--; left < 0 {
				return errLearnt
			}
			return g.mixture.Learn(pane)
		}})
		if errors.Is(err, errLearnt) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errLearnt ends a reading early.
var errLearnt = errors.New("query: enough was seen")

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
