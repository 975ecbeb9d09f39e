package sketches

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// CountMin counts how often, or by how much weight, each item was added, never
// too little and seldom much too much (Cormode and Muthukrishnan 2005).
//
// Each of depth rows has width counters, and an item adds to one counter of
// each row. The least of an item's counters exceeds the truth by more than
// e/width of the total with a chance of at most e^-depth. Rows take disjoint
// bits of words mixed from the hash; width is a power of two, so that taking
// them is a shift. Updates are plain and not conservative: conservative ones
// halve the error but depend on order, and state must not.
//
// Counters are 32 bits wide and stay at their greatest value when they reach it;
// an item all of whose counters are there is only known to be at least so much.
type CountMin struct {
	width, depth int
	bits         uint // log2 of width
	saturated    bool // a counter is at its greatest value
	total        uint64
	counters     []uint32 // row by row
}

// CountMinSize returns the least width, a power of two, and depth for which a
// count exceeds the truth by more than err of the total with a chance of at most
// 1-confidence.
func CountMinSize(err, confidence float64) (width, depth int, e error) {
	if !(err > 0 && err < 1) {
		return 0, 0, fmt.Errorf("countmin: error %v is not between 0 and 1", err)
	}
	if !(confidence > 0 && confidence < 1) {
		return 0, 0, fmt.Errorf("countmin: confidence %v is not between 0 and 1", confidence)
	}
	for width = minWidth; float64(width) < math.E/err; width *= 2 {
		if width == maxWidth {
			return 0, 0, fmt.Errorf("countmin: error %v is below %.1e, the least that %d counters a row give", err, math.E/maxWidth, maxWidth)
		}
	}
	// The tolerance keeps a confidence such as 1-1/e from costing a row for its rounding.
	depth = max(1, int(math.Ceil(-math.Log1p(-confidence)-1e-9)))
	if depth > maxDepth {
		return 0, 0, fmt.Errorf("countmin: confidence %v needs %d rows, at most %d are allowed", confidence, depth, maxDepth)
	}
	return width, depth, nil
}

// NewCountMin returns an empty CountMin: width is a power of two from 64 to
// 2^24, depth is from 1 to 16.
func NewCountMin(width, depth int) (*CountMin, error) {
	if width < minWidth || width > maxWidth || width&(width-1) != 0 {
		return nil, fmt.Errorf("countmin: width %d is not a power of two between %d and %d", width, minWidth, maxWidth)
	}
	if depth < 1 || depth > maxDepth {
		return nil, fmt.Errorf("countmin: depth %d is not between 1 and %d", depth, maxDepth)
	}
	return &CountMin{
		width: width, depth: depth, bits: uint(bits.Len(uint(width - 1))),
		counters: make([]uint32, width*depth),
	}, nil
}

// rowsPerWord is how many row indexes one mixed word gives.
func (c *CountMin) rowsPerWord() int { return 64 / int(c.bits) }

// row returns the counters of row r.
func (c *CountMin) row(r int) []uint32 { return c.counters[r*c.width:][:c.width:c.width] }

// index is where row r counts the item.
func (c *CountMin) index(hash uint64, r int) int {
	per := c.rowsPerWord()
	return int(fold(hash, countMinMultipliers[r/per])>>(uint(r%per)*c.bits)) & (c.width - 1)
}

// Add adds weight to one item, by its hash; 0 is no item, and a negative weight
// is left out.
func (c *CountMin) Add(hash uint64, weight int64) {
	if hash == 0 || weight < 0 {
		return
	}
	c.raise(uint64(weight))
	step := uint32(min(uint64(weight), math.MaxUint32))
	per := c.rowsPerWord()
	var x uint64
	for r, left := 0, 0; r < c.depth; r, left = r+1, left-1 {
		if left == 0 {
			x, left = fold(hash, countMinMultipliers[r/per]), per
		}
		i := r*c.width + int(x)&(c.width-1)
		x >>= c.bits
		sum, carry := bits.Add32(c.counters[i], step, 0)
		sum |= -carry
		c.counters[i] = sum
		c.saturated = c.saturated || sum == math.MaxUint32
	}
}

// raise adds to the total, which stays at its greatest value if it reaches it.
func (c *CountMin) raise(weight uint64) {
	sum, carry := bits.Add64(c.total, weight, 0)
	c.total = sum | -carry
}

// AddHashes adds the items with these hashes, leaving out zeros. weights has one
// entry a hash, of which negative ones are left out, or is nil when every item
// weighs one. Order makes no difference to the state.
func (c *CountMin) AddHashes(hashes []uint64, weights []int64) {
	if !c.below(hashes, weights) {
		// Slow path: a counter may come to its greatest value.
		for i, h := range hashes {
			weight := int64(1)
			if weights != nil {
				weight = weights[i]
			}
			c.Add(h, weight)
		}
		return
	}
	switch {
	case weights != nil:
		c.addWeights(hashes, weights[:len(hashes)])
	case c.depth == 4 && c.bits <= 16:
		c.addFour(hashes)
	case c.depth == 5 && c.rowsPerWord() == 4:
		c.addFive(hashes)
	default:
		c.addOnes(hashes)
	}
}

