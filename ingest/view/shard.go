package view

// This file holds the state of a view in one partition.

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// Shard is the state of a view in one partition. One goroutine, its worker,
// changes it; any number of readers ask it.
type Shard struct {
	view    *View
	number  int
	tail    *eventlog.Tail
	records records
	begin   Start

	// Only the worker uses these.
	producers  *event.Producers
	noted      bool // producers differ from the store's
	work       batchWork
	unsaved    bool // anything at all differs from the store's
	pending    []*cell
	pendingAt  int64    // bytes of the pending cells
	dropped    []spanID // spans that the store still holds
	swept      sweep
	snapshot   *snapshot     // the commit that is made; nil: none. Readers look at its gone, under mu
	packed     float64       // bytes that a commit writes a byte in memory, and some more; 0: not known
	failing    bool          // failure is set
	committing time.Duration // what the last commit took
	worked     time.Duration // on what has changed since

	owing    bool     // the ledger differs from the store's
	struck   []uint64 // samples that the store still holds
	reader   *eventlog.Reader
	healing  *healing         // nil: nothing is being paid
	resume   *eventlog.Reader // of a healing that was folded half-way; nil: none
	resumeAt uint64           // the record that it gives next
	retry    time.Time        // when to heal again after a failure
	control  control
	dirtyAt  int64 // what of the shard was counted as dirty last
	hiddenAt int64 // and as hidden

	worker *worker // nil: it has none; guarded by Views.mu

	// working is held by the worker from when it has looked cells up until it has
	// changed them, and by whoever drops cells from memory. It is taken before mu.
	working sync.Mutex

	epoch   atomic.Uint32 // counts commits
	loads   atomic.Uint64 // counts how often everything in memory was forgotten
	arrival atomic.Int64  // of the newest record taken, Unix ms; 0: none since the start
	healingProgress

	mu       sync.RWMutex // the worker holds it to change what follows
	tally    tally
	ledger   *shedding.Ledger   // what is owed
	twice    uint64             // events that it owes already and that count as unread still
	samples  map[uint64]*sample // by entry
	rate     shedding.Rate      // in force
	spans    map[spanID]*span
	order    []*span          // by start
	current  map[string]int64 // panes by count: the number of each key's open pane; all keys, in memory or not
	names    index[*name]     // keys of the panes in memory
	gone     map[paneID]bool  // dropped panes that the store still holds
	panes    int              // in memory or not
	size     int64            // bytes of all panes, about
	held     int64            // bytes of those in memory
	widest   int              // most keys that a span has had
	broadest int64            // greatest width of a span so far, milliseconds
	failure  error            // why the worker does not get on; nil: it does
}

// Start is where a shard of a new view begins.
type Start struct {
	Offset uint64 `json:"offset"`         // events up to here are not the view's
	Events uint64 `json:"events"`         // how many they are
	Past   uint64 `json:"past,omitempty"` // how many of those the view counts nevertheless, and owed at first
}

// tally is how far a shard is, in the log's own terms.
type tally struct {
	offset   uint64 // applied up to and with this one
	read     uint64 // events of the log up to there, those before the view's start and owed ones included
	applied  uint64 // events of them that the view has dealt with in full
	lost     uint64 // events that the log no longer had
	late     uint64 // events behind the watermark
	expired  uint64 // events that came after their pane was dropped
	repeated uint64 // events of repeated requests
	any      bool
	greatest int64 // event time
}

// name is a key that panes share.
type name struct {
	hash uint64
	text string
	uses int
}

func (n *name) place() (uint64, string) { return n.hash, n.text }

