package ingest

// How a request enters: judged, placed, given room, queued; then it waits for the log.

import (
	"context"
	"fmt"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
)

// busyRetry is when a refused request may come again: the whole queue takes less than a second on a log that is well.
const busyRetry = time.Second

// Request is events that one producer sent at once.
type Request struct {
	Stream string
	// Body holds the events, decoded and not placed. It is only read, and not kept: the caller may reuse it as soon as Append
	// has returned, whatever it returned. Its segments are ignored.
	Body *event.Batch
	Acks eventlog.Acks
	// Producer and Number make the request count once however often it is sent; "" means that it is not numbered. A repeat
	// must have the same events in the same order.
	Producer string
	Number   uint64
}

// Receipt says where the events of a request are.
type Receipt struct {
	// Offsets holds, per partition, the offset of the last batch that was appended for the request. It is empty with AcksNone
	// and lacks the partitions whose part was in the log already.
	Offsets map[int]uint64
	// Through holds, for every partition that the request has events in, an offset by which they are in the log. It is what
	// to wait for until views have applied a request, also a repeated one. It is empty with AcksNone.
	Through map[int]uint64
	// Duplicate is true when the whole request was in the log already.
	Duplicate bool
}

// Append takes the events of a request in. It returns when they are in the log as Acks asks for, with AcksNone when they
// are queued.
//
// Errors by errors.Is: ErrUnknownStream; ErrInvalid (the producer's name); ErrBusy, ErrBehind, ErrStale, ErrTooLarge and ErrClosing, after
// which nothing of the request was taken; eventlog.ErrFull; eventlog.ErrUnavailable, when it is unknown which events are in
// the log: a numbered request may be sent again, and will count once. When ctx ends first, its error is returned and the
// append goes on.
func (s *Streams) Append(ctx context.Context, r Request) (Receipt, error) {
	st, err := s.stream(r.Stream)
	if err != nil {
		return Receipt{}, err
	}
	if r.Producer != "" {
		if err := checkName("producer", r.Producer); err != nil {
			return Receipt{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	if r.Body.Rows() == 0 {
		return newReceipt(), nil
	}
	submit := s.submitOnce
	if r.Producer != "" {
		submit = s.submitNumbered
	}
	c, err := submit(ctx, st, r)
	if err != nil {
		return Receipt{}, err
	}
	s.counters.requests.Add(1)
	if r.Acks == eventlog.AcksNone {
		return Receipt{Offsets: map[int]uint64{}, Through: map[int]uint64{}, Duplicate: c.duplicate}, nil
	}
	return c.wait(ctx)
}

func newReceipt() Receipt {
	return Receipt{Offsets: map[int]uint64{}, Through: map[int]uint64{}}
}

// submitOnce queues a request without a number.
func (s *Streams) submitOnce(ctx context.Context, st *stream, r Request) (*call, error) {
	done, err := s.turn(ctx, r)
	if err != nil {
		return nil, err
	}
	defer done()
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.closed != nil {
		return nil, st.closed
	}
	rows := uint64(r.Body.Rows())
	start := st.turn.Add(rows) - rows
	r.Number = 0
	p := place(r.Body, st.definition.Key, len(st.partitions), start)
	defer p.release()
	chunks, err := p.cut(r.Body, recordBytes)
	if err != nil {
		return nil, err
	}
	return s.queue(st, r, chunks, len(st.partitions), newReceipt(), func(error) {})
}

// turn waits until it is the turn of a request to be placed and copied; done ends it.
func (s *Streams) turn(ctx context.Context, r Request) (done func(), err error) {
	if r.Body.Rows() < turns.LeastEvents {
		return func() {}, nil
	}
	if err := s.config.Turns.Take(ctx, turns.Intake); err != nil {
		return nil, err
	}
	// It does not give way: requests wait for one another at the partitions' open batches, and for
	// one that has given way they would wait longer.
	return s.config.Turns.Done, nil
}

// submitNumbered queues what is missing of a request with a number.
func (s *Streams) submitNumbered(ctx context.Context, st *stream, r Request) (*call, error) {
	key := numberKey{r.Producer, r.Number}
	if err := st.numbered.begin(ctx, key); err != nil {
		return nil, err
	}
	c, err := s.submitMissing(ctx, st, r, key)
	if err != nil {
		st.numbered.end(key, 0)
	}
	return c, err
}

// submitMissing queues what is missing of a request whose key is claimed. If it returns no error, the claim ends with the call.
func (s *Streams) submitMissing(ctx context.Context, st *stream, r Request, key numberKey) (*call, error) {
	verdicts, placed, err := st.judgeNumbered(r, key)
	if err != nil {
		return nil, err
	}
	done, err := s.turn(ctx, r) // after judging, which may wait for the log
	if err != nil {
		return nil, err
	}
	defer done()
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.closed != nil {
		return nil, st.closed
	}
	p := place(r.Body, st.definition.Key, placed, roundRobinStart(r.Producer, r.Number))
	defer p.release()
	chunks, err := p.cut(r.Body, recordBytes)
	if err != nil {
		return nil, err
	}
	receipt := newReceipt()
	missing := chunks[:0]
	for _, c := range chunks {
		verdict := verdicts[c.partition]
		if c.number > 0 {
			verdict, _ = st.partitions[c.partition].tail.Verdict(segmentName(r.Producer, c.number), r.Number)
		}
		switch verdict {
		case event.Repeat:
			receipt.Through[c.partition] = st.partitions[c.partition].tail.Head().Offset
		case event.TooOld:
			return nil, stale(r)
		default:
			missing = append(missing, c)
		}
	}
	receipt.Duplicate = len(missing) == 0
	return s.queue(st, r, missing, placed, receipt, func(err error) {
		if err != nil {
			placed = 0
		}
		st.numbered.end(key, placed)
	})
}

// judgeNumbered is judge for a request whose key is claimed, and refuses what is too old.
func (st *stream) judgeNumbered(r Request, key numberKey) ([]event.Verdict, int, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.closed != nil {
		return nil, 0, st.closed
	}
	if st.numbered.tooOld(key) {
		return nil, 0, stale(r)
	}
	return st.judge(r)
}

// judge asks every partition what it knows of a request's number, and returns that and the partition count to place the
// request with: the one of its first attempt if a part of that is in the log, else the stream's. st.mu is held.
func (st *stream) judge(r Request) ([]event.Verdict, int, error) {
	n := len(st.partitions)
	verdicts := make([]event.Verdict, n)
	placed, tooOld := 0, false
	for i, p := range st.partitions {
		verdict, under := p.tail.Verdict(r.Producer, r.Number)
		verdicts[i] = verdict
		switch verdict {
		case event.Repeat:
			if placed == 0 && under >= 1 && under <= n {
				placed = under
			}
		case event.TooOld:
			tooOld = true
		}
	}
	if placed == 0 {
		if tooOld {
			return nil, 0, stale(r)
		}
		placed = n
	}
	return verdicts, placed, nil
}

func stale(r Request) error {
	return fmt.Errorf("%w: %s/%d is lower than the last 10,000 numbers of %s, so that nobody can tell whether it is a repeat: number requests upwards",
		ErrStale, r.Producer, r.Number, r.Producer)
}

// queue takes room for the chunks and adds each to the open batch of its partition; all or none. after is called once all
// have been appended, at once if there are none, and not at all if queue returns an error. st.mu is held.
func (s *Streams) queue(st *stream, r Request, chunks []chunk, placed int, receipt Receipt, after func(error)) (*call, error) {
	c := newCall(len(chunks), receipt, after)
	if len(chunks) == 0 {
		s.counters.duplicates.Add(1)
		c.settle()
		return c, nil
	}
	if err := s.admit(st); err != nil {
		return nil, err
	}
	if err := s.takeRoom(st, chunks); err != nil {
		s.counters.busy.Add(1)
		return nil, err
	}
	for _, ch := range chunks {
		st.partitions[ch.partition].appender.add(r.Body, ch, event.Segment{
			Producer:   segmentName(r.Producer, ch.number),
			Number:     r.Number,
			Partitions: placed,
			Rows:       len(ch.rows),
		}, ch.charge(), ticket{call: c, rows: len(ch.rows), acks: r.Acks})
	}
	return c, nil
}

// takeRoom takes room for all chunks or for none. st.mu is held.
func (s *Streams) takeRoom(st *stream, chunks []chunk) error {
	total := int64(0)
	own := make([]int64, len(st.partitions))
	for _, c := range chunks {
		own[c.partition] += c.charge()
		total += c.charge()
	}
	if !s.room.take(total) {
		return &BusyError{RetryAfter: busyRetry, Queued: s.room.held.Load(), Limit: s.room.limit}
	}
	for i, n := range own {
		room := &st.partitions[i].appender.ownRoom
		if n == 0 || room.take(n) {
			continue
		}
		for j, n := range own[:i] {
			st.partitions[j].appender.ownRoom.give(n)
		}
		s.room.give(total)
		return &BusyError{RetryAfter: busyRetry, Queued: room.held.Load(), Limit: room.limit}
	}
	return nil
}

// charge is the room that the chunk takes.
func (c chunk) charge() int64 { return int64(c.size) + perChunk }
