package sketches

import (
	"fmt"
	"math"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"
)

// How large a Bloom filter's parts are: the false positive rate of a blocked
// filter, the sizes that follow from capacity and error, and the chain of ever
// larger filters past capacity.

const (
	bloomWords     = 8               // words of a block, one cache line
	bloomBlockBits = 64 * bloomWords // bits of a block

	maxBloomLevels = 24 // filters of a chain
	minBloomError  = 1e-9
	maxBloomError  = 0.5
)

// BloomParameters are what Bloom filters must share to be merged: the sizes of
// a chain's filters. Made once a layout; immutable, safe for concurrent use.
type BloomParameters struct {
	capacity uint64  // items of the first filter; 0: bits and hashes were given
	rate     float64 // false positive rate asked for; 0: bits and hashes were given
	first    bloomLevel
	levels   [maxBloomLevels]func() bloomLevel
}

// bloomLevel is the size of one filter of a chain.
type bloomLevel struct {
	index  int
	blocks uint64
	hashes int
	limit  int // bits set at which the next filter is begun; never when MaxInt
}

// NewBloomParameters sizes filters for capacity items at the given false
// positive rate. The rate is for the whole chain, however long it grows: the
// first filter gets three quarters of it, and the ones that follow, each for
// twice the items of the one before, share the last quarter by halves (Almeida,
// Baquero, Preguiça, Hutchison 2007, with a start that favours the usual case of
// one filter, which three quarters cost 0.6 bits an item).
func NewBloomParameters(capacity uint64, rate float64) (*BloomParameters, error) {
	if capacity == 0 {
		return nil, fmt.Errorf("bloom: capacity must be at least one item")
	}
	if !(rate >= minBloomError && rate <= maxBloomError) {
		return nil, fmt.Errorf("bloom: error %v is not between %v and %v", rate, minBloomError, maxBloomError)
	}
	if capacity > bloomBitLimit {
		return nil, fmt.Errorf("bloom: capacity %d needs a filter of more than 2^33 bits", capacity)
	}
	p := &BloomParameters{capacity: capacity, rate: rate}
	p.first = sizeBloom(capacity, rate*3/4)
	if p.first.blocks*bloomBlockBits > bloomBitLimit {
		return nil, fmt.Errorf("bloom: capacity %d at error %v needs a filter of more than 2^33 bits", capacity, rate)
	}
	p.chain(func(i int) bloomLevel {
		return sizeBloom(capacity<<i, math.Ldexp(rate, -2-i))
	})
	return p, nil
}

// ExactBloomParameters takes the first filter's bits, rounded up to whole blocks
// of 512, and how many of them an item sets, 1 to 16, at most two a word. Past half of the bits, at
// which a filter of this size distinguishes most, a next one of twice the bits
// and one more hash is begun.
func ExactBloomParameters(bits, hashes int) (*BloomParameters, error) {
	if bits < 1 || bits > bloomBitLimit {
		return nil, fmt.Errorf("bloom: %d bits is not between 1 and 2^33", bits)
	}
	if hashes < 1 || hashes > bloomHashLimit {
		return nil, fmt.Errorf("bloom: %d hashes is not between 1 and %d", hashes, bloomHashLimit)
	}
	blocks := (uint64(bits) + bloomBlockBits - 1) / bloomBlockBits
	half := func(blocks uint64, hashes int) bloomLevel {
		return bloomLevel{blocks: blocks, hashes: hashes, limit: int(blocks * bloomBlockBits / 2)}
	}
	p := &BloomParameters{first: half(blocks, hashes)}
	p.chain(func(i int) bloomLevel { return half(blocks<<i, min(hashes+i, bloomHashLimit)) })
	return p, nil
}

// chain prepares the levels. Those past the first are sized when a chain first
// needs them, which for most layouts is never.
func (p *BloomParameters) chain(size func(i int) bloomLevel) {
	for i := range p.levels {
		p.levels[i] = sync.OnceValue(func() bloomLevel {
			level := p.first
			if i > 0 {
				level = size(i)
			}
			level.index = i
			if i+1 == maxBloomLevels || tooLarge(p.first.blocks<<(i+1), func() bloomLevel { return size(i + 1) }) {
				level.limit = math.MaxInt // the last one fills up, and says so by its rate
			}
			return level
		})
	}
}

// tooLarge tells whether a filter is beyond the limit; only a filter that is near
// it by its number of doublings is worth sizing for that.
func tooLarge(doubled uint64, size func() bloomLevel) bool {
	return doubled > bloomBitLimit/bloomBlockBits/128 && size().blocks > bloomBitLimit/bloomBlockBits
}