// Position says how far a shard is. It belongs to the panes that were read
// under the same lock.
type Position struct {
	Partition int
	Offset    uint64  // the last record applied
	Applied   uint64  // events of the log that the view has dealt with in full, filtered ones included
	Owed      uint64  // events of the log that it has not: unread, sampled, and passed over
	Deferred  []Debt  // what of those may have event times in the span that was asked for
	Lost      uint64  // events that the log no longer had; where nobody knows how many, one a record
	Late      uint64  // events behind the watermark, dropped ones included
	Expired   uint64  // those of them that were dropped, for they were older than the view's keep
	Watermark int64   // greatest event time less the stream's lateness
	HasEvents bool    // false: Watermark and Greatest mean nothing
	Greatest  int64   // greatest event time seen
	Overflow  bool    // some keys that were asked for share the overflow pane
	Shared    uint64  // events of overflow panes that may be of the key that was asked for
	Keys      int     // distinct keys: at least so many
	Panes     int     // panes kept, in memory or on disk
	Bytes     int64   // what they would take in memory, about
	Rate      float64 // share of new events that is applied at once
	LostHere  uint64  // events of Lost that may have event times in the span that was asked for
	Failure   error   // why the worker does not get on at present; nil: it does
}

// Debt is events that a view has not applied in full.
type Debt struct {
	Rate   shedding.Rate // at which they are in provisional panes; Nothing: not at all
	Events uint64        // at most so many
}

func newShard(v *View, number int, tail *eventlog.Tail, begin Start) *Shard {
	s := &Shard{view: v, number: number, tail: tail, begin: begin}
	s.records = newRecords(v.views.store, v.generation, number)
	s.clear()
	return s
}

// clear forgets everything that is in memory. The caller holds the lock, or is
// the only one who knows the shard.
func (s *Shard) clear() {
	s.loads.Add(1)
	s.tally = tally{offset: s.begin.Offset, read: s.begin.Events}
	s.producers, s.noted, s.unsaved = event.NewProducers(), false, false
	s.pending, s.pendingAt, s.dropped, s.swept = nil, 0, nil, sweep{}
	s.gone, s.broadest = map[paneID]bool{}, 0
	s.abandon()
	s.endHealing()
	s.dropResume()
	s.ledger, _ = shedding.NewLedger(s.view.views.limits) // Open has checked the limits
	s.samples, s.struck, s.owing, s.twice = map[uint64]*sample{}, nil, false, 0
	s.spans, s.order, s.names = map[spanID]*span{}, nil, index[*name]{}
	s.current = map[string]int64{}
	s.panes, s.size, s.widest = 0, 0, 0
	s.hold(-s.held)
	s.pin()
}

// load brings the shard to its last commit, whatever it held before. Found is
// false when it has never committed.
func (s *Shard) load() (found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	found, err = s.records.load(s)
	if err == nil {
		err = s.loadSamples()
	}
	if err == nil && s.view.counted() {
		err = s.loadCurrent()
	}
	if err != nil {
		return found, fmt.Errorf("load view %s partition %d: %w", s.view.name, s.number, err)
	}
	if head := s.tail.Head().Offset; s.tally.offset > head {
		return found, fmt.Errorf("load view %s partition %d: its state is of offset %d and the log ends at %d: restore the log from a copy, or delete the view and make it again: %w",
			s.view.name, s.number, s.tally.offset, head, eventlog.ErrTruncated)
	}
	return found, nil
}

// loadCurrent finds each key's open pane.
func (s *Shard) loadCurrent() error {
	it, err := s.records.iterator(append(append([]byte{}, s.records.prefix...), recordPane))
	if err != nil {
		return err
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var id spanID
		var key []byte
		if id, key, err = s.records.spanOf(it.Key()); err == nil {
			s.current[string(key)] = id.start // the greatest comes last
		}
	}
	if err != nil {
		it.Close()
		return err
	}
	return it.Close()
}

// Loads counts how often the shard went back to its last commit. While it stays the
// same, a pane changes by gaining events only, until it is dropped.
func (s *Shard) Loads() uint64 { return s.loads.Load() }

// Number returns the partition's number.
func (s *Shard) Number() int { return s.number }

// Position says how far the shard is.
func (s *Shard) Position() Position {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.position()
}

