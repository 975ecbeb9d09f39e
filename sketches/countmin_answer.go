package sketches

import (
	"fmt"
	"math"
)

// Count-Min's answers and how far they may be off.

// Count returns the item's count, which is never less than the truth unless
// Saturated.
func (c *CountMin) Count(hash uint64) uint64 {
	if hash == 0 {
		return 0
	}
	least := uint32(math.MaxUint32)
	for r := range c.depth {
		least = min(least, c.counters[r*c.width+c.index(hash, r)])
	}
	return uint64(least)
}

// Interval returns the item's count and bounds of the truth. The upper bound
// always holds: it is the count itself, or the total when all of the item's
// counters are saturated, or the greatest number when the total is as well. The lower bound holds with the given confidence: it is
// the count less the tighter of two bounds of the error.
//
// The first is known beforehand. By Markov's inequality a row errs by more than
// a/width of the total with a chance of at most 1/a, hence all rows do with one
// of at most a^-depth; a is chosen to make that 1-confidence, and is e at the
// confidence 1-e^-depth.
//
// The second is read from the counters and adapts to skew: see noise.
func (c *CountMin) Interval(hash uint64, confidence float64) (estimate, low, high float64) {
	count := c.Count(hash)
	estimate, high = float64(count), float64(count)
	if count == math.MaxUint32 {
		high = upper(max(count, c.total))
	}
	if count == 0 {
		return 0, 0, 0
	}
	chance := math.Pow(1-min(max(confidence, 0), 1), 1/float64(c.depth)) // of each row
	bound := float64(c.total)
	if chance > 0 {
		bound = min(bound, bound/(chance*float64(c.width)))
	}
	if observed, ok := c.noise(hash, chance, uint32(count)); ok {
		bound = min(bound, observed)
	}
	return estimate, max(0, math.Ceil(estimate-bound)), high
}

// noiseSample is how many counters of each row are read to judge its noise.
const noiseSample = 1024

// noise bounds what other items added to all of the item's counters, but for a
// chance of chance^depth.
//
// The item's place in a row is random with respect to all other items, so what
// they added there is one more draw of what they added to any other place of the
// row, which are read off. Among n such draws and the item's own, which are in
// random order of size, the item's is above the k-th least of the n with a chance
// of at most (n+1-k)/(n+1). With k chosen to make that at most chance for each
// row, and rows being independent, all rows exceed the greatest of their k-th
// least together with a chance of at most chance^depth; otherwise the least
// counter errs by no more than that. Since places are random, the first few after
// the item's own are a fair sample of the row.
//
// It is not ok when the sample is too small for so small a chance. Bounds of the
// item's count or more are all alike, and given as the count.
func (c *CountMin) noise(hash uint64, chance float64, count uint32) (bound float64, ok bool) {
	n := min(noiseSample, c.width-1)
	k := n + 1 - int(chance*float64(n+1)) // chance >= (n+1-k)/(n+1)
	if k > n {
		return 0, false
	}
	greatest := uint32(0)
	for r := range c.depth {
		greatest = max(greatest, kthAfter(c.row(r), c.index(hash, r), n, max(k, 1), count))
	}
	return float64(greatest), true
}

// kthAfter is the k-th least of the n counters that follow place own, round the
// end of the row, or limit if that is less. It halves the range of values and
// counts, rather than sort a copy, to answer without allocating.
func kthAfter(row []uint32, own, n, k int, limit uint32) uint32 {
	tail := row[own+1:]
	var head []uint32
	if n <= len(tail) {
		tail = tail[:n]
	} else {
		head = row[:n-len(tail)]
	}
	low, high := uint32(0), limit
	for low < high {
		middle := low + (high-low)/2
		if countUpTo(tail, middle)+countUpTo(head, middle) >= k {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func countUpTo(counters []uint32, limit uint32) (n int) {
	for _, x := range counters {
		if x <= limit {
			n++
		}
	}
	return n
}

// InnerProduct estimates the sum over all items of their weight here times their
// weight in other: the size of a join. It is never less than the truth, and exceeds
// it by more than bound, which is e/width times the product of the totals, with
// a chance of at most e^-depth. Saturated sketches give no such promise, and an
// infinite bound.
func (c *CountMin) InnerProduct(other *CountMin) (estimate, bound float64, err error) {
	if c.width != other.width || c.depth != other.depth {
		return 0, 0, fmt.Errorf("%w: countmin: inner product of %d x %d with %d x %d", ErrMismatch, c.depth, c.width, other.depth, other.width)
	}
	estimate = math.Inf(1)
	for r := range c.depth {
		sum := 0.0
		a, b := c.row(r), other.row(r)
		for i, x := range a {
			sum += float64(x) * float64(b[i])
		}
		estimate = min(estimate, sum)
	}
	if c.saturated || other.saturated {
		return estimate, math.Inf(1), nil
	}
	return estimate, math.E / float64(c.width) * float64(c.total) * float64(other.total), nil
}
