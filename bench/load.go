package bench

// The sending side of a run: connections that make requests of a workload and
// post them, as fast as they are taken or at a rate.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"

	"sketchlog/ingest/turns"
)

// LoadConfig says what is sent, and how.
type LoadConfig struct {
	Workload    Workload
	Format      string // NDJSON or Msgpack
	Acks        string // 0, 1 or all
	Connections int
	Batch       int // events a request
	Partitions  int
	Views       int           // 0: the two of workload W; n: n views for all time, all alike
	Rate        float64       // events a second offered; 0: as fast as they are taken
	Duration    time.Duration // 0: the workload's events; else events of the moment for so long
	WarmUp      time.Duration // load on a stream of its own before anything is measured
	Name        string        // of the stream, and the beginning of its views' names
	Progress    Progress      `json:"-"` // may be nil
}

// Progress hears now and then what a run is doing; of is 0 where the end is
// not known.
type Progress func(phase string, done, of int64)

func (p Progress) tell(phase string, done, of int64) {
	if p != nil {
		p(phase, done, of)
	}
}

// Validate names every fault at once.
func (c LoadConfig) Validate() error {
	faults := []error{c.Workload.Validate()}
	if c.Format != NDJSON && c.Format != Msgpack {
		faults = append(faults, fmt.Errorf("format must be ndjson or msgpack; it is %q", c.Format))
	}
	if c.Acks != "0" && c.Acks != "1" && c.Acks != "all" {
		faults = append(faults, fmt.Errorf("acks must be 0, 1 or all; it is %q", c.Acks))
	}
	if c.Connections < 1 || c.Connections > maxConnections || c.Batch < 1 || c.Batch > 100_000 || c.Partitions < 1 || c.Rate < 0 {
		faults = append(faults, errors.New("connections must lie between 1 and 1,000, batch between 1 and 100,000, partitions be at least 1, rate at least 0"))
	}
	if c.Views < 0 || c.Views > 64 || c.Duration < 0 || c.WarmUp < 0 {
		faults = append(faults, errors.New("views must lie between 0 and 64, duration and warm-up be at least 0"))
	}
	return errors.Join(faults...)
}

// maxConnections bounds what is opened to a server for load; questions come on
// top of it.
const maxConnections = 1000

// receipt is one acknowledged request: which events, when, and in which record
// of each partition they are. With it the exact answer at any position of the
// log can be had again after the run.
type receipt struct {
	first, last int
	at          int64    // event time of a live request
	offsets     []uint64 // by partition; 0: none of its events
	acked       time.Time
}

// load is one run's sending side. Its counters are of events.
type load struct {
	config LoadConfig
	target *Target
	source *Source
	stream string
	making *turns.Queue // for the processors that requests are made on

	live     bool      // events happen when they are sent; else when the workload says
	shed     bool      // what the server puts off is given up; else it is sent again
	receipts bool      // keep a receipt of every acknowledged request
	until    time.Time // end of sending; zero: when the workload is through
	began    time.Time

	next                    atomic.Int64 // number of the next request
	sent, accepted, refused atomic.Int64
	unknown                 atomic.Int64 // sent, and nobody said whether they are in the log
	bytes, retries          atomic.Int64
	newest                  atomic.Int64 // greatest moment of an acknowledged live request

	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
	kept      []receipt
}

func newLoad(c LoadConfig, t *Target, s *Source, stream string) *load {
	return &load{config: c, target: t, source: s, stream: stream, making: turns.New(t.processors()), histogram: newHistogram()}
}

// begin sets the clock; whoever watches the load from another goroutine needs
// it set before.
func (l *load) begin() {
	l.began = time.Now()
	if l.config.Duration > 0 {
		l.until = l.began.Add(l.config.Duration)
	}
}

// run sends until the workload or the time is through.
func (l *load) run(ctx context.Context) error {
	if l.began.IsZero() {
		l.begin()
	}
	g, ctx := errgroup.WithContext(ctx)
	for range l.config.Connections {
		g.Go(func() error { return l.connection(ctx) })
	}
	if l.config.Progress != nil {
		done := make(chan struct{})
		defer close(done)
		go l.report(done) // ends with this call
	}
	return g.Wait()
}

func (l *load) report(done <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if l.until.IsZero() {
				l.config.Progress.tell("events acknowledged", l.accepted.Load(), int64(l.source.Events))
			} else {
				l.config.Progress.tell(fmt.Sprintf("%d events acknowledged, seconds", l.accepted.Load()), int64(time.Since(l.began).Seconds()), int64(l.config.Duration.Seconds()))
			}
		case <-done:
			return
		}
	}
}

