package sketches

// How events are added to blocks. The records of the rows of a few groups are written
// one behind the other; then those of each group are copied to where the log of its pane
// ends. So each of the two loops is short, and only the second one waits for memory.

// fewRecords is up to how many records of a group go into a block as they are, rather than
// combined.
const fewRecords = 16

// inBlocks is how many groups in front have blocks, and rows that follow one another, most
// of them at most.
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
		if fits && (p.block.gap() < len(log) || int(p.block.words)+n > most) {
			if plan.samples == 0 && n > fewRecords {
				log, n = l.combine(log, n) // lest the block grow for the sake of one group
			}
			fits = p.makeRoom(c, n, len(log))
		}
		if !fits {
			if p.wide == nil && !e.odd && !l.block.counts {
				p.widen() // row by row they would not fit either
			}
			l.applySlowly(c, g, r)
			continue
		}
		// Fast path: all records of the group are copied.
		p.block.log += uint16(copy(p.block.bytes()[p.block.log:], log))
		p.block.words += uint16(n)
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
		if l.block.counts || to-from <= l.columns[c].most {
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
	if (p.block.gap() < size || int(p.block.words) >= p.layout.block.most) && !p.makeRoom(c, 1, size) {
		return nil, false
	}
	b := p.block.bytes()[p.block.log:]
	plan.begin(b, c, hash, word)
	weights = b[plan.weightsAt : plan.weightsAt+wordBytes*len(plan.weights)]
	clear(weights)
	if plan.items {
		b[plan.fixed-1] = byte(len(item))
		copy(b[plan.fixed:], item)
	}
	p.block.log += uint16(size)
	p.block.words++
	return weights, true
}

// sparing is the size from which on a block is looked into before it grows.
const sparing = 256

// makeRoom makes room for records of a column, of so many words and bytes. It is false,
// with nothing changed that shows, if there cannot be.
func (p *Pane) makeRoom(c int, words, bytes int) bool {
	b, plan, counts := &p.block, &p.layout.columns[c], p.layout.block.counts
	if b.gap() >= bytes && p.wordsOf(c)+words <= plan.most {
		return true // it is the words of all columns that are many
	}
	least, most := bytes, plan.most
	// To combine records of which few are of the same item would be in vain, and in the
	// smallest blocks there is little to gain.
	if counts || b.size >= sparing && p.repetitive() {
		p.combine()
		// What is to be combined again must have had many records added, or each of
		// them would cost too much.
		least = max(bytes, int(b.size)/3)
	}
	if plan.samples == 0 {
		most -= most / 3
	}
	if p.wordsOf(c)+words > most {
		return false
	}
	if b.gap() >= least {
		return true
	}
	if size := blockSize(max(int(b.log)+bytes, int(b.size)+1)); size > 0 {
		b.resize(size)
		return true
	}
	if counts {
		return false
	}
	p.combine() // A last resort: to leave the block would take as much again.
	return b.gap() >= max(bytes, int(b.size)/8)
}
