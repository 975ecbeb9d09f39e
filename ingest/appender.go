package ingest

// Group commit of one partition.
//
// Requests copy their rows, by column, straight into the partition's open batch; one goroutine appends batches, so that
// while one is being synced the next is gathered. A batch is closed when it is full; when the goroutine is idle, a little
// after its first rows came.
//
// The obvious design was rejected: a queue of requests that the appending goroutine copies into a batch. It copies on the one
// goroutine that must not be held up, keeps every request's whole body alive while it waits, and forbids the caller of
// AcksNone to reuse its memory.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
)

// maxOpenCells bounds events times fields of an open batch: requests whose fields all differ would make a wide and empty one.
const maxOpenCells = 1 << 22

// appender gathers and appends the batches of one partition.
type appender struct {
	stream   string
	number   int
	tail     *eventlog.Tail
	config   *Config
	counters *counters
	room     *budget // of all partitions
	ownRoom  budget  // of this one
	cancel   context.CancelFunc

	mu     sync.Mutex
	open   *gathering   // nil: nothing was added since the last was closed
	sealed []*gathering // full, in order
	busy   bool         // a batch is being appended
	limit  int          // bytes of a full batch, as encoded
	share  float64      // encoded bytes per measured byte, as seen lately
	rows   int          // of a batch, as seen lately
	closed bool         // nothing more will be added
	reject error        // what is still here is not appended but fails with this

	wake chan struct{} // holds one token: something above has changed
	done chan struct{} // closed when the goroutine has ended
}

// gathering is a batch while it is gathered and waits.
type gathering struct {
	batch   *event.Batch
	size    int // measured
	charge  int64
	acks    eventlog.Acks // the strongest that was asked for
	eager   bool          // gathered while another was appended: it has waited long enough
	tickets []ticket
}

// ticket is one chunk's claim to hear how its batch fared.
type ticket struct {
	call *call
	rows int
	acks eventlog.Acks
}

// startAppender starts the goroutine of a partition. close or abort ends it, and each must be followed by a wait for done.
func startAppender(s *Streams, stream string, number int, tail *eventlog.Tail, limit int) *appender {
	ctx, cancel := context.WithCancel(context.Background())
	a := &appender{
		stream: stream, number: number, tail: tail,
		config: &s.config, counters: &s.counters, room: &s.room, cancel: cancel,
		limit: limit, share: 1,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	a.ownRoom.limit = max(1, s.config.QueueBytes/2)
	go a.run(ctx)
	return a
}

// close lets the goroutine append what was added and then end. Nothing may be added from now on.
func (a *appender) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.signal()
}

// abort lets the goroutine end soon: what waits fails with err, and so does what is being appended if the log does not
// answer at once. Nothing may be added from now on.
func (a *appender) abort(err error) {
	a.mu.Lock()
	a.closed, a.reject = true, err
	a.mu.Unlock()
	a.cancel()
	a.signal()
}

// setLimit changes the size of a full batch.
func (a *appender) setLimit(limit int) {
	a.mu.Lock()
	a.limit = limit
	a.mu.Unlock()
}

func (a *appender) signal() {
	select {
	case a.wake <- struct{}{}:
	default: // a token is there already
	}
}

// add copies a chunk of b into the open batch. The caller has taken charge bytes of room, and keeps b.
func (a *appender) add(b *event.Batch, c chunk, segment event.Segment, charge int64, t ticket) {
	a.mu.Lock()
	if a.open != nil && !fits(a.open, b, c) {
		a.seal()
	}
	if a.open == nil {
		a.open = &gathering{batch: new(event.Batch), eager: a.busy}
		a.open.batch.Reserve(a.rows + a.rows/8)
		a.signal()
	}
	g := a.open
	g.batch.AppendRows(b, c.rows)
	g.batch.Segments = append(g.batch.Segments, segment)
	g.size += c.size
	g.charge += charge
	g.acks = max(g.acks, t.acks)
	g.tickets = append(g.tickets, t)
	if g.batch.Rows() >= a.config.BatchEvents || float64(g.size)*a.share >= float64(a.limit) || g.size >= recordBytes {
		a.seal()
	}
	a.mu.Unlock()
}

