package sketches

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/bits-and-blooms/bitset"
)

// Bloom tells whether an item was added: never no for one that was, and yes for
// one that was not at the false positive rate (Bloom 1970).
//
// A filter is made of blocks of one cache line (Putze, Sanders, Singler 2007):
// an item sets all its bits in one block, one in each of the block's words when
// there are eight of them. That costs a tenth more bits than spreading them over
// the whole filter, as github.com/bits-and-blooms/bloom does, and is six times
// as fast, because an item touches one line of memory. Sizes begin from that
// library's, and its bit set holds the bits.
//
// Past capacity a chain of filters grows (Almeida et al. 2007). An item that the
// chain seems to hold already is not added again. When a next filter is begun is
// a function of the last one's bits, so it does not depend on how items are cut
// into columns; a chain of more than one filter does depend on their order.
type Bloom struct {
	parameters *BloomParameters
	filters    []bloomFilter // at least one; all but the last are at their limit
}

// bloomBlock is the block of one cache line that holds all bits of an item.
type bloomBlock [bloomWords]uint64

// bloomFilter is one filter of a chain.
type bloomFilter struct {
	bloomLevel
	set   *bitset.BitSet
	words []uint64     // set's own
	lines []bloomBlock // the same memory by blocks
	ones  int          // bits set when last counted; exact while spare is 0
	spare int          // items that can surely be added before ones must be counted again
	stale bool         // bits were set since ones was counted
	rated uint64       // see rate
}

// NewBloom returns an empty filter.
func NewBloom(p *BloomParameters) *Bloom {
	return &Bloom{parameters: p, filters: []bloomFilter{newBloomFilter(p.levels[0]())}}
}

func newBloomFilter(level bloomLevel) bloomFilter {
	f := bloomFilter{bloomLevel: level}
	f.hold(make([]bloomBlock, level.blocks))
	return f
}

// hold makes lines the filter's bits. An array of eight words has no padding, so
// the bit set can have the same memory by words. A slice of blocks needs one check
// of bounds an item, which the fast path feels.
func (f *bloomFilter) hold(lines []bloomBlock) {
	f.lines = lines
	f.words = unsafe.Slice(&lines[0][0], len(lines)*bloomWords)
	f.set = bitset.From(f.words)
}

// Add adds one item by its hash; 0 is no item.
func (b *Bloom) Add(hash uint64) {
	one := [1]uint64{hash}
	b.AddHashes(one[:])
}

// AddHashes adds the items with these hashes, leaving out zeros.
func (b *Bloom) AddHashes(hashes []uint64) {
	for len(hashes) > 0 {
		f := &b.filters[len(b.filters)-1]
		if f.spare == 0 {
			f.recount()
		}
		if f.spare == 0 {
			hashes = b.addNearLimit(hashes)
			continue
		}
		n := min(f.spare, len(hashes))
		switch {
		case len(b.filters) > 1:
			b.addToChain(f, hashes[:n])
		case f.hashes == bloomWords:
			f.addEight(hashes[:n])
		default:
			f.addAny(hashes[:n])
		}
		f.spare -= n
		f.stale, f.rated = true, 0
		hashes = hashes[n:]
	}
}

// recount counts the bits set and sets spare to the items that cannot bring the
// filter to its limit. When they are too few to pay for the next count, spare is
// zero, and bits are counted one by one as they are set.
func (f *bloomFilter) recount() {
	if f.stale {
		f.ones, f.stale = int(f.set.Count()), false
	}
	if f.limit == math.MaxInt {
		f.spare = math.MaxInt
		return
	}
	f.spare = max(0, f.limit-f.ones) / f.hashes
	if f.spare < len(f.words)/4 {
		f.spare = 0
	}
}

// bit is 1<<i. A table in the first-level cache and OR on memory take half as
// many operations as shifts, or the bit instructions that compilers make of them.
var bit = func() (b [64]uint64) {
	for i := range b {
		b[i] = 1 << i
	}
	return b
}()

// vectorPiece is how many items are added between two moments at which the
// runtime may stop the goroutine, which it cannot within setEight: some µs.
const vectorPiece = 4096

// addEight is the fast path: eight hashes, one filter, far from its limit.
func (f *bloomFilter) addEight(hashes []uint64) {
	if !haveVectors {
		f.addEightByWords(hashes)
		return
	}
	for len(hashes) > 0 {
		n := min(len(hashes), vectorPiece)
		setEight(&f.lines[0], uint64(len(f.lines)), &hashes[0], n)
		hashes = hashes[n:]
	}
}

