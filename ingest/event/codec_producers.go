package event

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// This file holds the bytes of Producers: FORMAT.md has the table.

const (
	producersMagic   = "SKLP"
	producersVersion = 1
)

// AppendBinary appends the memory's bytes to dst and returns it: canonical, so equal
// memories give equal bytes.
func (p *Producers) AppendBinary(dst []byte) []byte {
	start := len(dst)
	dst = append(append(dst, producersMagic...), producersVersion)
	dst = binary.AppendUvarint(dst, uint64(p.order.Len()))
	for element := p.order.Front(); element != nil; element = element.Next() {
		known := element.Value.(*producer)
		dst = binary.AppendUvarint(dst, uint64(len(known.name)))
		dst = append(dst, known.name...)
		dst = binary.AppendUvarint(dst, uint64(len(known.runs)))
		next := uint64(0)
		for _, r := range known.runs {
			dst = binary.AppendUvarint(dst, r.first-next)
			dst = binary.AppendUvarint(dst, r.last-r.first)
			dst = binary.AppendUvarint(dst, uint64(r.partitions))
			next = r.last + 1
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// DecodeProducers reads what AppendBinary wrote, and only that. It fails with ErrCorrupt or
// ErrVersion, keeps no reference to b, and allocates in proportion to its length.
func DecodeProducers(b []byte) (*Producers, error) {
	const least = len(producersMagic) + 1 + 1 + 4
	if len(b) < least || string(b[:len(producersMagic)]) != producersMagic {
		return nil, fmt.Errorf("%w: no producers' numbers of sketchlog (%d bytes)", ErrCorrupt, len(b))
	}
	body := b[:len(b)-4]
	if binary.LittleEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return nil, fmt.Errorf("%w: checksum of producers' numbers does not match", ErrCorrupt)
	}
	if version := body[len(producersMagic)]; version != producersVersion {
		return nil, fmt.Errorf("%w: producers' numbers of version %d, this program reads %d", ErrVersion, version, producersVersion)
	}
	r := varintReader{rest: body[len(producersMagic)+1:]}
	p := NewProducers()
	for range r.count(2, rememberedNames) {
		known := r.producer()
		if r.bad || p.names[known.name] != nil {
			r.bad = true
			break
		}
		p.names[known.name] = p.order.PushBack(known)
		p.runs += len(known.runs)
	}
	if r.bad || len(r.rest) > 0 || p.runs > rememberedRuns {
		return nil, fmt.Errorf("%w: producers' numbers", ErrCorrupt)
	}
	return p, nil
}

// varintReader reads varints and counted bytes; after the first error bad is true and all
// that it returns is zero.
type varintReader struct {
	rest []byte
	bad  bool
}

// uint reads a varint in its shortest form.
func (r *varintReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n != varintSize(v) {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many things follow that take least bytes each, at most limit.
func (r *varintReader) count(least, limit int) int {
	n := r.uint()
	if n > uint64(limit) || n > uint64(len(r.rest)/least) {
		r.bad, r.rest = true, nil
		return 0
	}
	return int(n)
}

// producer reads one name and its runs, and checks what Note keeps true of them.
func (r *varintReader) producer() *producer {
	length := r.count(1, len(r.rest))
	known := &producer{name: string(r.rest[:length])}
	r.rest = r.rest[length:]
	n := r.count(3, rememberedNumbers)
	if length == 0 || n == 0 {
		r.bad = true
		return known
	}
	known.runs = make([]run, 0, n)
	next := uint64(0)
	for i := range n {
		gap, span, partitions := r.uint(), r.uint(), r.uint()
		first := next + gap
		last := first + span
		known.count += span + 1
		switch {
		case i > 0 && next == 0, first < next, last < first,
			span >= rememberedNumbers, known.count > rememberedNumbers, partitions > math.MaxInt32,
			i > 0 && gap == 0 && int(partitions) == known.runs[i-1].partitions:
			r.bad = true
		}
		if r.bad {
			return known
		}
		known.runs = append(known.runs, run{first: first, last: last, partitions: int(partitions)})
		next = last + 1
	}
	return known
}
