package server

// Giving events out: a partition of the log as NDJSON, read and written piece
// by piece, so that an answer of any length takes the memory of one record.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
)

const defaultEvents = 100

// consumption is what a request for events asks for.
type consumption struct {
	partition int
	from      string
	limit     int
}

// getEvents writes events from some place of a partition on. It ends at the
// log's end as it stands, or at the limit; it never waits for more.
func (s *Server) getEvents(r *request) error {
	definition, err := s.config.Streams.Get(r.name)
	if err != nil {
		return err
	}
	c, err := consumptionOf(r, definition.Partitions, s.limits.Events)
	if err != nil {
		return err
	}
	// The stream outlives this handler; its Close cancels.
	ctx, cancel := r.context()
	partition, err := s.config.Log.Partition(ctx, r.name, c.partition)
	if err != nil {
		cancel()
		return err
	}
	first, last, err := c.bounds(ctx, partition)
	if err != nil {
		cancel()
		return err
	}
	out := &eventStream{server: s, name: r.name, partition: c.partition, left: c.limit, msgpack: r.accepts(msgpackType), cancel: cancel}
	if first <= last && !r.ctx.IsHead() {
		out.next, out.stop = iter.Pull2(partition.Read(ctx, first, last))
		// What fails at once still gets a problem with its status.
		if err := out.fill(); err != nil && !errors.Is(err, io.EOF) {
			_ = out.Close() // never fails
			return err
		}
	}
	r.common()
	r.ctx.SetStatusCode(http.StatusOK)
	r.ctx.SetContentType(ndjsonType)
	if out.msgpack {
		r.ctx.SetContentType(msgpackType)
	}
	r.ctx.SetBodyStream(out, -1)
	return nil
}

func consumptionOf(r *request, partitions, most int) (consumption, error) {
	c := consumption{from: "earliest", limit: min(defaultEvents, most)}
	p, err := r.parameters("partition", "from", "limit")
	if err != nil {
		return c, err
	}
	var faults []string
	if p.Has("from") {
		c.from = p.Get("from")
	}
	if text := p.Get("partition"); p.Has("partition") {
		if c.partition, err = strconv.Atoi(text); err != nil || c.partition < 0 || c.partition >= partitions {
			faults = append(faults, fmt.Sprintf("partition=%q must be a number from 0 to %d", abridged(text), partitions-1))
		}
	}
	if text := p.Get("limit"); p.Has("limit") {
		if c.limit, err = strconv.Atoi(text); err != nil || c.limit < 1 || c.limit > most {
			faults = append(faults, fmt.Sprintf("limit=%q must be a number from 1 to %d", abridged(text), most))
		}
	}
	if c.from != "earliest" && c.from != "latest" && !wholeNumber(c.from) {
		// A negative number would be a time before 1970, and is an offset gone wrong.
		if _, err := event.ParseMoment(c.from); err != nil || strings.HasPrefix(c.from, "-") {
			faults = append(faults, fmt.Sprintf("from=%q must be an offset, a time, earliest or latest", abridged(c.from)))
		}
	}
	if len(faults) > 0 {
		return c, errParameters(faults)
	}
	return c, nil
}

// wholeNumber tells offsets from times: here, and only here, a bare number is
// an offset.
func wholeNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

// bounds turns from into offsets, inclusive. latest is the newest record. An
// offset below the first that is retained begins there.
func (c consumption) bounds(ctx context.Context, p eventlog.Partition) (first, last uint64, err error) {
	b, err := p.Bounds(ctx)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case c.from == "earliest":
		first = b.First
	case c.from == "latest":
		first = max(b.Last, b.First)
	case wholeNumber(c.from):
		if first, err = strconv.ParseUint(c.from, 10, 64); err != nil {
			return 0, 0, err
		}
	default:
		moment, err := event.ParseMoment(c.from)
		if err != nil {
			return 0, 0, err
		}
		if first, err = p.Seek(ctx, moment); err != nil {
			return 0, 0, err
		}
	}
	return max(first, b.First, 1), b.Last, nil
}

// eventStream is an answer that is made while it is read: one record at a time.
type eventStream struct {
	server    *Server
	name      string
	partition int
	left      int // events that may still be written
	msgpack   bool
	next      func() (eventlog.Record, error, bool)
	stop      func()
	cancel    context.CancelFunc

	batch  *event.Batch // the record being written
	offset uint64
	row    int
	line   []byte
	text   []byte // written and not yet read
	read   int
}

// Read implements io.Reader. An error other than io.EOF cuts the connection,
// so that the client sees that the answer is not whole.
func (e *eventStream) Read(p []byte) (int, error) {
	if e.read == len(e.text) {
		if err := e.fill(); err != nil {
			if !errors.Is(err, io.EOF) {
				e.server.log.Warn("events cannot be read from the log", "stream", e.name, "partition", e.partition, "error", err)
			}
			return 0, err
		}
	}
	n := copy(p, e.text[e.read:])
	e.read += n
	return n, nil
}

// Close implements io.Closer; fasthttp calls it when the answer is written or given up.
func (e *eventStream) Close() error {
	if e.stop != nil {
		e.stop()
	}
	e.cancel()
	return nil
}

// fill writes about 64 KiB of events into text, or as much as there is.
func (e *eventStream) fill() error {
	const piece = 64 << 10
	if e.read < len(e.text) {
		return nil
	}
	e.text, e.read = e.text[:0], 0
	for e.left > 0 && len(e.text) < piece {
		if e.batch == nil || e.row == e.batch.Rows() {
			if err := e.record(); err != nil {
				if errors.Is(err, io.EOF) && len(e.text) > 0 {
					return nil
				}
				return err
			}
			continue
		}
		if err := e.event(); err != nil {
			return err
		}
	}
	if len(e.text) == 0 {
		return io.EOF
	}
	return nil
}

// event writes the next event of the batch.
func (e *eventStream) event() error {
	place := event.Place{Partition: e.partition, Offset: e.offset, Index: e.row}
	if e.msgpack {
		e.line = e.batch.AppendJSON(e.line[:0], e.row, &place)
		text, err := appendMsgpack(e.text, e.line)
		if err != nil {
			return fmt.Errorf("event %d of offset %d as msgpack: %w", e.row, e.offset, err)
		}
		e.text = text
	} else {
		e.text = append(e.batch.AppendJSON(e.text, e.row, &place), '\n')
	}
	e.row++
	e.left--
	return nil
}

// record takes the next record. What the log cannot give back is passed over:
// the offsets of the events around it show the gap, and the log counts it.
func (e *eventStream) record() error {
	for e.next != nil {
		record, err, ok := e.next()
		if !ok {
			break
		}
		var gap *eventlog.Gap
		if errors.As(err, &gap) {
			e.server.log.Warn("records are missing from the log", "stream", e.name, "partition", e.partition, "first", gap.First, "last", gap.Last)
			continue
		}
		if err != nil {
			return err
		}
		batch, err := event.DecodeBatch(record.Data)
		if err != nil {
			return fmt.Errorf("record %d of partition %d: %w", record.Offset, e.partition, err)
		}
		e.batch, e.offset, e.row = batch, record.Offset, 0
		return nil
	}
	return io.EOF
}
