package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/view"
	"sketchlog/sketches"
)

// Config is what an Engine needs.
type Config struct {
	Views *view.Views
	Clock func() time.Time // for elapsed times only; default time.Now
}

// Validate names every fault at once.
func (c Config) Validate() error {
	if c.Views == nil {
		return errors.New("query: Config.Views is missing")
	}
	return nil
}

// Engine answers questions. It is safe for concurrent use.
type Engine struct {
	views *view.Views
	clock func() time.Time
}

// New makes an Engine.
func New(c Config) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return &Engine{views: c.Views, clock: c.Clock}, nil
}

// Answer answers one question. Errors are ErrInvalid, ErrUnknownSketch,
// ErrUnanswerable, ErrMissing, view.ErrUnknownView or the context's.
func (e *Engine) Answer(ctx context.Context, q Question) (*Answer, error) {
	began := e.clock()
	p, err := e.plan(q)
	if err != nil {
		return nil, err
	}
	g, err := p.gather(ctx)
	if err != nil {
		return nil, err
	}
	a, err := p.reply(g)
	if err != nil {
		return nil, err
	}
	if q.Strict && a.Partial() {
		return nil, fmt.Errorf("%w: %v; ask without strict=true for a partial answer", ErrMissing, a.Coverage.Missing)
	}
	a.Elapsed = e.clock().Sub(began).Microseconds()
	return a, nil
}

// plan is a question settled against its view.
type plan struct {
	question Question
	view     *view.View
	sketch   int           // in the layout; -1 for count
	which    sketches.Set  // what has to be merged
	key      []byte        // canonical; nil: all keys
	values   []event.Value // of the key
	items    []item
	span     view.Span
	at       int64
	atGiven  bool
}

// item is one item asked about.
type item struct {
	bytes []byte
	hash  uint64
}

func (e *Engine) plan(q Question) (*plan, error) {
	v, err := e.views.Get(q.View)
	if err != nil {
		return nil, err
	}
	p := &plan{question: q, view: v, sketch: -1}
	if q.Question != Count {
		if p.sketch, err = choose(v.Layout(), q); err != nil {
			return nil, err
		}
	}
	p.which = sketches.Only(p.sketch)
	if err := p.settleKey(); err != nil {
		return nil, err
	}
	if err := p.settleItems(); err != nil {
		return nil, err
	}
	p.settleSpan()
	return p, nil
}

