package sketches

import (
	"bytes"
	"cmp"
	"math"
)

// Estimate is an answer with the interval that holds at the confidence asked for.
type Estimate struct {
	Value, Low, High float64 // ±math.MaxFloat64 as an end: there is none
	Exact            bool    // Low == Value == High is the truth
}

func exactly(x float64) Estimate { return Estimate{Value: x, Low: x, High: x, Exact: true} }

// tallied is the answer of a counter. Its greatest value stands for that or more.
func tallied(n uint64) Estimate {
	if n == math.MaxUint64 {
		return Estimate{Value: float64(n), Low: float64(n), High: upper(n)}
	}
	return exactly(float64(n))
}

// upper is an upper bound that a counter gives: none where it is at its greatest value.
func upper(n uint64) float64 {
	if n == math.MaxUint64 {
		return math.MaxFloat64
	}
	return float64(n)
}

// Counted is an item with its frequency or weight.
type Counted struct {
	Item []byte // canonical bytes, the caller's to keep
	Hash uint64
	Estimate
}

// within puts the value inside of its interval and the interval above zero.
func within(value, low, high float64) Estimate {
	low = max(low, 0)
	high = max(high, low)
	return Estimate{Value: min(max(value, low), high), Low: low, High: high}
}

// Distinct estimates how many distinct items a KindHLL sketch has seen. With
// probability confidence, in (0, 1), the truth is within Low and High.
func (p *Pane) Distinct(sketch int, confidence float64) Estimate {
	c := p.layout.specs[sketch].Column
	if p.Column(c) {
		return exactly(float64(p.distinct(c)))
	}
	h := sketchAs[*HyperLogLog](p.wide, sketch)
	if h == nil {
		return Estimate{}
	}
	low, high := h.Interval(confidence)
	return within(h.Estimate(), low, high)
}

// distinct is the number of entries of a column that is still exact.
func (p *Pane) distinct(c int) int {
	if p.wide != nil {
		if t := p.wide.columns[c].table; t != nil {
			return t.len()
		}
		return 0
	}
	scratch := tableScratches.Get().(*tableScratch)
	defer tableScratches.Put(scratch)
	if t := p.exactTable(c, scratch); t != nil {
		return t.len()
	}
	return 0
}

// lookup returns the weight of an item in the table of a sketch's column;
// false if it is not there.
func (p *Pane) lookup(sketch int, hash uint64) (uint64, bool) {
	c, slot := p.layout.specs[sketch].Column, 2+p.layout.slots[sketch]
	if hash == 0 {
		return 0, false
	}
	if p.wide != nil {
		t := p.wide.columns[c].table
		if t == nil {
			return 0, false
		}
		if i := t.find(hash); i >= 0 {
			return t.entry(i)[slot], true
		}
		return 0, false
	}
	return p.lookupBlock(c, slot, hash)
}

// Frequency estimates how often an item occurred, or what it weighed, by a
// KindCountMin or KindHotList sketch. The interval of a hot list always
// holds; that of a Count-Min never lies too low, and too high with probability
// 1 - confidence at most.
func (p *Pane) Frequency(sketch int, hash uint64, confidence float64) Estimate {
	spec := &p.layout.specs[sketch]
	if p.Column(spec.Column) {
		n, _ := p.lookup(sketch, hash)
		return tallied(n)
	}
	if spec.Kind == KindHotList {
		if h := sketchAs[*HotList](p.wide, sketch); h != nil {
			return h.estimate(hash)
		}
		return Estimate{}
	}
	if c := sketchAs[*CountMin](p.wide, sketch); c != nil && hash != 0 {
		return within(c.Interval(hash, confidence))
	}
	return Estimate{}
}

// Contains tells whether a KindBloom sketch may have seen an item. No is
// always true; maybe is wrong for a share falsePositiveRate of the items never seen.
func (p *Pane) Contains(sketch int, hash uint64) (maybe bool, falsePositiveRate float64) {
	if p.Column(p.layout.specs[sketch].Column) {
		_, ok := p.lookup(sketch, hash)
		return ok, 0
	}
	b := sketchAs[*Bloom](p.wide, sketch)
	if b == nil || hash == 0 {
		return false, 0
	}
	return b.Contains(hash), b.FalsePositiveRate()
}

// ContainsAll is Contains for many items, whose one false positive rate is
// reckoned once: that takes far longer than a look-up.
func (p *Pane) ContainsAll(sketch int, hashes []uint64) (maybe []bool, falsePositiveRate float64) {
	maybe = make([]bool, len(hashes))
	if c := p.layout.specs[sketch].Column; p.Column(c) {
		scratch := tableScratches.Get().(*tableScratch)
		defer tableScratches.Put(scratch)
		if t := p.exactTable(c, scratch); t != nil {
			for i, hash := range hashes {
				maybe[i] = t.find(hash) >= 0
			}
		}
		return maybe, 0
	}
	b := sketchAs[*Bloom](p.wide, sketch)
	if b == nil {
		return maybe, 0
	}
	for i, hash := range hashes {
		maybe[i] = hash != 0 && b.Contains(hash)
	}
	return maybe, b.FalsePositiveRate()
}

// TopK lists the k heaviest items of a KindHotList sketch, heaviest first,
// ties by item bytes. No item that is not listed by a sketch of the full size
// is heavier than errorBound, which is at most total/(size+1) + 1, nor is any interval wider.
func (p *Pane) TopK(sketch, k int) (items []Counted, errorBound float64, exact bool) {
	c := p.layout.specs[sketch].Column
	if !p.Column(c) {
		h := sketchAs[*HotList](p.wide, sketch)
		if h == nil {
			return nil, 0, false
		}
		return h.Top(k), upper(h.ErrorBound()), false
	}
	scratch := tableScratches.Get().(*tableScratch)
	defer tableScratches.Put(scratch)
	t := p.exactTable(c, scratch)
	if t == nil || k <= 0 {
		return []Counted{}, 0, true
	}
	slot, least := 2+p.layout.slots[sketch], uint64(0)
	if nth, _, _ := t.ranked(slot, k, scratch); nth > 0 {
		least = nth - 1
	}
	es := t.heavier(slot, least, scratch) // the k first, and others that weigh the same as the last
	defer clear(es)                       // they must not keep the pane alive
	es = leading(es, k, func(a, b *weighed) int {
		if a.weight != b.weight {
			return cmp.Compare(b.weight, a.weight)
		}
		return bytes.Compare(a.item, b.item)
	})
	items, exact = make([]Counted, len(es)), true
	for i := range items {
		items[i] = Counted{bytes.Clone(es[i].item), es[i].hash, tallied(es[i].weight)}
		exact = exact && items[i].Exact
	}
	return items, 0, exact
}

// Sample returns n items of a KindReservoir sketch, drawn without replacement
// from all population events, every set of n being equally likely.
func (p *Pane) Sample(sketch, n int) (items [][]byte, population uint64) {
	r := p.reservoir(sketch)
	return r.Sample(n), r.population
}
