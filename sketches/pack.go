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
	fixed := &p.layout.block
	copy(q.block.bytes()[fixed.sums:fixed.sections], p.block.bytes()[fixed.sums:])
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
	return size <= max(blockLimit-l.block.sections, 0)
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
	var s section
	p.section(&s, c)
	if plan.samples != 0 {
		ok = p.packSample(&s, plan, sample, es)
	} else {
		for i := range es {
			ok = ok && p.packItem(&s, plan, &es[i], 0)
		}
	}
	s.setHeader(p.block.bytes())
	return ok
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
		if r != nil && (r.population > blockEntries || r.population > uint64(plan.sample)) {
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

// packItem writes a table's entry into the block, and the record of its first event.
func (p *Pane) packItem(s *section, plan *columnPlan, e *tableEntryView, position uint64) bool {
	if plan.stride == 0 {
		return p.addItem(s, plan, 0, position, e.item)
	}
	if e.words[1] > blockCount || !p.addItem(s, plan, e.words[0], position, e.item) {
		return false
	}
	b := s.entry(plan.stride, s.entries-1)
	if plan.counts {
		binary.LittleEndian.PutUint32(b[countAt:], uint32(e.words[1]))
	}
	for j, x := range e.words[2:] {
		binary.LittleEndian.PutUint64(b[plan.weightsAt+8*j:], x)
	}
	return true
}

// packSample writes the column into the block, event by event of the sample, which
// must hold all events of each entry: what a sketch lacks that was merged in part,
// a log cannot tell.
func (p *Pane) packSample(s *section, plan *columnPlan, r *Reservoir, es []tableEntryView) bool {
	if r == nil {
		return len(es) == 0
	}
	left := make([]uint64, len(es)) // events of each entry that the sample may still hold
	for i := range es {
		left[i] = es[i].words[1]
	}
	numbers := make([]int, len(es)) // of the entries in the block, plus one; 0: none yet
	for i := range r.heap {
		e := &r.heap[i]
		if plan.stride == 0 {
			if !p.packItem(s, plan, &tableEntryView{item: r.item(e)}, e.position) {
				return false
			}
			continue
		}
		k := 0
		for k < len(es) && (left[k] == 0 || string(es[k].item) != string(r.item(e))) {
			k++
		}
		if k == len(es) {
			return false // a sample of other events than the table's
		}
		left[k]--
		switch {
		case numbers[k] == 0:
			if !p.packItem(s, plan, &es[k], e.position) {
				return false
			}
			numbers[k] = s.entries
		case !p.addSample(s, plan, numbers[k]-1, e.position):
			return false
		}
	}
	return plan.stride == 0 || !slices.ContainsFunc(left, func(n uint64) bool { return n > 0 })
}
