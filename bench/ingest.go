package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// IngestConfig says what `bench ingest` does.
type IngestConfig struct {
	Workload    Workload
	Format      string // ndjson or msgpack
	Acks        string // 0, 1 or all
	Connections int
	Batch       int // events a request
	Partitions  int
	Rate        float64 // events a second offered; 0: as fast as they are taken
	Name        string  // of the stream, and the beginning of its views' names
	// Progress hears about once a second how many events are acknowledged; may be nil.
	Progress func(acknowledged, of int)
}

// Validate names every fault at once.
func (c IngestConfig) Validate() error {
	faults := []error{c.Workload.Validate()}
	if c.Format != "ndjson" && c.Format != "msgpack" {
		faults = append(faults, fmt.Errorf("format must be ndjson or msgpack; it is %q", c.Format))
	}
	if c.Acks != "0" && c.Acks != "1" && c.Acks != "all" {
		faults = append(faults, fmt.Errorf("acks must be 0, 1 or all; it is %q", c.Acks))
	}
	if c.Connections < 1 || c.Connections > 1000 || c.Batch < 1 || c.Batch > 100_000 || c.Partitions < 1 || c.Rate < 0 {
		faults = append(faults, errors.New("connections must lie between 1 and 1,000, batch between 1 and 100,000, partitions be at least 1, rate at least 0"))
	}
	return errors.Join(faults...)
}

// sixSketches is the view definition that every ingest run keeps up to date:
// each kind of sketch, by key.
func sixSketches(stream string) map[string]any {
	return map[string]any{
		"stream": stream, "by": []string{"key"}, "from": "earliest",
		"sketches": map[string]any{
			"distinct": map[string]any{"kind": "hll", "of": "item", "precision": 14},
			"seen":     map[string]any{"kind": "bloom", "of": "item", "capacity": 10_000, "error": 0.01},
			"counts":   map[string]any{"kind": "countmin", "of": "item", "width": 4096, "depth": 4},
			"hot":      map[string]any{"kind": "hotlist", "of": "item", "size": 100},
			"sample":   map[string]any{"kind": "reservoir", "of": "item", "size": 100},
			"recent":   map[string]any{"kind": "decay", "of": "value", "half_life": "10m"},
		},
	}
}

// define makes the stream and its views: one with a pane a minute, one for all time.
func (c IngestConfig) define(t *Target) error {
	if err := t.put("/v1/streams/"+c.Name, map[string]any{"partitions": c.Partitions, "key": "key", "time": "time"}); err != nil {
		return err
	}
	minutes := sixSketches(c.Name)
	minutes["pane"], minutes["keep"] = "1m", "2h"
	if err := t.put("/v1/views/"+c.Name+"_minutes", minutes); err != nil {
		return err
	}
	return t.put("/v1/views/"+c.Name+"_total", sixSketches(c.Name))
}

func (c IngestConfig) contentType() string {
	if c.Format == "msgpack" {
		return "application/msgpack"
	}
	return "application/x-ndjson"
}

// Ingest makes a stream with two views of six sketches, sends the workload and
// waits until both views have every event.
func Ingest(ctx context.Context, t *Target, c IngestConfig) (*IngestResult, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bench ingest: %w", err)
	}
	source, err := NewSource(c.Workload)
	if err != nil {
		return nil, err
	}
	if err := c.define(t); err != nil {
		return nil, fmt.Errorf("bench ingest: %w", err)
	}
	ownBefore, serverBefore := ownCPU(), Usage{}
	if serverBefore, err = t.Usage(); err != nil {
		return nil, err
	}
	l := &load{config: c, target: t, source: source, histogram: newHistogram(), began: time.Now()}
	if err := l.send(ctx); err != nil {
		return nil, fmt.Errorf("bench ingest: %w", err)
	}
	acknowledged := time.Since(l.began)
	for _, view := range []string{"_minutes", "_total"} {
		if err := awaitEvents(ctx, t, c.Name+view, int(l.acknowledged.Load()), c.Acks == "0"); err != nil {
			return nil, fmt.Errorf("bench ingest: %w", err)
		}
	}
	queryable := time.Since(l.began)
	after, err := t.Usage()
	if err != nil {
		return nil, err
	}
	return &IngestResult{
		Events: c.Workload.Events, Seconds: queryable.Seconds(), EventsPerSecond: float64(l.acknowledged.Load()) / queryable.Seconds(),
		Acknowledged: int(l.acknowledged.Load()), AckSeconds: acknowledged.Seconds(),
		Format: c.Format, Acks: c.Acks, Connections: c.Connections, Batch: c.Batch, Partitions: c.Partitions,
		BytesSent: l.bytes.Load(), Retries: l.retries.Load(), Latency: latencyOf(l.histogram),
		PeakRSS: after.PeakRSS, CPUSeconds: (after.CPU - serverBefore.CPU).Seconds(), GeneratorCPU: (ownCPU() - ownBefore).Seconds(),
	}, nil
}

