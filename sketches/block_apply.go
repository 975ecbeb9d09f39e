package sketches

import (
	"encoding/binary"
	"math/bits"
)

// How events are added to a block.

// applyBlock counts the rows of a column from one to another in the block, as
// far as they fit, and returns the first that it has not dealt with.
func (p *Pane) applyBlock(s *section, plan *columnPlan, r *Rows, from, to int) int {
	e := s.first
	for i, x := range r.Hashes[s.column][from:to] {
		if x == 0 {
			continue
		}
		if i > 0 || e >= 0 && binary.LittleEndian.Uint64(s.entry(plan.stride, e)) != x {
			e = s.find(plan.stride, x)
		}
		if !p.addRow(s, plan, r, from+i, x, e) {
			to = from + i
			break
		}
	}
	p.close(s)
	return to
}

// addRow adds row i, whose item has entry e, or none if e is negative. It is false,
// with nothing changed, if that does not fit.
func (p *Pane) addRow(s *section, plan *columnPlan, r *Rows, i int, hash uint64, e int) bool {
	position := uint64(0)
	if plan.room > 0 {
		if s.samples == plan.room {
			return false
		}
		position = r.Positions[i]
	}
	switch {
	case e >= 0:
		if !p.addKnown(s, plan, e, position) {
			return false
		}
	case s.addFresh(plan, r, i, hash, position):
		e = s.entries - 1
	default: // Slow path: nearly always for room.
		if plan.items {
			r.scratch = r.Items[s.column].AppendItem(r.scratch[:0], r.Index[i])
		}
		if !p.addItem(s, plan, hash, position, r.scratch) {
			return false
		}
		e = s.entries - 1
	}
	if len(plan.weights) > 0 {
		s.weigh(plan, e, r, i)
	}
	return true
}

// addFresh is the fast path for an item that has no entry, in a column that has
// entries: there is room for one of usual length, and it is written where it stays. It
// is false, with nothing changed but the gap, if it does not fit after all.
func (s *section) addFresh(plan *columnPlan, r *Rows, i int, hash, position uint64) bool {
	gap := s.room[s.log:s.low]
	if len(gap) < plan.usual || s.entries >= min(s.marks, tableAlways) {
		return false
	}
	end, n := len(gap)-plan.stride, 0
	if plan.room > 0 {
		putSample(gap, s.entries, position)
		n = sampleBytes
	}
	if plan.items {
		item := r.Items[s.column].AppendItem(gap[n+1:n+1:end], r.Index[i])
		if len(item) > min(end-n-1, blockItem) {
			return false
		}
		gap[n] = byte(len(item))
		n += 1 + len(item)
	}
	s.room[s.entries] = byte(hash)
	entry := gap[end:]
	binary.LittleEndian.PutUint64(entry, hash)
	if plan.stride > countAt {
		plan.beginEntry(entry)
	}
	s.log += n
	s.low -= plan.stride
	s.entries++
	if plan.room > 0 {
		s.samples++
	}
	return true
}

// beginEntry sets what an entry has besides its hash.
func (plan *columnPlan) beginEntry(b []byte) {
	clear(b[countAt:])
	if plan.counts {
		binary.LittleEndian.PutUint32(b[countAt:], 1)
	}
}

// weigh adds the weights of row i to an entry.
func (s *section) weigh(plan *columnPlan, e int, r *Rows, i int) {
	b := s.entry(plan.stride, e)
	for j, w := range plan.weights {
		if x := r.Weights[w][i]; x > 0 {
			sum := b[plan.weightsAt+8*j:]
			binary.LittleEndian.PutUint64(sum, saturatingAdd(binary.LittleEndian.Uint64(sum), uint64(x)))
		}
	}
}

// find returns the number of an item's entry, or -1.
func (s *section) find(stride int, hash uint64) int {
	if stride == 0 {
		return -1
	}
	e := s.alike(hash, 0)
	for e >= 0 && binary.LittleEndian.Uint64(s.entry(stride, e)) != hash {
		e = s.alike(hash, e+1)
	}
	return e
}

