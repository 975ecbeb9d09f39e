package sketches

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"
)

// Limits of the small exact tables. They are part of the definition of every
// answer ("exact" or not), so changing one changes answers.
const (
	tableAlways  = 32   // this many distinct items always fit
	tableEntries = 4096 // more never do: merging a table must stay cheap
	tableEntry   = 24   // bytes that an entry is reckoned at, items apart
)

// Items gives the canonical bytes of a batch's items by row.
type Items interface {
	// AppendItem appends the row's item to dst and returns it. It is asked on slow paths only:
	// for an item that is new to a table, a hot list or a sample.
	AppendItem(dst []byte, row int32) []byte
	// AppendItems appends the items of rows, each behind a gap of so many bytes, which may
	// be any: the caller will write there. It sets in ends, which is as long as rows,
	// where each item ends in dst. An item longer than most bytes may be cut to any length
	// above. It is asked for the rows of small panes.
	AppendItems(dst []byte, rows, ends []int32, gap, most int) []byte
}

// Set is a choice of a layout's sketches: bit i is sketch i.
type Set uint64

// Only is the set of sketch i alone; Only(-1) is the empty set, which stands
// for event counts alone.
func Only(i int) Set {
	if i < 0 {
		return 0
	}
	return 1 << i
}

// Has tells whether sketch i is in the set.
func (s Set) Has(i int) bool { return s>>i&1 == 1 }

// Layout is what all panes of a view share: which sketches there are, over
// which columns, of which sizes. It is immutable and safe for concurrent use.
type Layout struct {
	specs       []Spec
	names       map[string]int
	columns     []columnPlan
	values      int       // number of value columns
	weights     int       // number of weight columns
	slots       []int     // by sketch: index into a table entry's weight sums; -1: its count
	sums        []int     // decay sketches, in order
	sumPlans    []sumPlan // the same
	weighted    []int     // sketches with a weight column, in order
	fingerprint uint64
	hash        func(item []byte) uint64 // nil: not known
	block       blockPlan
	blooms      []*BloomParameters // by sketch
	halfLives   []*HalfLife        // by sketch

	columnScratch sync.Pool    // *columnScratch
	sampling      samplingPlan // of provisional panes; made when first needed
}

// columnPlan says what is kept of one item column.
type columnPlan struct {
	tabled  Set   // sketches that share the exact table: hll, bloom, countmin, hotlist
	samples Set   // reservoirs
	weights []int // weight columns whose sums the table keeps, ascending
	items   bool  // the table keeps item bytes, for a hot list or a reservoir
	budget  int   // bytes beyond which the table is promoted
	sample  int   // the least size of the column's reservoirs; 0: none
	sampled int   // the last of these; -1: none
	cache   int   // the hot list in front of the other sketches; -1: none that counts each event once

	hash func(item []byte) uint64 // nil: not known

	// Of a record in a block; see measure.
	tagged    bool // it tells its column
	hashAt    int  // where its parts begin
	wordAt    int
	weightsAt int
	fixed     int // bytes besides the item's own; the last of these is its length
	most      int // how many words they may have: so many items surely need not be promoted
}

// sumPlan says what a decayed sum is of.
type sumPlan struct {
	column   int       // of values
	halfLife *HalfLife // nil: by factor
	factor   float64
}

// NewLayout checks the specs against the numbers of item, weight and value
// columns that rows will have. The error joins every fault, each naming its sketch.
func NewLayout(itemColumns, weightColumns, valueColumns int, specs []Spec) (*Layout, error) {
	return NewHashedLayout(nil, itemColumns, weightColumns, valueColumns, specs)
}