// addEightByWords is addEight for every processor. A bit goes into each word of
// the block, so nothing waits for anything but memory.
// A processor can wait for some twenty blocks at once but looks only four
// items ahead here, so all blocks of a few dozen items are touched first. What
// was read is returned, lest the compiler leave the reading out.
func (f *bloomFilter) addEightByWords(hashes []uint64) (touched uint64) {
	lines, blocks, bit := f.lines, uint64(len(f.lines)), &bit
	var places [64]uint32
	for len(hashes) > 0 {
		few := hashes[:min(len(hashes), len(places))]
		hashes = hashes[len(few):]
		for i, h := range few {
			block, _ := bits.Mul64(h*bloomBlockMultiplier, blocks)
			places[i] = uint32(block)
			touched |= lines[block][0]
		}
		for i, h := range few {
			if h == 0 {
				continue
			}
			x := fold(h, bloomFirstMultiplier)
			w := &lines[places[i]]
			w[0] |= bit[x&63]
			w[1] |= bit[x>>6&63]
			w[2] |= bit[x>>12&63]
			w[3] |= bit[x>>18&63]
			w[4] |= bit[x>>24&63]
			w[5] |= bit[x>>30&63]
			w[6] |= bit[x>>36&63]
			w[7] |= bit[x>>42&63]
		}
	}
	return touched
}

func (f *bloomFilter) addAny(hashes []uint64) {
	for _, h := range hashes {
		if h != 0 {
			f.add(h)
		}
	}
}

// addToChain adds to the last filter what the earlier ones do not hold.
func (b *Bloom) addToChain(last *bloomFilter, hashes []uint64) {
	for _, h := range hashes {
		if h != 0 && !b.earlierContain(h) {
			last.add(last.salt(h))
		}
	}
}

func (b *Bloom) earlierContain(h uint64) bool {
	for i := range b.filters[:len(b.filters)-1] {
		if f := &b.filters[i]; f.contains(f.salt(h)) {
			return true
		}
	}
	return false
}

// addNearLimit is the slow path: it counts every bit, begins a next filter when
// the last is at its limit, and returns the hashes left over for that one.
func (b *Bloom) addNearLimit(hashes []uint64) []uint64 {
	f := &b.filters[len(b.filters)-1]
	f.rated = 0
	for i, h := range hashes {
		if h == 0 || b.Contains(h) {
			continue
		}
		if f.ones >= f.limit {
			b.filters = append(b.filters, newBloomFilter(b.parameters.levels[len(b.filters)]()))
			return hashes[i:]
		}
		f.ones += f.add(f.salt(h))
	}
	return nil
}

// salt gives each filter of a chain its own bits for an item; otherwise an item
// that one filter mistakes would be likelier to be mistaken by the next.
func (f *bloomFilter) salt(h uint64) uint64 {
	if f.index == 0 {
		return h
	}
	return scramble(h + uint64(f.index)*bloomLevelIncrement)
}

// bloomProbe walks the bits of one item: word and bit within its block.
type bloomProbe struct {
	block       uint64
	first, next uint64 // positions of six bits each
	start       uint64 // first word
}

func (f *bloomFilter) probe(h uint64) bloomProbe {
	p := bloomProbe{first: fold(h, bloomFirstMultiplier)}
	p.block, _ = bits.Mul64(h*bloomBlockMultiplier, f.blocks)
	if f.hashes != bloomWords {
		p.start = p.first >> 48 % bloomWords
	}
	if f.hashes > bloomWords {
		p.next = fold(h, bloomSecondMultiplier)
	}
	return p
}

// at returns the i-th word and the mask of its bit.
func (p *bloomProbe) at(i int) (word, mask uint64) {
	x := p.first
	if i >= bloomWords {
		x = p.next
	}
	return (p.start + uint64(i)) % bloomWords, 1 << (x >> (6 * uint(i%bloomWords)) & 63)
}

// add sets the bits of an item and returns how many of them were clear.
func (f *bloomFilter) add(h uint64) (fresh int) {
	p := f.probe(h)
	w := &f.lines[p.block]
	for i := range f.hashes {
		word, mask := p.at(i)
		if w[word]&mask == 0 {
			w[word] |= mask
			fresh++
		}
	}
	return fresh
}

func (f *bloomFilter) contains(h uint64) bool {
	if f.hashes == bloomWords {
		return f.containsEight(h)
	}
	p := f.probe(h)
	w := &f.lines[p.block]
	for i := range f.hashes {
		if word, mask := p.at(i); w[word]&mask == 0 {
			return false
		}
	}
	return true
}

// containsEight reads all eight words: they are in one line, and a loop that
// left at the first clear bit would be mispredicted half of the time.
func (f *bloomFilter) containsEight(h uint64) bool {
	block, _ := bits.Mul64(h*bloomBlockMultiplier, f.blocks)
	x := fold(h, bloomFirstMultiplier)
	w := &f.lines[block]
	all := w[0] >> (x & 63) & (w[1] >> (x >> 6 & 63)) & (w[2] >> (x >> 12 & 63)) & (w[3] >> (x >> 18 & 63)) &
		(w[4] >> (x >> 24 & 63)) & (w[5] >> (x >> 30 & 63)) & (w[6] >> (x >> 36 & 63)) & (w[7] >> (x >> 42 & 63))
	return all&1 == 1
}

