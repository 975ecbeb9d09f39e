package sketches

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Count-Min's encoding; see FORMAT.md.

const countMinVersion = 1

// AppendBinary appends the canonical encoding of c to dst: equal states have
// equal bytes.
func (c *CountMin) AppendBinary(dst []byte) []byte {
	dst = append(dst, countMinVersion, byte(c.bits), byte(c.depth))
	dst = binary.AppendUvarint(dst, c.total)
	count, sparse, dense := c.sizes()
	if sparse >= dense {
		dst = slices.Grow(append(dst, formDense), dense)
		for _, x := range c.counters {
			dst = binary.AppendUvarint(dst, uint64(x))
		}
		return dst
	}
	dst = slices.Grow(append(dst, formSparse), sparse)
	dst = binary.AppendUvarint(dst, uint64(count))
	previous := -1
	for i, x := range c.counters {
		if x != 0 {
			dst = binary.AppendUvarint(dst, uint64(i-previous-1))
			dst = binary.AppendUvarint(dst, uint64(x))
			previous = i
		}
	}
	return dst
}

// sizes counts the counters that are not zero and the bytes of both forms.
func (c *CountMin) sizes() (count, sparse, dense int) {
	previous := -1
	for i, x := range c.counters {
		if x == 0 {
			dense++
			continue
		}
		n := uvarintSize(uint64(x))
		count++
		dense += n
		sparse += n + uvarintSize(uint64(i-previous-1))
		previous = i
	}
	return count, sparse + uvarintSize(uint64(count)), dense
}

// DecodeCountMin reads the encoding at the front of b, which must have the given
// width and depth, and returns what follows it. The sketch keeps nothing of b.
// Errors wrap ErrCorrupt or ErrMismatch.
func DecodeCountMin(b []byte, width, depth int) (c *CountMin, rest []byte, err error) {
	in := &input{what: "countmin", rest: b}
	in.version(countMinVersion)
	widthBits, rows := in.octet("width"), in.octet("depth")
	if in.err == nil && (widthBits > 63 || 1<<widthBits != width || int(rows) != depth) {
		in.mismatch("width 2^%d, depth %d; want width %d, depth %d", widthBits, rows, width, depth)
	}
	total, form := in.uvarint("total"), in.form()
	if in.err == nil && form == formDense && len(in.rest) < width*depth {
		in.corrupt("%d counters in %d bytes", width*depth, len(in.rest))
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	if c, err = NewCountMin(width, depth); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	c.total = total
	if form == formDense {
		for i := range c.counters {
			c.counters[i] = readCounter(in)
		}
	} else {
		c.readSparse(in)
	}
	if in.err == nil {
		c.check(in, form)
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	return c, in.rest, nil
}

func readCounter(in *input) uint32 {
	x := in.uvarint("counter")
	if x > math.MaxUint32 {
		in.corrupt("counter %d does not fit in 32 bits", x)
	}
	return uint32(x)
}

func (c *CountMin) readSparse(in *input) {
	n := in.count(len(c.counters), "count")
	previous := -1
	for range n {
		i := in.ascend(previous, len(c.counters), "index")
		x := readCounter(in)
		if in.err == nil && x == 0 {
			in.corrupt("counter %d is written though it is zero", i)
		}
		if in.err != nil {
			return
		}
		c.counters[i], previous = x, i
	}
}

// check refuses what no stream of items leads to: the counters of a row sum to
// the total unless one is saturated. It also refuses the longer of the two forms.
func (c *CountMin) check(in *input, form byte) {
	for r := range c.depth {
		sum, full := uint64(0), false
		for _, x := range c.row(r) {
			sum += uint64(x)
			full = full || x == math.MaxUint32
		}
		if sum > c.total || sum < c.total && !full {
			in.corrupt("row %d sums to %d, the total is %d", r, sum, c.total)
		}
		c.saturated = c.saturated || full
	}
	if _, sparse, dense := c.sizes(); (sparse < dense) != (form == formSparse) {
		in.corrupt("form %d is not the shorter one", form)
	}
}