// below tells whether the total, and with it every counter, stays below a
// counter's greatest value when these items are added.
func (c *CountMin) below(hashes []uint64, weights []int64) bool {
	if c.total >= math.MaxUint32 || len(hashes) >= math.MaxUint32 {
		return false
	}
	sum := c.total
	if weights == nil {
		return sum+uint64(len(hashes)) < math.MaxUint32
	}
	for _, w := range weights[:len(hashes)] {
		// Each term is below 2^32 and so are their number and the total before:
		// the sum does not overflow.
		sum += uint64(min(max(w, 0), math.MaxUint32))
	}
	return sum < math.MaxUint32
}

func (c *CountMin) addFour(hashes []uint64) {
	if c.bits == 16 {
		c.addFourOf65536(hashes)
		return
	}
	a, b, d, e := c.row(0), c.row(1), c.row(2), c.row(3)
	w, mask := c.bits&15, uint64(c.width-1)
	n := uint64(0)
	for _, h := range hashes {
		if h == 0 {
			continue
		}
		n++
		x := fold(h, countMinMultipliers[0])
		a[x&mask]++
		x >>= w
		b[x&mask]++
		x >>= w
		d[x&mask]++
		x >>= w
		e[x&mask]++
	}
	c.total += n
}

// addFourOf65536 is addFour for rows whose indexes are 16 bits, which need no
// check of bounds.
func (c *CountMin) addFourOf65536(hashes []uint64) {
	a, b := (*[1 << 16]uint32)(c.row(0)), (*[1 << 16]uint32)(c.row(1))
	d, e := (*[1 << 16]uint32)(c.row(2)), (*[1 << 16]uint32)(c.row(3))
	n := uint64(0)
	for _, h := range hashes {
		if h == 0 {
			continue
		}
		n++
		x := fold(h, countMinMultipliers[0])
		a[uint16(x)]++
		b[uint16(x>>16)]++
		d[uint16(x>>32)]++
		e[uint16(x>>48)]++
	}
	c.total += n
}

func (c *CountMin) addFive(hashes []uint64) {
	a, b, d, e, f := c.row(0), c.row(1), c.row(2), c.row(3), c.row(4)
	w, mask := c.bits&63, uint64(c.width-1)
	n := uint64(0)
	for _, h := range hashes {
		if h == 0 {
			continue
		}
		n++
		x := fold(h, countMinMultipliers[0])
		a[x&mask]++
		b[x>>w&mask]++
		x >>= 2 * w & 63
		d[x&mask]++
		e[x>>w&mask]++
		f[fold(h, countMinMultipliers[1])&mask]++
	}
	c.total += n
}

// addWeights goes row by row, so that a row's counters stay in the cache.
func (c *CountMin) addWeights(hashes []uint64, weights []int64) {
	per, mask := c.rowsPerWord(), uint64(c.width-1)
	for r := range c.depth {
		row, multiplier := c.row(r), countMinMultipliers[r/per]
		shift := uint(r%per) * c.bits & 63
		for i, h := range hashes {
			if h != 0 {
				row[fold(h, multiplier)>>shift&mask] += uint32(max(weights[i], 0))
			}
		}
	}
	for i, h := range hashes {
		if h != 0 {
			c.total += uint64(max(weights[i], 0))
		}
	}
}

// addOnes goes row by row, as addWeights does.
func (c *CountMin) addOnes(hashes []uint64) {
	per, mask := c.rowsPerWord(), uint64(c.width-1)
	for r := range c.depth {
		row, multiplier := c.row(r), countMinMultipliers[r/per]
		shift := uint(r%per) * c.bits & 63
		for _, h := range hashes {
			if h != 0 {
				row[fold(h, multiplier)>>shift&mask]++
			}
		}
	}
	for _, h := range hashes {
		if h != 0 {
			c.total++
		}
	}
}

// Total is the weight of all items, exactly.
func (c *CountMin) Total() uint64 { return c.total }

// Saturated tells whether a counter is at its greatest value, so that counts
// may be too low.
func (c *CountMin) Saturated() bool { return c.saturated }

// Width is the number of counters of a row.
func (c *CountMin) Width() int { return c.width }

// Depth is the number of rows.
func (c *CountMin) Depth() int { return c.depth }

// Merge makes c the sketch of both streams of items. Sketches of different
// width or depth are refused with ErrMismatch. It does not change other, nor keep
// anything of it.
func (c *CountMin) Merge(other *CountMin) error {
	if c.width != other.width || c.depth != other.depth {
		return fmt.Errorf("%w: countmin: merge of %d x %d with %d x %d", ErrMismatch, c.depth, c.width, other.depth, other.width)
	}
	if total, carry := bits.Add64(c.total, other.total, 0); carry == 0 && total < math.MaxUint32 {
		// Fast path: no counter exceeds the total, so none can overflow.
		c.total = total
		dst, src := c.counters, other.counters
		for len(dst) >= 4 && len(src) >= 4 {
			dst[0] += src[0]
			dst[1] += src[1]
			dst[2] += src[2]
			dst[3] += src[3]
			dst, src = dst[4:], src[4:]
		}
		return nil
	}
	c.raise(other.total)
	c.saturated = c.saturated || other.saturated
	for i, x := range other.counters {
		sum, carry := bits.Add32(c.counters[i], x, 0)
		sum |= -carry
		c.counters[i] = sum
		c.saturated = c.saturated || sum == math.MaxUint32
	}
	return nil
}

// Size is the memory held, in bytes.
func (c *CountMin) Size() int { return 72 + 4*len(c.counters) }

// Clone returns a copy that shares nothing with c.
func (c *CountMin) Clone() *CountMin {
	d := *c
	d.counters = slices.Clone(c.counters)
	return &d
}
