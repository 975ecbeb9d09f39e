package query

// This file remembers what the older panes of a key merge to.
//
// Panes that time has passed hardly ever change, and a question about an hour of panes
// of a minute merges the same ones each time that it is asked:
//
//	p1 ── p2 ── … ── pk │ pk+1 … pn        k: the last that ended before the watermark
//	└─ prefix, merged ──┘ └ merged each time
//
// A prefix is good while its panes are what they were. Every change of a pane adds
// events to it and none takes any away, so the number of panes and events of each span
// tell, unless the shard went back to an earlier commit meanwhile, which it counts
// (view.Shard.Loads). A prefix that is not good any more costs one more reading.
//
// The panes of a partition are merged in the same order, from the first one on, whether
// or not a prefix of them was remembered, so that answers do not depend upon it, to the bit.

import (
	"errors"
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"sketchlog/ingest/view"
	"sketchlog/sketches"
)

// prefixKey names the panes that a question reads of one partition.
type prefixKey struct {
	generation uint64 // of the view
	partition  int
	all        bool   // all keys
	key        string // else this one
	which      sketches.Set
	from, to   int64 // as asked for, in whole panes
}

// prefix is the merged panes of the spans that came first. It is not changed any more.
type prefix struct {
	loads uint64
	spans []stretch
	pane  *sketches.Pane
}

// stretch is what was seen of one span.
type stretch struct {
	from, to int64
	panes    int
	events   uint64
}

// size is the memory of a prefix, about.
func (p *prefix) size() int { return 160 + 32*len(p.spans) + p.pane.Size() }

// leastPrefix is how many panes a prefix must have been merged of to be remembered.
const leastPrefix = 8

// prefixes are those that were used last, within a budget of bytes. It is safe for
// concurrent use.
type prefixes struct {
	budget int

	mu   sync.Mutex
	held int
	hits uint64
	lru  *simplelru.LRU[prefixKey, *prefix]
}

func newPrefixes(budget int) (*prefixes, error) {
	p := &prefixes{budget: budget}
	var err error
	p.lru, err = simplelru.NewLRU(math.MaxInt, func(_ prefixKey, gone *prefix) { p.held -= gone.size() })
	return p, err
}

func (p *prefixes) get(k prefixKey) *prefix {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.lru.Get(k)
	if ok {
		p.hits++
	}
	return known
}

func (p *prefixes) put(k prefixKey, known *prefix) {
	size := known.size()
	if size > p.budget/4 {
		return // it would push out all others
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lru.Remove(k)
	p.held += size
	p.lru.Add(k, known)
	for p.held > p.budget {
		p.lru.RemoveOldest()
	}
}

func (p *prefixes) remove(k prefixKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lru.Remove(k)
}

// errChanged is panes that are not what they were: those of a prefix, or the one of a key.
var errChanged = errors.New("query: panes have changed")

// fold merges the panes of one partition in order.
type fold struct {
	which  sketches.Set
	pane   *sketches.Pane // what they have merged to
	spans  []stretch      // so far, the last one in part
	known  *prefix        // whose panes are being passed; nil: none, or all have been
	cutoff int64          // spans that end by then hardly ever change
	merged int            // panes
	keep   *prefix        // to be remembered
	closed bool           // a span behind the cutoff has come
}

// add takes the next pane. Those of a known prefix are only looked at.
func (f *fold) add(from, to int64, pane *sketches.Pane) error {
	if n := len(f.spans); n == 0 || f.spans[n-1].from != from || f.spans[n-1].to != to {
		if err := f.passed(); err != nil {
			return err
		}
		if to > f.cutoff {
			f.remember()
		}
		f.spans = append(f.spans, stretch{from: from, to: to})
	}
	last := &f.spans[len(f.spans)-1]
	last.panes++
	last.events += pane.Events()
	if f.known != nil {
		return nil
	}
	f.merged++
	return f.pane.Merge(pane, f.which)
}

// passed compares the span that has ended with that of the known prefix.
func (f *fold) passed() error {
	n := len(f.spans)
	if f.known == nil || n == 0 {
		return nil
	}
	if f.spans[n-1] != f.known.spans[n-1] {
		return errChanged
	}
	if n == len(f.known.spans) {
		f.pane, f.known = f.known.pane.Union(), nil
	}
	return nil
}

// remember keeps what has been merged so far, where that is more than was known.
func (f *fold) remember() {
	if !f.closed && f.known == nil && f.merged >= leastPrefix {
		f.keep = &prefix{spans: append([]stretch(nil), f.spans...), pane: f.pane.Clone()}
	}
	f.closed = true
}

// end is called after the last pane.
func (f *fold) end() error {
	if err := f.passed(); err != nil {
		return err
	}
	if f.known != nil {
		return errChanged // some of its panes are gone
	}
	f.remember()
	return nil
}

// readShard merges the base panes of one partition, and calls the other visitors of
// visit as Shard.Read does. With fresh, no prefix is trusted.
func (p *plan) readShard(shard *view.Shard, visit view.Visitor, take taking, fresh bool) (*sketches.Pane, view.Position, error) {
	f := &fold{which: p.which, pane: p.view.Layout().NewUnion(), closed: true}
	k := prefixKey{generation: p.view.Generation(), partition: shard.Number(), all: p.key == nil, key: string(p.key), which: p.which}
	loads := shard.Loads()
	if p.remembers() {
		asked := p.widened()
		k.from, k.to = asked.From, asked.To
		before := shard.Position()
		f.cutoff, f.closed = before.Watermark, !before.HasEvents
		if !fresh {
			f.known = p.prefixes.get(k)
		}
		if f.known != nil && f.known.loads != loads {
			f.known = nil
		}
	}
	if f.known == nil { // else most panes are only counted
		visit.Sketches = p.which
	}
	visit.Pane = func(_ []byte, from, to int64, pane *sketches.Pane) error {
		taken, err := take(from, to, pane)
		if !taken {
			return err
		}
		return f.add(from, to, pane)
	}
	position, err := shard.Read(p.key, p.span, visit)
	if err == nil {
		err = f.end()
	}
	if err == nil && shard.Loads() != loads {
		err = errChanged
	}
	switch {
	case errors.Is(err, errChanged):
		p.prefixes.remove(k)
	case err == nil && f.keep != nil:
		f.keep.loads = loads
		p.prefixes.put(k, f.keep)
	}
	return f.pane, position, err
}

// remembers tells whether prefixes are of use: for panes of time, of which the question
// takes all, and something has to be merged.
func (p *plan) remembers() bool {
	return p.prefixes.budget > 0 && p.which != 0 && !p.atGiven && p.view.Definition().Pane.Width() > 0
}