// Bits is the size of the first filter of a chain.
func (p *BloomParameters) Bits() int { return int(p.first.blocks * bloomBlockBits) }

// Hashes is how many bits of the first filter an item sets.
func (p *BloomParameters) Hashes() int { return p.first.hashes }

// surelyHolds tells whether so many items cannot bring the first filter to its limit
// even if no two of them share a bit.
func (p *BloomParameters) surelyHolds(items int) bool {
	return items <= p.levels[0]().limit/p.first.hashes
}

func (p *BloomParameters) equal(other *BloomParameters) bool {
	return p == other || p.capacity == other.capacity && p.rate == other.rate &&
		p.first.blocks == other.first.blocks && p.first.hashes == other.first.hashes
}

func (p *BloomParameters) String() string {
	if p.capacity == 0 {
		return fmt.Sprintf("%d bits, %d hashes", p.Bits(), p.Hashes())
	}
	return fmt.Sprintf("capacity %d, error %v", p.capacity, p.rate)
}

// sizeBloom finds the smallest blocked filter that holds n items at the given
// rate. The library's parameters for an unblocked filter are where the search
// begins. Eight hashes, which fill the words of a block evenly and run fastest,
// are taken when they cost at most a twentieth more than the best number.
//
// The number of items at which a filter has a given fill varies by less than
// sqrt(n); that many are added to n, so that n items do not begin a next filter.
func sizeBloom(n uint64, rate float64) bloomLevel {
	items := float64(n) + math.Ceil(math.Sqrt(float64(n)))
	standardBits, standardHashes := bloom.EstimateParameters(uint(items), rate)
	best := bloomLevel{}
	middle := min(int(standardHashes), bloomHashLimit)
	for hashes := max(1, middle-2); hashes <= min(middle+2, bloomHashLimit); hashes++ {
		if l := fitBloom(items, rate, hashes, float64(standardBits)); best.hashes == 0 || l.blocks < best.blocks {
			best = l
		}
	}
	if l := fitBloom(items, rate, bloomWords, float64(standardBits)); l.blocks <= best.blocks+best.blocks/20 {
		best = l
	}
	return best
}

// fitBloom finds the least number of blocks that hold the items at the rate with
// this many hashes, by bisection between the unblocked size and a thousand times
// as much.
func fitBloom(items, rate float64, hashes int, standardBits float64) bloomLevel {
	low := uint64(standardBits / bloomBlockBits / 2)
	high := max(1, uint64(standardBits/bloomBlockBits)*2)
	for limit := high << 10; high < limit && blockedRate(items/float64(high), hashes) > rate; high *= 2 {
		low = high
	}
	for low+1 < high {
		if middle := low + (high-low)/2; blockedRate(items/float64(middle), hashes) > rate {
			low = middle
		} else {
			high = middle
		}
	}
	bits := float64(high) * bloomBlockBits
	fill := -math.Expm1(items * math.Log1p(-float64(hashes)/bits))
	return bloomLevel{blocks: high, hashes: hashes, limit: int(math.Ceil(bits * fill))}
}

// blockedRate is the false positive rate of a blocked filter with a mean of load
// items a block. The items of a block follow Poisson's law (Putze, Sanders,
// Singler 2007); each sets one bit in each of hashes words, chosen in turn from
// a random one, or two bits in the first hashes-8 words. Given the items of a
// block its words are independent when hashes is 8, and nearly so otherwise.
func blockedRate(load float64, hashes int) float64 {
	single, double := float64(min(hashes, 2*bloomWords-hashes)), float64(max(0, hashes-bloomWords))
	miss := (single*63/64 + double*63*63/(64*64) + bloomWords - single - double) / bloomWords
	least := max(0, int(load-10*math.Sqrt(load)-10))
	most := int(load + 10*math.Sqrt(load) + 20)
	logFactorial, _ := math.Lgamma(float64(least) + 1)
	chance := math.Exp(float64(least)*math.Log(load) - load - logFactorial)
	clear := math.Pow(miss, float64(least)) // chance that a bit of the block is not set
	sum := 0.0
	for n := least; n <= most; n++ {
		fill := 1 - clear
		sum += chance * math.Pow(fill, single) * math.Pow(fill*(1+63*fill)/64, double)
		chance *= load / float64(n+1)
		clear *= miss
	}
	return sum
}
