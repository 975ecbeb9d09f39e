package query

// This file settles a question against its view: sketch, key, items, span.

import (
	"fmt"
	"math"

	"sketchlog/ingest/event"
	"sketchlog/ingest/view"
	"sketchlog/sketches"
)

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
	prefixes *prefixes
}

// item is one item asked about.
type item struct {
	bytes []byte
	hash  uint64
}

// hashes are those of the items.
func (p *plan) hashes() []uint64 {
	hashes := make([]uint64, len(p.items))
	for i := range p.items {
		hashes[i] = p.items[i].hash
	}
	return hashes
}

func (e *Engine) plan(q Question) (*plan, error) {
	v, err := e.views.Get(q.View)
	if err != nil {
		return nil, err
	}
	p := &plan{question: q, view: v, sketch: -1, prefixes: e.prefixes}
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
			from, to = p.window(q.Window.Milliseconds())
		}
		p.span = view.Span{From: from, To: to}
	}
	if q.Question == Sum {
		if p.atGiven = q.At != nil; p.atGiven {
			p.at = *q.At
		} else {
			p.at, _ = p.greatest()
		}
	}
}

// window is the span that ends with the greatest event time seen. Before any
// event it is empty, which needs no place in time.
func (p *plan) window(width int64) (from, to int64) {
	greatest, any := p.greatest()
	if !any {
		return 0, 0
	}
	to = greatest + 1
	if to < math.MinInt64+width {
		return math.MinInt64, to
	}
	return to - width, to
}

// greatest is the greatest event time that the view has seen; false before any.
func (p *plan) greatest() (ms int64, any bool) {
	for _, s := range p.view.Partitions() {
		if at := s.Position(); at.HasEvents && (!any || at.Greatest > ms) {
			ms, any = at.Greatest, true
		}
	}
	return ms, any
}
