package sketches

// Group is rows of one pane, among those of many.
type Group struct {
	Pane     *Pane
	From, To int32 // the rows from one to another
	Late     int32 // how many of them were behind the watermark
}

// appliedTogether is how many panes are fetched from memory at once: enough
// for a processor to wait for as many lines as it can, and few enough for them
// to stay in its first cache.
const appliedTogether = 32

// Apply counts the events of many panes of one layout. It is the same as to give
// each pane its rows, group by group, but faster: panes of many keys are seldom in
// the processor's cache, and one after the other would wait for several lines of
// memory. Here those of a few dozen panes come together. Rows.Late is ignored.
func Apply(groups []Group, r *Rows) {
	for len(groups) > 0 {
		few := groups[:min(len(groups), appliedTogether)]
		groups = groups[len(few):]
		touch(few)
		applyTogether(few, r)
	}
}

// applyTogether applies to a few panes, step by step rather than pane by pane: what
// a step needs of rows and layout is looked up once, and so is what it waits for.
func applyTogether(groups []Group, r *Rows) {
	l := groups[0].Pane.layout
	countEvents(groups, r.Times)
	for k := range l.sumPlans {
		l.applySums(k, groups, r)
	}
	for k, i := range l.weighted {
		s := &l.specs[i]
		l.applyIgnored(k, groups, r.Hashes[s.Column], r.Weights[s.Weight])
	}
	for c := range l.columns {
		l.applyColumn(c, groups, r)
	}
}

// countEvents counts events, and widens the spans of their times.
func countEvents(groups []Group, times []int64) {
	for i := range groups {
		g := &groups[i]
		if g.From == g.To {
			continue
		}
		p := g.Pane
		least := times[g.From]
		greatest := least
		for j := g.From + 1; j < g.To; j++ {
			least, greatest = min(least, times[j]), max(greatest, times[j])
		}
		if p.events > 0 {
			least, greatest = min(least, p.least), max(greatest, p.greatest)
		}
		p.least, p.greatest = least, greatest
		if p.block.first == nil {
			p.openForRows()
		}
		p.events = saturatingAdd(p.events, uint64(g.To-g.From))
		p.late = saturatingAdd(p.late, uint64(g.Late))
	}
}

// applyColumn counts the items of a column.
func (l *Layout) applyColumn(c int, groups []Group, r *Rows) {
	plan := &l.columns[c]
	if plan.kept() == 0 {
		return
	}
	l.touchWide(c, groups, r.Hashes[c])
	for len(groups) > 0 {
		if n := inBlocks(groups, plan.most); n > 0 {
			l.applyBlocks(c, groups[:n], r)
			groups = groups[n:]
			continue
		}
		l.applySlowly(c, &groups[0], r)
		groups = groups[1:]
	}
}

// touch reads what will be read first of each pane: the panes and then, in a loop
// as short as can be, where their blocks begin and where they will grow. A processor
// looks but a few hundred instructions ahead, so what it is to wait for together must
// stand close together; to ask it for lines without waiting (prefetch) was measured
// to be slower. The result means nothing, and is there lest the compiler leave
// the reading out.
//
//go:noinline
func touch(groups []Group) (read byte) {
	const usualRecord = 24 // bytes
	var blocks [appliedTogether]block
	for i := range groups {
		blocks[i] = groups[i].Pane.block
	}
	for _, block := range blocks[:len(groups)] {
		b := block.bytes()
		if last := len(b) - 1; last >= 0 {
			log, end := int(block.log), int(block.size)
			read |= b[0] | b[min(cacheLine-1, last)] // a block may begin anywhere in a line
			read |= b[min(log, last)] | b[min(log+usualRecord, last)]
			if end-log < usualRecord { // it will be copied to a larger one
				for at := cacheLine; at < last; at += cacheLine {
					read |= b[at]
				}
			}
		}
	}
	return read
}

const cacheLine = 64 // bytes

// touchWide is touch for the panes that have outgrown their blocks: each of its loops
// reads one line more of every such pane, down to where a column's table and
// sample will be looked at first.
//
//go:noinline
func (l *Layout) touchWide(c int, groups []Group, hashes []uint64) (read uint64) {
	plan := &l.columns[c]
	var wides [appliedTogether]*wide
	var firsts [appliedTogether]uint64
	n := 0
	for i := range groups {
		if g := &groups[i]; g.From < g.To && g.Pane.wide != nil {
			wides[n], firsts[n] = g.Pane.wide, hashes[g.From]
			n++
		}
	}
	if n < 2 {
		return 0
	}
	var tables [appliedTogether]*table
	var samples [appliedTogether]*Reservoir
	for _, w := range wides[:n] {
		read |= uint64(len(w.sketches))
	}
	for i, w := range wides[:n] {
		tables[i] = w.columns[c].table
		if plan.sampled >= 0 {
			samples[i] = sketchAs[*Reservoir](w, plan.sampled)
		}
	}
	var roots [appliedTogether]*sampled
	for i := range n {
		if t := tables[i]; t != nil {
			read |= uint64(len(t.words))
		}
		if r := samples[i]; r != nil && len(r.heap) > 0 {
			roots[i] = &r.heap[0]
		}
	}
	for i := range n {
		if t := tables[i]; t != nil && len(t.index) > 0 {
			read |= uint64(t.index[firsts[i]&uint64(len(t.index)-1)])
		}
		if roots[i] != nil {
			read |= roots[i].position
		}
	}
	return read
}
