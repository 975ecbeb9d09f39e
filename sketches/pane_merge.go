package sketches

import "fmt"

// Merge adds the state of another partition's or key's pane, of the sketches
// in which only; counts of events always. other is neither changed nor kept.
// Sketches outside of which are left alone, and take no memory. A pane that is
// merged by parts must be merged by the same set throughout: the sketches of
// a column share its table.
func (p *Pane) Merge(other *Pane, which Set) error { return p.merge(other, which, false) }

// NewUnion makes an empty pane for a question to merge panes into. Its tables, which may
// grow to hundreds of kilobytes, have the memory of those of earlier questions, and go back by Release;
// so that it is not for keeping, and a Clone of it is.
func (l *Layout) NewUnion() *Pane {
	p := l.NewPane()
	p.wide = &wide{columns: make([]wideColumn, len(l.columns)), sketches: make([]state, len(l.specs)), lent: true}
	return p
}

// Release ends the use of a pane. Nothing that was answered refers to it. It does nothing
// for panes that NewUnion has not made.
func (p *Pane) Release() {
	if p.wide == nil || !p.wide.lent {
		return
	}
	for c := range p.wide.columns {
		if t := p.wide.columns[c].table; t != nil {
			p.wide.columns[c].table = nil
			t.giveBack()
		}
	}
}

// Follow adds a later pane of the same key and partition. It differs from
// Merge only for decay by factor, where the later events age the earlier ones.
func (p *Pane) Follow(later *Pane, which Set) error { return p.merge(later, which, true) }

// Merged returns what Merge makes of a copy of the pane, in its least form as by
// Compact. It changes neither pane, and keeps nothing of either.
func (p *Pane) Merged(other *Pane, which Set) (*Pane, error) {
	if err := p.sameLayout(other); err != nil {
		return nil, err
	}
	if size, fits := p.unionFits(other, which); fits { // Fast path: one new block.
		q := new(Pane)
		*q = *p
		q.block.resize(size)
		q.countMerged(other)
		if err := q.mergeFixed(other, which, false); err != nil {
			return nil, err
		}
		q.join(other)
		q.trim()
		return q, nil
	}
	q := p.Clone()
	if err := q.Merge(other, which); err != nil {
		return nil, err
	}
	q.Compact()
	return q, nil
}

func (p *Pane) sameLayout(o *Pane) error {
	if p.layout != o.layout && p.layout.fingerprint != o.layout.fingerprint {
		return fmt.Errorf("%w: panes of layouts %016x and %016x", ErrMismatch, p.layout.fingerprint, o.layout.fingerprint)
	}
	return nil
}

func (p *Pane) merge(o *Pane, which Set, follow bool) error {
	if err := p.sameLayout(o); err != nil {
		return err
	}
	if p == o {
		o = o.Clone()
	}
	p.countMerged(o)
	if which == 0 || o.block.first == nil {
		return nil
	}
	p.open()
	if err := p.mergeFixed(o, which, follow); err != nil {
		return err
	}
	if size, fits := p.unionFits(o, which); fits { // Fast path of small panes.
		if size > int(p.block.size) {
			p.block.resize(blockSize(size))
		}
		p.join(o)
		return nil
	}
	l := p.layout
	for c := range l.columns {
		plan := &l.columns[c]
		if which&(plan.tabled|plan.samples) == 0 {
			continue
		}
		p.widen()
		if err := p.mergeColumn(c, o, which); err != nil {
			return err
		}
	}
	return nil
}

// countMerged adds the events of another pane to those counted.
func (p *Pane) countMerged(o *Pane) {
	if o.events > 0 {
		p.see(o.least, o.greatest)
	}
	p.events = saturatingAdd(p.events, o.events)
	p.late = saturatingAdd(p.late, o.late)
}

// mergeFixed adds what has a fixed place in the block.
func (p *Pane) mergeFixed(o *Pane, which Set, follow bool) error {
	l := p.layout
	for k, i := range l.sums {
		if which.Has(i) {
			if err := p.mergeSum(k, o, follow); err != nil {
				return err
			}
		}
	}
	for k, i := range l.weighted {
		if which.Has(i) {
			p.setIgnored(k, saturatingAdd(p.ignored(k), o.ignored(k)))
		}
	}
	return nil
}

