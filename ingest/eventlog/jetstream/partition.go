package jetstream

// This file appends to a partition and asks after it; read.go reads it.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sketchlog/ingest/eventlog"
)

type partition struct {
	log     *Log
	stream  jetstream.Stream
	name    string // of the JetStream stream
	subject string
}

var _ eventlog.Partition = (*partition)(nil)

const (
	attemptPatience = 2 * time.Second // one try of an append
	backoffLeast    = 20 * time.Millisecond
	backoffMost     = 500 * time.Millisecond

	latest = 253402300799999 // the end of the year 9999, Unix milliseconds: the last that RFC 3339 can write
)

// Append publishes the record as one message and waits for JetStream's word,
// whatever acks says: a message published without would be lost without anybody
// knowing. That word comes when the record is synced on the only server, or on
// a quorum of several, so AcksLeader gets more than it asks for.
//
// A try that ends without an answer is repeated with the same id, which
// JetStream remembers, so that the record is stored once.
func (p *partition) Append(ctx context.Context, id string, record []byte, _ eventlog.Acks) (uint64, error) {
	if most := p.log.MaxRecord(); len(record) > most {
		return 0, fmt.Errorf("record of %d bytes, the NATS server takes %d (its max_payload less headers): %w", len(record), most, eventlog.ErrTooLarge)
	}
	if err := p.log.broken(); err != nil {
		return 0, err
	}
	if err := p.log.space.check(len(record)); err != nil {
		return 0, err
	}
	if p.log.isClosed() {
		return 0, eventlog.ErrClosed
	}
	until := time.Now().Add(p.log.config.Patience)
	for wait := backoffLeast; ; wait = min(2*wait, backoffMost) {
		offset, err := p.publish(ctx, id, record)
		if err == nil {
			return offset, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		first := wait == backoffLeast
		if err = p.judge(ctx, err, first); err != nil {
			return 0, err
		}
		if broken := p.log.suspect(p.name); broken != nil {
			return 0, fmt.Errorf("no acknowledgement: %v: %w", broken, eventlog.ErrUnavailable)
		}
		if time.Now().Add(wait).After(until) {
			return 0, fmt.Errorf("no acknowledgement within %v: %w", p.log.config.Patience, eventlog.ErrUnavailable)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-p.log.closed:
			return 0, fmt.Errorf("the log was closed: %w", eventlog.ErrUnavailable)
		}
	}
}

// judge returns nil for the failure of a try that is worth another, else the
// error of the append. Only the first try can be refused with certainty that
// nothing is stored: after a try without an answer the outcome stays unknown.
func (p *partition) judge(ctx context.Context, err error, first bool) error {
	s := sentinel(err)
	switch {
	case p.log.isClosed():
		return fmt.Errorf("the log was closed during the append: %w", eventlog.ErrUnavailable)
	case errors.Is(err, nats.ErrNoResponders) && p.gone(ctx):
		return fmt.Errorf("%s: %w", p.name, eventlog.ErrUnknown)
	case s == eventlog.ErrUnavailable || errors.Is(err, eventlog.ErrUnavailable):
		return nil
	case first:
		return p.log.translate(err)
	default:
		return fmt.Errorf("an earlier try had no answer, a later one: %v: %w", err, eventlog.ErrUnavailable)
	}
}

// ack is JetStream's answer to a published message.
type ack struct {
	Sequence uint64              `json:"seq"`
	Error    *jetstream.APIError `json:"error"`
}

func (p *partition) publish(ctx context.Context, id string, record []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, min(attemptPatience, p.log.config.Patience))
	defer cancel()
	m := &nats.Msg{Subject: p.subject, Data: record}
	if id != "" {
		m.Header = nats.Header{nats.MsgIdHdr: []string{id}}
	}
	answer, err := p.log.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	var a ack
	if err := json.Unmarshal(answer.Data, &a); err != nil {
		return 0, fmt.Errorf("acknowledgement of JetStream: %w: %w", err, eventlog.ErrUnavailable)
	}
	if a.Error != nil {
		return 0, a.Error
	}
	if a.Sequence == 0 {
		return 0, fmt.Errorf("acknowledgement of JetStream has no sequence: %w", eventlog.ErrUnavailable)
	}
	return a.Sequence, nil
}

// gone says whether the stream certainly does not exist any more.
func (p *partition) gone(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptPatience)
	defer cancel()
	_, err := p.stream.Info(ctx)
	return errors.Is(err, jetstream.ErrStreamNotFound)
}

// Bounds asks the stream's leader.
func (p *partition) Bounds(ctx context.Context) (eventlog.Bounds, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	info, err := p.stream.Info(ctx)
	if err != nil {
		return eventlog.Bounds{}, fmt.Errorf("bounds of %s: %w", p.name, p.log.translate(err))
	}
	b := eventlog.Bounds{First: max(1, info.State.FirstSeq), Last: info.State.LastSeq, Bytes: info.State.Bytes}
	if info.State.Msgs == 0 {
		b.First = b.Last + 1
	}
	return b, nil
}

// Trim purges up to the offset.
func (p *partition) Trim(ctx context.Context, below uint64) error {
	b, err := p.Bounds(ctx)
	if err != nil {
		return err
	}
	// A purge past the end would move the end: offsets must go on as before.
	if below = min(below, b.Last+1); below <= b.First {
		return nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := p.stream.Purge(ctx, jetstream.WithPurgeSequence(below)); err != nil {
		return fmt.Errorf("trim %s: %w", p.name, p.log.translate(err))
	}
	return nil
}

// Seek asks the store, which finds the block by its times and the record in it.
func (p *partition) Seek(ctx context.Context, at int64) (uint64, error) {
	b, err := p.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	if b.First > b.Last {
		return b.Last + 1, nil
	}
	if at > latest {
		return b.Last + 1, nil
	}
	start, err := json.Marshal(time.UnixMilli(max(at, 0)).UTC())
	if err != nil {
		return 0, fmt.Errorf("seek in %s: time %d: %w", p.name, at, err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := p.log.nc.RequestWithContext(ctx, p.direct(), fmt.Appendf(nil, `{"start_time":%s,"batch":1,"max_bytes":1}`, start))
	if err != nil {
		return 0, fmt.Errorf("seek in %s: %w", p.name, p.log.translate(err))
	}
	if s := m.Header.Get("Nats-Sequence"); s != "" {
		return strconv.ParseUint(s, 10, 64)
	}
	return b.Last + 1, nil
}

// direct is the subject of direct gets, which any server with a copy answers.
func (p *partition) direct() string { return "$JS.API.DIRECT.GET." + p.name }