// fits says whether a chunk may join the open batch without making it too large or too wide.
func fits(g *gathering, b *event.Batch, c chunk) bool {
	rows := g.batch.Rows() + len(c.rows)
	if g.size+c.size > recordBytes || rows > event.MaxRows {
		return false
	}
	columns := len(g.batch.Columns)
	for i := range b.Columns {
		if i < len(g.batch.Columns) && g.batch.Columns[i].Name == b.Columns[i].Name {
			continue // fast path: the same fields in the same order
		}
		if g.batch.Column(b.Columns[i].Name) == nil {
			columns++
		}
	}
	return columns <= event.MaxColumns && columns*rows <= maxOpenCells
}

// seal closes the open batch. a.mu is held.
func (a *appender) seal() {
	a.sealed = append(a.sealed, a.open)
	a.open = nil
	a.signal()
}

// run appends one batch after the other until the appender is closed and empty.
func (a *appender) run(ctx context.Context) {
	defer close(a.done)
	defer a.cancel()
	for g := a.next(); g != nil; g = a.next() {
		a.append(ctx, g)
	}
}

// next waits for a batch that is due: the oldest full one; else the open one once it has lingered. nil: closed and empty.
func (a *appender) next() *gathering {
	var linger *time.Timer
	var lingered <-chan time.Time
	due := a.config.Linger <= 0
	for {
		a.mu.Lock()
		g := a.take(due)
		closed := a.closed
		if g == nil && a.open != nil && linger == nil {
			linger = time.NewTimer(a.config.Linger)
			defer linger.Stop()
			lingered = linger.C
		}
		a.busy = g != nil
		a.mu.Unlock()
		if g != nil || closed {
			return g
		}
		select {
		case <-a.wake:
		case <-lingered:
			due = true
		}
	}
}

// take takes the next batch if one is due. a.mu is held.
func (a *appender) take(due bool) *gathering {
	g := a.open
	switch {
	case len(a.sealed) > 0:
		g = a.sealed[0]
		a.sealed[0] = nil
		a.sealed = a.sealed[1:]
	case g != nil && (due || g.eager || a.closed):
		a.open = nil
	default:
		return nil
	}
	a.rows += (g.batch.Rows() - a.rows) / 4
	return g
}

// append appends one batch and tells everybody who waits for it.
func (a *appender) append(ctx context.Context, g *gathering) {
	a.mu.Lock()
	reject := a.reject
	a.mu.Unlock()
	rows := g.batch.Rows()
	began, before := a.config.Clock(), a.tail.Head().Bytes
	var offset uint64
	err := reject
	if err == nil {
		offset, err = a.tail.Append(ctx, g.batch, g.acks) // the batch is the tail's from here on
	}
	if err != nil {
		err = a.explain(err)
		a.counters.failed.Add(1)
	} else {
		a.counters.batches.Add(1)
		a.counters.events.Add(uint64(rows))
		a.learn(g.size, a.tail.Head().Bytes-before)
	}
	a.config.Observe(Appended{Stream: a.stream, Partition: a.number, Events: rows, Requests: len(g.tickets), Took: a.config.Clock().Sub(began), Err: err})
	a.ownRoom.give(g.charge)
	a.room.give(g.charge)
	for _, t := range g.tickets {
		if err != nil && t.acks == eventlog.AcksNone {
			a.counters.dropped.Add(uint64(t.rows))
		}
		t.call.finish(a.number, offset, err)
	}
}

// learn follows how many bytes a measured byte becomes in the log, so that full records have the size that was asked for.
// Which events share a record changes no answer.
func (a *appender) learn(measured int, encoded uint64) {
	share := min(1, max(float64(encoded)/float64(measured), 1.0/16))
	a.mu.Lock()
	a.share += (share - a.share) / 8
	a.mu.Unlock()
}

// explain adds where it happened, and makes what callers cannot branch on ErrUnavailable: the outcome is then unknown.
func (a *appender) explain(err error) error {
	for _, known := range []error{ErrUnknownStream, ErrClosing, eventlog.ErrUnknown, eventlog.ErrFull, eventlog.ErrUnavailable, eventlog.ErrTooLarge, eventlog.ErrClosed} {
		if errors.Is(err, known) {
			return fmt.Errorf("append to partition %d of %s: %w", a.number, a.stream, err)
		}
	}
	return fmt.Errorf("append to partition %d of %s: %w: %w", a.number, a.stream, eventlog.ErrUnavailable, err)
}