// position is Position for holders of the lock.
func (s *Shard) position() Position {
	t := &s.tally
	p := Position{
		Partition: s.number, Offset: t.offset,
		Applied: t.applied, Lost: t.lost + s.ledger.Lost(), Late: t.late + t.expired, Expired: t.expired,
		HasEvents: t.any, Greatest: t.greatest,
		Keys: max(s.names.len(), s.widest, len(s.current)), Panes: s.panes, Bytes: s.size,
		Rate: s.rate.Value(), Failure: s.failure,
	}
	p.Owed = s.unread() + s.ledger.Owed()
	p.Owed -= min(p.Owed, s.twice)
	if t.any {
		p.Watermark = t.greatest - s.view.lateness()
	}
	p.Overflow = slices.ContainsFunc(s.order, func(sp *span) bool { return sp.overflow })
	return p
}

// unread returns how many events the view has not read yet.
func (s *Shard) unread() uint64 {
	head := s.tail.Head()
	if head.Offset <= s.tally.offset {
		return 0
	}
	// At least one, for where records were lost counts are not exact.
	return max(head.Events, s.tally.read+1) - s.tally.read
}

// deferred returns what of the events that are owed may lie in [from, to), by
// rate from the finest.
func (s *Shard) deferred(from, to int64) (debts []Debt) {
	var events [shedding.Nothing + 1]uint64
	for _, e := range s.ledger.Entries() {
		if e.Within(from, to) {
			events[e.Rate] += e.Events
		}
	}
	if n := s.unread(); n > 0 {
		least, greatest, known := s.tail.TimesAfter(s.tally.offset)
		if !known || least < to && greatest >= from {
			events[shedding.Nothing] += n
		}
	}
	for rate, n := range events {
		if n > 0 {
			debts = append(debts, Debt{Rate: shedding.Rate(rate), Events: n})
		}
	}
	return debts
}

// addSpan makes a span known.
func (s *Shard) addSpan(sp *span) {
	s.spans[sp.id] = sp
	at, _ := slices.BinarySearchFunc(s.order, sp.id, func(sp *span, id spanID) int { return compareSpans(sp.id, id) })
	s.order = slices.Insert(s.order, at, sp)
	s.panes += sp.keys
	s.size += sp.size
	s.widest = max(s.widest, sp.own())
	s.broadest = max(s.broadest, sp.id.width)
	sp.stored = sp.keys > 0
}

// dropSpan forgets a span with all its panes, and has the next commit do so too.
func (s *Shard) dropSpan(sp *span) {
	sp.cells.all(s.forget)
	delete(s.spans, sp.id)
	s.order = slices.DeleteFunc(s.order, func(o *span) bool { return o == sp })
	s.panes -= sp.keys
	s.size -= sp.size
	if sp.stored {
		s.dropped = append(s.dropped, sp.id)
	}
	sp.cells, sp.keys, sp.size, sp.dirty = cells{}, 0, 0, false
	sp.sorted.Store(nil)
	s.unsaved = true
}

// intern returns the one copy of a key, and counts its use; it keeps nothing of the key
// that it is given. In a view with one pane a key there is nothing to share.
func (s *Shard) intern(hash uint64, key string) string {
	if s.view.timeless() {
		return strings.Clone(key)
	}
	n := s.names.find(hash, key)
	if n == nil {
		n = &name{hash: hash, text: strings.Clone(key)}
		s.names.add(n)
	}
	n.uses++
	return n.text
}

// forget takes a cell out of the books of what is in memory; its span's list
// is the caller's.
func (s *Shard) forget(c *cell) {
	s.hold(-c.size)
	if n := s.names.find(c.hash, c.key); n != nil {
		if n.uses--; n.uses == 0 {
			s.names.remove(n)
		}
	}
	if c.dirty {
		s.pendingAt -= c.size
		c.dirty = false // a commit passes over it
	}
}

// hold notes that so many more bytes are in memory.
func (s *Shard) hold(bytes int64) {
	s.held += bytes
	s.view.views.held.Add(bytes)
}

// find returns the cell of a key in a span, nil when there is none; a pane
// that only the store has is read and kept.
func (s *Shard) find(sp *span, key []byte) (*cell, error) {
	hash := keyHash(key)
	if c := sp.cells.find(hash, text(key)); c != nil || sp.complete() {
		return c, nil
	}
	p, err := s.stored(sp, key)
	if p == nil || err != nil {
		return nil, err
	}
	return s.insert(sp, hash, key, p), nil
}

