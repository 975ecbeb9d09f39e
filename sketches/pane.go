package sketches

import "slices"

// Rows are events of one key and one pane, by column; every slice has the
// same length. A pane keeps none of them.
type Rows struct {
	Index     []int32     // row in the batch, handed to Items
	Times     []int64     // event times, Unix ms
	Positions []uint64    // hash of the event's log position (partition, offset, index)
	Late      int         // how many of these events were behind the watermark
	Hashes    [][]uint64  // by item column; 0: null, not counted
	Items     []Items     // by item column
	Weights   [][]int64   // by weight column; negative: not a usable weight, not counted by that sketch but tallied as ignored
	Values    [][]float64 // by value column; NaN: null, not counted

	encoded encoded
	scratch []byte // for items on their way into a block, kept from one Apply to the next
	some    *Rows  // for between
}

// between returns the rows from one to another. They are valid until the next call.
func (r *Rows) between(from, to int) *Rows {
	if from == 0 && to == len(r.Times) {
		return r
	}
	if r.some == nil {
		r.some = new(Rows)
	}
	s := r.some
	s.Index, s.Times, s.Positions, s.Items = r.Index[from:to], r.Times[from:to], r.Positions[from:to], r.Items
	s.Hashes, s.Weights, s.Values = s.Hashes[:0], s.Weights[:0], s.Values[:0]
	for _, hashes := range r.Hashes {
		s.Hashes = append(s.Hashes, hashes[from:to])
	}
	for _, weights := range r.Weights {
		s.Weights = append(s.Weights, weights[from:to])
	}
	for _, values := range r.Values {
		s.Values = append(s.Values, values[from:to])
	}
	return s
}

// Pane is the state of one key and span of time: counts of its events and the
// layout's sketches of them. It must not be used while it is being changed;
// any number of readers may share it otherwise, for reading never changes it.
//
// Merging and applying give the same pane for the same events in every order
// and grouping, up to the choices that a kind says depend upon order: hot
// lists, Bloom filters past their capacity, decay by factor and the last bits of sums. Event
// counts, distinct estimates, Count-Min, samples, and whether an answer is exact never do.
type Pane struct {
	layout          *Layout
	events, late    uint64
	least, greatest int64 // event times; meaningless without events
	block           block
	wide            *wide // nil: the columns are in the block
}

// NewPane makes an empty pane. It takes little memory; sketches are made when
// something is counted in them.
func (l *Layout) NewPane() *Pane { return &Pane{layout: l} }

// Events is the number of events, nulls included.
func (p *Pane) Events() uint64 { return p.events }

// Late is the number of events that came behind the watermark.
func (p *Pane) Late() uint64 { return p.late }

// Times are the least and greatest event times seen, 0 and 0 without events.
func (p *Pane) Times() (least, greatest int64) {
	if p.events == 0 {
		return 0, 0
	}
	return p.least, p.greatest
}

// see widens the span of event times.
func (p *Pane) see(least, greatest int64) {
	if p.events == 0 {
		p.least, p.greatest = least, greatest
		return
	}
	p.least, p.greatest = min(p.least, least), max(p.greatest, greatest)
}

// Apply counts events. Where there are many panes, Apply of them all is faster.
func (p *Pane) Apply(r *Rows) {
	one := [1]Group{{Pane: p, To: int32(len(r.Times)), Late: int32(r.Late)}}
	applyTogether(one[:], r)
}

// Size is the memory held, in bytes, about.
func (p *Pane) Size() int {
	n := 64 + int(p.block.size)
	if p.wide == nil {
		return n
	}
	n += 48 + 16*len(p.wide.columns) + 16*len(p.wide.sketches)
	for i := range p.wide.columns {
		if t := p.wide.columns[i].table; t != nil {
			n += t.size()
		}
	}
	for _, s := range p.wide.sketches {
		if s != nil {
			n += s.Size()
		}
	}
	return n
}

// Column tells whether item column i is still one exact table, so that all
// answers about it but samples are exact.
func (p *Pane) Column(i int) (exact bool) {
	return p.wide == nil || !p.wide.columns[i].promoted
}

// Clone copies the pane.
func (p *Pane) Clone() *Pane { return p.copy(false) }

// Union is Clone in the memory of a pane that NewUnion makes.
func (p *Pane) Union() *Pane { return p.copy(true) }

func (p *Pane) copy(lent bool) *Pane {
	c := *p
	c.block.setBytes(slices.Clone(p.block.bytes()))
	if p.wide == nil {
		return &c
	}
	c.wide = &wide{columns: slices.Clone(p.wide.columns), sketches: slices.Clone(p.wide.sketches), lent: lent}
	for i := range c.wide.columns {
		switch t := c.wide.columns[i].table; {
		case t == nil:
		case lent:
			c.wide.columns[i].table = lendTable(t.plan)
			c.wide.columns[i].table.union(t)
		default:
			c.wide.columns[i].table = t.clone()
		}
	}
	for i, s := range c.wide.sketches {
		if s != nil {
			c.wide.sketches[i] = cloneState(s)
		}
	}
	return &c
}
