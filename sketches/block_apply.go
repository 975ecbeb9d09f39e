package sketches

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// How events are added to blocks. The records of the rows of a few groups are written
// one behind the other; then those of each group are copied to where the log of its pane
// ends. So each of the two loops is short, and only the second one waits for memory.

// encoded are the records of some rows. Nulls have none.
type encoded struct {
	log   []byte
	ends  []int32 // by record
	nulls bool    // there are fewer records than rows
	odd   bool    // some are too long for a block

	// If there are nulls, of the other rows:
	picked        []int32
	hashes, words []uint64
	rows          []int32
}

// mostEncoded is how many bytes of records memory is kept for.
const mostEncoded = 1 << 18

// fewRecords is up to how many records of a group go into a block as they are, rather than
// combined.
const fewRecords = 16

// encode writes the records of rows from one to another.
func (e *encoded) encode(c int, plan *columnPlan, r *Rows, from, to int) {
	hashes, words, rows := r.Hashes[c][from:to], r.Positions[from:to], r.Index[from:to]
	if e.nulls = slices.Contains(hashes, 0); e.nulls {
		e.pick(hashes)
		e.hashes, e.words, e.rows = pick(e.hashes, hashes, e.picked), pick(e.words, words, e.picked), pick(e.rows, rows, e.picked)
		hashes, words, rows = e.hashes, e.words, e.rows
	}
	e.ends = slices.Grow(e.ends[:0], len(rows))[:len(rows)]
	ends := e.ends
	if plan.items {
		e.log = r.Items[c].AppendItems(e.log[:0], rows, ends, plan.fixed, blockItem)
	} else {
		e.log = slices.Grow(e.log[:0], len(rows)*plan.fixed)[:len(rows)*plan.fixed]
		for i := range ends {
			ends[i] = int32((i + 1) * plan.fixed)
		}
	}
	e.odd = false
	log, at, counts := e.log, 0, plan.samples == 0
	for i, end := range ends {
		b := log[at:end]
		at = int(end)
		word := words[i]
		if counts {
			word = 1
		}
		plan.begin(b, c, hashes[i], word)
		if len(plan.weights) > 0 {
			row := i
			if e.nulls {
				row = int(e.picked[i])
			}
			r.putWeights(b[plan.weightsAt:], plan, from+row)
		}
		if plan.items {
			b[plan.fixed-1] = byte(len(b) - plan.fixed)
		}
		if len(b)-plan.fixed > blockItem {
			e.odd = true
		}
	}
}

// pick lists the rows that are not null.
func (e *encoded) pick(hashes []uint64) {
	e.picked = e.picked[:0]
	for i, x := range hashes {
		if x != 0 {
			e.picked = append(e.picked, int32(i))
		}
	}
}

// nullsIn is how many of some rows have no record.
func nullsIn(hashes []uint64) (n int) {
	for _, x := range hashes {
		if x == 0 {
			n++
		}
	}
	return n
}

// fit tells whether each of some records may go into a block. The first of them begins at at.
func (e *encoded) fit(plan *columnPlan, ends []int32, at int32) bool {
	for _, end := range ends {
		if int(end-at)-plan.fixed > blockItem {
			return false
		}
		at = end
	}
	return true
}

// begin writes a record down to its weights.
func (plan *columnPlan) begin(b []byte, c int, hash, word uint64) {
	binary.LittleEndian.PutUint64(b, hash)
	binary.LittleEndian.PutUint64(b[wordAt:], word)
	if plan.tagged {
		b[columnAt] = byte(c)
	}
}

// putWeights writes the weights of row i.
func (r *Rows) putWeights(b []byte, plan *columnPlan, i int) {
	for j, w := range plan.weights {
		binary.LittleEndian.PutUint64(b[weightBytes*j:], uint64(max(r.Weights[w][i], 0)))
	}
}

// inBlocks is how many groups in front have blocks, and rows that follow one another.
func inBlocks(groups []Group, most int) int {
	next := groups[0].From
	for k := range groups {
		g := &groups[k]
		if g.Pane.wide != nil || g.From != next || int(g.To-g.From) > most {
			return k
		}
		next = g.To
	}
	return len(groups)
}

// applyBlocks counts the items of a column for groups of which inBlocks is true.
func (l *Layout) applyBlocks(c int, groups []Group, r *Rows) {
	plan, most, e := &l.columns[c], l.block.most, &r.encoded
	e.encode(c, plan, r, int(groups[0].From), int(groups[len(groups)-1].To))
	left, at := e.ends, int32(0)
	for k := range groups {
		g := &groups[k]
		n := int(g.To - g.From)
		if e.nulls {
			n -= nullsIn(r.Hashes[c][g.From:g.To])
		}
		if n == 0 {
			continue
		}
		p, ends := g.Pane, left[:n]
		left = left[n:]
		log := e.log[at:ends[n-1]]
		// A group before may have been of the same pane.
		fits := p.wide == nil && (!e.odd || e.fit(plan, ends, at))
		at = ends[n-1]
		if fits && (p.block.gap() < len(log) || int(p.block.records)+n > most) {
			if n > fewRecords {
				log, n = l.combine(log, n) // lest the block grow for the sake of one group
			}
			fits = p.makeRoom(c, n, len(log))
		}
		if !fits {
			if p.wide == nil && !e.odd && !l.block.combines {
				p.widen() // row by row they would not fit either
			}
			l.applySlowly(c, g, r)
			continue
		}
		// Fast path: all records of the group are copied.
		p.block.log += uint16(copy(p.block.bytes()[p.block.log:], log))
		p.block.records += uint16(n)
	}
	if cap(e.log) > mostEncoded {
		e.log = nil
	}
}

