package view

// This file finds the cells of a span by key.
//
// A map of strings takes 116 ns a look-up at a million keys on the machine of
// the README, most of it waiting for memory: control bytes, then slot, then the bytes of the key. Here the key's
// hash, which is computed once a batch and key, chooses a slot that holds the
// whole hash beside the cell, so that a look-up reads one line of slots and one
// cell. The processor works at several look-ups at once, for none needs the result of another.

import (
	"unsafe"

	"sketchlog/ingest/event"
)

// keyHash is the hash by which the cells of a key are found: that of its
// canonical bytes.
func keyHash(key []byte) uint64 { return event.HashItem(key) }

// text is a key as a string that shares its bytes: valid while nobody changes them.
func text(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

// cells are the cells of a span in memory: open addressing with linear probing,
// at most three quarters full. The zero value is empty.
type cells struct {
	slots []cellSlot // a power of two; nil cells are free
	n     int
}

type cellSlot struct {
	hash uint64
	cell *cell
}

const leastCells = 8

// len returns how many cells there are.
func (t *cells) len() int { return t.n }

// find returns the cell of a key, nil when there is none.
func (t *cells) find(hash uint64, key string) *cell {
	if t.n == 0 {
		return nil
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.cell == nil {
			return nil
		}
		if s.hash == hash && s.cell.key == key {
			return s.cell
		}
	}
}

// add adds a cell whose key is not there.
func (t *cells) add(c *cell) {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.resize(max(leastCells, 2*len(t.slots)))
	}
	t.put(cellSlot{c.hash, c})
	t.n++
}

func (t *cells) put(s cellSlot) {
	mask := uint64(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].cell != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *cells) resize(size int) {
	before := t.slots
	t.slots = make([]cellSlot, size)
	for _, s := range before {
		if s.cell != nil {
			t.put(s)
		}
	}
}

// remove removes a cell that is there. What follows it in its run moves up
// where it may, so that no look-up meets a hole.
func (t *cells) remove(c *cell) {
	mask := uint64(len(t.slots) - 1)
	hole := c.hash & mask
	for t.slots[hole].cell != c {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i].cell != nil; i = (i + 1) & mask {
		if home := t.slots[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			t.slots[hole], hole = t.slots[i], i
		}
	}
	t.slots[hole] = cellSlot{}
	t.n--
	if len(t.slots) > leastCells && 8*t.n < len(t.slots) {
		t.resize(len(t.slots) / 2)
	}
}

// drop removes every cell for which fn is true.
func (t *cells) drop(fn func(*cell) bool) {
	kept := 0
	for i := range t.slots {
		if c := t.slots[i].cell; c == nil {
			continue
		} else if fn(c) {
			t.slots[i] = cellSlot{}
		} else {
			kept++
		}
	}
	t.n = kept
	size := leastCells
	for 4*(kept+1) > 3*size {
		size *= 2
	}
	t.resize(size)
}

// all calls fn for every cell, in no order.
func (t *cells) all(fn func(*cell)) {
	for i := range t.slots {
		if c := t.slots[i].cell; c != nil {
			fn(c)
		}
	}
}
