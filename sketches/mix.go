package sketches

import "math/bits"

// An item is hashed once, to 64 bits. HyperLogLog reads those bits as they are,
// since its registers must be the first to fill when only items of small hash
// are kept. The Bloom filter and Count-Min must not see that skew, nor each
// other's bits, so each multiplies the hash by constants of its own.
//
// The constants are odd and have about as many ones as zeros, without pattern.
// They are part of the formats in FORMAT.md and never change.
const (
	bloomBlockMultiplier  = 0x9e3779b97f4a7c15 // chooses the block
	bloomFirstMultiplier  = 0xd1342543de82ef95 // bits 0 to 7 within it
	bloomSecondMultiplier = 0xaf251af3b0f025b5 // bits 8 to 15
	bloomLevelIncrement   = 0xbf58476d1ce4e5b9 // sets a chain's filters apart
)

// countMinMultipliers give the words that Count-Min cuts into row indexes.
// Sixteen rows of 24 bits need eight words. They differ by multiplier and not
// by an added number: products of h and h+c by one multiplier differ by a
// constant, which makes a row nearly a function of another row.
var countMinMultipliers = [8]uint64{
	0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3,
	0x1d8e4e27c47d124f, 0xeb44accab455d165, 0x9c6e6877736c46e3, 0xd6e8feb86659fd93,
}

// fold multiplies to 128 bits and adds the halves without carry, so that every
// bit of the result depends on bits of h above and below it.
func fold(h, multiplier uint64) uint64 {
	high, low := bits.Mul64(h, multiplier)
	return high ^ low
}

// scramble is a bijection of 64-bit words in which each input bit flips about
// half of the output bits (Stafford's variant 13 of the MurmurHash3 finaliser).
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
