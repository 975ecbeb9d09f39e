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
	if w == nil || slices.ContainsFunc(w.columns, func(c wideColumn) bool { return c.promoted }) {
		return
	}
	q := Pane{layout: p.layout, events: p.events, late: p.late, least: p.least, greatest: p.greatest}
	q.block = make([]byte, p.layout.block.columns)
	copy(q.block, p.block)
	for c := range w.columns {
		if !q.pack(c, w) {
			return
		}
	}
	q.block = append([]byte(nil), q.block...)
	*p = q
}

// pack writes a wide column into the block, behind those before it; false if it does not fit.
func (p *Pane) pack(c int, w *wide) bool {
	plan := &p.layout.columns[c]
	var es []tableEntryView
	if t := w.columns[c].table; t != nil {
		es = t.entries()
	}
	sample, ok := p.layout.onlySample(plan, w)
	if !ok {
		return false
	}
	s := p.section(c)
	if plan.tabled == 0 && sample != nil {
		for i := range sample.heap {
			es = append(es, tableEntryView{item: sample.item(&sample.heap[i])})
		}
	}
	for i := range es {
		if !p.packEntry(&s, plan, &es[i]) {
			return false
		}
	}
	if sample != nil && !p.packSample(&s, plan, sample, es) {
		return false
	}
	p.setHeader(&s)
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

// packEntry writes a table's entry into the block.
func (p *Pane) packEntry(s *section, plan *columnPlan, e *tableEntryView) bool {
	need := len(p.block) + s.stride + 1 + len(e.item)
	if s.entries == blockEntries || len(e.item) > blockItem || need > blockLimit || plan.tabled != 0 && e.words[1] > blockCount {
		return false
	}
	if plan.tabled == 0 {
		p.putEntry(s, plan, 0, e.item)
		return true
	}
	i := p.putEntry(s, plan, e.words[0], e.item)
	b := p.block[s.at+i*s.stride:][:s.stride]
	binary.LittleEndian.PutUint32(b[8:], uint32(e.words[1]))
	for j, x := range e.words[2:] {
		binary.LittleEndian.PutUint64(b[12+8*j:], x)
	}
	return true
}

// packSample writes the sample into the block, each event referring to its item's entry.
func (p *Pane) packSample(s *section, plan *columnPlan, r *Reservoir, es []tableEntryView) bool {
	if len(p.block)+len(r.heap)*sampleBytes > blockLimit {
		return false
	}
	left := make([]uint64, len(es)) // events of each entry that the sample may still hold
	for i := range es {
		left[i] = 1
		if plan.tabled != 0 {
			left[i] = es[i].words[1]
		}
	}
	for i := range r.heap {
		e := &r.heap[i]
		k := 0
		for k < len(es) && (left[k] == 0 || string(es[k].item) != string(r.item(e))) {
			k++
		}
		if k == len(es) {
			return false // a sample of other events than the table's
		}
		left[k]--
		p.putSample(s, e.position, k)
	}
	return true
}
