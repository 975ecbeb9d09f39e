package server

// Taking events in. This is the hot path of the server: a request costs one
// read into a reused buffer, one decoding into a reused batch, and one append.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/semaphore"

	"sketchlog/ingest"
	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
)

const (
	// packedRatio is how much a packed body is taken to grow before it is known.
	packedRatio = 8
	// maxPooledBatch and maxPooledBody bound what is kept for reuse.
	maxPooledBatch = 16 << 20
	maxPooledBody  = 8 << 20
)

// intake is what a request to append events asks for besides its body.
type intake struct {
	format   event.Format
	encoding string // "" or a Content-Encoding
	acks     eventlog.Acks
	applied  bool // wait until the views have it
	skip     bool // leave bad events out
	producer string
	number   uint64
}

// postEvents appends the events of one request.
func (s *Server) postEvents(r *request) error {
	in, err := intakeOf(r)
	if err != nil {
		return err
	}
	definition, err := s.config.Streams.Get(r.name)
	if err != nil {
		return err
	}
	batch := s.batch()
	defer s.releaseBatch(batch)
	result, err := s.decode(r, in, definition, batch)
	if err != nil {
		return err
	}
	if result.Rejected > 0 && !in.skip {
		return errBadEvents(result)
	}
	ctx, cancel := r.context()
	defer cancel()
	// The rows are copied into the partitions' batches before Append returns,
	// so the batch can be used again.
	receipt, err := s.config.Streams.Append(ctx, ingest.Request{
		Stream: r.name, Body: batch, Acks: in.acks, Producer: in.producer, Number: in.number,
	})
	if err != nil {
		return err
	}
	s.metrics.accepted(r.name, result.Accepted, receipt.Duplicate)
	a := appended{result: result, receipt: receipt, status: http.StatusOK}
	if in.applied {
		a.waited = true
		if a.applied, err = s.awaitViews(ctx, r.name, receipt); err != nil {
			return err
		}
		if !a.applied {
			a.status = http.StatusAccepted
		}
	}
	buffer := s.buffer()
	defer s.release(buffer)
	return r.text(a.status, a.appendTo(buffer.AvailableBuffer()))
}

// decode reads, unpacks and decodes the body into batch. The body's memory is
// accounted for and given back before anything is appended: a slow log must
// not hold it.
func (s *Server) decode(r *request, in intake, d ingest.Definition, batch *event.Batch) (event.Result, error) {
	room, err := s.room(r, s.limits.Body, in.encoding != "")
	if err != nil {
		return event.Result{}, err
	}
	defer room.release()
	buffer, _ := s.bodies.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer func() {
		if cap(*buffer) <= maxPooledBody {
			s.bodies.Put(buffer)
		}
	}()
	body, err := r.read((*buffer)[:0], s.limits.Body)
	*buffer = body[:0]
	if err != nil {
		return event.Result{}, err
	}
	s.metrics.received(r.name, len(body))
	return s.parse(r, in, d, batch, body, room)
}

// parse unpacks and decodes a body, when it is its turn; room grows with what is unpacked.
func (s *Server) parse(r *request, in intake, d ingest.Definition, batch *event.Batch, body []byte, room *room) (result event.Result, err error) {
	if len(body) >= turns.LeastBytes || in.encoding != "" {
		ctx, cancel := r.context()
		defer cancel()
		if err := s.turns.Take(ctx, turns.Intake); err != nil {
			return event.Result{}, err
		}
		defer s.turns.Done()
		defer turns.GiveWay()()
	}
	if in.encoding != "" {
		if body, err = event.Unpack(in.encoding, body, s.limits.Unpacked); err != nil {
			return event.Result{}, fmt.Errorf("Content-Encoding %s: %w", in.encoding, err)
		}
		if !room.grow(int64(len(body))) {
			return event.Result{}, errOverloaded("the body unpacks to %d bytes and there is no room for it beside other requests", len(body))
		}
	}
	o := d.Options()
	o.Format, o.Skip, o.Arrival = in.format, in.skip, s.clock().UnixMilli()
	// Decode copies what it keeps: batch does not alias body afterwards.
	result, err = event.Decode(batch, body, o)
	if err == nil && result.Rejected > 0 {
		s.metrics.rejected(r.name, result.Rejected)
	}
	return result, err
}

