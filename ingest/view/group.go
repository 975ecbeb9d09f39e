package view

// This file groups the rows of a batch by pane and key, and gathers the
// columns that sketches need in that order.
//
// Grouping before applying is the main lever on a view of many keys: each pane
// is fetched into the processor's caches once a batch rather than once an
// event, and sketches get whole columns. A counting sort keeps the rows of a
// group in log order; groups are in the order of their first row, so which
// keys come first never depends on how events were batched.

import (
	"math/bits"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// group is the rows of one key and span in a batch.
type group struct {
	hash  uint64 // 0 where keys are numbered
	first int32  // a row of it, which stands for the key
	span  int32  // index into batchWork.spans
	rows  int32  // how many
	late  int32  // of them
	end   int32  // of its part of the gathered columns

	// What spell writes and locate finds.
	keyAt, keyEnd int // the key within batchWork.keyBytes
	keyHash       uint64
	cell          *cell          // nil: it is not in memory
	stored        *sketches.Pane // of a pane that only the store has; nil: there is none
	sampled       *sampled       // cell and stored of provisional panes
	kept          *sketches.Provisional
}

// batchWork is a worker's scratch. It grows to the largest batch and is reused;
// nothing in it outlives the batch.
type batchWork struct {
	filter evaluation
	rows   []int32 // selected rows, in log order
	spanOf []int32 // by selected row
	late   []bool  // by selected row
	spans  []spanID
	hashes []uint64 // of keys, by row of the batch; only to be read; nil with codes
	codes  []uint16 // of keys, by row of the batch, if the batch numbers them; only to be read
	coded  int      // above all codes
	mixed  []uint64 // room for hashes of several fields

	sampled [][]uint64 // hashes of the columns that are sampled by item

	slots   []int32 // open addressing: group number + 1
	groups  []group
	groupOf []int32 // by selected row
	keys    *event.ItemColumn
	by      []*event.Column
	key     []byte

	keyBytes []byte           // the keys of the groups, one after another
	homes    []*span          // by span; nil: there is none yet
	fresh    []int            // by span: groups that have no cell yet
	samples  []*sampleSpan    // by span, of the entry that owes the record
	parts    []sketches.Group // that are to be applied together
	cells    []*cell          // of the parts

	sampledParts []sketches.SampledGroup // the same for provisional panes
	sampledOf    []*sampled              // of these parts
	want         []wanted                // groups whose pane is not in memory

	ones   []uint64
	sorted gathered
}

// gathered is the columns of the selected rows, group by group.
type gathered struct {
	index     []int32
	times     []int64
	positions []uint64
	hashes    [][]uint64
	items     []sketches.Items
	weights   [][]int64
	values    [][]float64
	rows      sketches.Rows // the part that is handed to a pane
}

// mix is the finalizer of splitmix64 (Steele, Lea and Flood 2014): a bijection
// that spreads every bit over all.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio, odd

// hashKeys hashes each row's key from the hashes of its fields, which the
// batch keeps for all views, or finds that keys are numbered already. Equal keys have equal hashes; different ones are
// told apart by their values.
func (w *batchWork) hashKeys(b *event.Batch, by []string) {
	w.by = w.by[:0]
	for _, field := range by {
		w.by = append(w.by, b.Column(field))
	}
	w.keys = b.Items(by)
	if len(by) == 1 {
		// Fast path: keys that are numbered need no hashes. Many spans would make a large table of them.
		if w.codes, w.coded = b.Codes(by[0]); w.codes == nil || w.coded*len(w.spans) > 4*b.Rows() {
			w.codes, w.hashes = nil, b.Hashes(by)
		}
		return
	}
	w.mixed = grown(w.mixed, b.Rows())
	clear(w.mixed)
	for i := range by {
		for row, h := range b.Hashes(by[i : i+1]) {
			w.mixed[row] = mix(w.mixed[row]*golden + h + 1)
		}
	}
	w.hashes = w.mixed
}

// sample keeps those of the selected rows that a rate keeps: by their position,
// or by an item of the columns that are sampled by item. The others are neither
// grouped nor gathered, which is what makes shedding cheap. The rate is none of Full and Nothing.
func (w *batchWork) sample(b *event.Batch, p *plan, base uint64, rate shedding.Rate) {
	w.sampled = w.sampled[:0]
	for _, c := range p.distinct {
		w.sampled = append(w.sampled, b.Hashes(p.items[c]))
	}
	kept, shift := 0, 64-rate
	for _, row := range w.rows {
		keep := least(mix(base+golden*uint64(row)) >> shift)
		for _, hashes := range w.sampled {
			keep |= least(hashes[row]>>shift) &^ least(hashes[row]) // the null of hash 0 is kept by position only
		}
		w.rows[kept] = row
		kept += keep
	}
	w.rows = w.rows[:kept]
	clear(w.sampled)
}

// least is 1 for 0, and 0 for anything else up to 2^63: without a branch, which a processor
// would guess wrong for most of the rows that are kept.
func least(x uint64) int { return int((x - 1) >> 63) }

// group assigns every selected row to a group.
func (w *batchWork) group() {
	n := len(w.rows)
	w.groups = w.groups[:0]
	w.groupOf = grown(w.groupOf, n)
	if w.codes != nil {
		w.groupCodes()
		return
	}
	size := 1 << bits.Len(uint(2*n))
	w.slots = grown(w.slots, size)
	clear(w.slots)
	mask := uint64(size - 1)
	for i, row := range w.rows {
		hash := mix(w.hashes[row] + golden*uint64(w.spanOf[i]+1))
		g := w.lookUp(hash, hash&mask, mask, i, row)
		w.groupOf[i] = g
		w.groups[g].rows++
		if w.late[i] {
			w.groups[g].late++
		}
	}
}

// groupCodes is group where keys are numbered: span and code are the place in the table.
func (w *batchWork) groupCodes() {
	w.slots = grown(w.slots, w.coded*len(w.spans))
	clear(w.slots)
	spanOf, late, groupOf := w.spanOf[:len(w.rows)], w.late[:len(w.rows)], w.groupOf[:len(w.rows)]
	for i, row := range w.rows {
		slot := &w.slots[int(spanOf[i])*w.coded+int(w.codes[row])]
		if *slot == 0 {
			w.groups = append(w.groups, group{first: row, span: spanOf[i]})
			*slot = int32(len(w.groups))
		}
		groupOf[i] = *slot - 1
		g := &w.groups[*slot-1]
		g.rows++
		if late[i] {
			g.late++
		}
	}
}

// lookUp finds the group of a selected row, or makes it.
func (w *batchWork) lookUp(hash, slot, mask uint64, i int, row int32) int32 {
	for ; ; slot = (slot + 1) & mask {
		number := w.slots[slot]
		if number == 0 {
			w.groups = append(w.groups, group{hash: hash, first: row, span: w.spanOf[i]})
			w.slots[slot] = int32(len(w.groups))
			return int32(len(w.groups) - 1)
		}
		if g := &w.groups[number-1]; g.hash == hash && g.span == w.spanOf[i] && w.sameKey(g.first, row) {
			return number - 1
		}
	}
}

func (w *batchWork) sameKey(a, b int32) bool {
	for _, c := range w.by {
		if c == nil {
			continue
		}
		if c.Kinds[a] != c.Kinds[b] {
			return false
		}
		if c.Bits[a] == c.Bits[b] {
			continue
		}
		if c.Kinds[a] != event.String || string(c.String(int(a))) != string(c.String(int(b))) {
			return false
		}
	}
	return true
}

// gather sorts the selected rows by group and fetches their columns.
func (w *batchWork) gather(b *event.Batch, p *plan, base uint64) {
	n := len(w.rows)
	end := int32(0)
	for g := range w.groups {
		w.groups[g].end = end // the start, until the rows are in place
		end += w.groups[g].rows
	}
	s := &w.sorted
	s.index = grown(s.index, n)
	for i, row := range w.rows {
		g := &w.groups[w.groupOf[i]]
		s.index[g.end] = row
		g.end++
	}
	s.times = grown(s.times, n)
	s.positions = grown(s.positions, n)
	for i, row := range s.index {
		s.times[i] = b.Times[row]
		s.positions[i] = mix(base + golden*uint64(row))
	}
	s.hashes = grown(s.hashes, len(p.items))
	s.items = grown(s.items, len(p.items))
	for c := range p.items {
		source := p.hashes(b, c, &w.ones)
		column := grown(s.hashes[c], n)
		for i, row := range s.index {
			column[i] = source[row]
		}
		s.hashes[c], s.items[c] = column, b.Items(p.items[c])
	}
	s.weights = grown(s.weights, len(p.weights))
	for c, field := range p.weights {
		s.weights[c] = grown(s.weights[c], n)
		weight(s.weights[c], b.Column(field), s.index)
	}
	s.values = grown(s.values, len(p.values))
	for c, field := range p.values {
		s.values[c] = grown(s.values[c], n)
		value(s.values[c], b.Column(field), s.index)
	}
}

// part returns the gathered rows from one to another, as a pane takes them. It
// is valid until the next call.
func (s *gathered) part(from, to int32, late int) *sketches.Rows {
	r := &s.rows
	r.Index, r.Times, r.Positions, r.Late = s.index[from:to], s.times[from:to], s.positions[from:to], late
	r.Items = s.items
	r.Hashes = grown(r.Hashes, len(s.hashes))
	for c := range s.hashes {
		r.Hashes[c] = s.hashes[c][from:to]
	}
	r.Weights = grown(r.Weights, len(s.weights))
	for c := range s.weights {
		r.Weights[c] = s.weights[c][from:to]
	}
	r.Values = grown(r.Values, len(s.values))
	for c := range s.values {
		r.Values[c] = s.values[c][from:to]
	}
	return r
}

// release lets go of what belongs to the batch.
func (w *batchWork) release() {
	w.keys, w.hashes, w.codes = nil, nil, nil
	clear(w.by)
	clear(w.sorted.items)
	clear(w.sorted.rows.Items)
	clear(w.groups) // and of panes
	clear(w.homes)
	clear(w.samples)
	clear(w.parts[:cap(w.parts)])
	clear(w.cells[:cap(w.cells)])
	w.parts, w.cells = w.parts[:0], w.cells[:0]
	clear(w.sampledParts[:cap(w.sampledParts)])
	clear(w.sampledOf[:cap(w.sampledOf)])
	w.sampledParts, w.sampledOf = w.sampledParts[:0], w.sampledOf[:0]
}

// keyOf returns the key of a group that was spelled.
func (w *batchWork) keyOf(g *group) []byte { return w.keyBytes[g.keyAt:g.keyEnd:g.keyEnd] }

// positionBase is what the positions of a record's events are hashed from:
// partition, offset and index alone, never how a batch was grouped.
func positionBase(partition int, offset uint64) uint64 {
	return mix(mix(uint64(partition)+golden) ^ offset)
}
