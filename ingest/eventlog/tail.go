package eventlog

// This file is the live end of one partition: appending, catching up with what
// others appended, and what is known as of the end of the log.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/turns"
)

// ErrTruncated means that the log ends before an offset that it had already
// given: acknowledged records are gone, and their offsets would be given again.
var ErrTruncated = errors.New("the log ends before records that it had acknowledged")

// Checkpoints keeps what a Tail knows across restarts. Losing a checkpoint
// costs the time to read the partition again, nothing else.
type Checkpoints interface {
	// LoadTail returns the checkpoint saved last, or nil when there is none.
	LoadTail(stream string, partition int) ([]byte, error)
	// SaveTail replaces the checkpoint, or removes it when b is empty; b is the
	// caller's again afterwards.
	SaveTail(stream string, partition int, b []byte) error
}

// DefaultCacheBytes is what a Tail keeps of decoded batches: about a minute of
// one partition at half a megabyte a second, so that views that keep up never
// decode anything, while 64 partitions stay within 2 GiB.
const DefaultCacheBytes = 32 << 20

// verdictPatience bounds how long Verdict waits for the log's end to be read.
const verdictPatience = 5 * time.Second

// TailConfig is what a Tail is made of.
type TailConfig struct {
	Stream      string
	Number      int // of the partition
	Log         Partition
	Checkpoints Checkpoints      // nil: the log is read from its start each time
	CacheBytes  int64            // of decoded batches; 0: DefaultCacheBytes
	Caches      *CacheBudget     // that it shares with other tails; nil: CacheBytes alone counts
	Turns       *turns.Queue     // in whose line encoding waits; nil: one of its own
	Clock       func() time.Time // for Entry.Arrival of own appends alone; nil: time.Now
	Logger      *slog.Logger     // nil: silent
}

// Head is the end of a partition as its Tail knows it.
type Head struct {
	Offset   uint64 // of the last record
	Events   uint64 // events ever in the log up to Offset; records lost before this tail read them count none
	Bytes    uint64 // of those records, encoded
	Greatest int64  // greatest event time, Unix milliseconds; 0 when there was no event
}

// Tail is the live end of one partition. It appends batches, counts events,
// remembers producers' numbers in log order, and keeps the newest decoded
// batches so that all readers share one decoding.
//
// Sketches of a view are a function of log positions, and so is all that a
// Tail knows: it learns of a record only in log order, after the log has it.
type Tail struct {
	stream string
	number int
	log    Partition
	saved  Checkpoints
	turns  *turns.Queue
	clock  func() time.Time
	logger *slog.Logger
	prefix string // of the ids of appends: unique to this Tail

	// encoding is held by the one that appends, from before it waits for its turn to
	// encode; who has a turn may wait for appending, but not for this.
	encoding sync.Mutex
	buffer   []byte // of the record being appended

	// appending is held by the one that appends or reads the log's end. It is
	// taken after encoding and before mu.
	appending sync.Mutex
	count     uint64 // appends so far

	mu      sync.Mutex
	state   state
	cache   cache
	changed chan struct{} // closed and replaced whenever the head moves, and on Close
	unsure  bool          // an append ended with an unknown outcome
	closed  bool

	saving    sync.Mutex // serialises Checkpoint
	savedHead uint64
}

// OpenTail loads the last checkpoint and reads on to the end of the log. A
// checkpoint that is missing, damaged or of another version is made good by
// reading the partition from its first record.
func OpenTail(ctx context.Context, c TailConfig) (*Tail, error) {
	t := &Tail{
		stream: c.Stream, number: c.Number, log: c.Log, saved: c.Checkpoints,
		turns: c.Turns, clock: c.Clock, logger: c.Logger, prefix: rand.Text() + "-", changed: make(chan struct{}),
		state: newState(), cache: cache{limit: c.CacheBytes, budget: c.Caches},
	}
	if t.turns == nil {
		t.turns = turns.New(1) // appends wait for one another anyway
	}
	if t.clock == nil {
		t.clock = time.Now
	}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	if t.cache.limit <= 0 {
		t.cache.limit = DefaultCacheBytes
	}
	if err := t.load(); err != nil {
		return nil, err
	}
	t.appending.Lock()
	defer t.appending.Unlock()
	if err := t.verify(ctx); err != nil {
		return nil, t.wrap("verify checkpoint", err)
	}
	t.cache.budget.join() // until Close
	if err := t.catchUp(ctx); err != nil {
		t.cache.budget.leave()
		return nil, t.wrap("catch up", err)
	}
	return t, nil
}

func (t *Tail) load() error {
	if t.saved == nil {
		return nil
	}
	b, err := t.saved.LoadTail(t.stream, t.number)
	if err != nil {
		return t.wrap("load checkpoint", err)
	}
	if len(b) == 0 {
		return nil
	}
	s, err := decodeState(b)
	if err != nil {
		t.logger.Warn("checkpoint of a partition is unusable: reading the partition again", "stream", t.stream, "partition", t.number, "error", err)
		return nil
	}
	t.state, t.savedHead = s, s.head.Offset
	return nil
}

func (t *Tail) wrap(doing string, err error) error {
	return fmt.Errorf("%s of stream %s partition %d: %w", doing, t.stream, t.number, err)
}

