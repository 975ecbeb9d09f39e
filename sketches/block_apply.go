package sketches

import (
	"encoding/binary"
	"math/bits"
)

// How events are added to a block.

// applyBlock counts the rows of a column from one to another in the block, as
// far as they fit, and returns the first that it has not dealt with.
func (p *Pane) applyBlock(s *section, plan *columnPlan, r *Rows, from, to int) int {
	e, at := s.first, s.found
	for i, x := range r.Hashes[s.column][from:to] {
		if x == 0 {
			continue
		}
		if i > 0 || e >= 0 && binary.LittleEndian.Uint64(s.room[at:]) != x {
			e, at = s.find(plan, x)
		}
		if !p.addRow(s, plan, r, from+i, x, e, at) {
			to = from + i
			break
		}
	}
	p.close(s)
	return to
}

// addRow adds row i, whose item is number e and has its record there, or has none if e is
// negative. It is false, with nothing changed, if that does not fit.
func (p *Pane) addRow(s *section, plan *columnPlan, r *Rows, i int, hash uint64, e, at int) bool {
	position := uint64(0)
	if plan.room > 0 {
		if s.items+s.samples == plan.room {
			return false
		}
		position = r.Positions[i]
	}
	switch {
	case e >= 0 && plan.counts:
		if !s.count(plan, at) {
			return false
		}
	case e >= 0:
		before := len(s.room)
		if !p.addSample(s, plan, e, position) {
			return false
		}
		if len(s.room) != before && len(plan.weights) > 0 {
			at = s.recordOf(plan, e) // it has moved
		}
	default:
		at = s.end
		if s.addFresh(plan, r, i, hash, position) {
			break
		}
		// Slow path: nearly always for room.
		if plan.items {
			r.scratch = r.Items[s.column].AppendItem(r.scratch[:0], r.Index[i])
		}
		if !p.addItem(s, plan, hash, position, r.scratch) {
			return false
		}
		at = s.recordOf(plan, s.items-1)
	}
	if len(plan.weights) > 0 {
		s.weigh(plan, at, r, i)
	}
	return true
}

// addFresh is the fast path for an item that has no record: there is room for one of
// usual length, and it is written where it stays. It is false, with nothing changed but
// the gap, if it does not fit after all.
func (s *section) addFresh(plan *columnPlan, r *Rows, i int, hash, position uint64) bool {
	gap := s.room[s.end:s.low]
	if len(gap) < plan.usual || s.items >= min(s.places, tableAlways) {
		return false
	}
	n := plan.record
	if plan.items {
		item := r.Items[s.column].AppendItem(gap[n:n:len(gap)], r.Index[i])
		n += len(item)
		if n > len(gap) || len(item) > blockItem {
			return false
		}
	}
	s.begin(plan, gap, hash, position, n)
	return true
}

// begin makes a record of n bytes at the beginning of the gap, in which its item stands
// already: all that a new item has besides.
func (s *section) begin(plan *columnPlan, gap []byte, hash, position uint64, n int) {
	place := s.items/placeGroup*plan.group + s.items%placeGroup
	if plan.items {
		s.room[place+plan.lengths] = byte(n - plan.record)
	}
	if plan.tabled != 0 {
		s.room[place] = byte(hash)
		binary.LittleEndian.PutUint64(gap, hash)
	}
	if plan.counts {
		binary.LittleEndian.PutUint32(gap[plan.value:], 1)
	} else {
		binary.LittleEndian.PutUint64(gap[plan.value:], position)
	}
	if len(plan.weights) > 0 {
		clear(gap[plan.weighed:plan.record])
	}
	s.end += n
	s.items++
}

// count adds one to the count of the record at at. It is false if the count would be
// too large.
func (s *section) count(plan *columnPlan, at int) bool {
	b := s.room[at+plan.value:]
	count := binary.LittleEndian.Uint32(b)
	if count == blockCount {
		return false
	}
	binary.LittleEndian.PutUint32(b, count+1)
	return true
}