// stored reads a pane that is not in memory, nil when there is none.
func (s *Shard) stored(sp *span, key []byte) (*sketches.Pane, error) {
	if s.removing() && s.removed(paneID{sp.id, string(key)}) {
		return nil, nil
	}
	return s.records.pane(s.view.plan.layout, sp.id, key)
}

// insert puts a pane that exists into memory.
func (s *Shard) insert(sp *span, hash uint64, key []byte, p *sketches.Pane) *cell {
	c := &cell{hash: hash, key: s.intern(hash, text(key)), span: sp, pane: p}
	s.enter(c)
	return c
}

// enter puts a cell into its span.
func (s *Shard) enter(c *cell) {
	c.size = int64(c.pane.Size()) + cellOverhead
	s.hold(c.size)
	c.span.add(c)
}

// obtain returns the cell of a key in a span and makes what is missing. Past
// the most keys that a span may have it is that of the overflow key.
func (s *Shard) obtain(id spanID, key []byte, maxKeys int) (*cell, error) {
	sp := s.obtainSpan(id)
	c, err := s.find(sp, key)
	if c != nil || err != nil {
		return c, err
	}
	return s.create(sp, keyHash(key), key, maxKeys)
}

// obtainFetched is obtain for a key that was looked for in the store: stored is
// what was found, nil when there is nothing.
func (s *Shard) obtainFetched(id spanID, hash uint64, key []byte, stored *sketches.Pane, maxKeys int) (*cell, error) {
	sp := s.obtainSpan(id)
	if c := sp.cells.find(hash, text(key)); c != nil {
		return c, nil
	}
	if stored != nil {
		return s.insert(sp, hash, key, stored), nil
	}
	return s.create(sp, hash, key, maxKeys)
}

func (s *Shard) obtainSpan(id spanID) *span {
	sp := s.spans[id]
	if sp == nil {
		sp = newSpan(id)
		s.addSpan(sp)
	}
	return sp
}

// create makes the pane of a key that has none in a span.
func (s *Shard) create(sp *span, hash uint64, key []byte, maxKeys int) (*cell, error) {
	if sp.own() >= maxKeys && len(s.view.plan.by) > 0 && string(key) != overflowKey {
		return s.obtain(sp.id, []byte(overflowKey), maxKeys)
	}
	c := s.insert(sp, hash, key, s.view.plan.layout.NewPane())
	s.count(c)
	return c, nil
}

// count enters a pane that is new into the books.
func (s *Shard) count(c *cell) {
	sp := c.span
	sp.keys++
	sp.overflow = sp.overflow || len(c.key) == len(overflowKey) && s.overflows([]byte(c.key))
	s.panes++
	s.widest = max(s.widest, sp.own())
	sp.size += c.size
	s.size += c.size
}

// takeOver makes the cell of another span, with its pane, that of a key that has none
// in sp. There must be room for the key.
func (s *Shard) takeOver(sp *span, c *cell) *cell {
	c.span, c.size = sp, 0
	if !s.view.timeless() { // else the key is its own already
		c.key = s.intern(c.hash, c.key)
	}
	s.enter(c)
	s.count(c)
	return c
}

// overflowKey is the key that keys past max_keys share: a tuple of no fields,
// which no key of a view that groups by anything equals.
var overflowKey = string(event.AppendTuple(nil, nil))

func (s *Shard) overflows(key []byte) bool {
	return len(s.view.plan.by) > 0 && string(key) == overflowKey
}

// changed notes that a cell's pane has changed.
func (s *Shard) changed(c *cell) {
	size := int64(c.pane.Size()) + cellOverhead
	grown := size - c.size
	c.size = size
	c.span.size += grown
	s.size += grown
	s.hold(grown)
	s.touch(c)
	if c.dirty {
		s.pendingAt += grown
		return
	}
	c.dirty, c.span.dirty = true, true
	s.pendingAt += size
	s.pending = append(s.pending, c)
	s.unsaved = true
}

// compareCells orders cells as the store does.
func compareCells(a, b *cell) int {
	return cmp.Or(compareSpans(a.span.id, b.span.id), strings.Compare(a.key, b.key))
}
