package view

// This file holds the panes of one span of time (or count), by key.
//
// Memory is a cache over the store: a span knows how many keys it has, and
// which of their panes are in memory. What is in memory is right; a pane that
// is not was clean when it was dropped, and the store has it. A span whose
// panes are all in memory is never looked up in the store, so views that fit
// in memory do not read at all.

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"sketchlog/sketches"
)

// spanID names a span: its start, and its width in milliseconds. Width 0 is
// the one span of all time, whose start is allTime; or in a view with panes of
// so many events, the span of each key's pane number start.
type spanID struct{ start, width int64 }

const allTime = math.MinInt64

func compareSpans(a, b spanID) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.width, b.width))
}

func (id spanID) end() int64 {
	if id.start > math.MaxInt64-id.width {
		return math.MaxInt64
	}
	return id.start + id.width
}

// span is the panes of one span. The shard's lock guards it.
type span struct {
	id       spanID
	cells    cells // the panes in memory
	keys     int   // panes there are, in memory or not
	size     int64 // bytes that they all take in memory, about
	overflow bool  // some keys share the overflow pane
	dirty    bool  // its record in the store is behind
	stored   bool  // the store may hold something of it

	sorted atomic.Pointer[[]*cell] // the cells by key, made when asked for
}

// cell is the pane of one key and span.
type cell struct {
	hash   uint64 // of the key
	key    string // shared by the cells of all spans
	span   *span
	pane   *sketches.Pane
	size   int64         // bytes in memory, about
	used   atomic.Uint32 // the shard's epoch when it was used last
	dirty  bool          // the store is behind
	saving uint8         // settled, waiting or encoded
}

// cellOverhead is about what a cell takes besides its pane and key: itself, its
// map entry and its list entries.
const cellOverhead = 160

func newSpan(id spanID) *span { return &span{id: id} }

// complete tells whether every pane is in memory.
func (sp *span) complete() bool { return sp.cells.len() == sp.keys }

// own returns how many keys have a pane of their own.
func (sp *span) own() int {
	if sp.overflow {
		return sp.keys - 1
	}
	return sp.keys
}

// byKey returns the cells in memory in the order of their keys.
func (sp *span) byKey() []*cell {
	if known := sp.sorted.Load(); known != nil {
		return *known
	}
	// Several readers may do this at once; all make the same list.
	list := make([]*cell, 0, sp.cells.len())
	sp.cells.all(func(c *cell) { list = append(list, c) })
	slices.SortFunc(list, func(a, b *cell) int { return strings.Compare(a.key, b.key) })
	sp.sorted.Store(&list)
	return list
}

func (sp *span) add(c *cell) {
	sp.cells.add(c)
	sp.sorted.Store(nil)
}

func (sp *span) remove(c *cell) {
	sp.cells.remove(c)
	sp.sorted.Store(nil)
}

// visit calls fn for every pane in the order of keys. Panes that are not in
// memory are read from the store and not kept. Key and pane are valid during
// the call only.
func (s *Shard) visit(sp *span, fn func(key []byte, p *sketches.Pane) error) error {
	cells := sp.byKey()
	var key []byte
	each := func(c *cell) error {
		s.touch(c)
		key = append(key[:0], c.key...)
		return fn(key, c.pane)
	}
	if sp.complete() {
		for _, c := range cells {
			if err := each(c); err != nil {
				return err
			}
		}
		return nil
	}
	it, err := s.records.iterator(s.records.spanKey(nil, recordPane, sp.id))
	if err != nil {
		return err
	}
	next := 0
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var stored []byte
		if _, stored, err = s.records.spanOf(it.Key()); err != nil {
			break
		}
		for next < len(cells) && err == nil && compareKey(cells[next].key, stored) < 0 {
			err = each(cells[next])
			next++
		}
		if err != nil || next < len(cells) && compareKey(cells[next].key, stored) == 0 {
			continue // memory is right; it comes when the next stored key is greater
		}
		if s.removing() && s.removed(paneID{sp.id, string(stored)}) {
			continue
		}
		var p *sketches.Pane
		if p, err = s.decode(it.Value()); err == nil {
			key = append(key[:0], stored...)
			err = fn(key, p)
		}
	}
	for ; next < len(cells) && err == nil; next++ {
		err = each(cells[next])
	}
	return errors.Join(err, it.Error(), it.Close())
}

func compareKey(a string, b []byte) int {
	switch { // comparisons with string(b) do not allocate
	case a < string(b):
		return -1
	case a == string(b):
		return 0
	}
	return 1
}

func (s *Shard) decode(b []byte) (*sketches.Pane, error) { return s.view.plan.layout.DecodePane(b) }

// touch notes that a cell is in use, so that it is among the last to be dropped
// from memory.
func (s *Shard) touch(c *cell) {
	if epoch := s.epoch.Load(); c.used.Load() != epoch {
		c.used.Store(epoch)
	}
}
