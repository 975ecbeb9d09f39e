package event

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// This file defines the canonical bytes of items and keys, and their hash (FORMAT.md).
//
// Bytes of one kind order as their values do, so that keys sorted by bytes are sorted as
// people expect. That is why integers are not varints, and why strings within a tuple end
// with a terminator instead of beginning with their length.

// Tags of canonical items. A scalar's tag is its Kind.
const (
	tagTuple = 6
	tagEvent = 7
)

const (
	textEnd    = 0x00 // ends a string within a tuple
	textEscape = 0xff // after a 0x00: the string has a 0x00 here. No tag is 0xff.
)

// seeds are the xxh3 seeds by tag; that of the null is not used. They are part of the
// format: sketches of different seeds cannot be merged.
var seeds = [...]uint64{
	0:        0,
	False:    0x9e3779b97f4a7c15,
	True:     0xd1b54a32d192ed03,
	Int:      0xaef17502108ef2d9,
	Float:    0xf1357aea2e62a9c5,
	String:   0x8cb92ba72f3d8dd7,
	tagTuple: 0xabc98388fb8fac03,
	tagEvent: 0xc2b2ae3d27d4eb4f,
}

// AppendItem appends the canonical bytes of a single value to dst and returns it.
func AppendItem(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case Int, Float:
		return binary.BigEndian.AppendUint64(dst, orderedBits(v.Kind, v.Bits))
	case String:
		return append(dst, v.Text...)
	}
	return dst
}

// AppendTuple appends the canonical bytes of an item of several fields, or of a key of any
// number of fields, to dst and returns it.
func AppendTuple(dst []byte, vs []Value) []byte {
	dst = append(dst, tagTuple)
	for _, v := range vs {
		dst = appendElement(dst, v.Kind, v.Bits, unsafe.Slice(unsafe.StringData(v.Text), len(v.Text)))
	}
	return dst
}

// appendElement appends a value within a tuple.
func appendElement(dst []byte, kind Kind, bits uint64, text []byte) []byte {
	dst = append(dst, byte(kind))
	switch kind {
	case Int, Float:
		return binary.BigEndian.AppendUint64(dst, orderedBits(kind, bits))
	case String:
		for {
			zero := bytes.IndexByte(text, 0)
			if zero < 0 {
				return append(append(dst, text...), textEnd)
			}
			dst = append(append(dst, text[:zero+1]...), textEscape)
			text = text[zero+1:]
		}
	}
	return dst
}

const signBit = 1 << 63

// orderedBits turns the bits of an Int or Float into an unsigned number of the same order.
func orderedBits(kind Kind, bits uint64) uint64 {
	if kind == Float && bits&signBit != 0 {
		return ^bits
	}
	return bits ^ signBit
}

// plainBits is the inverse of orderedBits.
func plainBits(kind Kind, ordered uint64) uint64 {
	if kind == Float && ordered&signBit == 0 {
		return ^ordered
	}
	return ordered ^ signBit
}

// ItemValue is a decoded item: a scalar (one of Values), a tuple, or a whole event.
type ItemValue struct {
	Values []Value
	Tuple  bool
	Event  []byte // the JSON object of a whole event; nil otherwise
}

// AppendJSON appends the item as JSON: a scalar, an array for a tuple, an object for a
// whole event.
func (v ItemValue) AppendJSON(dst []byte) []byte {
	if v.Event != nil {
		return append(dst, v.Event...)
	}
	if !v.Tuple {
		if len(v.Values) == 0 {
			return append(dst, "null"...)
		}
		return v.Values[0].AppendJSON(dst)
	}
	dst = append(dst, '[')
	for i, value := range v.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = value.AppendJSON(dst)
	}
	return append(dst, ']')
}

