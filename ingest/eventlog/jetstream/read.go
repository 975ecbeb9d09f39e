package jetstream

// This file reads a partition by batches of direct gets, and makes sure that
// what JetStream leaves out is noticed.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sketchlog/ingest/eventlog"
)

const (
	// pieceBytes bounds what one request brings. It must stay well under the
	// 64 MiB that a server holds for one client before it cuts it off.
	pieceBytes   = 4 << 20
	pieceRecords = 1 << 14
	// silence ends a request that brings nothing more: it is sent again.
	silence  = 5 * time.Second
	attempts = 3
)

// Read asks for piece after piece until last. A trimmed start is left out;
// records missing after it are asked for one by one.
func (p *partition) Read(ctx context.Context, first, last uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		b, err := p.Bounds(ctx)
		if err != nil {
			yield(eventlog.Record{}, err)
			return
		}
		if last == 0 || last > b.Last {
			last = b.Last
		}
		r := reading{p: p, next: max(first, b.First), last: last, yield: yield}
		if r.next > last {
			return
		}
		if err := r.run(ctx); err != nil && !errors.Is(err, errStopped) {
			yield(eventlog.Record{}, err)
		}
	}
}

// errStopped means that the consumer of a read wants no more.
var errStopped = errors.New("stopped")

// reading is one Read under way.
type reading struct {
	p          *partition
	next, last uint64
	yield      func(eventlog.Record, error) bool
	tries      int // requests in a row that brought nothing
}

func (r *reading) run(ctx context.Context) error {
	for r.next <= r.last {
		before := r.next
		if err := r.piece(ctx); err != nil {
			return err
		}
		if r.next > before {
			r.tries = 0
			continue
		}
		if r.tries++; r.tries >= attempts {
			return fmt.Errorf("read %s from offset %d: nothing came in %d tries: %w", r.p.name, r.next, attempts, eventlog.ErrUnavailable)
		}
	}
	return nil
}

// piece sends one request and delivers what it brings. It has a reply subject
// of its own, so that a late answer to a request that was given up is not taken
// for the answer to a later one.
func (r *reading) piece(ctx context.Context) error {
	nc := r.p.log.nc
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return r.p.log.translate(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	// The request bounds what can come; the default limits would drop some of it.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return r.p.log.translate(err)
	}
	count := min(r.last-r.next+1, pieceRecords)
	request := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d}`, r.next, count, pieceBytes)
	if err := nc.PublishRequest(r.p.direct(), sub.Subject, request); err != nil {
		return r.p.log.translate(err)
	}
	for {
		m, err := next(ctx, sub)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, context.DeadlineExceeded) {
				return nil // run tries again from where this ended
			}
			return r.p.log.translate(err)
		}
		switch m.Header.Get("Status") {
		case "":
			if err := r.message(ctx, m); err != nil || r.next > r.last {
				return err
			}
		case "204": // the end of the piece
			return nil
		case "404": // the store has nothing from here on
			return r.missing(ctx, r.last)
		default:
			return fmt.Errorf("read %s from offset %d: JetStream answers %s %s", r.p.name, r.next, m.Header.Get("Status"), m.Header.Get("Description"))
		}
	}
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// message delivers one record, after whatever is missing before it.
func (r *reading) message(ctx context.Context, m *nats.Msg) error {
	rec, err := record(m)
	if err != nil {
		return fmt.Errorf("read %s from offset %d: %w", r.p.name, r.next, err)
	}
	for r.next < rec.Offset && r.next <= r.last {
		if err := r.missing(ctx, min(rec.Offset-1, r.last)); err != nil {
			return err
		}
	}
	if rec.Offset < r.next || rec.Offset > r.last {
		return nil
	}
	return r.deliver(rec)
}

func (r *reading) deliver(rec eventlog.Record) error {
	r.next = rec.Offset + 1
	if !r.yield(rec, nil) {
		return errStopped
	}
	return nil
}

// record reads what a direct get says of a message in its headers.
func record(m *nats.Msg) (eventlog.Record, error) {
	offset, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return eventlog.Record{}, fmt.Errorf("message without a sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return eventlog.Record{}, fmt.Errorf("message %d without a time: %w", offset, err)
	}
	return eventlog.Record{Offset: offset, Time: at.UnixMilli(), Data: m.Data}, nil
}

// missing deals with the records from next up to last, which a read of many
// left out: trimmed ones are passed over, the others asked for one by one, and
// the first that is there is delivered and ends it. Those before are a gap.
func (r *reading) missing(ctx context.Context, last uint64) error {
	b, err := r.p.Bounds(ctx)
	if err != nil {
		return err
	}
	if b.First > r.next {
		r.next = min(b.First, last+1)
	}
	from := r.next
	var found *eventlog.Record
	for ; r.next <= last && found == nil; r.next++ {
		if found, err = r.p.get(ctx, r.next); err != nil {
			r.next = from
			return err
		}
	}
	end := r.next - 1 // of the gap, unless it is the one found
	if found != nil {
		end = found.Offset - 1
	}
	if end >= from && !r.yield(eventlog.Record{}, &eventlog.Gap{First: from, Last: end}) {
		return errStopped
	}
	if found != nil {
		return r.deliver(*found)
	}
	return nil
}

// get asks for one record: any server with a copy, a few times when there are
// several, and at last the stream's leader. It returns nil when all say that
// they have none.
func (p *partition) get(ctx context.Context, offset uint64) (*eventlog.Record, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	tries := 1
	if p.stream.CachedInfo().Config.Replicas > 1 {
		tries = attempts
	}
	for range tries {
		m, err := p.log.nc.RequestWithContext(ctx, p.direct(), fmt.Appendf(nil, `{"seq":%d}`, offset))
		if err != nil {
			return nil, fmt.Errorf("read %s at offset %d: %w", p.name, offset, p.log.translate(err))
		}
		if m.Header.Get("Status") == "" {
			rec, err := record(m)
			return &rec, err
		}
	}
	m, err := p.log.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+p.name, fmt.Appendf(nil, `{"seq":%d}`, offset))
	if err != nil {
		return nil, fmt.Errorf("read %s at offset %d: %w", p.name, offset, p.log.translate(err))
	}
	rec, err := leaderRecord(offset, m.Data)
	return rec, p.log.translate(err)
}

// leaderRecord reads the answer of a stream's leader; nil when it has no such record.
func leaderRecord(offset uint64, answer []byte) (*eventlog.Record, error) {
	var a struct {
		Message *struct {
			Data []byte    `json:"data"`
			Time time.Time `json:"time"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("answer of JetStream for offset %d: %w", offset, err)
	}
	switch {
	case a.Message != nil:
		return &eventlog.Record{Offset: offset, Time: a.Message.Time.UnixMilli(), Data: a.Message.Data}, nil
	case a.Error == nil:
		return nil, fmt.Errorf("offset %d: the stream's leader answers nothing: %w", offset, eventlog.ErrUnavailable)
	case a.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound: // damaged ones, too
		return nil, nil
	default:
		return nil, a.Error
	}
}
