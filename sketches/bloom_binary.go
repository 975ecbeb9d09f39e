package sketches

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Bloom's encoding; see FORMAT.md.

const bloomVersion = 1

// AppendBinary appends the canonical encoding of b to dst: equal states have
// equal bytes.
func (b *Bloom) AppendBinary(dst []byte) []byte {
	p := b.parameters
	dst = append(dst, bloomVersion)
	dst = binary.AppendUvarint(dst, p.first.blocks)
	dst = append(dst, byte(p.first.hashes))
	dst = binary.AppendUvarint(dst, p.capacity)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(p.rate))
	dst = append(dst, byte(len(b.filters)))
	for i := range b.filters {
		dst = b.filters[i].appendBinary(dst)
	}
	return dst
}

func (f *bloomFilter) appendBinary(dst []byte) []byte {
	count, size := f.sparseSize()
	if size >= 8*len(f.words) {
		dst = slices.Grow(append(dst, formDense), 8*len(f.words))
		for _, w := range f.words {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
		return dst
	}
	dst = slices.Grow(append(dst, formSparse), size)
	dst = binary.AppendUvarint(dst, uint64(count))
	previous := -1
	for i, w := range f.words {
		for ; w != 0; w &= w - 1 {
			position := 64*i + bits.TrailingZeros64(w)
			dst = binary.AppendUvarint(dst, uint64(position-previous-1))
			previous = position
		}
	}
	return dst
}

// sparseSize counts the bits set and the bytes of the sparse form; it stops
// early once that is certainly the longer one.
func (f *bloomFilter) sparseSize() (count, size int) {
	count = int(f.set.Count())
	size = uvarintSize(uint64(count))
	if count+size >= 8*len(f.words) {
		return count, count + size
	}
	previous := -1
	for i, w := range f.words {
		for ; w != 0; w &= w - 1 {
			position := 64*i + bits.TrailingZeros64(w)
			size += uvarintSize(uint64(position - previous - 1))
			previous = position
		}
	}
	return count, size
}

// DecodeBloom reads the encoding at the front of data, which must have the given
// parameters, and returns what follows it. The filter keeps nothing of data.
// Errors wrap ErrCorrupt or ErrMismatch.
//
// A later filter of a chain is only there if the one before is at its limit, and
// so has about as many bytes in any form as it has words; with the first filter
// fixed by the parameters that bounds what a short input can claim.
func DecodeBloom(data []byte, want *BloomParameters) (b *Bloom, rest []byte, err error) {
	in := &input{what: "bloom", rest: data}
	in.version(bloomVersion)
	blocks, hashes := in.uvarint("blocks"), in.octet("hashes")
	capacity, rate := in.uvarint("capacity"), in.word("error") // in bits, for −0 is not 0
	if in.err == nil && (blocks != want.first.blocks || int(hashes) != want.first.hashes || capacity != want.capacity || rate != math.Float64bits(want.rate)) {
		in.mismatch("%d blocks, %d hashes, capacity %d, error %v; want %d blocks, %d hashes, capacity %d, error %v",
			blocks, hashes, capacity, math.Float64frombits(rate), want.first.blocks, want.first.hashes, want.capacity, want.rate)
	}
	chain := int(in.octet("chain length"))
	if chain == 0 || chain > maxBloomLevels {
		in.corrupt("a chain of %d filters is not possible", chain)
	}
	b = &Bloom{parameters: want}
	for i := 0; i < chain && in.err == nil; i++ {
		if i > 0 && b.filters[i-1].ones < b.filters[i-1].limit {
			in.corrupt("filter %d is there though filter %d is not at its limit", i, i-1)
			break
		}
		f := readBloomFilter(in, want.levels[i]())
		if i > 0 && f.ones == 0 {
			in.corrupt("filter %d is empty", i)
		}
		b.filters = append(b.filters, f)
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	return b, in.rest, nil
}

func readBloomFilter(in *input, level bloomLevel) bloomFilter {
	size := int(level.blocks * bloomBlockBits / 8)
	if in.form() == formDense {
		dense := in.take(size, "words")
		if in.err != nil {
			return bloomFilter{bloomLevel: level}
		}
		f := newBloomFilter(level)
		for i := range f.words {
			f.words[i] = binary.LittleEndian.Uint64(dense[8*i:])
		}
		f.ones = int(f.set.Count())
		if _, sparse := f.sparseSize(); sparse < size {
			in.corrupt("dense form of %d bytes is not the shorter one", size)
		}
		return f
	}
	start := len(in.rest)
	count := in.count(8*size, "bits set")
	if in.err != nil {
		return bloomFilter{bloomLevel: level}
	}
	f := newBloomFilter(level)
	previous := -1
	for range count {
		position := in.ascend(previous, 8*size, "bit")
		if in.err != nil {
			return f
		}
		f.words[position/64] |= 1 << (position % 64)
		previous = position
	}
	f.ones = count
	if start-len(in.rest) >= size {
		in.corrupt("sparse form of %d bytes is not the shorter one", start-len(in.rest))
	}
	return f
}