// offered is how many events were due by now: at a rate whether or not they
// could be sent, else those that were.
func (l *load) offered(now time.Time) int64 {
	if l.config.Rate == 0 {
		return l.sent.Load()
	}
	if !l.until.IsZero() && now.After(l.until) {
		now = l.until
	}
	due := int64(now.Sub(l.began).Seconds() * l.config.Rate)
	if l.until.IsZero() {
		due = min(due, int64(l.source.Events))
	}
	return max(due, l.sent.Load())
}

// connection takes ranges of events in order and posts each as one request.
func (l *load) connection(ctx context.Context) error {
	c := l.config
	var body []byte
	path := "/v1/streams/" + l.stream + "/events?acks=" + c.Acks
	for {
		first := (int(l.next.Add(1)) - 1) * c.Batch
		last := first + c.Batch
		if l.until.IsZero() {
			if first >= c.Workload.Events {
				return nil
			}
			last = min(last, c.Workload.Events)
		}
		due, err := l.pace(ctx, first)
		if err != nil {
			return err
		}
		if !l.until.IsZero() && !time.Now().Before(l.until) {
			return nil
		}
		r := receipt{first: first, last: last}
		if body, err = l.make(ctx, body[:0], &r); err != nil {
			return err
		}
		if err := l.post(ctx, path, body, r, due); err != nil {
			return err
		}
	}
}

// make appends the body of the request that r is to be the receipt of.
func (l *load) make(ctx context.Context, body []byte, r *receipt) ([]byte, error) {
	if err := l.making.Take(ctx, turns.Intake); err != nil {
		return nil, err
	}
	defer l.making.Done()
	defer turns.GiveWay()()
	if l.live {
		r.at = time.Now().UnixMilli()
		return l.source.Live(r.first, r.last, r.at).appendBody(body, l.config.Format), nil
	}
	return l.source.Range(r.first, r.last).appendBody(body, l.config.Format), nil
}

// pace waits until the range that begins at first is due and returns that
// moment: latency counts from it, so that a stalled server is not asked less.
func (l *load) pace(ctx context.Context, first int) (time.Time, error) {
	if l.config.Rate == 0 {
		return time.Now(), ctx.Err()
	}
	due := l.began.Add(time.Duration(float64(first) / l.config.Rate * float64(time.Second)))
	if !l.until.IsZero() && due.After(l.until) {
		due = l.until
	}
	return due, waitUntil(ctx, due)
}

// maxUnknown is how many requests of one run may end without a known outcome
// before it is given up: the server is gone then.
const maxUnknown = 100

// post sends one request and books its outcome. What the server puts off is
// sent again, or given up where the run sheds.
func (l *load) post(ctx context.Context, path string, body []byte, r receipt, due time.Time) error {
	n := int64(r.last - r.first)
	l.sent.Add(n)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		var raw json.RawMessage
		out := any(nil)
		if l.receipts {
			out = &raw
		}
		err := l.target.call("POST", path, contentType(l.config.Format), body, out)
		switch {
		case err == nil:
			l.bytes.Add(int64(len(body)))
			return l.acknowledge(r, raw, due)
		case l.shed && notTaken(err):
			l.refused.Add(n)
			return nil
		case l.shed && outcomeUnknown(err) && ctx.Err() == nil:
			if l.unknown.Add(n) > maxUnknown*int64(l.config.Batch) {
				return fmt.Errorf("more than %d requests ended without an outcome; the last: %w", maxUnknown, err)
			}
			return nil
		case !l.shed && busy(err):
			l.retries.Add(1)
			if err := waitUntil(ctx, time.Now().Add(wait)); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// acknowledge books an accepted request.
func (l *load) acknowledge(r receipt, raw []byte, due time.Time) error {
	l.accepted.Add(int64(r.last - r.first))
	for {
		newest := l.newest.Load()
		if r.at <= newest || l.newest.CompareAndSwap(newest, r.at) {
			break
		}
	}
	r.acked = time.Now()
	if l.receipts {
		var err error
		if r.offsets, err = readOffsets(raw, l.config.Partitions); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	record(l.histogram, r.acked.Sub(due))
	if l.receipts {
		l.kept = append(l.kept, r)
	}
	return nil
}

// readOffsets reads the offsets of an acknowledgement.
func readOffsets(raw []byte, partitions int) ([]uint64, error) {
	var a struct {
		Offsets map[string]uint64 `json:"offsets"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	out := make([]uint64, partitions)
	for name, offset := range a.Offsets {
		p, err := strconv.Atoi(name)
		if err != nil || p < 0 || p >= partitions {
			return nil, fmt.Errorf("reading an acknowledgement: it names partition %q of %d", name, partitions)
		}
		out[p] = offset
	}
	return out, nil
}