// choose finds the sketch that answers q.
func choose(l *sketches.Layout, q Question) (int, error) {
	kind := answeredBy[q.Question]
	fits := func(k sketches.Kind) bool {
		return k == kind || q.Question == Frequency && q.Sketch != "" && k == sketches.KindHotList
	}
	if q.Sketch != "" {
		i, ok := l.Index(q.Sketch)
		if !ok {
			return 0, fmt.Errorf("%w: view %q has no sketch %q; it has %s", ErrUnknownSketch, q.View, abridged(q.Sketch), names(l, nil))
		}
		if !fits(l.Specs()[i].Kind) {
			return 0, fmt.Errorf("%w: sketch %q is a %s, and %s is answered by a %s; this view answers %s", ErrUnanswerable, q.Sketch, l.Specs()[i].Kind, q.Question, kind, answerable(l))
		}
		return i, nil
	}
	found := -1
	for i, s := range l.Specs() {
		if !fits(s.Kind) {
			continue
		}
		if found >= 0 {
			return 0, invalid(fmt.Errorf("several sketches answer %s: %s; choose one with sketch=", q.Question, names(l, fits)))
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: %s needs a %s, and view %q has none; it answers %s", ErrUnanswerable, q.Question, kind, q.View, answerable(l))
	}
	return found, nil
}

func names(l *sketches.Layout, fits func(sketches.Kind) bool) string {
	var out []string
	for _, s := range l.Specs() {
		if fits == nil || fits(s.Kind) {
			out = append(out, s.Name)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", out)
}

// answerable names the questions that the sketches of l answer, with the
// sketches that do. A hot list answers frequency only when it is named.
func answerable(l *sketches.Layout) string {
	text := Count
	for _, question := range Names {
		for _, s := range l.Specs() {
			if s.Kind == answeredBy[question] || question == Frequency && s.Kind == sketches.KindHotList {
				text += fmt.Sprintf(", %s (sketch=%s)", question, s.Name)
			}
		}
	}
	return text
}

func (p *plan) settleKey() error {
	if p.question.Key == nil {
		return nil
	}
	fields := p.view.KeyFields()
	if len(p.question.Key) != len(fields) {
		return invalid(fmt.Errorf("key is given %d times, and view %q groups by %d fields %q: give one key for each, in this order, or none to merge all keys", len(p.question.Key), p.question.View, len(fields), fields))
	}
	var err error
	if p.values, err = values(p.question.Key); err != nil {
		return invalid(fmt.Errorf("key: %w", err))
	}
	p.key = event.AppendTuple(nil, p.values)
	return nil
}

func (p *plan) settleItems() error {
	if len(p.question.Items) == 0 {
		return nil
	}
	fields := p.view.Fields(p.sketch)
	p.items = make([]item, len(p.question.Items))
	for i, term := range p.question.Items {
		b, err := itemBytes(term, len(fields))
		if err != nil {
			return invalid(fmt.Errorf("item %d: %w", i, err))
		}
		p.items[i] = item{bytes: b, hash: event.HashItem(b)}
	}
	return nil
}

// itemBytes is the canonical form of an item of so many fields.
func itemBytes(t Term, fields int) ([]byte, error) {
	if fields == 1 {
		v, err := t.value()
		if err != nil {
			return nil, err
		}
		return event.AppendItem(nil, v), nil
	}
	terms, err := arrayTerms(t.text)
	if err != nil {
		return nil, err
	}
	if len(terms) != fields {
		return nil, fmt.Errorf("an item of this sketch is a JSON array of %d values; this one has %d", fields, len(terms))
	}
	vs, err := values(terms)
	if err != nil {
		return nil, err
	}
	return event.AppendTuple(nil, vs), nil
}

func (p *plan) settleSpan() {
	q := p.question
	if q.Window == 0 && q.From == nil && q.To == nil {
		p.span = view.Span{All: true}
	} else {
		from, to := int64(math.MinInt64), int64(math.MaxInt64)
		if q.From != nil {
			from = *q.From
		}
		if q.To != nil {
			to = *q.To
		}
		if q.Window > 0 {
			greatest := p.greatest()
			from, to = greatest+1-q.Window.Milliseconds(), greatest+1
		}
		p.span = view.Span{From: from, To: to}
	}
	if q.Question == Sum {
		if p.atGiven = q.At != nil; p.atGiven {
			p.at = *q.At
		} else {
			p.at = p.greatest()
		}
	}
}

// greatest is the greatest event time that the view has seen; 0 before any.
func (p *plan) greatest() int64 {
	greatest, any := int64(math.MinInt64), false
	for _, s := range p.view.Partitions() {
		if at := s.Position(); at.HasEvents {
			greatest, any = max(greatest, at.Greatest), true
		}
	}
	if !any {
		return 0
	}
	return greatest
}

// gathered is the merged state of all partitions, and how far each of them was.
type gathered struct {
	pane      *sketches.Pane
	positions []view.Position
	from, to  int64 // span of the panes read; from > to: none was
	overflow  uint64
}

// gather merges what the question needs, partition by partition.
func (p *plan) gather(ctx context.Context) (*gathered, error) {
	l := p.view.Layout()
	g := &gathered{pane: l.NewPane(), from: math.MaxInt64, to: math.MinInt64}
	// A decay by factor joins the panes of one key and partition end to end and
	// then adds partitions and keys; every other sketch merges in any order.
	chained := p.sketch >= 0 && l.Specs()[p.sketch].Kind == sketches.KindDecay && l.Specs()[p.sketch].HalfLife == 0
	for _, shard := range p.view.Partitions() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := chains{layout: l, which: p.which, panes: map[string]*sketches.Pane{}}
		position, err := shard.Panes(p.key, p.span, func(key []byte, from, to int64, pane *sketches.Pane) error {
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

func partitionName(n int) string { return strconv.Itoa(n) }
