package sketches

import (
	"encoding/binary"
	"iter"
)

// How a block is read.

// columnOf tells of which column the first record of a log is.
func (l *Layout) columnOf(log []byte) int {
	if l.block.tagged {
		return int(log[columnAt])
	}
	return l.block.column
}

// recordSize is how many bytes the first record of a log takes, which is of this column.
func (plan *columnPlan) recordSize(log []byte) int {
	if !plan.items {
		return plan.fixed
	}
	size := int(log[plan.fixed-1])
	if size == repeated {
		size = 0
	}
	return plan.fixed + size
}

// recordIndex finds the records of a log by their items: open addressing by hash, of where
// they begin, plus one.
type recordIndex [2 * blockLimit / columnAt]uint16

// find returns the place of the item of r, which is of this column. It is 0 if there is none.
func (x *recordIndex) find(plan *columnPlan, log, r []byte) *uint16 {
	i := binary.LittleEndian.Uint64(r) % uint64(len(x))
	for x[i] != 0 && !plan.sameItem(log[x[i]-1:], r) {
		i = (i + 1) % uint64(len(x))
	}
	return &x[i]
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

// recordsOf is how many records of a column there are.
func (p *Pane) recordsOf(column int) (n int) {
	if !p.layout.block.tagged {
		return int(p.block.records)
	}
	for range p.records(column) {
		n++
	}
	return n
}

// addLog adds the records of a column in a block to its table.
func (t *table) addLog(p *Pane, column int) {
	plan := t.plan
	for r := range p.records(column) {
		hash, count := binary.LittleEndian.Uint64(r), uint64(1)
		if plan.samples == 0 {
			count = binary.LittleEndian.Uint64(r[wordAt:])
		}
		var words []uint64
		if i := t.find(hash); i >= 0 {
			words = t.entry(i)
		} else {
			words = t.open(hash)
			if plan.items {
				t.putItem(r[plan.fixed:])
			}
		}
		words[1] = saturatingAdd(words[1], count)
		for j := range plan.weights {
			words[2+j] = saturatingAdd(words[2+j], binary.LittleEndian.Uint64(r[plan.weightsAt+weightBytes*j:]))
		}
	}
}

// blockReservoir makes the reservoir of a sketch from the block, with room for so many
// times what there is.
func (p *Pane) blockReservoir(sketch, room int) *Reservoir {
	spec := &p.layout.specs[sketch]
	plan := &p.layout.columns[spec.Column]
	records, bytes, repeats := 0, 0, false
	for one := range p.records(spec.Column) {
		records, bytes = records+1, bytes+len(one)-plan.fixed
		repeats = repeats || one[plan.fixed-1] == repeated
	}
	r := &Reservoir{size: spec.Size, heap: make([]sampled, 0, min(room*records, spec.Size)), arena: make([]byte, 0, room*bytes)}
	if repeats {
		p.addRepeats(spec.Column, r)
		return r
	}
	for one := range p.records(spec.Column) {
		r.Add(binary.LittleEndian.Uint64(one[wordAt:]), one[plan.fixed:])
	}
	return r
}

// addRepeats adds the records of a column to its reservoir where some repeat an item.
func (p *Pane) addRepeats(column int, r *Reservoir) {
	plan, log := &p.layout.columns[column], p.log()
	var items recordIndex // of the last that has one
	at := 0
	for at < len(log) {
		c := p.layout.columnOf(log[at:])
		one := log[at : at+p.layout.columns[c].recordSize(log[at:])]
		if c == column {
			last := items.find(plan, log, one)
			if one[plan.fixed-1] != repeated {
				*last = uint16(at) + 1
			}
			r.Add(binary.LittleEndian.Uint64(one[wordAt:]), plan.item(log[*last-1:]))
		}
		at += len(one)
	}
}

// item is that of the first record of a log, which has one.
func (plan *columnPlan) item(log []byte) []byte { return log[plan.fixed:plan.recordSize(log)] }

// lookupBlock returns a word of an item's entry as a table has them: 1 is its
// count, and weight sums follow. It is false if there is none.
func (p *Pane) lookupBlock(column, word int, hash uint64) (n uint64, found bool) {
	plan := &p.layout.columns[column]
	for r := range p.records(column) {
		if binary.LittleEndian.Uint64(r) != hash {
			continue
		}
		found = true
		switch {
		case word > 1:
			n = saturatingAdd(n, binary.LittleEndian.Uint64(r[plan.weightsAt+weightBytes*(word-2):]))
		case plan.samples != 0:
			n++
		default:
			n = saturatingAdd(n, binary.LittleEndian.Uint64(r[wordAt:]))
		}
	}
	return n, found
}
