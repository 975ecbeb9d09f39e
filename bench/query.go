package bench

// `bench query`: how long answers take.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// QueryConfig says what `bench query` does: it loads a workload as an ingest
// run does and then asks questions at a steady rate.
type QueryConfig struct {
	Load LoadConfig
	Asking
}

// Asking is a rate of questions.
type Asking struct {
	Rate        float64 // questions a second, all kinds together
	Duration    time.Duration
	WarmUp      time.Duration // questions before those that count
	Connections int
	Seed        uint64
}

// Validate names every fault at once.
func (a Asking) Validate() error {
	if a.Rate <= 0 || a.Rate > 1e6 || a.Duration <= 0 || a.WarmUp < 0 || a.Connections < 1 || a.Connections > maxConnections {
		return errors.New("rate must lie between 0 and 1,000,000 questions a second, duration above 0, warm-up be at least 0, connections lie between 1 and 1,000")
	}
	return nil
}

// Validate names every fault at once.
func (c QueryConfig) Validate() error { return errors.Join(c.Load.Validate(), c.Asking.Validate()) }

// question is one kind of question, asked of the view with this suffix.
type question struct {
	name, view, question string
	item                 bool
}

var allQuestions = []question{
	{"count", totalView, "count", false},
	{"distinct", totalView, "distinct", false},
	{"frequency", totalView, "frequency", true},
	{"contains", totalView, "contains", true},
	{"topk", totalView, "topk", false},
	{"sample", totalView, "sample", false},
	{"sum", totalView, "sum", false},
	{"count over 60 panes", minutesView, "count", false},
	{"distinct over 60 panes", minutesView, "distinct", false},
	{"topk over 60 panes", minutesView, "topk", false},
}

// questionsFor leaves out those that a load's views cannot answer.
func questionsFor(c LoadConfig) []question {
	var out []question
	for _, q := range allQuestions {
		if q.view == totalView || c.Views == 0 {
			if c.Duration > 0 { // its events lie within a few minutes
				q.name = strings.Replace(q.name, "over 60 panes", "by minutes", 1)
			}
			out = append(out, q)
		}
	}
	return out
}

// Query measures answers in an open loop: every question has a moment when it
// is due, and its latency counts from then, so that a slow answer cannot hide
// the ones that waited behind it (coordinated omission).
func Query(ctx context.Context, t *Target, c QueryConfig) (*QueryResult, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bench query: %w", err)
	}
	loaded, source, err := loadAll(ctx, t, c.Load)
	if err != nil {
		return nil, fmt.Errorf("bench query: %w", err)
	}
	c.Load.Progress.tell("waiting until the server has written the load to its store", 0, 0)
	if err := settled(ctx, t); err != nil {
		return nil, fmt.Errorf("bench query: %w", err)
	}
	a := newAsker(c.Asking, t.another(), source, c.Load)
	for i := range 200 * len(a.questions) { // connections, caches, the keys' panes
		if err := a.ask(i, nil); err != nil {
			return nil, fmt.Errorf("bench query: %w", err)
		}
	}
	if err := a.run(ctx, c.Load.Progress); err != nil {
		return nil, fmt.Errorf("bench query: %w", err)
	}
	r := &QueryResult{Kind: "query", Events: loaded.Acknowledged, Rate: c.Rate, Asked: a.asked.Load(), Late: a.late.Load()}
	r.Latency, r.curves = a.latencies()
	return r, nil
}

// settled waits until a server of the run's own has nothing to do, for a minute at most:
// what has just been loaded is still to be committed, which views do after eight seconds at
// the latest, and compacted; answers are to be measured and not that. A server that
// was there before is left the warm-up.
func settled(ctx context.Context, t *Target) error {
	if t.child == nil {
		return nil
	}
	const committed, look, idle = 8 * time.Second, 500 * time.Millisecond, 25 * time.Millisecond
	if err := waitUntil(ctx, time.Now().Add(committed)); err != nil {
		return err
	}
	before, err := t.Usage()
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err := waitUntil(ctx, time.Now().Add(look)); err != nil {
			return err
		}
		now, err := t.Usage()
		if err != nil || now.CPU-before.CPU < idle {
			return err
		}
		before = now
	}
	return nil
}

// asker is the asking side of a run.
type asker struct {
	config    Asking
	target    *Target
	source    *Source
	stream    string
	questions []question

	asked, late atomic.Int64
	mu          sync.Mutex
	histograms  []*hdrhistogram.Histogram // by question
}

func newAsker(c Asking, t *Target, s *Source, l LoadConfig) *asker {
	a := &asker{config: c, target: t, source: s, stream: l.Name, questions: questionsFor(l)}
	for range a.questions {
		a.histograms = append(a.histograms, newHistogram())
	}
	return a
}

// run asks for the warm-up and the duration.
func (a *asker) run(ctx context.Context, progress Progress) error {
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	gap := float64(time.Second) / a.config.Rate
	unmeasured := int(a.config.Rate * a.config.WarmUp.Seconds())
	total := unmeasured + int(a.config.Rate*a.config.Duration.Seconds())
	for worker := range a.config.Connections {
		g.Go(func() error {
			for i := worker; i < total; i += a.config.Connections {
				due := began.Add(time.Duration(float64(i) * gap))
				if err := waitUntil(ctx, due); err != nil {
					return err
				}
				measured := &due
				if i < unmeasured {
					measured = nil
				}
				if err := a.ask(i, measured); err != nil {
					return err
				}
				if worker == 0 {
					progress.tell("questions", int64(i), int64(total))
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
	n := i % len(a.questions)
	q := a.questions[n]
	if q.item {
		parameters.Set("item", ItemName(a.source.items.Draw(random.Uint64())))
	}
	path := "/v1/views/" + a.stream + q.view + "/" + q.question + "?" + parameters.Encode()
	started := time.Now()
	if err := a.target.call("GET", path, "", nil, nil); err != nil {
		return err
	}
	if due == nil {
		return nil
	}
	took := time.Since(*due)
	a.asked.Add(1)
	if started.Sub(*due) > time.Millisecond {
		a.late.Add(1)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	record(a.histograms[n], took)
	return nil
}

// latencies sums up by name of the question.
func (a *asker) latencies() (map[string]Latency, map[string][]point) {
	latency, curves := map[string]Latency{}, map[string][]point{}
	for i, h := range a.histograms {
		latency[a.questions[i].name] = latencyOf(h)
		curves[a.questions[i].name] = curveOf(h)
	}
	return latency, curves
}
