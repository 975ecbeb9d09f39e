package sketches

import (
	"encoding/binary"
	"slices"
)

// The way back from a wide pane to a block, for panes that were merged or decoded.

// Compact brings a small pane that has been merged or decoded into its least
// form. It changes no answer. Owners who keep many panes call it after merging;
// one that a query fills is better left as it is.
func (p *Pane) Compact() {
	w := p.wide
	if w == nil {
		if p.block.first != nil {
			p.trim()
		}
		return
	}
	if !w.mayPack(p.layout) {
		return
	}
	q := Pane{layout: p.layout, events: p.events, late: p.late, least: p.least, greatest: p.greatest}
	q.openForRows()
	copy(q.block.bytes()[:p.layout.block.log], p.block.bytes())
	for c := range w.columns {
		if !q.pack(c, w) {
			return
		}
	}
	q.trim()
	*p = q
}

// mayPack is false if the columns surely do not fit a block.
func (w *wide) mayPack(l *Layout) bool {
	size := 0
	for c := range w.columns {
		if w.columns[c].promoted {
			return false
		}
		if t := w.columns[c].table; t != nil {
			size += t.len()*l.columns[c].fixed + t.bytes
		}
	}
	return size <= max(blockLimit-l.block.log, 0)
}

// pack writes a wide column into the block; false if it does not fit.
func (p *Pane) pack(c int, w *wide) bool {
	plan := &p.layout.columns[c]
	sample, ok := p.layout.onlySample(plan, w)
	if !ok {
		return false
	}
	var es []tableEntryView
	if t := w.columns[c].table; t != nil {
		es = t.entries()
	}
	if plan.samples != 0 {
		return p.packSample(c, plan, sample, es)
	}
	for i := range es {
		if !p.packItem(c, plan, &es[i], es[i].words[1]) {
			return false
		}
	}
	return true
}

// onlySample returns the sample that all reservoirs of a column hold, nil if
// they are empty; false if they differ, or hold not all that they saw.
func (l *Layout) onlySample(plan *columnPlan, w *wide) (*Reservoir, bool) {
	var first *Reservoir
	seen := false
	for i := range l.specs {
		if !plan.samples.Has(i) {
			continue
		}
		r := sketchAs[*Reservoir](w, i)
		if r != nil && r.population > uint64(plan.most) {
			return nil, false
		}
		if seen && !sameSample(first, r) {
			return nil, false
		}
		first, seen = r, true
	}
	return first, true
}

func sameSample(a, b *Reservoir) bool {
	if a == nil || b == nil || len(a.heap) != len(b.heap) {
		return a == b
	}
	as, bs := a.sorted(), b.sorted()
	for i := range as {
		if as[i].position != bs[i].position || string(a.item(&as[i])) != string(b.item(&bs[i])) {
			return false
		}
	}
	return true
}

// packItem writes a record into the block; its word is a position, or a count. It is
// false as well where the record would lose a hash that its item does not give: only panes that were
// decoded from what no pane of this layout wrote have such.
func (p *Pane) packItem(c int, plan *columnPlan, e *tableEntryView, word uint64) bool {
	if plan.tabled != 0 && !plan.hashed() && plan.hash(e.item) != e.words[0] {
		return false
	}
	weights, ok := p.addRecord(c, plan, e.words[0], word, e.item)
	if !ok {
		return false
	}
	for j, x := range e.words[2:] {
		binary.LittleEndian.PutUint64(weights[wordBytes*j:], x)
	}
	return true
}

// packSample writes the column into the block, event by event of the sample, which
// must hold all events of each entry: what a sketch lacks that was merged in part,
// a log cannot tell.
func (p *Pane) packSample(c int, plan *columnPlan, r *Reservoir, es []tableEntryView) bool {
	if r == nil {
		return len(es) == 0
	}
	left := make([]uint64, len(es)) // events of each entry that the sample may still hold
	for i := range es {
		left[i] = es[i].words[1]
	}
	nothing := make([]uint64, 2+len(plan.weights))
	for i := range r.heap {
		e := &r.heap[i]
		one := tableEntryView{words: nothing, item: r.item(e)}
		if plan.tabled != 0 {
			k := 0
			for k < len(es) && (left[k] == 0 || string(es[k].item) != string(one.item)) {
				k++
			}
			if k == len(es) {
				return false // a sample of other events than the table's
			}
			one.words[0] = es[k].words[0]
			if left[k] == es[k].words[1] { // The first record has all that the item weighs.
				one.words = es[k].words
			}
			left[k]--
		}
		if !p.packItem(c, plan, &one, e.position) {
			return false
		}
	}
	return !slices.ContainsFunc(left, func(n uint64) bool { return n > 0 })
}