// Contains reports whether the item may have been added. No is certain.
func (b *Bloom) Contains(hash uint64) bool {
	if hash == 0 {
		return false
	}
	for i := range b.filters {
		if f := &b.filters[i]; f.contains(f.salt(hash)) {
			return true
		}
	}
	return false
}

// FalsePositiveRate is the chance that Contains holds for an item that was not
// added: exact for the bits that are set, so it is right for filters that were
// merged past their capacity as well.
func (b *Bloom) FalsePositiveRate() float64 {
	sum := 0.0
	for i := range b.filters {
		sum += math.Log1p(-b.filters[i].rate())
	}
	return -math.Expm1(sum)
}

// rate is the mean over all blocks, first words and bits. To reckon it reads all bits, so
// that it is remembered until one is set; several readers may do so at once, and all find
// the same. A sign that no rate has tells it from none.
func (f *bloomFilter) rate() float64 {
	const known = 1 << 63
	if rated := atomic.LoadUint64(&f.rated); rated != 0 {
		return math.Float64frombits(rated &^ known)
	}
	sum := 0.0
	if f.hashes == bloomWords {
		sum = rateOfEight(f.lines)
	} else {
		sum = rateOfAny(f.lines, f.hashes)
	}
	rate := sum / float64(f.blocks)
	atomic.StoreUint64(&f.rated, math.Float64bits(rate)|known)
	return rate
}

// rateOfEight is the sum of the rates of blocks in which an item sets a bit of each word:
// of the products of their words' shares. A product of eight counts of bits is a whole
// number of at most 48 bits.
func rateOfEight(lines []bloomBlock) (sum float64) {
	for i := range lines {
		w := &lines[i]
		a, b := bits.OnesCount64(w[0])*bits.OnesCount64(w[1]), bits.OnesCount64(w[2])*bits.OnesCount64(w[3])
		c, d := bits.OnesCount64(w[4])*bits.OnesCount64(w[5]), bits.OnesCount64(w[6])*bits.OnesCount64(w[7])
		sum += float64(uint64(a)*uint64(b)*uint64(c)*uint64(d)) / (1 << 48)
	}
	return sum
}

// rateOfAny is the same for any number of bits an item.
func rateOfAny(lines []bloomBlock, hashes int) (sum float64) {
	for i := range lines {
		var fill [bloomWords]float64
		empty := true
		for j, x := range &lines[i] {
			fill[j] = float64(bits.OnesCount64(x)) / 64
			empty = empty && x == 0
		}
		if !empty {
			sum += rotatedRate(&fill, hashes)
		}
	}
	return sum
}

// rotatedRate is the mean over the word that an item begins with.
func rotatedRate(fill *[bloomWords]float64, hashes int) float64 {
	sum := 0.0
	for start := range bloomWords {
		product := 1.0
		for i := range hashes {
			product *= fill[(start+i)%bloomWords]
		}
		sum += product
	}
	return sum / bloomWords
}

// Merge makes b the filter of both sets of items, by union, filter by filter.
// The result may be past capacity; FalsePositiveRate tells. Filters of different
// parameters are refused with ErrMismatch. It does not change other, nor keep
// anything of it.
func (b *Bloom) Merge(other *Bloom) error {
	if !b.parameters.equal(other.parameters) {
		return fmt.Errorf("%w: bloom: merge of %v with %v", ErrMismatch, b.parameters, other.parameters)
	}
	for i := range other.filters {
		from := &other.filters[i]
		if i == len(b.filters) {
			b.filters = append(b.filters, from.clone())
			continue
		}
		f := &b.filters[i]
		f.set.InPlaceUnion(from.set)
		f.spare, f.stale, f.rated = 0, true, 0
	}
	return nil
}

func (f *bloomFilter) clone() bloomFilter {
	c := bloomFilter{bloomLevel: f.bloomLevel, ones: f.ones, spare: f.spare, stale: f.stale, rated: atomic.LoadUint64(&f.rated)}
	c.hold(slices.Clone(f.lines))
	return c
}

// Size is the memory held, in bytes.
func (b *Bloom) Size() int {
	size := 32
	for i := range b.filters {
		size += 112 + 8*len(b.filters[i].words)
	}
	return size
}

// Clone returns a copy that shares nothing with b but its parameters.
func (b *Bloom) Clone() *Bloom {
	c := &Bloom{parameters: b.parameters, filters: make([]bloomFilter, len(b.filters))}
	for i := range b.filters {
		c.filters[i] = b.filters[i].clone()
	}
	return c
}
