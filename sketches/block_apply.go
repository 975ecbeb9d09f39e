package sketches

import (
	"encoding/binary"
	"math/bits"
)

// How events are added to a block.

// applyBlock counts a column's events in the block, as far as they fit, and
// returns how many rows it has dealt with.
func (p *Pane) applyBlock(column int, r *Rows) (done int) {
	plan := &p.layout.columns[column]
	hashes := r.Hashes[column]
	if !plan.kept() {
		return len(hashes)
	}
	var s section
	p.section(&s, column)
	for done < len(hashes) {
		x, position := hashes[done], uint64(0)
		if x == 0 {
			done++
			continue
		}
		if plan.room > 0 {
			if s.samples == plan.room {
				break
			}
			position = r.Positions[done]
		}
		e := s.find(plan.stride, x)
		if e < 0 {
			if plan.items {
				r.scratch = r.Items[column].AppendItem(r.scratch[:0], r.Index[done])
			}
			if !p.addItem(&s, plan, x, position, r.scratch) {
				break
			}
			e = s.entries - 1
		} else if !p.addKnown(&s, plan, e, position) {
			break
		}
		if len(plan.weights) > 0 {
			s.weigh(plan, e, r, done)
		}
		done++
	}
	p.close(&s)
	return done
}

// weigh adds the weights of row i to an entry.
func (s *section) weigh(plan *columnPlan, e int, r *Rows, i int) {
	b := s.entry(plan.stride, e)
	for j, w := range plan.weights {
		if x := r.Weights[w][i]; x > 0 {
			sum := b[weightsAt+8*j:]
			binary.LittleEndian.PutUint64(sum, saturatingAdd(binary.LittleEndian.Uint64(sum), uint64(x)))
		}
	}
}

// find returns the number of an item's entry, or -1.
func (s *section) find(stride int, hash uint64) int {
	if stride == 0 {
		return -1
	}
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	like := (hash & 0xff) * ones
	for first := 0; first < s.entries; first += markGroup {
		x := binary.LittleEndian.Uint64(s.room[first:]) ^ like
		// The top bit of each byte that is zero, and perhaps of some above the first such one.
		for alike := (x - ones) &^ x & tops; alike != 0; alike &= alike - 1 {
			e := first + bits.TrailingZeros64(alike)/8
			if e < s.entries && binary.LittleEndian.Uint64(s.entry(stride, e)) == hash {
				return e
			}
		}
	}
	return -1
}

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
		binary.LittleEndian.PutUint32(b[countAt:], 1)
		clear(b[weightsAt:])
		s.low -= plan.stride
	}
	s.entries++
	return true
}

// addKnown adds an event of an item that has an entry. It is false, with
// nothing changed, if that does not fit.
func (p *Pane) addKnown(s *section, plan *columnPlan, e int, position uint64) bool {
	count := binary.LittleEndian.Uint32(s.entry(plan.stride, e)[countAt:])
	if count == blockCount || !p.addSample(s, plan, e, position) {
		return false
	}
	binary.LittleEndian.PutUint32(s.entry(plan.stride, e)[countAt:], count+1)
	return true
}

// addSample adds an event to the log, if there is a sample.
func (p *Pane) addSample(s *section, plan *columnPlan, e int, position uint64) bool {
	if plan.room == 0 {
		return true
	}
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
