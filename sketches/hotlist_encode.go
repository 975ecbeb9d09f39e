package sketches

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

const hotListVersion = 1

// AppendBinary appends the canonical encoding (FORMAT.md, "Hot list"):
// lists that answer alike have equal bytes, whatever order they were filled in.
func (h *HotList) AppendBinary(dst []byte) []byte {
	dst = append(dst, hotListVersion)
	dst = binary.AppendUvarint(dst, uint64(h.size))
	dst = binary.AppendUvarint(dst, h.total)
	dst = binary.AppendUvarint(dst, h.offset)
	es := h.entries(nil)
	slices.SortFunc(es, func(a, b hotEntry) int { return cmp.Compare(a.hash, b.hash) })
	dst = binary.AppendUvarint(dst, uint64(len(es)))
	for i := range es {
		e := &es[i]
		dst = binary.LittleEndian.AppendUint64(dst, e.hash)
		dst = binary.AppendUvarint(dst, e.seen)
		dst = binary.AppendUvarint(dst, e.seen-e.counter)
		dst = binary.AppendUvarint(dst, e.slack)
		dst = binary.AppendUvarint(dst, uint64(len(e.item)))
		dst = append(dst, e.item...)
	}
	waiting := make([]uint64, 0, h.door.n)
	h.door.all(func(x uint64) { waiting = append(waiting, x) })
	slices.Sort(waiting)
	dst = binary.AppendUvarint(dst, uint64(len(waiting)))
	for _, x := range waiting {
		dst = binary.LittleEndian.AppendUint64(dst, x)
	}
	return dst
}

// DecodeHotList reads a list of the given size and returns what follows it. It
// keeps nothing of b. All invariants of HotList are checked, so that
// hostile bytes can give wrong counts but never break a bound or a promise.
func DecodeHotList(b []byte, size int) (*HotList, []byte, error) {
	in := input{what: "hot list", rest: b}
	in.version(hotListVersion)
	if k := in.uvarint("size"); in.err == nil && k != uint64(size) {
		in.mismatch("size %d, not %d", k, size)
	}
	total, offset := in.uvarint("total"), in.uvarint("offset")
	h, err := NewHotList(size)
	if err != nil {
		return nil, nil, err
	}
	h.total, h.offset = total, offset
	counted := h.decodeEntries(&in, in.count(h.limit(), "number of entries"))
	h.decodeDoor(&in, in.count(h.size, "number of hashes at the door"))
	if in.err == nil && !h.paid(counted) {
		in.corrupt("counters and offset exceed the total of %d", total)
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	return h, in.rest, nil
}

// decodeEntries reads the table and returns the sum of its counters.
func (h *HotList) decodeEntries(in *input, n int) (counted uint64) {
	var last uint64
	for range n {
		e := hotEntry{hash: in.word("hash"), seen: in.uvarint("seen")}
		lost := in.uvarint("lost")
		e.slack = in.uvarint("slack")
		e.item = in.take(in.count(len(in.rest), "length of item"), "item")
		lack, over := bits.Add64(lost, e.slack, 0)
		sum, carry := bits.Add64(counted, e.seen-lost, 0)
		switch {
		case in.err != nil:
		case e.hash <= last:
			in.corrupt("entries are not in order of their hashes")
		case lost >= e.seen:
			in.corrupt("an entry lost %d of %d", lost, e.seen)
		case h.offset != math.MaxUint64 && (over != 0 || lack > h.offset):
			in.corrupt("an entry lacks more than the offset of %d", h.offset)
		case carry != 0 && h.total != math.MaxUint64:
			in.corrupt("the sum of counters overflows")
		}
		if in.err != nil {
			return 0
		}
		last, counted = e.hash, sum
		e.counter = e.seen - lost
		h.put(&e)
	}
	return counted
}

func (h *HotList) decodeDoor(in *input, n int) {
	if n > 0 && h.n < h.size {
		in.corrupt("%d hashes at the door of a list of %d that has %d entries", n, h.size, h.n)
	}
	var last uint64
	for range n {
		x := in.word("hash at the door")
		if in.err == nil && (x <= last || h.find(x) >= 0) {
			in.corrupt("the hashes at the door are not in order, or one is in the table")
		}
		if in.err != nil {
			return
		}
		h.door.add(x, h.size)
		last = x
	}
}

// paid checks (4) of the guarantee. A total that has reached its greatest
// value says nothing any more.
func (h *HotList) paid(counted uint64) bool {
	if h.total == math.MaxUint64 {
		return true
	}
	high, low := bits.Mul64(h.offset, uint64(h.size)+1)
	low, carry := bits.Add64(low, counted, 0)
	high += carry
	low, carry = bits.Add64(low, uint64(h.door.n), 0)
	return high+carry == 0 && low <= h.total
}