// load is one run's sending side.
type load struct {
	config IngestConfig
	target *Target
	source *Source
	began  time.Time

	next, acknowledged, bytes, retries atomic.Int64

	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
}

// send runs one goroutine a connection until every event is acknowledged.
func (l *load) send(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range l.config.Connections {
		g.Go(func() error { return l.connection(ctx) })
	}
	if l.config.Progress != nil {
		done := make(chan struct{})
		defer close(done)
		go func() { // ends with send
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					l.config.Progress(int(l.acknowledged.Load()), l.config.Workload.Events)
				case <-done:
					return
				}
			}
		}()
	}
	return g.Wait()
}

// connection takes ranges of events in order and posts each as one request.
func (l *load) connection(ctx context.Context) error {
	var body []byte
	path := "/v1/streams/" + l.config.Name + "/events?acks=" + l.config.Acks
	for {
		first := int(l.next.Add(int64(l.config.Batch))) - l.config.Batch
		if first >= l.config.Workload.Events {
			return nil
		}
		last := min(first+l.config.Batch, l.config.Workload.Events)
		due, err := l.pace(ctx, first)
		if err != nil {
			return err
		}
		body = l.body(body[:0], first, last)
		if err := l.post(ctx, path, body); err != nil {
			return err
		}
		l.acknowledged.Add(int64(last - first))
		l.bytes.Add(int64(len(body)))
		l.mu.Lock()
		record(l.histogram, time.Since(due))
		l.mu.Unlock()
	}
}

// pace waits until the range that begins at first is due and returns that
// moment: latency counts from it, so that a stalled server is not asked less.
func (l *load) pace(ctx context.Context, first int) (time.Time, error) {
	if l.config.Rate == 0 {
		return time.Now(), ctx.Err()
	}
	due := l.began.Add(time.Duration(float64(first) / l.config.Rate * float64(time.Second)))
	select {
	case <-time.After(time.Until(due)):
		return due, nil
	case <-ctx.Done():
		return due, ctx.Err()
	}
}

func (l *load) body(dst []byte, first, last int) []byte {
	if l.config.Format == "msgpack" {
		n := last - first // an array of maps
		dst = append(dst, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	for g := l.source.Range(first, last); ; {
		e, ok := g.Next()
		if !ok {
			return dst
		}
		if l.config.Format == "msgpack" {
			dst = e.AppendMsgpack(dst)
		} else {
			dst = e.AppendNDJSON(dst)
		}
	}
}

// post sends one request, again while the server puts it off.
func (l *load) post(ctx context.Context, path string, body []byte) error {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := l.target.call("POST", path, l.config.contentType(), body, nil)
		if !busy(err) {
			return err
		}
		l.retries.Add(1)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitEvents waits until a view owes nothing and then expects it to hold so
// many events, or fewer where the server may drop what it took (acks=0).
func awaitEvents(ctx context.Context, t *Target, view string, events int, mayDrop bool) error {
	var state struct {
		Estimate float64 `json:"estimate"`
		Coverage struct {
			Owed uint64 `json:"owed"`
		} `json:"coverage"`
	}
	for {
		if err := t.call("GET", "/v1/views/"+view+"/count", "", nil, &state); err != nil {
			return err
		}
		if state.Coverage.Owed == 0 {
			if int(state.Estimate) != events && !mayDrop {
				return fmt.Errorf("view %s holds %.0f events and owes none, but %d were acknowledged", view, state.Estimate, events)
			}
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: getrusage of the own process failed: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