// MarshalJSON implements json.Marshaler.
func (v ItemValue) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// DecodeItem reads canonical bytes of an item. It accepts only what AppendItem,
// AppendTuple and ItemColumn.AppendItem write, else fails with ErrCorrupt, and keeps no
// reference to b.
func DecodeItem(b []byte) (ItemValue, error) {
	if len(b) == 0 {
		return ItemValue{}, fmt.Errorf("%w: empty item", ErrCorrupt)
	}
	switch b[0] {
	case tagTuple:
		values, err := TupleValues(b)
		return ItemValue{Values: values, Tuple: true}, err
	case tagEvent:
		if len(b) < 2 || b[1] != '{' || !json.Valid(b[1:]) {
			return ItemValue{}, fmt.Errorf("%w: item of a whole event is no JSON object", ErrCorrupt)
		}
		return ItemValue{Event: bytes.Clone(b[1:])}, nil
	case byte(String):
		return ItemValue{Values: []Value{StringValue(string(b[1:]))}}, nil
	}
	v, rest, err := decodeElement(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after the item", ErrCorrupt, len(rest))
	}
	if err != nil {
		return ItemValue{}, err
	}
	return ItemValue{Values: []Value{v}}, nil
}

// ItemJSON appends the JSON of an item, given its canonical bytes.
func ItemJSON(dst []byte, item []byte) ([]byte, error) {
	v, err := DecodeItem(item)
	if err != nil {
		return dst, err
	}
	return v.AppendJSON(dst), nil
}

// TupleValues returns the values of a tuple or key, given its canonical bytes.
func TupleValues(b []byte) ([]Value, error) {
	if len(b) == 0 || b[0] != tagTuple {
		return nil, fmt.Errorf("%w: item is no tuple", ErrCorrupt)
	}
	values := []Value{}
	for rest := b[1:]; len(rest) > 0; {
		v, after, err := decodeElement(rest)
		if err != nil {
			return nil, err
		}
		values, rest = append(values, v), after
	}
	return values, nil
}

// decodeElement reads one value within a tuple and returns what follows it.
func decodeElement(b []byte) (Value, []byte, error) {
	kind, rest := Kind(b[0]), b[1:]
	switch kind {
	case Null, False, True:
		return Value{Kind: kind}, rest, nil
	case Int, Float:
		if len(rest) < 8 {
			return Value{}, nil, fmt.Errorf("%w: number within an item has %d bytes", ErrCorrupt, len(rest))
		}
		bits := plainBits(kind, binary.BigEndian.Uint64(rest))
		if kind == Float {
			if k, _ := floatBits(math.Float64frombits(bits)); k != Float {
				return Value{}, nil, fmt.Errorf("%w: float within an item is whole or not finite", ErrCorrupt)
			}
		}
		return Value{Kind: kind, Bits: bits}, rest[8:], nil
	case String:
		return decodeText(rest)
	}
	return Value{}, nil, fmt.Errorf("%w: tag %d within an item", ErrCorrupt, b[0])
}

// decodeText reads a string within a tuple, after its tag.
func decodeText(rest []byte) (Value, []byte, error) {
	var text []byte
	for {
		zero := bytes.IndexByte(rest, textEnd)
		if zero < 0 {
			return Value{}, nil, fmt.Errorf("%w: string within an item has no end", ErrCorrupt)
		}
		text = append(text, rest[:zero]...)
		rest = rest[zero+1:]
		if len(rest) == 0 || rest[0] != textEscape {
			return Value{Kind: String, Text: string(text)}, rest, nil
		}
		text, rest = append(text, 0), rest[1:]
	}
}

// HashItem returns the 64-bit hash of an item's canonical bytes: xxh3 of what follows the
// tag, with a seed by tag. It is 0 for a null, for a tuple whose fields are all null, and
// for no bytes; it is never 0 otherwise.
func HashItem(item []byte) uint64 {
	if len(item) == 0 || int(item[0]) >= len(seeds) {
		return 0
	}
	tag, payload := item[0], item[1:]
	if tag == byte(Null) || tag == tagTuple && allNull(payload) {
		return 0
	}
	return nonZero(xxh3.HashSeed(payload, seeds[tag]))
}

