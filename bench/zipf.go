package bench

import "math"

// Zipf draws ranks 0..n-1 with probability proportional to 1/(rank+1)^s in
// constant time, by Walker's alias method as Vose builds it (1991): one table
// look-up and one comparison a draw. math/rand's Zipf needs s > 1 and takes
// several logarithms a draw, which would make the generator the bottleneck.
// A Zipf is read-only after it is made and may be shared.
type Zipf struct {
	slots []slot
}

// slot keeps its own rank with probability keep/2^32, else gives its alias.
type slot struct {
	keep  uint32
	alias uint32
}

// NewZipf makes the table for n ranks; s = 0 draws uniformly.
func NewZipf(n int, s float64) *Zipf {
	weights := make([]float64, n)
	sum := 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -s)
		sum += weights[i]
	}
	z := &Zipf{slots: make([]slot, n)}
	var small, large []int
	for i := range weights {
		weights[i] *= float64(n) / sum
		if weights[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.slots[s] = slot{keep: uint32(weights[s] * math.MaxUint32), alias: uint32(l)}
		if weights[l] -= 1 - weights[s]; weights[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, rest := range [][]int{small, large} { // rounding leaves these at 1
		for _, i := range rest {
			z.slots[i] = slot{keep: math.MaxUint32, alias: uint32(i)}
		}
	}
	return z
}

// Draw turns 64 random bits into a rank.
func (z *Zipf) Draw(random uint64) uint32 {
	rank := uint32((random >> 32) * uint64(len(z.slots)) >> 32)
	s := z.slots[rank]
	alias := s.alias // read in any case: what follows is then a move rather than a branch that nothing foretells
	if uint32(random) > s.keep {
		rank = alias
	}
	return rank
}