// weigh adds the weights of row i to the record at at.
func (s *section) weigh(plan *columnPlan, at int, r *Rows, i int) {
	for j, w := range plan.weights {
		if x := r.Weights[w][i]; x > 0 {
			sum := s.room[at+plan.weighed+8*j:]
			binary.LittleEndian.PutUint64(sum, saturatingAdd(binary.LittleEndian.Uint64(sum), uint64(x)))
		}
	}
}

// seem notes which item a group's first one seems to be.
func (s *section) seem(plan *columnPlan, hash uint64) {
	s.first = -1
	if plan.tabled == 0 {
		return
	}
	if s.first = s.alike(plan, hash, 0); s.first >= 0 {
		s.found = s.recordOf(plan, s.first)
	}
}

// find returns the number of an item and where its record is, or -1.
func (s *section) find(plan *columnPlan, hash uint64) (e, at int) {
	if plan.tabled == 0 {
		return -1, 0
	}
	for e = s.alike(plan, hash, 0); e >= 0; e = s.alike(plan, hash, e+1) {
		if at = s.recordOf(plan, e); binary.LittleEndian.Uint64(s.room[at:]) == hash {
			return e, at
		}
	}
	return -1, 0
}

// alike returns the first item from one on that has the mark of a hash, and so is
// most likely the one looked for, or -1. It looks at twice as many marks as come in a
// group, so that its loop nearly always ends at once; those behind the last item's,
// which may be none, are left out.
func (s *section) alike(plan *columnPlan, hash uint64, from int) int {
	like := (hash & 0xff) * ones
	for first := from &^ (placeGroup - 1); first < s.items; first += 2 * placeGroup {
		marks := s.room[first/placeGroup*plan.group:]
		low, high := zeros(binary.LittleEndian.Uint64(marks)^like), zeros(binary.LittleEndian.Uint64(marks[plan.group:])^like)
		if first < from {
			low &= ^uint64(0) << (8 * (from - first))
		}
		if low|high == 0 {
			continue
		}
		e := first + bits.TrailingZeros64(low)/8
		if low == 0 {
			e = first + placeGroup + bits.TrailingZeros64(high)/8
		}
		if e < s.items {
			return e
		}
		return -1
	}
	return -1
}

const ones, tops = 0x0101010101010101, 0x8080808080808080

// zeros has the top bit of each byte that is zero, and perhaps of some above the first such one.
func zeros(x uint64) uint64 { return (x - ones) &^ x & tops }

// addItem adds an item that has no record, and its first event. It is false,
// with nothing changed, if that does not fit.
func (p *Pane) addItem(s *section, plan *columnPlan, hash, position uint64, item []byte) bool {
	if !plan.items {
		item = nil
	}
	need := plan.record + len(item)
	if s.gap() < need || s.items >= min(s.places, tableAlways) || len(item) > blockItem {
		if !s.fits(plan, len(item)) {
			return false
		}
		if (s.gap() < need || s.items == s.places) && !p.grow(s, plan, need) {
			return false
		}
	}
	gap := s.room[s.end:s.low]
	copy(gap[plan.record:], item)
	s.begin(plan, gap, hash, position, need)
	return true
}

// addSample adds a further event of an item to a column with a sample.
func (p *Pane) addSample(s *section, plan *columnPlan, e int, position uint64) bool {
	if s.gap() < sampleBytes && !p.grow(s, plan, sampleBytes) {
		return false
	}
	b := s.room[s.low-sampleBytes : s.low]
	b[0] = byte(e)
	binary.LittleEndian.PutUint64(b[1:], position)
	s.low -= sampleBytes
	s.samples++
	return true
}

// fits tells whether an item more may have a record, if there is room.
func (s *section) fits(plan *columnPlan, item int) bool {
	if s.items == blockEntries || item > blockItem {
		return false
	}
	if plan.items { // the lengths of those there are: what is in the records besides
		item += s.end - s.records(plan) - s.items*plan.record
	}
	return plan.tabled == 0 || plan.fits(s.items+1, item)
}
