package sketches

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/axiomhq/hyperloglog"
)

// HyperLogLog's encoding (see FORMAT.md) and its exchange with
// github.com/axiomhq/hyperloglog.

const hllVersion = 1

// AppendBinary appends the canonical encoding of h to dst: equal states have
// equal bytes.
func (h *HyperLogLog) AppendBinary(dst []byte) []byte {
	dst = append(dst, hllVersion, h.precision)
	count, size := h.sparseSize()
	if size >= len(h.registers) {
		dst = append(dst, formDense)
		return append(dst, h.registers...)
	}
	dst = slices.Grow(dst, 1+size)
	dst = append(dst, formSparse)
	dst = binary.AppendUvarint(dst, uint64(count))
	previous := -1
	for i, rank := range h.registers {
		if rank != 0 {
			dst = binary.AppendUvarint(dst, uint64(i-previous-1))
			dst = append(dst, rank)
			previous = i
		}
	}
	return dst
}

// sparseSize counts the registers that are not zero and the bytes of the sparse
// form.
func (h *HyperLogLog) sparseSize() (count, size int) {
	previous := -1
	for i, rank := range h.registers {
		if rank != 0 {
			count++
			size += 1 + uvarintSize(uint64(i-previous-1))
			previous = i
		}
	}
	return count, size + uvarintSize(uint64(count))
}

// DecodeHyperLogLog reads the encoding at the front of b, which must have the
// given precision, and returns what follows it. The sketch keeps nothing of b.
// Errors wrap ErrCorrupt or ErrMismatch.
func DecodeHyperLogLog(b []byte, precision int) (h *HyperLogLog, rest []byte, err error) {
	h, err = NewHyperLogLog(precision)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	in := &input{what: "hll", rest: b}
	in.version(hllVersion)
	if p := in.octet("precision"); in.err == nil && int(p) != precision {
		in.mismatch("precision %d, want %d", p, precision)
	}
	form := in.form()
	if form == formSparse {
		h.readSparse(in)
	} else {
		copy(h.registers, in.take(len(h.registers), "registers"))
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	if err := checkRegisters(h.registers, h.precision); err != nil {
		return nil, nil, err
	}
	h.ranks = countRanks(h.registers)
	if form == formDense && 2*(len(h.registers)-int(h.ranks[0])) < len(h.registers) { // else it surely is the shorter one
		if _, size := h.sparseSize(); size < len(h.registers) {
			in.corrupt("dense form of %d bytes is not the shorter one", len(h.registers))
			return nil, nil, in.err
		}
	}
	return h, in.rest, nil
}

func (h *HyperLogLog) readSparse(in *input) {
	start := len(in.rest)
	n := in.count(len(h.registers), "count")
	previous := -1
	for range n {
		i := in.ascend(previous, len(h.registers), "index")
		rank := in.octet("rank")
		if in.err != nil {
			return
		}
		if rank == 0 {
			in.corrupt("register %d is written though it is zero", i)
			return
		}
		h.registers[i], previous = rank, i
	}
	if start-len(in.rest) >= len(h.registers) {
		in.corrupt("sparse form of %d bytes is not the shorter one", start-len(in.rest))
	}
}

func checkRegisters(registers []uint8, precision uint8) error {
	most := maxRank(precision)
	for i, rank := range registers {
		if rank > most {
			return fmt.Errorf("%w: hll: register %d is %d, at most %d is possible", ErrCorrupt, i, rank, most)
		}
	}
	return nil
}

// axiomhqHeader is the length of what github.com/axiomhq/hyperloglog v0.3.0
// writes before dense registers: version 2, precision, 0, 0 for dense, and the
// register count, most significant byte first.
const axiomhqHeader = 8

// Axiomhq returns the same state as a dense sketch of
// github.com/axiomhq/hyperloglog. Add to it by InsertHash only.
func (h *HyperLogLog) Axiomhq() (*hyperloglog.Sketch, error) {
	b := make([]byte, 0, axiomhqHeader+len(h.registers))
	b = append(b, 2, h.precision, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.registers)))
	b = append(b, h.registers...)
	s := new(hyperloglog.Sketch)
	if err := s.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("hll: exchange with axiomhq/hyperloglog: %w", err)
	}
	return s, nil
}

// FromAxiomhq returns the state of a sketch of github.com/axiomhq/hyperloglog,
// dense or sparse, that was filled by InsertHash with the hashes of this
// package's items. It does not change s.
func FromAxiomhq(s *hyperloglog.Sketch) (*HyperLogLog, error) {
	b, err := s.AppendBinary(nil)
	if err != nil {
		return nil, fmt.Errorf("hll: exchange with axiomhq/hyperloglog: %w", err)
	}
	if sparse := b[3] == 1; sparse {
		// Merging into a dense sketch is the library's own way to unpack one.
		dense, err := hyperloglog.NewSketch(b[1], false)
		if err == nil {
			err = dense.Merge(s)
		}
		if err == nil {
			b, err = dense.AppendBinary(nil)
		}
		if err != nil {
			return nil, fmt.Errorf("hll: exchange with axiomhq/hyperloglog: %w", err)
		}
	}
	h, err := NewHyperLogLog(int(b[1]))
	if err != nil {
		return nil, err
	}
	copy(h.registers, b[axiomhqHeader:])
	if err := checkRegisters(h.registers, h.precision); err != nil {
		return nil, err
	}
	h.ranks = countRanks(h.registers)
	return h, nil
}