// budget is the room for bodies. A part of it is kept for small ones: without it a dozen large bodies that come slowly
// would hold up every other request for as long as they take.
type budget struct {
	large, small              *semaphore.Weighted
	largeBytes, greatestSmall int64 // the whole of large; the greatest body that is small
}

const (
	smallShare  = 8  // one part in so many is kept for small bodies
	smallBodies = 16 // a small body takes at most one part in so many of it
)

func newBudget(bytes int64) *budget {
	kept := bytes / smallShare
	return &budget{
		large: semaphore.NewWeighted(bytes - kept), largeBytes: bytes - kept,
		small: semaphore.NewWeighted(kept), greatestSmall: kept / smallBodies,
	}
}

// room is bytes taken from the budget.
type room struct {
	budget       *budget
	large, small int64
}

// room waits for space for the body that the request announces. It is taken
// before the body is read, so that many large bodies wait in their clients and
// not in this process.
func (s *Server) room(r *request, limit int, packed bool) (*room, error) {
	size := int64(r.ctx.Request.Header.ContentLength())
	if size < 0 || size > int64(limit) { // chunked, or about to be refused
		size = int64(limit)
	}
	if packed {
		size += min(size*packedRatio, int64(s.limits.Unpacked))
	}
	w := &room{budget: s.budget}
	from, taken := s.budget.small, size
	if size <= s.budget.greatestSmall {
		w.small = size
	} else {
		taken = min(size, s.budget.largeBytes)
		from, w.large = s.budget.large, taken
	}
	if from.TryAcquire(taken) {
		return w, nil
	}
	ctx, cancel := context.WithTimeout(s.requests, s.limits.Room)
	defer cancel()
	if err := from.Acquire(ctx, taken); err != nil {
		return nil, errOverloaded("bodies of %d bytes are being read and there is no room for another; send less at a time or raise the limit", s.limits.InFlight)
	}
	return w, nil
}

// grow takes what is missing to hold size more bytes than the body as sent. It
// does not wait: two that waited for each other would do so for ever.
func (w *room) grow(size int64) bool {
	more := min(size, w.budget.largeBytes) - w.large - w.small
	if more <= 0 {
		return true
	}
	if !w.budget.large.TryAcquire(more) {
		return false
	}
	w.large += more
	return true
}

func (w *room) release() {
	w.budget.large.Release(w.large)
	w.budget.small.Release(w.small)
}

// intakeOf reads parameters and headers; every wrong parameter is named at once.
func intakeOf(r *request) (intake, error) {
	in := intake{acks: eventlog.AcksAll}
	p, err := r.parameters("acks", "wait", "on_error")
	if err != nil {
		return in, err
	}
	var faults []string
	choose := func(name string, choices map[string]func()) {
		if !p.Has(name) {
			return
		}
		if set, ok := choices[p.Get(name)]; ok {
			set()
			return
		}
		faults = append(faults, fmt.Sprintf("%s=%q is not one of %s", name, abridged(p.Get(name)), strings.Join(slices.Sorted(maps.Keys(choices)), ", ")))
	}
	choose("acks", map[string]func(){
		"0": func() { in.acks = eventlog.AcksNone }, "1": func() { in.acks = eventlog.AcksLeader }, "all": func() {},
	})
	choose("wait", map[string]func(){"acked": func() {}, "applied": func() { in.applied = true }})
	choose("on_error", map[string]func(){"reject": func() {}, "skip": func() { in.skip = true }})
	if in.applied && in.acks == eventlog.AcksNone {
		faults = append(faults, "wait=applied needs acks=1 or acks=all: with acks=0 nobody knows where the events will be")
	}
	if len(faults) > 0 {
		return in, errParameters(faults)
	}
	if err := in.headers(r); err != nil {
		return in, err
	}
	return in, nil
}