// alike returns the first entry from one on that has the mark of an item, and so is
// most likely the item's, or -1. It looks at twice as many marks as come in a group,
// so that its loop nearly always ends at once; those behind the last entry's, which
// may be none, are left out.
func (s *section) alike(hash uint64, from int) int {
	like := (hash & 0xff) * ones
	for first := from &^ (markGroup - 1); first < s.entries; first += 2 * markGroup {
		marks := s.room[first : first+2*markGroup]
		low, high := zeros(binary.LittleEndian.Uint64(marks)^like), zeros(binary.LittleEndian.Uint64(marks[markGroup:])^like)
		if first < from {
			low &= ^uint64(0) << (8 * (from - first))
		}
		if low|high == 0 {
			continue
		}
		e := first + bits.TrailingZeros64(low)/8
		if low == 0 {
			e = first + markGroup + bits.TrailingZeros64(high)/8
		}
		if e < s.entries {
			return e
		}
		return -1
	}
	return -1
}

const ones, tops = 0x0101010101010101, 0x8080808080808080

// zeros has the top bit of each byte that is zero, and perhaps of some above the first such one.
func zeros(x uint64) uint64 { return (x - ones) &^ x & tops }

// addItem adds an item that has no entry, and its first event. It is false,
// with nothing changed, if that does not fit.
func (p *Pane) addItem(s *section, plan *columnPlan, hash, position uint64, item []byte) bool {
	if !plan.items {
		item = nil
	}
	need := plan.fixed + len(item)
	if s.gap() < need || s.entries >= min(s.marks, tableAlways) || len(item) > blockItem {
		// Slow path: nearly always for room.
		if !s.fits(plan, len(item)) {
			return false
		}
		if (s.gap() < need || plan.stride > 0 && s.entries == s.marks) && !p.grow(s, plan, need) {
			return false
		}
	}
	log := s.room[s.log:s.low]
	if plan.room > 0 {
		putSample(log, s.entries, position)
		log = log[sampleBytes:]
		s.samples++
		s.log += sampleBytes
	}
	if plan.items {
		log[0] = byte(len(item))
		s.log += 1 + copy(log[1:], item)
	}
	if plan.stride > 0 {
		s.room[s.entries] = byte(hash)
		b := s.room[s.low-plan.stride : s.low]
		binary.LittleEndian.PutUint64(b, hash)
		plan.beginEntry(b)
		s.low -= plan.stride
	}
	s.entries++
	return true
}

// addKnown adds an event of an item that has an entry. It is false, with
// nothing changed, if that does not fit.
func (p *Pane) addKnown(s *section, plan *columnPlan, e int, position uint64) bool {
	if !plan.counts {
		return p.addSample(s, plan, e, position)
	}
	b := s.entry(plan.stride, e)[countAt:]
	count := binary.LittleEndian.Uint32(b)
	if count == blockCount {
		return false
	}
	binary.LittleEndian.PutUint32(b, count+1)
	return true
}

// addSample adds an event of an item that there is to the log of a column with a
// sample.
func (p *Pane) addSample(s *section, plan *columnPlan, e int, position uint64) bool {
	if s.gap() < sampleBytes && !p.grow(s, plan, sampleBytes) {
		return false
	}
	putSample(s.room[s.log:], e, position)
	s.log += sampleBytes
	s.samples++
	return true
}

// putSample writes the part of a record that the reservoir needs.
func putSample(b []byte, e int, position uint64) {
	_ = b[sampleBytes-1]
	b[0] = byte(e)
	binary.LittleEndian.PutUint64(b[1:], position)
}

// fits tells whether an item more may have an entry, if there is room.
func (s *section) fits(plan *columnPlan, item int) bool {
	if s.entries == blockEntries || item > blockItem {
		return false
	}
	if plan.items { // the lengths of those there are: what is in the log besides
		item += s.log - s.marks - s.samples*sampleBytes - s.entries
	}
	return plan.stride == 0 || plan.fits(s.entries+1, item)
}
