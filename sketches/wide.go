package sketches

import (
	"fmt"
	"slices"
)

// state is what every sketch can do for the pane that holds it.
type state interface {
	Size() int
	AppendBinary(dst []byte) []byte
}

// wide holds the columns of a pane that has outgrown its block.
type wide struct {
	columns  []wideColumn
	sketches []state // by sketch; nil until something is counted; never a decay
	lent     bool    // the memory of tables goes back; see NewUnion
}

// wideColumn is an item column: a table, or if promoted its sketches.
type wideColumn struct {
	table    *table // nil: empty
	promoted bool
	trust    trust // of a promoted column; see writeback.go
}

// sketchAs returns sketch i, nil if nothing was counted in it yet.
func sketchAs[T state](w *wide, i int) T {
	s, _ := w.sketches[i].(T)
	return s
}

// need returns sketch i and makes it if need be.
func need[T state](w *wide, l *Layout, i int) T {
	if w.sketches[i] == nil {
		w.sketches[i] = l.make(i)
	}
	return w.sketches[i].(T)
}

// make makes an empty sketch. The layout has checked its parameters.
func (l *Layout) make(i int) state {
	s := &l.specs[i]
	var made state
	var err error
	switch s.Kind {
	case KindHLL:
		made, err = NewHyperLogLog(s.Precision)
	case KindBloom:
		made = NewBloom(l.blooms[i])
	case KindCountMin:
		made, err = NewCountMin(s.Width, s.Depth)
	case KindHotList:
		made, err = NewHotList(s.Size)
	case KindReservoir:
		made, err = NewReservoir(s.Size)
	}
	if err != nil || made == nil {
		panic(fmt.Sprintf("sketches: sketch %q of a checked layout cannot be made: %v", s.Name, err))
	}
	return made
}

// widen moves the columns out of the block. It is the slow path of a pane's life, once.
func (p *Pane) widen() {
	if p.wide != nil {
		return
	}
	w := &wide{columns: make([]wideColumn, len(p.layout.columns)), sketches: make([]state, len(p.layout.specs))}
	scratch := tableScratches.Get().(*tableScratch)
	defer tableScratches.Put(scratch)
	for c := range w.columns {
		plan := &p.layout.columns[c]
		if plan.tabled != 0 {
			if o := p.exactTable(c, scratch); o != nil && o.len() > 0 {
				w.columns[c].table = o.larger()
			}
		}
		for i := range p.layout.specs {
			if !plan.samples.Has(i) {
				continue
			}
			if r := p.blockReservoir(i, 2); r.population > 0 {
				w.sketches[i] = r
			}
		}
	}
	p.wide = w
	p.open()
	p.block.log, p.block.words = uint16(p.layout.block.log), 0
	p.block.resize(p.layout.block.log)
}

// promote turns a column's table into the sketches in which.
func (w *wide) promote(l *Layout, c int, which Set) {
	t := w.columns[c].table
	w.columns[c] = wideColumn{promoted: true}
	if t == nil {
		return
	}
	scratch := tableScratches.Get().(*tableScratch)
	defer tableScratches.Put(scratch)
	w.absorb(l, which, t, scratch)
	if w.lent {
		t.giveBack()
	}
}

// absorb adds the entries of a table to sketches of its column. Only a Bloom filter that
// grows depends on their order: a new one that might gets them by their hashes, so that it
// does not show in what order they came, and one that there is as they stand, for to sort
// them would cost several times as much as all the rest.
func (w *wide) absorb(l *Layout, which Set, t *table, scratch *tableScratch) {
	for i := range l.specs {
		if !which.Has(i) {
			continue
		}
		slot := 2 + l.slots[i] // 1: the count
		switch l.specs[i].Kind {
		case KindHLL:
			need[*HyperLogLog](w, l, i).AddHashes(t.hashesOf(scratch))
		case KindBloom:
			hashes := t.hashesOf(scratch)
			if w.sketches[i] == nil && !l.blooms[i].surelyHolds(len(hashes)) {
				slices.Sort(hashes)
			}
			need[*Bloom](w, l, i).AddHashes(hashes)
		case KindCountMin:
			weights, beyond := t.weightsOf(slot, scratch)
			c := need[*CountMin](w, l, i)
			c.AddHashes(t.hashesOf(scratch), weights)
			c.raise(beyond) // the counters of such an item have reached their greatest value already
		case KindHotList:
			need[*HotList](w, l, i).mergeTable(t, slot, scratch)
		}
	}
}

// apply counts the rows of a column from row first on.
func (w *wide) apply(l *Layout, column int, r *Rows, first int) {
	plan := &l.columns[column]
	hashes, index := r.Hashes[column][first:], r.Index[first:]
	if plan.samples != 0 {
		for i := range l.specs {
			if plan.samples.Has(i) {
				need[*Reservoir](w, l, i).AddRows(r.Positions[first:], hashes, r.Items[column], index)
			}
		}
	}
	if plan.tabled == 0 {
		return
	}
	if !w.columns[column].promoted {
		n := w.applyTable(l, column, r, first)
		first += n
		hashes = hashes[n:]
	}
	if len(hashes) == 0 || w.writeBack(l, column, hashes, r, first) {
		return
	}
	for i := range l.specs {
		if plan.tabled.Has(i) {
			w.addTo(l, i, hashes, r, first)
		}
	}
}

// addTo adds the rows of a promoted column from row first on, whose hashes are
// given, to sketch i.
func (w *wide) addTo(l *Layout, i int, hashes []uint64, r *Rows, first int) {
	s := &l.specs[i]
	var weights []int64
	if s.weighted() {
		weights = r.Weights[s.Weight][first:]
	}
	switch s.Kind {
	case KindHLL:
		need[*HyperLogLog](w, l, i).AddHashes(hashes)
	case KindBloom:
		need[*Bloom](w, l, i).AddHashes(hashes)
	case KindCountMin:
		need[*CountMin](w, l, i).AddHashes(hashes, weights)
	case KindHotList:
		need[*HotList](w, l, i).AddRows(hashes, weights, r.Items[s.Column], r.Index[first:])
	}
}

// touchAhead is how many items a table is touched for at once.
const touchAhead = 64

// applyTable counts rows in the table until it is promoted, and returns how
// many rows it has counted.
func (w *wide) applyTable(l *Layout, column int, r *Rows, first int) int {
	plan := &l.columns[column]
	t := w.columns[column].table
	if t == nil {
		t = newTable(plan)
		w.columns[column].table = t
	}
	hashes := r.Hashes[column][first:]
	for i, x := range hashes {
		if i%touchAhead == 0 {
			t.touch(hashes[i:min(i+touchAhead, len(hashes))])
		}
		if x == 0 {
			continue
		}
		var words []uint64
		known := t.find(x)
		if known >= 0 {
			words = t.entry(known)
		} else {
			words = t.open(x)
			if plan.items {
				r.scratch = r.Items[column].AppendItem(r.scratch[:0], r.Index[first+i])
				t.putItem(r.scratch)
			}
		}
		words[1]++
		for j, c := range plan.weights {
			if weight := r.Weights[c][first+i]; weight > 0 {
				words[2+j] = saturatingAdd(words[2+j], uint64(weight))
			}
		}
		if known < 0 && !t.fits() {
			w.promote(l, column, plan.tabled)
			return i + 1
		}
	}
	return len(hashes)
}
