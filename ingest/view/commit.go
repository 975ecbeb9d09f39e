package view

// This file writes a shard's changes to the store, and drops panes from
// memory that the store has.
//
// A commit is one atomic write of every changed pane together with the offset
// that they belong to. The worker makes it between two records, without the
// shard's lock: nothing but the worker changes panes, and reading them does
// not, so queries go on. Only the marks of what is clean need the lock.

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// commit writes what has changed since the last one.
func (s *Shard) commit() error {
	if !s.unsaved {
		return nil
	}
	return s.save(pebble.NoSync)
}

// save writes what has changed, and whatever changed not the tallies.
func (s *Shard) save(sync *pebble.WriteOptions) error {
	b := s.records.store.db.NewBatch()
	err := s.encode(b)
	if err == nil {
		err = b.Commit(sync)
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return fmt.Errorf("commit view %s partition %d: %w", s.view.name, s.number, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.pending {
		c.dirty = false
		c.span.stored = c.span.keys > 0
	}
	clear(s.pending)
	s.pending, s.pendingAt = s.pending[:0], 0
	s.dropped = s.dropped[:0]
	clear(s.gone)
	s.samplesSaved()
	s.noted, s.owing, s.unsaved = false, false, false
	s.epoch.Add(1)
	return nil
}

// encode fills a batch. Removals come first: a span may have been dropped and
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
	slices.SortFunc(s.pending, compareCells)
	for _, c := range s.pending {
		if !c.dirty {
			continue // its span was dropped
		}
		key = s.records.paneKey(key[:0], c.span.id, []byte(c.key))
		value = c.pane.AppendBinary(value[:0])
		if err := b.Set(key, value, nil); err != nil {
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
			if !c.dirty {
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
			if c.dirty || age(c) < oldest || age(c) == oldest && s.held <= limit {
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
func (s *Shard) pin() { s.view.views.dirty.set(&s.dirtyAt, s.pendingAt) }

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
