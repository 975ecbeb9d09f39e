package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"sketchlog/ingest/view"
)

// Config is what an Engine needs.
type Config struct {
	Views *view.Views
	Clock func() time.Time // for elapsed times only; default time.Now
	// CacheBytes is how much memory may hold what older panes of keys merge to, so
	// that a question asked again merges only newer ones; 0: 32 MiB, negative: none.
	CacheBytes int
}

const defaultCache = 32 << 20

// Validate names every fault at once.
func (c Config) Validate() error {
	if c.Views == nil {
		return errors.New("query: Config.Views is missing")
	}
	return nil
}

// Engine answers questions. It is safe for concurrent use.
type Engine struct {
	views    *view.Views
	clock    func() time.Time
	prefixes *prefixes
}

// New makes an Engine.
func New(c Config) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	remembered, err := newPrefixes(cmp.Or(c.CacheBytes, defaultCache))
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return &Engine{views: c.Views, clock: c.Clock, prefixes: remembered}, nil
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
	defer g.mixture.Release()
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
