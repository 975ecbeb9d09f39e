package view

// This file writes a shard's changes to the store, and drops panes from
// memory that the store has.
//
// A commit is one atomic write of every changed pane together with the offset
// that they belong to. The worker makes it between records (snapshot.go), without the
// shard's lock: nothing but the worker changes panes, and reading them does
// not, so queries go on. Only the marks of what is clean need the lock.

import (
	"math"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// commit writes all that has changed, and returns when the store has it.
func (s *Shard) commit() error {
	err := s.complete()
	if err != nil || !s.unsaved {
		return err
	}
	return s.save(pebble.NoSync)
}

// save commits also when nothing but the tallies is to be written, and at once.
func (s *Shard) save(sync *pebble.WriteOptions) (err error) {
	defer func() {
		if err != nil {
			s.giveUp()
		}
	}()
	if err := s.fix(false); err != nil {
		return err
	}
	sn := s.snapshot
	if _, err := sn.encodeSome(s, math.MaxInt/2); err != nil {
		return err
	}
	sn.write(sync)
	return s.finish()
}

// encode fills a batch with all but panes. Removals come first: a span may have been dropped and
// made again since the last commit.
func (s *Shard) encode(b *pebble.Batch) error {
	var key, value []byte
	for _, id := range s.dropped {
		key = s.records.spanKey(key[:0], recordPane, id)
		if err := b.DeleteRange(key, after(key), nil); err != nil {
			return err
		}
		key = s.records.spanKey(key[:0], recordSpan, id)
		if err := b.Delete(key, nil); err != nil {
			return err
		}
	}
	for gone := range s.gone {
		key = s.records.paneKey(key[:0], gone.span, []byte(gone.key))
		if err := b.Delete(key, nil); err != nil {
			return err
		}
	}
	for _, sp := range s.order {
		if !sp.dirty {
			continue
		}
		key = s.records.spanKey(key[:0], recordSpan, sp.id)
		value = sp.appendBinary(value[:0])
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
		sp.dirty = false // after a failure everything is loaded again
	}
	if err := s.encodeSamples(b); err != nil {
		return err
	}
	if s.owing {
		key = append(append(key[:0], s.records.prefix...), recordLedger)
		value = s.ledger.AppendBinary(value[:0])
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
	}
	if s.noted {
		key = append(append(key[:0], s.records.prefix...), recordProducers)
		value = s.producers.AppendBinary(value[:0])
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
	}
	key = append(append(key[:0], s.records.prefix...), recordMeta)
	return b.Set(key, s.tally.appendBinary(value[:0]), nil)
}

// ages is how many commits back the use of panes is told apart.
const ages = 64

// evict drops clean panes from memory, those first that were not used for the
// most commits, until the shard holds no more than limit bytes or nothing
// clean is left.
//
// It takes the place of the worker: see Shard.working.
func (s *Shard) evict(limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.evictSamples(limit); s.held <= limit {
		return
	}
	epoch := s.epoch.Load()
	age := func(c *cell) uint32 { return min(epoch-c.used.Load(), ages-1) }
	var held [ages]int64
	for _, sp := range s.order {
		sp.cells.all(func(c *cell) {
			if !c.dirty && c.saving == settled {
				held[age(c)] += c.size
			}
		})
	}
	oldest, excess := uint32(ages), s.held-limit
	for oldest > 0 && excess > 0 {
		oldest--
		excess -= held[oldest]
	}
	for _, sp := range s.order {
		before := sp.cells.len()
		sp.cells.drop(func(c *cell) bool {
			if c.dirty || c.saving != settled || age(c) < oldest || age(c) == oldest && s.held <= limit {
				return false
			}
			s.forget(c)
			return true
		})
		if sp.cells.len() < before {
			sp.sorted.Store(nil)
		}
	}
}

// pin tells the node how many bytes of the shard cannot be dropped before the
// next commit.
func (s *Shard) pin() {
	bytes := s.pendingAt
	if s.snapshot != nil {
		bytes += s.snapshot.size
	}
	s.view.views.dirty.set(&s.dirtyAt, bytes)
}

// pinned is how many bytes of the node's panes cannot be dropped at once: those
// that are not committed, and hidden ones.
func (v *Views) pinned() int64 { return v.dirty.bytes.Load() + v.hidden.bytes.Load() }

// parts is bytes that several shards hold.
type parts struct {
	bytes  atomic.Int64
	shards atomic.Int64 // that hold any
}

// set changes what one shard holds, which it remembers in was.
func (p *parts) set(was *int64, now int64) {
	switch {
	case *was == 0 && now != 0:
		p.shards.Add(1)
	case *was != 0 && now == 0:
		p.shards.Add(-1)
	}
	p.bytes.Add(now - *was)
	*was = now
}

// above tells whether all together hold more than a limit, and one with own bytes
// as much as the others on average, so that it is its turn to let go of them.
func (p *parts) above(limit, own int64) bool {
	all := p.bytes.Load()
	return own > 0 && all >= limit && own >= all/max(p.shards.Load(), 1)
}

// relieve drops clean panes of all shards, each in proportion to what it
// holds, when together they hold more than the budget. It frees a fifth of it,
// so that the next time is not at the next record.
func (v *Views) relieve() {
	held := v.held.Load()
	if held <= v.memory || !v.relieving.TryLock() {
		return
	}
	defer v.relieving.Unlock()
	for _, view := range v.List() {
		for _, s := range view.Partitions() {
			if !s.working.TryLock() {
				continue // it is applying a record, and relieves itself when it commits
			}
			s.mu.RLock()
			own := s.held
			s.mu.RUnlock()
			s.evict(int64(float64(own) / float64(held) * 0.8 * float64(v.memory)))
			s.working.Unlock()
		}
	}
}
