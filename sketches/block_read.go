package sketches

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// How a block is read.

// columnOf tells of which column the first record of a log is.
func (l *Layout) columnOf(log []byte) int {
	if l.block.tagged {
		return int(log[0])
	}
	return l.block.column
}

// recordSize is how many bytes the first record of a log takes, which is of this column.
func (plan *columnPlan) recordSize(log []byte) int {
	if !plan.items {
		return plan.fixed
	}
	n := int(log[plan.fixed-1])
	if n == several {
		n = 2 + int(log[plan.fixed]) + wordBytes*int(log[plan.fixed+1])
	}
	return plan.fixed + n
}

// parts returns the item of a record, and the words behind it, of a plan that keeps items.
func (plan *columnPlan) parts(r []byte) (item, words []byte) {
	r = r[plan.fixed-1:]
	if r[0] != several {
		return r[1:], nil
	}
	item, words = r[3:], r[3+int(r[1]):]
	return item[:r[1]], words
}

// hashOf is the hash of a record's item.
func (plan *columnPlan) hashOf(r []byte) uint64 {
	if plan.hashed() {
		return binary.LittleEndian.Uint64(r[plan.hashAt:])
	}
	item, _ := plan.parts(r)
	return plan.hash(item)
}

// records are those of a column in the block, in order. They alias it.
func (p *Pane) records(column int) iter.Seq[[]byte] {
	return func(yield func(r []byte) bool) {
		l := p.layout
		for log := p.log(); len(log) > 0; {
			c := l.columnOf(log)
			r := log[:l.columns[c].recordSize(log)]
			if c == column && !yield(r) {
				return
			}
			log = log[len(r):]
		}
	}
}

// wordsOf is how many words the records of a column have.
func (p *Pane) wordsOf(column int) (n int) {
	if !p.layout.block.tagged {
		return int(p.block.words)
	}
	plan := &p.layout.columns[column]
	for r := range p.records(column) {
		n++
		if plan.items {
			_, words := plan.parts(r)
			n += len(words) / wordBytes
		}
	}
	return n
}

// events is how many a record stands for.
func (plan *columnPlan) events(r []byte) uint64 {
	if plan.samples == 0 {
		return binary.LittleEndian.Uint64(r[plan.wordAt:])
	}
	_, words := plan.parts(r)
	return 1 + uint64(len(words)/wordBytes)
}

// weight is what a record weighs by the j-th weight column.
func (plan *columnPlan) weight(r []byte, j int) uint64 {
	return binary.LittleEndian.Uint64(r[plan.weightsAt+wordBytes*j:])
}

// addLog adds the records of a column in a block to its table.
func (t *table) addLog(p *Pane, column int) {
	plan := t.plan
	for r := range p.records(column) {
		hash := plan.hashOf(r)
		var words []uint64
		if i := t.find(hash); i >= 0 {
			words = t.entry(i)
		} else {
			words = t.open(hash)
			if plan.items {
				item, _ := plan.parts(r)
				t.putItem(item)
			}
		}
		words[1] = saturatingAdd(words[1], plan.events(r))
		for j := range plan.weights {
			words[2+j] = saturatingAdd(words[2+j], plan.weight(r, j))
		}
	}
}

// blockReservoir makes the reservoir of a sketch from the block, with room for so many
// times what there is.
func (p *Pane) blockReservoir(sketch, room int) *Reservoir {
	spec := &p.layout.specs[sketch]
	plan := &p.layout.columns[spec.Column]
	events, bytes := 0, 0
	for one := range p.records(spec.Column) {
		item, words := plan.parts(one)
		n := 1 + len(words)/wordBytes
		events, bytes = events+n, bytes+n*len(item)
	}
	r := &Reservoir{size: spec.Size, heap: make([]sampled, 0, min(room*events, spec.Size)), arena: make([]byte, 0, room*bytes)}
	for one := range p.records(spec.Column) {
		item, words := plan.parts(one)
		r.Add(binary.LittleEndian.Uint64(one[plan.wordAt:]), item)
		for ; len(words) > 0; words = words[wordBytes:] {
			r.Add(binary.LittleEndian.Uint64(words), item)
		}
	}
	return r
}

// lookupBlock returns a word of an item's entry as a table has them: 1 is its
// count, and weight sums follow. It is false if there is none.
func (p *Pane) lookupBlock(column, word int, hash uint64) (n uint64, found bool) {
	plan := &p.layout.columns[column]
	for r := range p.records(column) {
		if plan.hashOf(r) != hash {
			continue
		}
		found = true
		if word > 1 {
			n = saturatingAdd(n, plan.weight(r, word-2))
		} else {
			n = saturatingAdd(n, plan.events(r))
		}
	}
	return n, found
}

// repetitive tells whether about half of the records, or more, are of items that others
// are of too. It is a guess: it counts items by linear counting (Whang, Vander-Zanden,
// Taylor 1990) with 64 bits, without the correction.
func (p *Pane) repetitive() bool {
	l, log, seen, items, records := p.layout, p.log(), uint64(0), 0, 0
	plan, tagged := &l.columns[l.block.column], l.block.tagged
	many := int(p.block.words) / 2 // there are no more records than words
	for len(log) > 0 {
		if tagged {
			plan = &l.columns[log[0]]
		}
		r := log[:plan.recordSize(log)]
		bit := uint64(1) << (plan.mark(r) >> 58)
		if seen&bit == 0 {
			if items++; items > many {
				return false
			}
		}
		seen |= bit
		records++
		log = log[len(r):]
	}
	return items <= records/2
}

// mark is a cheap hash of a record's item, good in its upper bits: of its hash, or of its
// first and last eight bytes. Items that it takes for one cost time only.
func (plan *columnPlan) mark(r []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	if plan.hashed() {
		return odd * binary.LittleEndian.Uint64(r[plan.hashAt:])
	}
	from, to := plan.fixed, len(r)
	if r[from-1] == several {
		from += 2
		to = from + int(r[plan.fixed])
	}
	x := binary.LittleEndian.Uint64(r[to-wordBytes:])
	if n := to - from; n < wordBytes {
		return odd * (x >> (8 * (wordBytes - n))) // without what stands before the item
	}
	return odd * (x + bits.RotateLeft64(binary.LittleEndian.Uint64(r[from:]), 32))
}
