package sketches

import (
	"errors"
	"fmt"
	"math"
)

// Kind names an algorithm, in the words that definitions of views use.
type Kind string

// The kinds of sketch and the question that each answers.
const (
	KindHLL       Kind = "hll"       // how many distinct items
	KindBloom     Kind = "bloom"     // was the item seen
	KindCountMin  Kind = "countmin"  // how often was the item seen, or how much did it weigh
	KindHotList   Kind = "hotlist"   // which items are the most frequent, or weigh most
	KindReservoir Kind = "reservoir" // a uniform sample of the events' items
	KindDecay     Kind = "decay"     // a sum in which the past counts less and less
)

// Bounds of the parameters. They keep one sketch of one key below about
// 1 GiB, and with that the damage that a definition or a hostile encoding can do.
const (
	maxSketches     = 64
	maxHotListSize  = 1 << 16
	maxReservoir    = 1 << 16
	bloomBitLimit   = 1 << 33
	bloomHashLimit  = 16
	minPrecision    = 4
	maxPrecision    = 18
	minWidth        = 64
	maxWidth        = 1 << 24
	maxDepth        = 16
	maxHalfLifeMSec = int64(1) << 53
)

// Spec describes one sketch of a layout, with all sizes resolved. Fields that
// a kind does not name are ignored by it.
type Spec struct {
	Name string
	Kind Kind

	Column int // index of the item column; for KindDecay, of the value column
	Weight int // index of the weight column; -1: every event weighs 1 (countmin, hotlist)

	Precision int // hll: 4..18

	Capacity uint64  // bloom: items of one filter before it grows
	Error    float64 // bloom: the false positive rate asked for
	Bits     int     // bloom: exact size in bits in place of Capacity and Error; 0: derive
	Hashes   int     // bloom: bits set an item, with Bits

	Width, Depth int     // countmin: Width is a power of two
	Confidence   float64 // countmin: the confidence asked for, kept for reports

	Size int // hotlist, reservoir: how many items are kept

	HalfLife int64   // decay by time: milliseconds; 0: by Factor
	Factor   float64 // decay by event: S becomes Factor*S + x
}

// weighted tells whether the sketch counts by a weight column.
func (s *Spec) weighted() bool {
	return (s.Kind == KindCountMin || s.Kind == KindHotList) && s.Weight >= 0
}

// validate lists every fault of the spec; columns are the numbers of item,
// weight and value columns that rows of the layout have.
func (s *Spec) validate(items, weights, values int) error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("sketch %q: "+format, append([]any{s.Name}, args...)...))
		}
	}
	columns, what := items, "item"
	if s.Kind == KindDecay {
		columns, what = values, "value"
	}
	need(s.Column >= 0 && s.Column < columns, "%s column %d is not one of the %d", what, s.Column, columns)
	switch s.Kind {
	case KindHLL:
		need(s.Precision >= minPrecision && s.Precision <= maxPrecision, "precision %d is not within 4..18", s.Precision)
	case KindBloom:
		if s.Bits != 0 || s.Hashes != 0 {
			need(s.Bits > 0 && s.Bits <= bloomBitLimit, "bits %d is not within 1..2^33", s.Bits)
			need(s.Hashes > 0 && s.Hashes <= bloomHashLimit, "hashes %d is not within 1..16", s.Hashes)
			break
		}
		need(s.Error >= minBloomError && s.Error <= maxBloomError, "error %v is not within %v..%v", s.Error, minBloomError, maxBloomError)
		need(s.Capacity > 0, "capacity is 0")
	case KindCountMin:
		need(s.Width >= minWidth && s.Width <= maxWidth && s.Width&(s.Width-1) == 0, "width %d is not a power of two within 64..2^24", s.Width)
		need(s.Depth > 0 && s.Depth <= maxDepth, "depth %d is not within 1..16", s.Depth)
		need(s.Width*s.Depth <= 1<<28, "width %d times depth %d needs more than 1 GiB", s.Width, s.Depth)
	case KindHotList:
		need(s.Size > 0 && s.Size <= maxHotListSize, "size %d is not within 1..65536", s.Size)
	case KindReservoir:
		need(s.Size > 0 && s.Size <= maxReservoir, "size %d is not within 1..65536", s.Size)
	case KindDecay:
		need(s.HalfLife >= 0 && s.HalfLife <= maxHalfLifeMSec, "half-life of %d ms is not within 1..2^53", s.HalfLife)
		need(s.HalfLife != 0 || s.Factor > 0 && s.Factor <= 1, "needs a half-life, or a factor within (0, 1], not %v", s.Factor)
	default:
		need(false, "kind %q is none of hll, bloom, countmin, hotlist, reservoir, decay", s.Kind)
	}
	if s.Kind == KindCountMin || s.Kind == KindHotList {
		need(s.Weight >= -1 && s.Weight < weights, "weight column %d is not one of the %d, nor -1", s.Weight, weights)
	}
	return errors.Join(faults...)
}

// full is the memory in bytes that the real sketch would take. It sets the
// point at which an exact table is promoted and must therefore depend upon
// the spec alone: not upon how an implementation grows, nor upon its version.
func (s *Spec) full() int {
	switch s.Kind {
	case KindHLL:
		return 1 << s.Precision
	case KindBloom:
		return int(bloomBytes(s))
	case KindCountMin:
		return 4 * s.Width * s.Depth
	case KindHotList:
		return 64 * (s.Size + s.Size/2)
	}
	return 0
}

// bloomBytes is the size of a classic filter of the asked capacity and rate,
// n·ln(1/e)/ln²2 bits, which is near enough to what a blocked one takes.
func bloomBytes(s *Spec) float64 {
	if s.Bits > 0 {
		return float64(s.Bits) / 8
	}
	return float64(s.Capacity) * -math.Log(s.Error) / (8 * math.Ln2 * math.Ln2)
}