// Append encodes the batch, appends it as one record and returns its offset.
// It takes ownership of b, which is shared and read-only from here. Appends
// wait for one another. After ErrUnavailable or an error of the context the
// outcome is unknown: the next call first reads the end of the log again, so
// that Verdict knows the record if it is there.
func (t *Tail) Append(ctx context.Context, b *event.Batch, acks Acks) (offset uint64, err error) {
	t.encoding.Lock()
	defer t.encoding.Unlock()
	if err := t.encode(ctx, b); err != nil {
		return 0, t.wrap("append", err)
	}
	t.appending.Lock()
	defer t.appending.Unlock()
	if err := t.settle(ctx); err != nil {
		return 0, t.wrap("append", err)
	}
	t.count++
	offset, err = t.log.Append(ctx, t.prefix+strconv.FormatUint(t.count, 10), t.buffer, acks)
	if err != nil {
		t.mu.Lock()
		t.unsure = t.unsure || !refused(err)
		t.mu.Unlock()
		return 0, t.wrap("append", err)
	}
	if err := t.acknowledged(ctx, offset, b); err != nil {
		// The record is in the log: the append did succeed. That the records
		// before it could not be read now is for the next call to mend.
		t.mu.Lock()
		t.unsure = true
		t.mu.Unlock()
		if errors.Is(err, ErrTruncated) {
			return 0, t.wrap("append", err)
		}
		t.logger.Warn("records of other writers could not be read", "stream", t.stream, "partition", t.number, "error", err)
	}
	const keep = 8 << 20
	if cap(t.buffer) > keep {
		t.buffer = nil
	}
	return offset, nil
}

// encode encodes the batch into the buffer, when it is its turn.
func (t *Tail) encode(ctx context.Context, b *event.Batch) error {
	if b.Rows() >= turns.LeastEvents {
		if err := t.turns.Take(ctx, turns.Intake); err != nil {
			return err
		}
		defer t.turns.Done()
		defer turns.GiveWay()()
	}
	t.buffer = b.AppendBinary(t.buffer[:0])
	return nil
}

// refused says whether err means that the log certainly did not take a record.
func refused(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrUnknown) || errors.Is(err, ErrClosed)
}

// acknowledged publishes a batch that the log took at offset, after what others
// appended before it.
func (t *Tail) acknowledged(ctx context.Context, offset uint64, b *event.Batch) error {
	t.mu.Lock()
	head := t.state.head.Offset
	t.mu.Unlock()
	if offset <= head {
		return fmt.Errorf("the log gave offset %d after %d: %w", offset, head, ErrTruncated)
	}
	if offset > head+1 {
		if err := t.readTo(ctx, offset-1); err != nil {
			return err
		}
	}
	t.take(Entry{First: offset, Offset: offset, Batch: b, Arrival: t.clock().UnixMilli()}, t.buffer)
	return nil
}

// Sync reads what others appended, up to the end of the log as it stands.
func (t *Tail) Sync(ctx context.Context) error {
	t.appending.Lock()
	defer t.appending.Unlock()
	t.mu.Lock()
	closed := t.closed
	t.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := t.catchUp(ctx); err != nil {
		return t.wrap("read the end", err)
	}
	return nil
}

// take moves the head over an entry, encoded as record, and wakes the readers.
func (t *Tail) take(e Entry, record []byte) {
	sum := crc32.Checksum(record, castagnoli)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.note(e, len(record), sum)
	t.cache.push(e)
	close(t.changed)
	t.changed = make(chan struct{})
}

// Verdict says how a request of that name and number stands to those in the
// log, as of its end, and for a repeat under how many partitions it was placed.
// While the outcome of an append is unknown it reads the end of the log first;
// if that fails the answer is from before, which is safe: a repeat that gets
// into the log is dropped there, in log order, by whoever reads it.
func (t *Tail) Verdict(name string, number uint64) (event.Verdict, int) {
	t.mu.Lock()
	unsure := t.unsure
	t.mu.Unlock()
	if unsure {
		ctx, cancel := context.WithTimeout(context.Background(), verdictPatience)
		defer cancel()
		t.appending.Lock()
		err := t.settle(ctx)
		t.appending.Unlock()
		if err != nil {
			t.logger.Warn("the end of the log could not be read", "stream", t.stream, "partition", t.number, "error", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.producers.Check(name, number)
}

// Head says where the partition ends.
func (t *Tail) Head() Head {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.head
}

// EventsBefore returns how many events the log held before offset. It is exact
// when the offset is a point of the tail's sparse index and no record before it
// was lost unread; else it is interpolated, and events of lost records count
// none. It never falls as offset rises.
func (t *Tail) EventsBefore(offset uint64) (events uint64, exact bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.index.before(offset, t.state.head)
}

// EventsBetween returns how many events the records first to last, inclusive,
// held. It is exact when both ends are points of the index and none of these
// records was lost unread, whatever was lost before them.
func (t *Tail) EventsBetween(first, last uint64) (events uint64, exact bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.index.between(first, last, t.state.head)
}

// Checkpoint saves what the tail knows, if that has changed since the last time.
func (t *Tail) Checkpoint() error {
	t.saving.Lock()
	defer t.saving.Unlock()
	if t.saved == nil {
		return nil
	}
	t.mu.Lock()
	head := t.state.head.Offset
	var b []byte
	if head != t.savedHead {
		b = t.state.appendBinary(nil)
	}
	t.mu.Unlock()
	if b == nil {
		return nil
	}
	if err := t.saved.SaveTail(t.stream, t.number, b); err != nil {
		return t.wrap("save checkpoint", err)
	}
	t.savedHead = head
	return nil
}

// Forget closes the tail and removes its checkpoint: for a stream that is deleted.
func (t *Tail) Forget() error {
	saved := t.saved
	t.saving.Lock()
	t.saved = nil
	t.saving.Unlock()
	err := t.Close()
	if saved == nil {
		return err
	}
	return errors.Join(err, saved.SaveTail(t.stream, t.number, nil))
}

// Close waits for an append that is under way, lets readers end with ErrClosed
// and saves a checkpoint. The partition itself stays open.
func (t *Tail) Close() error {
	t.appending.Lock()
	defer t.appending.Unlock()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.cache.budget.leave()
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
	return t.Checkpoint()
}
