package sketches

import (
	"encoding/binary"
	"slices"
)

// How a block is read.

// item returns the bytes of item e, whose record is at at; they alias the block.
func (s *section) item(plan *columnPlan, e, at int) []byte {
	if !plan.items {
		return nil
	}
	n := at + plan.record + int(*s.length(plan, e))
	return s.room[at+plan.record : n : n]
}

// blockTable makes t the table of a column in the block, without an index.
func (p *Pane) blockTable(t *table, column int) {
	plan := &p.layout.columns[column]
	*t = table{plan: plan, words: t.words[:0], items: t.items[:0]}
	if p.block.first == nil {
		return
	}
	var s section
	p.section(&s, column)
	stride := t.stride()
	t.words = slices.Grow(t.words, s.items*stride)[:s.items*stride]
	clear(t.words)
	at := s.records(plan)
	for i := range s.items {
		words, item := t.entry(i), s.item(plan, i, at)
		t.putItem(item)
		if b := s.room[at:]; plan.tabled != 0 {
			words[0] = binary.LittleEndian.Uint64(b)
			for j := range plan.weights {
				words[2+j] = binary.LittleEndian.Uint64(b[plan.weighed+8*j:])
			}
		}
		words[1] = s.counted(plan, at)
		at += plan.record + len(item)
	}
	for n := range s.samples {
		e, _ := s.sample(n)
		t.words[e*stride+1]++
	}
}

// counted is how often an item came, as far as its record at at tells: with a sample
// that is once, and its further events are samples.
func (s *section) counted(plan *columnPlan, at int) uint64 {
	if !plan.counts {
		return 1
	}
	return uint64(binary.LittleEndian.Uint32(s.room[at+plan.value:]))
}

// blockReservoir makes the reservoir of a sketch from the block, with room for so many
// times what there is.
func (p *Pane) blockReservoir(sketch, room int) *Reservoir {
	spec := &p.layout.specs[sketch]
	r := &Reservoir{size: spec.Size}
	if p.block.first == nil {
		return r
	}
	plan := &p.layout.columns[spec.Column]
	var s section
	p.section(&s, spec.Column)
	r.heap = make([]sampled, 0, min(room*(s.items+s.samples), spec.Size))
	r.arena = make([]byte, 0, room*s.end)
	items := make([][]byte, s.items)
	at := s.records(plan)
	for i := range items {
		items[i] = s.item(plan, i, at)
		r.Add(binary.LittleEndian.Uint64(s.room[at+plan.value:]), items[i])
		at += plan.record + len(items[i])
	}
	for n := range s.samples {
		e, position := s.sample(n)
		r.Add(position, items[e])
	}
	return r
}

// lookupBlock returns a word of an item's entry as a table has them: 1 is its
// count, and weight sums follow. It is false if there is none.
func (p *Pane) lookupBlock(column, word int, hash uint64) (uint64, bool) {
	if p.block.first == nil {
		return 0, false
	}
	var s section
	p.section(&s, column)
	plan := &p.layout.columns[column]
	e, at := s.find(plan, hash)
	if e < 0 {
		return 0, false
	}
	if word > 1 {
		return binary.LittleEndian.Uint64(s.room[at+plan.weighed+8*(word-2):]), true
	}
	count := s.counted(plan, at)
	for n := range s.samples {
		if of, _ := s.sample(n); of == e {
			count++
		}
	}
	return count, true
}
