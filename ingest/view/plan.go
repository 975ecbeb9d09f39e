package view

// This file resolves a definition into what workers and queries need: the
// layout of its panes, and the columns of a batch that feed them.

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// plan is a definition resolved. It is immutable.
type plan struct {
	layout  *sketches.Layout
	fields  []Fields // by sketch
	by      []string
	items   []Fields // by item column
	weights []string // by weight column
	values  []string // by value column
	where   *filter

	distinct []int // item columns that are sampled by item: of a hyperloglog or Bloom filter
	ordered  bool  // a sketch needs the order of the log: decay by factor
}

// newPlan resolves a definition. The error joins the faults of all sketches.
func newPlan(d *Definition) (*plan, error) {
	p := &plan{by: d.By}
	var specs []sketches.Spec
	var faults []error
	for _, name := range d.names() {
		s := d.Sketches[name]
		spec, err := p.resolve(name, &s)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		specs = append(specs, spec)
		p.fields = append(p.fields, s.Of)
		switch {
		case (s.Kind == sketches.KindHLL || s.Kind == sketches.KindBloom) && !slices.Contains(p.distinct, spec.Column):
			p.distinct = append(p.distinct, spec.Column)
		case s.Kind == sketches.KindDecay && s.Factor != 0:
			p.ordered = true
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var err error
	if p.layout, err = sketches.NewHashedLayout(event.HashItem, len(p.items), len(p.weights), len(p.values), specs); err != nil {
		return nil, err
	}
	if p.where, err = compileWhere(d.Where); err != nil {
		return nil, err
	}
	return p, nil
}

// resolve gives a sketch its columns and sizes.
func (p *plan) resolve(name string, s *SketchSpec) (sketches.Spec, error) {
	spec := sketches.Spec{
		Name: name, Kind: s.Kind, Weight: -1,
		Precision: s.Precision,
		Capacity:  s.Capacity, Error: s.Error, Bits: s.Bits, Hashes: s.Hashes,
		Width: s.Width, Depth: s.Depth, Confidence: s.Confidence,
		Size:     s.Size,
		HalfLife: time.Duration(s.HalfLife).Milliseconds(), Factor: s.Factor,
	}
	if s.Weight != "" {
		spec.Weight = indexOf(&p.weights, s.Weight)
	}
	var err error
	switch s.Kind {
	case sketches.KindDecay:
		spec.Column = indexOf(&p.values, s.Of[0])
		return spec, nil
	case sketches.KindHLL:
		if s.Precision == 0 {
			spec.Precision, err = sketches.HLLPrecision(s.Error)
		}
	case sketches.KindCountMin:
		if s.Width == 0 {
			spec.Width, spec.Depth, err = sketches.CountMinSize(s.Error, s.Confidence)
		} else {
			spec.Confidence = -math.Expm1(-float64(s.Depth))
		}
	}
	spec.Column = slices.IndexFunc(p.items, func(f Fields) bool { return slices.Equal(f, s.Of) })
	if spec.Column < 0 {
		spec.Column = len(p.items)
		p.items = append(p.items, s.Of)
	}
	return spec, err
}

// indexOf returns the place of a field in a list, which it is added to if need be.
func indexOf(list *[]string, field string) int {
	i := slices.Index(*list, field)
	if i < 0 {
		i = len(*list)
		*list = append(*list, field)
	}
	return i
}

// hashes returns the item hashes of an item column, one a row of b.
func (p *plan) hashes(b *event.Batch, column int, scratch *[]uint64) []uint64 {
	if p.items[column][0] != whole {
		return b.Hashes(p.items[column])
	}
	// Whole events are only sampled, by their position in the log: the hash
	// just has to say that they are not null.
	ones := grown(*scratch, b.Rows())
	for i := range ones {
		ones[i] = 1
	}
	*scratch = ones
	return ones
}

// weight gathers a weight column: whole, not negative and below 2^63, -1 for what
// cannot be a weight.
func weight(dst []int64, c *event.Column, rows []int32) {
	if c == nil {
		for i := range dst {
			dst[i] = -1
		}
		return
	}
	for i, row := range rows {
		dst[i] = -1
		switch c.Kinds[row] {
		case event.Int:
			dst[i] = max(int64(c.Bits[row]), -1)
		case event.Float:
			// -0.4 rounds to 0 as well. What no counter holds is ignored and said so, rather than cut.
			if f := math.Round(math.Float64frombits(c.Bits[row])); f >= 0 && f < 0x1p63 {
				dst[i] = int64(f)
			}
		}
	}
}

// value gathers a value column, NaN for what is no number.
func value(dst []float64, c *event.Column, rows []int32) {
	if c == nil {
		for i := range dst {
			dst[i] = math.NaN()
		}
		return
	}
	for i, row := range rows {
		switch c.Kinds[row] {
		case event.Int:
			dst[i] = float64(int64(c.Bits[row]))
		case event.Float:
			dst[i] = math.Float64frombits(c.Bits[row])
		default:
			dst[i] = math.NaN()
		}
	}
}