// HashText is HashItem of a string item, from the string alone: columns of strings are
// hashed without their canonical bytes.
func HashText(text []byte) uint64 { return nonZero(xxh3.HashSeed(text, seeds[String])) }

// HashTexts is HashText of a column: out gets a hash for each of refs, which are offsets
// into text above lengths, of 32 bits each.
func HashTexts(out []uint64, text []byte, refs []uint64) {
	// xxh3 keys the first and the last eight bytes with words of its secret, to which it
	// adds and from which it subtracts the seed; four to eight bytes with a seed of its own.
	seed := uint64(seeds[String])
	var (
		first = (0x1f67b3b7a4a44072 ^ 0x78e5c0cc4ee679cb) + seed
		last  = (0x2172ffcc7dd05a82 ^ 0x8e2443f7744608b8) - seed
		short = (0x1cad21f72c81017c ^ 0xdb979083e96dd4de) - (seed ^ uint64(bits.ReverseBytes32(uint32(seed)))<<32)
	)
	out = out[:len(refs)]
	before := uint64(math.MaxUint64)
	for i, ref := range refs {
		if ref == before { // equal references that follow one another are equal strings
			out[i] = out[i-1]
			continue
		}
		before = ref
		s := text[ref>>32:][:uint32(ref)]
		// Fast paths, without a call: what xxh3 does with the length of most names and numbers.
		switch n := len(s); {
		case n < 4 || n > 16:
			out[i] = HashText(s)
		case n <= 8:
			x := (uint64(binary.LittleEndian.Uint32(s[n-4:])) + uint64(binary.LittleEndian.Uint32(s))<<32) ^ short
			x ^= bits.RotateLeft64(x, 49) ^ bits.RotateLeft64(x, 24)
			x *= 0x9fb21c651e98df25
			x = (x ^ (x>>35 + uint64(n))) * 0x9fb21c651e98df25
			out[i] = nonZero(x ^ x>>28)
		default:
			low, high := binary.LittleEndian.Uint64(s)^first, binary.LittleEndian.Uint64(s[n-8:])^last
			a, b := bits.Mul64(low, high)
			x := uint64(n) + bits.ReverseBytes64(low) + high + (a ^ b)
			x = (x ^ x>>37) * 0x165667919e3779f9
			out[i] = nonZero(x ^ x>>32)
		}
	}
}

// AppendTexts appends the canonical bytes of string items, each behind a gap of so many bytes, which
// may be any, and sets in ends, which is as long as rows, where each item ends in dst. An
// item longer than most bytes is cut to one more. Refs are those of HashTexts, by row.
func AppendTexts(dst []byte, rows, ends []int32, gap, most int, text []byte, refs []uint64) []byte {
	ends = ends[:len(rows)]
	for i, row := range rows {
		ref := refs[row]
		s := text[ref>>32:][:min(int(uint32(ref)), most)]
		at := len(dst) + gap
		size := at + 1 + len(s)
		if size > cap(dst) {
			dst = slices.Grow(dst, size-len(dst))
		}
		dst = dst[:size]
		dst[at] = byte(String)
		if to := dst[at+1:]; len(s) >= 8 && len(s) <= 16 {
			// Fast path, without a call: two words, which overlap for less than sixteen bytes.
			binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(s))
			binary.LittleEndian.PutUint64(to[len(s)-8:], binary.LittleEndian.Uint64(s[len(s)-8:]))
		} else {
			copy(to, s)
		}
		ends[i] = int32(size)
	}
	return dst
}

// allNull says whether a tuple's elements are all null: a null is the byte 0 and any other
// value begins with another byte.
func allNull(elements []byte) bool {
	for _, c := range elements {
		if c != byte(Null) {
			return false
		}
	}
	return true
}

// nonZero keeps 0 free for null.
func nonZero(hash uint64) uint64 {
	if hash == 0 {
		return 1
	}
	return hash
}
