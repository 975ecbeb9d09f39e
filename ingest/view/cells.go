package view

// This file finds the cells of a span, and the keys of a shard, by key.
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

// index finds entries by key: open addressing with linear probing, at most three
// quarters full. The zero value is empty.
type index[E keyed] struct {
	slots []slot[E] // a power of two; those without an entry are free
	n     int
}

// keyed is a pointer to what is found by its key.
type keyed interface {
	comparable
	place() (hash uint64, key string)
}

type slot[E keyed] struct {
	hash  uint64
	entry E
}

// cells are the cells of a span in memory.
type cells = index[*cell]

func (c *cell) place() (uint64, string) { return c.hash, c.key }

const leastSlots = 8

// len returns how many entries there are.
func (t *index[E]) len() int { return t.n }

// find returns the entry of a key, nil when there is none.
func (t *index[E]) find(hash uint64, key string) (none E) {
	if t.n == 0 {
		return none
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.entry == none {
			return none
		}
		if s.hash == hash {
			if _, found := s.entry.place(); found == key {
				return s.entry
			}
		}
	}
}

// add adds an entry whose key is not there.
func (t *index[E]) add(e E) {
	t.reserve(1)
	hash, _ := e.place()
	t.put(slot[E]{hash, e})
	t.n++
}

// reserve makes room for so many more entries at once.
func (t *index[E]) reserve(n int) {
	size := max(leastSlots, len(t.slots))
	for 4*(t.n+n) > 3*size {
		size *= 2
	}
	if size > len(t.slots) {
		t.resize(size)
	}
}

// touch reads what finding the keys with a few hashes will read, at most a window of them, in
// loops as short as can be, so that it comes from memory together. The result means nothing.
//
//go:noinline
func (t *index[E]) touch(hashes []uint64) (read uint64) {
	var none E
	var entries [window]E
	var keys [window]string
	if t.n == 0 {
		return 0
	}
	mask := uint64(len(t.slots) - 1)
	for i, hash := range hashes {
		entries[i] = t.slots[hash&mask].entry
	}
	for i, e := range entries[:len(hashes)] {
		if e != none {
			_, keys[i] = e.place()
		}
	}
	for _, key := range keys[:len(hashes)] {
		if len(key) > 0 {
			read |= uint64(key[0])
		}
	}
	return read
}

func (t *index[E]) put(s slot[E]) {
	var none E
	mask := uint64(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].entry != none {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *index[E]) resize(size int) {
	var none E
	before := t.slots
	t.slots = make([]slot[E], size)
	for _, s := range before {
		if s.entry != none {
			t.put(s)
		}
	}
}

// remove removes an entry that is there. What follows it in its run moves up
// where it may, so that no look-up meets a hole.
func (t *index[E]) remove(e E) {
	var none E
	mask := uint64(len(t.slots) - 1)
	hole, _ := e.place()
	hole &= mask
	for t.slots[hole].entry != e {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i].entry != none; i = (i + 1) & mask {
		if home := t.slots[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			t.slots[hole], hole = t.slots[i], i
		}
	}
	t.slots[hole] = slot[E]{}
	t.n--
	if len(t.slots) > leastSlots && 8*t.n < len(t.slots) {
		t.resize(len(t.slots) / 2)
	}
}

// drop removes every entry for which fn is true.
func (t *index[E]) drop(fn func(E) bool) {
	var none E
	kept := 0
	for i := range t.slots {
		if e := t.slots[i].entry; e == none {
			continue
		} else if fn(e) {
			t.slots[i] = slot[E]{}
		} else {
			kept++
		}
	}
	t.n = kept
	size := leastSlots
	for 4*(kept+1) > 3*size {
		size *= 2
	}
	t.resize(size)
}

// all calls fn for every entry, in no order.
func (t *index[E]) all(fn func(E)) {
	var none E
	for i := range t.slots {
		if e := t.slots[i].entry; e != none {
			fn(e)
		}
	}
}
