package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// QueryConfig says what `bench query` does: it loads a workload as an ingest
// run does and then asks questions at a steady rate.
type QueryConfig struct {
	Load        IngestConfig
	Rate        float64 // questions a second, all kinds together
	Duration    time.Duration
	Connections int
	Seed        uint64
}

// Validate names every fault at once.
func (c QueryConfig) Validate() error {
	faults := []error{c.Load.Validate()}
	if c.Rate <= 0 || c.Rate > 1e6 || c.Duration <= 0 || c.Connections < 1 || c.Connections > 1000 {
		faults = append(faults, errors.New("rate must lie between 0 and 1,000,000 questions a second, duration above 0, connections between 1 and 1,000"))
	}
	return errors.Join(faults...)
}

// questions are asked in turn, of the view with this suffix.
var questions = []struct {
	name, view, question string
	item                 bool
}{
	{"count", "_total", "count", false},
	{"distinct", "_total", "distinct", false},
	{"frequency", "_total", "frequency", true},
	{"contains", "_total", "contains", true},
	{"topk", "_total", "topk", false},
	{"sample", "_total", "sample", false},
	{"sum", "_total", "sum", false},
	{"count over 60 panes", "_minutes", "count", false},
	{"distinct over 60 panes", "_minutes", "distinct", false},
	{"topk over 60 panes", "_minutes", "topk", false},
}

// Query measures answers in an open loop: every question has a moment when it
// is due, and its latency counts from then, so that a slow answer cannot hide
// the ones that waited behind it (coordinated omission).
func Query(ctx context.Context, t *Target, c QueryConfig) (*QueryResult, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bench query: %w", err)
	}
	loaded, err := Ingest(ctx, t, c.Load)
	if err != nil {
		return nil, err
	}
	source, err := NewSource(c.Load.Workload)
	if err != nil {
		return nil, err
	}
	a := &asker{config: c, target: t, source: source, histograms: make([]*hdrhistogram.Histogram, len(questions))}
	for i := range a.histograms {
		a.histograms[i] = newHistogram()
	}
	for i := range 20 * len(questions) { // warm-up: connections, caches, the key's panes
		if err := a.ask(i, nil); err != nil {
			return nil, fmt.Errorf("bench query: %w", err)
		}
	}
	if err := a.run(ctx); err != nil {
		return nil, fmt.Errorf("bench query: %w", err)
	}
	r := &QueryResult{Events: loaded.Acknowledged, Rate: c.Rate, Asked: a.asked, Late: a.late, Latency: map[string]Latency{}}
	for i, h := range a.histograms {
		r.Latency[questions[i].name] = latencyOf(h)
	}
	return r, nil
}

type asker struct {
	config QueryConfig
	target *Target
	source *Source

	mu          sync.Mutex
	histograms  []*hdrhistogram.Histogram
	asked, late int
}

func (a *asker) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	total := int(a.config.Rate * a.config.Duration.Seconds())
	gap := time.Duration(float64(time.Second) / a.config.Rate)
	for worker := range a.config.Connections {
		g.Go(func() error {
			for i := worker; i < total; i += a.config.Connections {
				due := began.Add(time.Duration(i) * gap)
				if wait := time.Until(due); wait > 0 {
					select {
					case <-time.After(wait):
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if err := a.ask(i, &due); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// ask puts question number i; with a due time it is measured.
func (a *asker) ask(i int, due *time.Time) error {
	random := rand.NewPCG(a.config.Seed, uint64(i))
	parameters := url.Values{"key": {KeyName(a.source.keys.Draw(random.Uint64()))}}
	q := i % len(questions)
	if questions[q].item {
		parameters.Set("item", ItemName(a.source.items.Draw(random.Uint64())))
	}
	path := "/v1/views/" + a.config.Load.Name + questions[q].view + "/" + questions[q].question + "?" + parameters.Encode()
	started := time.Now()
	if err := a.target.call("GET", path, "", nil, nil); err != nil {
		return err
	}
	if due == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if started.Sub(*due) > time.Millisecond {
		a.late++
	}
	record(a.histograms[q], time.Since(*due))
	return nil
}
