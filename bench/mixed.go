package bench

// `bench mixed`: events and questions at the same time.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// MixedConfig says what `bench mixed` does: a load of events that happen now,
// and questions meanwhile, both for the load's duration.
type MixedConfig struct {
	Load LoadConfig
	Ask  Asking
	// Binary is this program, of which another process asks the questions (ask.go); "": the
	// load's process does.
	Binary string
}

// Validate names every fault at once.
func (c MixedConfig) Validate() error {
	faults := []error{c.Load.Validate(), c.Ask.Validate()}
	if c.Load.Duration <= 0 {
		faults = append(faults, errors.New("duration must be above 0"))
	}
	if c.Load.Acks == "0" {
		faults = append(faults, errAcknowledged)
	}
	return errors.Join(faults...)
}

// errAcknowledged is for runs that compare answers with what was acknowledged.
var errAcknowledged = errors.New("acks must be 1 or all: what is not acknowledged cannot be checked")

// Mixed measures both sides of a server at once, and checks answers against
// exact ones at the positions of the log that they name.
func Mixed(ctx context.Context, t *Target, c MixedConfig) (*MixedResult, error) {
	r, err := mixed(ctx, t, c)
	if err != nil {
		return nil, fmt.Errorf("bench mixed: %w", err)
	}
	return r, nil
}

func mixed(ctx context.Context, t *Target, c MixedConfig) (*MixedResult, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	source, err := prepare(ctx, t, c.Load, "")
	if err != nil {
		return nil, err
	}
	l := newLoad(c.Load, t, source, c.Load.Name)
	l.live, l.receipts = true, true
	views := viewsOf(c.Load.Name, c.Load.Views)
	watched := views[len(views)-1]
	check := newChecker(t.another(), source, watched, c.Load.Partitions, time.Now().Add(halfLife+c.Load.Duration).UnixMilli())
	m := newMonitor(l, check.target, views, check)
	ask := newAsker(c.Ask, t.another(), source, c.Load)
	asking := ask.run
	if c.Binary != "" {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the process if anything below fails
		apart, err := newAskApart(ctx, c.Binary, ask, c.Load)
		if err != nil {
			return nil, err
		}
		asking = apart.run
	}
	before, err := t.Usage()
	if err != nil {
		return nil, err
	}
	if err := together(ctx, l, m, asking); err != nil {
		return nil, err
	}
	if err := awaitEvents(ctx, t, views, l.accepted.Load(), false); err != nil {
		return nil, err
	}
	queryable := time.Since(l.began)
	after, err := t.Usage()
	if err != nil {
		return nil, err
	}
	c.Load.Progress.tell("making exact answers", 0, 0)
	verdicts, _, err := check.judge(l.kept)
	if err != nil {
		return nil, err
	}
	r := &MixedResult{
		Kind: "mixed", Seconds: queryable.Seconds(), EventsPerSecond: float64(l.accepted.Load()) / queryable.Seconds(),
		Offered: l.offered(l.until), Acknowledged: l.accepted.Load(), Format: c.Load.Format, Acks: c.Load.Acks, Connections: c.Load.Connections,
		Batch: c.Load.Batch, Partitions: c.Load.Partitions, Views: len(views), QuestionRate: c.Ask.Rate,
		Asked: ask.asked.Load(), Late: ask.late.Load(), RequestLatency: latencyOf(l.histogram),
		Freshness: intoFreshness(m.samples, l.kept, c.Load.Partitions, l.until), NewestAge: ages(m.samples, l.until),
		PeakRSS: after.PeakRSS, CPUSeconds: (after.CPU - before.CPU).Seconds(), Timeline: m.samples,
	}
	r.Latency, r.curves = ask.latencies()
	all, by := summarise(verdicts)
	r.IntervalsHeld, r.Answers = all.Held, by
	intoTimeline(r.Timeline, verdicts)
	return r, nil
}

// together runs load, samples and questions at the same time until the load is
// through. Questions go on for as long as the load was to last.
func together(ctx context.Context, l *load, m *monitor, ask func(context.Context, Progress) error) error {
	g, ctx := errgroup.WithContext(ctx)
	sent := make(chan struct{})
	l.begin()
	g.Go(func() error {
		defer close(sent)
		return l.run(ctx)
	})
	g.Go(func() error {
		return m.run(ctx, func(Sample) bool {
			select {
			case <-sent:
				return true
			default:
				return false
			}
		})
	})
	g.Go(func() error { return ask(ctx, nil) })
	return g.Wait()
}

// MixedResult is what `bench mixed` reports.
type MixedResult struct {
	Kind            string             `json:"bench"`
	Seconds         float64            `json:"seconds"` // from the first request to the last event in every view
	EventsPerSecond float64            `json:"events_per_second"`
	Offered         int64              `json:"offered"`
	Acknowledged    int64              `json:"acknowledged"`
	Format          string             `json:"format"`
	Acks            string             `json:"acks"`
	Connections     int                `json:"connections"`
	Batch           int                `json:"batch"`
	Partitions      int                `json:"partitions"`
	Views           int                `json:"views"`
	QuestionRate    float64            `json:"questions_per_second"`
	Asked           int64              `json:"asked"`
	Late            int64              `json:"late"` // questions asked more than 1 ms after their time
	Latency         map[string]Latency `json:"latency_ms"`
	RequestLatency  Latency            `json:"request_latency_ms"`
	Freshness       Freshness          `json:"freshness_seconds"`
	NewestAge       Freshness          `json:"newest_age_seconds"`
	IntervalsHeld   float64            `json:"intervals_held"`
	Answers         map[string]summary `json:"answers"` // those that were checked, by question
	PeakRSS         int64              `json:"peak_rss_bytes"`
	CPUSeconds      float64            `json:"cpu_seconds"`
	Timeline        []Sample           `json:"timeline"`

	curves map[string][]point
}

// Table writes the result for people.
func (r *MixedResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "events\t%d offered, %d acknowledged, %s, acks=%s, %d connections, %d events a request, %d partitions, %d views\n",
		r.Offered, r.Acknowledged, r.Format, r.Acks, r.Connections, r.Batch, r.Partitions, r.Views)
	fmt.Fprintf(t, "queryable\tafter %.2f s: %.0f events a second\n", r.Seconds, r.EventsPerSecond)
	fmt.Fprintf(t, "request latency\tp50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms\n",
		r.RequestLatency.P50, r.RequestLatency.P99, r.RequestLatency.P999, r.RequestLatency.Max)
	fmt.Fprintf(t, "freshness\tp50 %.3f s, p99 %.3f s, max %.3f s\n", r.Freshness.P50, r.Freshness.P99, r.Freshness.Max)
	fmt.Fprintf(t, "newest event\tin answers is p50 %.3f s, p99 %.3f s old, max %.3f s\n", r.NewestAge.P50, r.NewestAge.P99, r.NewestAge.Max)
	fmt.Fprintf(t, "questions\t%.0f a second, %d in all, %d of them asked late\n", r.QuestionRate, r.Asked, r.Late)
	fmt.Fprintf(t, "intervals\t%.1f%% held the exact answer\n", 100*r.IntervalsHeld)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return latencyTable(w, r.Latency)
}
