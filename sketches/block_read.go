package sketches

import (
	"encoding/binary"
	"slices"
)

// How a block is read.

// record is one of a section's log.
type record struct {
	entry    int    // number of the item
	position uint64 // of a sample
	item     []byte // aliases the block; only good if fresh
	fresh    bool   // the item occurs for the first time
}

// next takes the first record off a log; seen is how many items there were before.
func (plan *columnPlan) next(log []byte, seen int) (r record, rest []byte) {
	r.entry, r.fresh = seen, true
	if plan.samples != 0 {
		r.entry, r.position = int(log[0]), binary.LittleEndian.Uint64(log[1:])
		log, r.fresh = log[sampleBytes:], r.entry == seen
	}
	if plan.items && r.fresh {
		n := 1 + int(log[0])
		r.item, log = log[1:n:n], log[n:]
	}
	return r, log
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
	t.words = slices.Grow(t.words, s.entries*stride)[:s.entries*stride]
	clear(t.words)
	seen := 0
	for log := s.records(); len(log) > 0; {
		var r record
		if r, log = plan.next(log, seen); r.fresh {
			t.putItem(r.item)
			seen++
		}
		t.words[r.entry*stride+1]++
	}
	if plan.stride == 0 {
		return
	}
	for i := range s.entries {
		words, b := t.entry(i), s.entry(plan.stride, i)
		words[0] = binary.LittleEndian.Uint64(b)
		if plan.counts {
			words[1] = uint64(binary.LittleEndian.Uint32(b[countAt:]))
		}
		for j := range plan.weights {
			words[2+j] = binary.LittleEndian.Uint64(b[plan.weightsAt+8*j:])
		}
	}
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
	r.heap = make([]sampled, 0, min(room*s.samples, spec.Size))
	r.arena = make([]byte, 0, room*s.log)
	items := make([][]byte, 0, s.entries)
	for log := s.records(); len(log) > 0; {
		var one record
		if one, log = plan.next(log, len(items)); one.fresh {
			items = append(items, one.item)
		}
		r.Add(one.position, items[one.entry])
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
	e := s.find(plan.stride, hash)
	if e < 0 {
		return 0, false
	}
	b := s.entry(plan.stride, e)
	switch {
	case word > 1:
		return binary.LittleEndian.Uint64(b[plan.weightsAt+8*(word-2):]), true
	case plan.counts:
		return uint64(binary.LittleEndian.Uint32(b[countAt:])), true
	}
	return s.recordsOf(plan, e), true
}

// recordsOf counts the records of an entry's item.
func (s *section) recordsOf(plan *columnPlan, e int) (n uint64) {
	seen := 0
	for log := s.records(); len(log) > 0; {
		var r record
		if r, log = plan.next(log, seen); r.fresh {
			seen++
		}
		if r.entry == e {
			n++
		}
	}
	return n
}