// mergeColumn adds the sketches of one column that are in which.
func (p *Pane) mergeColumn(c int, o *Pane, which Set) error {
	l, w := p.layout, p.wide
	plan := &l.columns[c]
	for i := range l.specs {
		if !(which & plan.samples).Has(i) {
			continue
		}
		if r := o.reservoir(i); r.population > 0 {
			if err := need[*Reservoir](w, l, i).Merge(r); err != nil {
				return err
			}
		}
	}
	which &= plan.tabled
	if which == 0 {
		return nil
	}
	mine := &w.columns[c]
	mine.trust = trustUnknown
	if o.Column(c) {
		if !mine.promoted {
			w.mergeTable(l, c, o, which)
			return nil
		}
		scratch := tableScratches.Get().(*tableScratch)
		defer tableScratches.Put(scratch)
		if theirs := o.exactTable(c, scratch); theirs != nil {
			w.absorb(l, which, theirs, scratch)
		}
		return nil
	}
	if !mine.promoted {
		w.promote(l, c, which)
	}
	return w.mergeSketches(l, o.wide, which)
}

// mergeTable adds the exact table of another pane to a column that is exact.
func (w *wide) mergeTable(l *Layout, c int, o *Pane, which Set) {
	mine := &w.columns[c]
	var theirs *table
	if o.wide != nil {
		theirs = o.wide.columns[c].table
	}
	if theirs == nil && o.block.words == 0 {
		return
	}
	plan := &l.columns[c]
	if mine.table == nil && w.lent {
		mine.table = lendTable(plan)
	} else if mine.table == nil {
		mine.table = newTable(plan)
	}
	if theirs != nil {
		mine.table.union(theirs)
	} else {
		mine.table.addLog(o, c)
	}
	// Only now, so that merging either way promotes the same table.
	if !mine.table.fits() {
		w.promote(l, c, which)
	}
}

// mergeSketches adds promoted sketches to promoted sketches.
func (w *wide) mergeSketches(l *Layout, o *wide, which Set) error {
	for i := range l.specs {
		if !which.Has(i) || o.sketches[i] == nil {
			continue
		}
		if w.sketches[i] == nil {
			w.sketches[i] = cloneState(o.sketches[i])
			continue
		}
		if err := mergeState(w.sketches[i], o.sketches[i]); err != nil {
			return fmt.Errorf("sketch %q: %w", l.specs[i].Name, err)
		}
	}
	return nil
}

// entries returns the table of a column that is still exact; the items alias the pane
// or are copies.
func (p *Pane) entries(c int) []tableEntryView {
	if t := p.exactTable(c, new(tableScratch)); t != nil {
		return t.entries()
	}
	return nil
}

// reservoir returns a sketch's sample, which the caller must not change.
func (p *Pane) reservoir(i int) *Reservoir {
	if p.wide == nil {
		return p.blockReservoir(i, 1)
	}
	if r := sketchAs[*Reservoir](p.wide, i); r != nil {
		return r
	}
	return &Reservoir{size: p.layout.specs[i].Size}
}

// mergeState adds a sketch to one of the same kind.
func mergeState(dst, src state) error {
	switch d := dst.(type) {
	case *HyperLogLog:
		d.Merge(src.(*HyperLogLog))
	case *Bloom:
		return d.Merge(src.(*Bloom))
	case *CountMin:
		return d.Merge(src.(*CountMin))
	case *HotList:
		return d.Merge(src.(*HotList))
	case *Reservoir:
		return d.Merge(src.(*Reservoir))
	}
	return nil
}

func cloneState(s state) state {
	switch s := s.(type) {
	case *HyperLogLog:
		return s.Clone()
	case *Bloom:
		return s.Clone()
	case *CountMin:
		return s.Clone()
	case *HotList:
		return s.Clone()
	case *Reservoir:
		return s.Clone()
	}
	return nil
}