// NewHashedLayout is NewLayout for rows whose hashes are those that a function gives of
// their items. Then small panes need not keep a hash that their item gives, which makes
// them smaller by 8 bytes an event. If the function gives other hashes than rows have,
// answers are wrong.
func NewHashedLayout(hash func(item []byte) uint64, itemColumns, weightColumns, valueColumns int, specs []Spec) (*Layout, error) {
	l := &Layout{specs: slices.Clone(specs), names: make(map[string]int, len(specs)), values: valueColumns, weights: weightColumns,
		blooms: make([]*BloomParameters, len(specs)), halfLives: make([]*HalfLife, len(specs))}
	l.columnScratch.New = func() any { return new(columnScratch) }
	var faults []error
	if itemColumns > blockColumns {
		faults = append(faults, fmt.Errorf("a layout has at most %d item columns, not %d", blockColumns, itemColumns))
	}
	if len(specs) > maxSketches {
		faults = append(faults, fmt.Errorf("a layout holds at most %d sketches, not %d", maxSketches, len(specs)))
	}
	for i := range l.specs {
		s := &l.specs[i]
		if _, twice := l.names[s.Name]; twice {
			faults = append(faults, fmt.Errorf("sketch %q: the name is used twice", s.Name))
		}
		l.names[s.Name] = i
		fault := s.validate(itemColumns, weightColumns, valueColumns)
		if fault == nil {
			fault = l.prepare(i)
		}
		faults = append(faults, fault)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	l.columns = make([]columnPlan, itemColumns)
	for i := range l.columns {
		l.columns[i].hash = hash
	}
	l.hash = hash
	l.plan()
	l.block = planBlock(l)
	l.fingerprint = fingerprint(l)
	return l, nil
}

// prepare makes the parameters that all panes' sketches share.
func (l *Layout) prepare(i int) (err error) {
	switch s := &l.specs[i]; {
	case s.Kind == KindBloom && s.Bits > 0:
		l.blooms[i], err = ExactBloomParameters(s.Bits, s.Hashes)
	case s.Kind == KindBloom:
		l.blooms[i], err = NewBloomParameters(s.Capacity, s.Error)
	case s.Kind == KindDecay && s.HalfLife > 0:
		l.halfLives[i], err = NewHalfLife(s.HalfLife)
	}
	if err != nil {
		return fmt.Errorf("sketch %q: %w", l.specs[i].Name, err)
	}
	return nil
}

// plan shares out the sketches to their columns.
func (l *Layout) plan() {
	for i := range l.columns {
		l.columns[i].cache, l.columns[i].sampled = -1, -1
	}
	for i := range l.specs {
		s := &l.specs[i]
		if s.Kind == KindDecay {
			l.sums = append(l.sums, i)
			l.sumPlans = append(l.sumPlans, sumPlan{s.Column, l.halfLives[i], s.Factor})
			continue
		}
		c := &l.columns[s.Column]
		if s.Kind == KindReservoir {
			c.samples |= Only(i)
			c.sampled = i
			c.items = true
			if c.sample == 0 || s.Size < c.sample {
				c.sample = s.Size
			}
			continue
		}
		c.tabled |= Only(i)
		c.budget += s.full()
		if s.Kind == KindHotList {
			c.items = true
			if c.cache < 0 && !s.weighted() {
				c.cache = i
			}
		}
		if s.weighted() {
			l.weighted = append(l.weighted, i)
			if !slices.Contains(c.weights, s.Weight) {
				c.weights = append(c.weights, s.Weight)
			}
		}
	}
	for i := range l.columns {
		slices.Sort(l.columns[i].weights)
	}
	l.slots = make([]int, len(l.specs))
	for i := range l.specs {
		l.slots[i] = -1
		if s := &l.specs[i]; s.weighted() {
			l.slots[i] = slices.Index(l.columns[s.Column].weights, s.Weight)
		}
	}
}

// Specs returns the specs in order. The caller must not change them.
func (l *Layout) Specs() []Spec { return l.specs }

// Index finds a sketch by its name.
func (l *Layout) Index(name string) (int, bool) {
	i, ok := l.names[name]
	return i, ok
}

// All is the set of all sketches of the layout.
func (l *Layout) All() Set { return Set(1)<<len(l.specs) - 1 }

// fits tells whether a table of so many distinct items, whose bytes add up to
// size, stays exact. It is false for every superset of a set for which it is
// false, so that an answer's exactness depends upon the items alone and never
// upon how they were partitioned, ordered or merged.
func (c *columnPlan) fits(distinct, size int) bool {
	if distinct <= tableAlways {
		return true
	}
	return distinct <= tableEntries && distinct*tableEntry+size <= c.budget
}

// fingerprint condenses everything that two panes must have in common to be
// merged; names are not part of it.
func fingerprint(l *Layout) uint64 {
	b := make([]byte, 0, 64+96*len(l.specs))
	add := func(xs ...uint64) {
		for _, x := range xs {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
	}
	add(uint64(len(l.columns)), uint64(l.weights), uint64(l.values))
	for i := range l.specs {
		s := &l.specs[i]
		b = append(append(b, s.Kind...), 0)
		add(uint64(s.Column))
		switch s.Kind {
		case KindHLL:
			add(uint64(s.Precision))
		case KindBloom:
			add(s.Capacity, math.Float64bits(s.Error), uint64(s.Bits), uint64(s.Hashes))
		case KindCountMin:
			add(uint64(s.Weight), uint64(s.Width), uint64(s.Depth))
		case KindHotList:
			add(uint64(s.Weight), uint64(s.Size))
		case KindReservoir:
			add(uint64(s.Size))
		case KindDecay:
			add(uint64(s.HalfLife), math.Float64bits(s.Factor))
		}
	}
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}
