package sketches

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"
)

// HyperLogLog estimates how many distinct items were added (Flajolet, Fusy,
// Gandouet, Meunier 2007), with 2^precision registers of one byte.
//
// A register is chosen by the hash's top bits and keeps the greatest rank (one
// more than the leading zeros of the remaining bits) of its items. Registers
// are those of github.com/axiomhq/hyperloglog v0.3.0, so that states can be
// exchanged with it; they are kept here because that library takes 400 µs to
// estimate, changes its state while it does, and has no canonical encoding.
//
// The estimate is Ertl's improved raw estimator (arXiv 1702.01284, algorithm 6),
// which needs no table of biases and holds from zero to 2^64 items. Its standard
// error is 1.04/sqrt(2^precision), and less for few items.
type HyperLogLog struct {
	precision uint8
	stale     bool // ranks does not describe registers (after a merge)
	registers []uint8
	ranks     [64]uint32 // how many registers hold each rank
}

// hllError is the factor of the standard error: sqrt(3 ln 2 - 1), rounded up.
const hllError = 1.04

// HLLPrecision returns the least precision whose standard error,
// 1.04/sqrt(2^precision), is at most err.
func HLLPrecision(err float64) (int, error) {
	if !(err > 0 && err < 1) {
		return 0, fmt.Errorf("hll: error %v is not between 0 and 1", err)
	}
	for p := minPrecision; p <= maxPrecision; p++ {
		if hllError/math.Sqrt(float64(int(1)<<p)) <= err {
			return p, nil
		}
	}
	return 0, fmt.Errorf("hll: error %v is below %.5f, the least that precision %d gives",
		err, hllError/math.Sqrt(1<<maxPrecision), maxPrecision)
}

// NewHyperLogLog returns an empty HyperLogLog of 2^precision registers, with
// precision from 4 to 18.
func NewHyperLogLog(precision int) (*HyperLogLog, error) {
	if precision < minPrecision || precision > maxPrecision {
		return nil, fmt.Errorf("hll: precision %d is not between %d and %d", precision, minPrecision, maxPrecision)
	}
	h := &HyperLogLog{precision: uint8(precision), registers: make([]uint8, 1<<precision)}
	h.ranks[0] = 1 << precision
	return h, nil
}

// Precision is the binary logarithm of the number of registers.
func (h *HyperLogLog) Precision() int { return int(h.precision) }

// Add adds one item by its hash; 0 is no item.
func (h *HyperLogLog) Add(hash uint64) {
	one := [1]uint64{hash}
	h.AddHashes(one[:])
}

// AddHashes adds the items with these hashes, leaving out zeros. Order and
// repetition make no difference to the state.
func (h *HyperLogLog) AddHashes(hashes []uint64) {
	if h.stale {
		h.ranks = countRanks(h.registers)
		h.stale = false
	}
	// Turned by p bits, a hash has its register's number below and what is ranked above.
	registers, p := h.registers, int(h.precision)
	mask, stop := uint64(len(registers)-1), uint64(1)<<(p-1)
	for _, x := range hashes {
		turned := bits.RotateLeft64(x, p)
		r := &registers[turned&mask]
		// Fast path: most items leave their register as it is. To count leading zeros
		// takes longer than to look up what has enough of them.
		if turned|stop <= outranks[*r&63] && x != 0 {
			h.ranks[*r&63]--
			*r = uint8(bits.LeadingZeros64(turned|stop)) + 1
			h.ranks[*r&63]++
		}
	}
}

// outranks has, by rank, the greatest word of a higher rank: one with as many leading zeros.
var outranks = func() (greatest [64]uint64) {
	for rank := range greatest {
		greatest[rank] = math.MaxUint64 >> rank
	}
	return greatest
}()

// holds tells whether adding an item would change nothing.
func (h *HyperLogLog) holds(hash uint64) bool {
	p := uint(h.precision)
	rank := uint8(bits.LeadingZeros64(hash<<p|1<<(p-1))) + 1
	return h.registers[hash>>(64-p)] >= rank
}

// maxRank is the rank of a hash whose bits below the index are all zero.
func maxRank(precision uint8) uint8 { return 64 - precision + 1 }

// countRanks counts the registers, 8 at least, by rank, which is below 64. It
// counts pairs of neighbours first, which takes half as many increments, and
// then the ranks in the pairs, of which few differ.
func countRanks(registers []uint8) (ranks [64]uint32) {
	const evens, odds = 0x003f_003f_003f_003f, 0x0fc0_0fc0_0fc0_0fc0
	var pairs [64 * 64]uint32
	var any uint64
	zeros := uint32(0)
	for _, x := range wordsOf(registers) {
		if x == 0 { // nearly all of them, or nearly none
			zeros++
			continue
		}
		any |= x
		x = x&evens | x>>2&odds
		pairs[x&0xfff]++
		pairs[x>>16&0xfff]++
		pairs[x>>32&0xfff]++
		pairs[x>>48]++
	}
	any |= any >> 32
	any |= any >> 16
	end := 1 << bits.Len8(uint8(any|any>>8)) // no rank is as great
	for odd := range min(end, 64) {
		sum := uint32(0)
		for even, n := range pairs[odd*64:][:min(end, 64)] {
			ranks[even&63] += n
			sum += n
		}
		ranks[odd] += sum
	}
	ranks[0] += 8 * zeros
	return ranks
}

// Merge makes h the sketch of both sets of items. Of two precisions the lower
// one is kept, and the result is as if both had been built with it.
func (h *HyperLogLog) Merge(other *HyperLogLog) {
	switch {
	case h.precision > other.precision:
		h.registers = foldRegisters(h.registers, h.precision, other.precision)
		h.precision = other.precision
		mergeRegisters(h.registers, other.registers)
	case h.precision < other.precision:
		mergeRegisters(h.registers, foldRegisters(other.registers, other.precision, h.precision))
	default:
		mergeRegisters(h.registers, other.registers)
	}
	h.stale = true
}

// mergeRegisters takes the greater of each pair, eight to a word: ranks are
// below 128, so the top bit of each byte is free to hold the comparison.
func mergeRegisters(dst, src []uint8) {
	const top = 0x8080808080808080
	words, others := wordsOf(dst), wordsOf(src)
	others = others[:len(words)]
	for i, y := range others {
		x := words[i]
		keep := (((x | top) - y) & top) >> 7 // 1 in the bytes where x >= y
		keep = keep<<8 - keep                // 255 in those
		words[i] = x&keep | y&^keep
	}
}

// wordsOf gives the same memory by words, in whatever order the machine has
// bytes. There are at least 16 registers, which the allocator aligns.
func wordsOf(registers []uint8) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&registers[0])), len(registers)/8)
}

// foldRegisters gives the registers that the same items have at a lower
// precision: index bits that fall away become the leading bits of the rank.
func foldRegisters(registers []uint8, from, to uint8) []uint8 {
	fallen := from - to
	out := make([]uint8, 1<<to)
	for i, rank := range registers {
		if rank == 0 {
			continue
		}
		if low := uint(i) & (1<<fallen - 1); low != 0 {
			rank = fallen - uint8(bits.Len(low)) + 1
		} else {
			rank += fallen
		}
		out[i>>fallen] = max(out[i>>fallen], rank)
	}
	return out
}

// Size is the memory held, in bytes.
func (h *HyperLogLog) Size() int { return len(h.registers) + 296 }

// Clone returns a copy that shares nothing with h.
func (h *HyperLogLog) Clone() *HyperLogLog {
	c := *h
	c.registers = append([]uint8(nil), h.registers...)
	return &c
}