// applySlowly counts the items of a column for one pane, row by row as far as they go
// into its block.
func (l *Layout) applySlowly(c int, g *Group, r *Rows) {
	from, to := int(g.From), int(g.To)
	row := from
	if p := g.Pane; p.wide == nil {
		if l.block.combines || to-from <= l.columns[c].most {
			if row = p.addRows(c, r, from, to); row == to {
				return
			}
		}
		p.widen()
	}
	g.Pane.wide.apply(l, c, r.between(from, to), row-from)
}

// addRows adds rows to the block as far as they fit, and returns the first that does not.
func (p *Pane) addRows(c int, r *Rows, from, to int) int {
	plan := &p.layout.columns[c]
	for i := from; i < to; i++ {
		hash, word := r.Hashes[c][i], uint64(1)
		if hash == 0 {
			continue
		}
		if plan.samples != 0 {
			word = r.Positions[i]
		}
		r.scratch = r.scratch[:0]
		if plan.items {
			r.scratch = r.Items[c].AppendItem(r.scratch, r.Index[i])
		}
		weights, ok := p.addRecord(c, plan, hash, word, r.scratch)
		if !ok {
			return i
		}
		r.putWeights(weights, plan, i)
	}
	return to
}

// addRecord adds a record of no weight, and returns the place of its weights. It is
// false, with nothing changed that shows, if it does not fit.
func (p *Pane) addRecord(c int, plan *columnPlan, hash, word uint64, item []byte) (weights []byte, ok bool) {
	size := plan.fixed + len(item)
	if len(item) > blockItem {
		return nil, false
	}
	if (p.block.gap() < size || int(p.block.records) >= p.layout.block.most) && !p.makeRoom(c, 1, size) {
		return nil, false
	}
	b := p.block.bytes()[p.block.log:]
	plan.begin(b, c, hash, word)
	weights = b[plan.weightsAt : plan.weightsAt+weightBytes*len(plan.weights)]
	clear(weights)
	if plan.items {
		b[plan.fixed-1] = byte(len(item))
		copy(b[plan.fixed:], item)
	}
	p.block.log += uint16(size)
	p.block.records++
	return weights, true
}

// makeRoom makes room for so many records more of a column, of so many bytes together. It
// is false, with nothing changed that shows, if there cannot be.
func (p *Pane) makeRoom(c, records, bytes int) bool {
	b, plan := &p.block, &p.layout.columns[c]
	least, most := bytes, plan.most
	if p.layout.block.combines {
		if b.gap() >= bytes && p.recordsOf(c)+records <= most {
			return true // it is the records of all columns that are many
		}
		p.combine()
		// What is to be combined again must have had many records added, or each of
		// them would cost too much.
		least = max(bytes, int(b.size)/3)
		if plan.samples == 0 {
			most -= most / 3
		}
	}
	if p.recordsOf(c)+records > most {
		return false
	}
	if b.gap() >= least {
		return true
	}
	size := blockSize(max(int(b.log)+bytes, int(b.size)+1))
	if size == 0 {
		p.shorten()
		return b.gap() >= max(bytes, int(b.size)/8) // or it would be shortened for every other event
	}
	b.resize(size)
	return true
}

// combine combines the records of the block.
func (p *Pane) combine() {
	log, records := p.layout.combine(p.log(), int(p.block.records))
	p.block.log, p.block.records = uint16(p.layout.block.log+len(log)), uint16(records)
}

// combine makes one record of all that are of the same item, in columns of which records
// have counts, and returns what is left of a log, in place. Those of an item stay in order.
func (l *Layout) combine(log []byte, records int) (rest []byte, left int) {
	if !l.block.combines || records < 2 {
		return log, records
	}
	var firsts recordIndex
	end := 0
	for at := 0; at < len(log); {
		plan := &l.columns[l.columnOf(log[at:])]
		r := log[at : at+plan.recordSize(log[at:])]
		at += len(r)
		if plan.samples == 0 {
			first := firsts.find(plan, log, r)
			if *first != 0 {
				plan.addTo(log[*first-1:], r)
				continue
			}
			*first = uint16(end) + 1
		}
		end += copy(log[end:], r)
		left++
	}
	return log[:end], left
}

// shorten takes the items from records that repeat the last one of their hash, in columns with
// a reservoir. It is for blocks that would have to be left otherwise, for most panes have few such records.
func (p *Pane) shorten() {
	l, log := p.layout, p.log()
	var items recordIndex // of the last record that has one
	end := 0
	for at := 0; at < len(log); {
		plan := &l.columns[l.columnOf(log[at:])]
		r := log[at : at+plan.recordSize(log[at:])]
		at += len(r)
		if plan.samples != 0 && r[plan.fixed-1] != repeated {
			last := items.find(plan, log, r)
			if *last != 0 && bytes.Equal(plan.item(log[*last-1:]), r[plan.fixed:]) {
				r = r[:plan.fixed]
				r[plan.fixed-1] = repeated
			} else {
				*last = uint16(end) + 1
			}
		}
		end += copy(log[end:], r)
	}
	p.block.log = uint16(l.block.log + end)
}

// sameItem tells whether another record is of the item of r, which is of this column.
func (plan *columnPlan) sameItem(other, r []byte) bool {
	return binary.LittleEndian.Uint64(other) == binary.LittleEndian.Uint64(r) && (!plan.tagged || other[columnAt] == r[columnAt])
}

// addTo adds the count and the weights of record r to another one of its item.
func (plan *columnPlan) addTo(other, r []byte) {
	add := func(at int) {
		sum := saturatingAdd(binary.LittleEndian.Uint64(other[at:]), binary.LittleEndian.Uint64(r[at:]))
		binary.LittleEndian.PutUint64(other[at:], sum)
	}
	add(wordAt)
	for j := range plan.weights {
		add(plan.weightsAt + weightBytes*j)
	}
}
