package bench

// `bench ingest`: events a second until they can be queried; and `--dry-run`,
// what the generator alone could send.

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Ingest makes a stream with views of six sketches, sends the workload and
// waits until every view has every event.
func Ingest(ctx context.Context, t *Target, c LoadConfig) (*IngestResult, error) {
	r, _, err := loadAll(ctx, t, c)
	if err != nil {
		return nil, fmt.Errorf("bench ingest: %w", err)
	}
	return r, nil
}

func loadAll(ctx context.Context, t *Target, c LoadConfig) (*IngestResult, *Source, error) {
	source, err := prepare(ctx, t, c, "")
	if err != nil {
		return nil, nil, err
	}
	ownBefore := ownCPU()
	before, err := t.Usage()
	if err != nil {
		return nil, nil, err
	}
	l := newLoad(c, t, source, c.Name)
	l.live = c.Duration > 0
	pulse := watch(l)
	err = l.run(ctx)
	acknowledged := time.Since(l.began)
	if err == nil {
		c.Progress.tell("waiting for the views", l.accepted.Load(), l.accepted.Load())
		err = awaitEvents(ctx, t, viewsOf(c.Name, c.Views), l.accepted.Load(), c.Acks == "0")
	}
	queryable := time.Since(l.began)
	timeline := pulse.stop()
	if err != nil {
		return nil, nil, err
	}
	after, err := t.Usage()
	if err != nil {
		return nil, nil, err
	}
	return &IngestResult{
		Kind: "ingest", Events: int(l.sent.Load()), Seconds: queryable.Seconds(), EventsPerSecond: float64(l.accepted.Load()) / queryable.Seconds(),
		Acknowledged: l.accepted.Load(), AckSeconds: acknowledged.Seconds(),
		Format: c.Format, Acks: c.Acks, Connections: c.Connections, Batch: c.Batch, Partitions: c.Partitions,
		Views: len(viewsOf(c.Name, c.Views)), Keys: c.Workload.Keys, Items: c.Workload.Items,
		BytesSent: l.bytes.Load(), Retries: l.retries.Load(), Latency: latencyOf(l.histogram),
		PeakRSS: after.PeakRSS, CPUSeconds: (after.CPU - before.CPU).Seconds(), GeneratorCPU: (ownCPU() - ownBefore).Seconds(),
		Timeline: timeline, curve: curveOf(l.histogram),
	}, source, nil
}

// prepare checks a load, warms the server up, and makes the stream and views.
func prepare(ctx context.Context, t *Target, c LoadConfig, fresh string) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	source, err := NewSource(c.Workload)
	if err != nil {
		return nil, err
	}
	if c.WarmUp > 0 {
		if _, err := flatOut(ctx, t, c, source, c.Name+"_warmup", c.WarmUp, fresh); err != nil {
			return nil, fmt.Errorf("warm-up: %w", err)
		}
	}
	_, err = c.define(t, c.Name, fresh)
	return source, err
}

// flatOut loads a stream of its own as fast as it is taken for a while, removes
// it again, and returns the events a second until they could be queried.
func flatOut(ctx context.Context, t *Target, c LoadConfig, source *Source, stream string, d time.Duration, fresh string) (float64, error) {
	c.Rate, c.Duration = 0, d
	if _, err := c.define(t, stream, fresh); err != nil {
		return 0, err
	}
	l := newLoad(c, t, source, stream)
	l.live = true
	if err := l.run(ctx); err != nil {
		return 0, err
	}
	if err := awaitEvents(ctx, t, viewsOf(stream, c.Views), l.accepted.Load(), c.Acks == "0"); err != nil {
		return 0, err
	}
	rate := float64(l.accepted.Load()) / time.Since(l.began).Seconds()
	return rate, c.remove(t, stream)
}

// pulse reads a load's counters at even distances.
type pulse struct {
	l    *load
	end  chan struct{}
	done chan []Sample
}

// sampleEvery is the distance of a timeline's samples.
const sampleEvery = 250 * time.Millisecond

func watch(l *load) *pulse {
	p := &pulse{l: l, end: make(chan struct{}), done: make(chan []Sample, 1)}
	go p.run(time.Now()) // ends with stop
	return p
}

func (p *pulse) run(began time.Time) {
	var samples []Sample
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			samples = append(samples, Sample{Seconds: now.Sub(began).Seconds(), Offered: p.l.sent.Load(), Accepted: p.l.accepted.Load(), Rate: 1})
		case <-p.end:
			p.done <- samples
			return
		}
	}
}

func (p *pulse) stop() []Sample {
	close(p.end)
	return <-p.done
}

// Generate makes a load's requests and throws them away: the most that the
// generator could offer with so many connections on this machine.
func Generate(ctx context.Context, c LoadConfig) (*GenerateResult, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	source, err := NewSource(c.Workload)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	var next, events, bytes atomic.Int64
	began, cpu := time.Now(), ownCPU()
	g, ctx := errgroup.WithContext(ctx)
	for range c.Connections {
		g.Go(func() error {
			var body []byte
			for {
				first := (int(next.Add(1)) - 1) * c.Batch
				last := first + c.Batch
				if c.Duration == 0 {
					last = min(last, c.Workload.Events)
				}
				if first >= last || c.Duration > 0 && time.Since(began) >= c.Duration || ctx.Err() != nil {
					return ctx.Err()
				}
				body = source.Range(first, last).appendBody(body[:0], c.Format)
				bytes.Add(int64(len(body)))
				c.Progress.tell("events generated", events.Add(int64(last-first)), int64(c.Workload.Events))
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	seconds, used := time.Since(began).Seconds(), (ownCPU() - cpu).Seconds()
	return &GenerateResult{
		Kind: "generate", Events: events.Load(), Seconds: seconds, EventsPerSecond: float64(events.Load()) / seconds,
		PerCPUSecond: float64(events.Load()) / max(used, 1e-9), Bytes: bytes.Load(), Format: c.Format, Connections: c.Connections, GeneratorCPU: used,
	}, nil
}