// headers reads the format, the encoding and the number of the request.
func (in *intake) headers(r *request) error {
	contentType, ok := r.header("Content-Type"), false
	if in.format, ok = event.FormatOf(contentType); !ok {
		return errMediaType("Content-Type %q is not a format of events; send application/x-ndjson, application/json, application/msgpack, text/csv or text/x-access-log", abridged(contentType))
	}
	switch encoding := strings.ToLower(strings.TrimSpace(r.header("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "zstd":
		in.encoding = encoding
	case "x-gzip":
		in.encoding = "gzip"
	default:
		return errMediaType("Content-Encoding %q is not understood; send gzip, zstd or none", abridged(encoding))
	}
	if key := r.header("Idempotency-Key"); key != "" || r.ctx.Request.Header.Peek("Idempotency-Key") != nil {
		name, number, ok := strings.Cut(key, "/")
		n, err := strconv.ParseUint(number, 10, 64)
		if !ok || !validName(name) || err != nil {
			return errBadRequest("Idempotency-Key %q is not NAME/NUMBER: 1 to 64 letters, digits, _ and -, a slash, and a whole number that rises from request to request", abridged(key))
		}
		in.producer, in.number = name, n
	}
	return nil
}

// awaitViews waits until the live views of a stream have what was appended.
// False means that the request's time was over first.
func (s *Server) awaitViews(ctx context.Context, stream string, receipt ingest.Receipt) (bool, error) {
	err := s.config.Views.WaitApplied(ctx, stream, receipt.Through)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false, nil
	}
	return err == nil, err
}

// appended is the answer to a request that was taken.
type appended struct {
	result  event.Result
	receipt ingest.Receipt
	waited  bool
	applied bool
	status  int
}

// appendTo writes the answer; by hand, because every request needs it.
func (a *appended) appendTo(dst []byte) []byte {
	dst = append(dst, `{"accepted": `...)
	dst = strconv.AppendInt(dst, int64(a.result.Accepted), 10)
	dst = append(dst, `, "rejected": `...)
	dst = strconv.AppendInt(dst, int64(a.result.Rejected), 10)
	dst = append(dst, `, "duplicate": `...)
	dst = strconv.AppendBool(dst, a.receipt.Duplicate)
	if a.waited {
		dst = append(dst, `, "applied": `...)
		dst = strconv.AppendBool(dst, a.applied)
	}
	dst = append(dst, `, "offsets": {`...)
	for i, partition := range slices.Sorted(maps.Keys(a.receipt.Offsets)) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, '"')
		dst = strconv.AppendInt(dst, int64(partition), 10)
		dst = append(dst, `": `...)
		dst = strconv.AppendUint(dst, a.receipt.Offsets[partition], 10)
	}
	dst = append(dst, '}')
	if len(a.result.Faults) > 0 {
		dst = append(dst, `, "errors": `...)
		dst = appendFaults(dst, a.result.Faults)
	}
	return append(dst, "}\n"...)
}

// appendFaults writes faults as a JSON array.
func appendFaults(dst []byte, faults []event.Fault) []byte {
	text, err := json.Marshal(faults[:min(len(faults), maxProblems)])
	if err != nil { // a struct of numbers and strings always marshals
		return append(dst, "[]"...)
	}
	return append(dst, text...)
}

// batch takes an empty batch; releaseBatch gives it back.
func (s *Server) batch() *event.Batch {
	if b, ok := s.batches.Get().(*event.Batch); ok {
		b.Reset()
		return b
	}
	return new(event.Batch)
}

func (s *Server) releaseBatch(b *event.Batch) {
	if b.Bytes() <= maxPooledBatch {
		s.batches.Put(b)
	}
}
