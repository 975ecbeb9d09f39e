package sketches

import (
	"encoding/binary"
	"fmt"
)

// input reads an encoding from its front and remembers the first fault, so that
// decoders check once a part and not once a byte. After a fault every read
// returns zero.
type input struct {
	what string // the kind being decoded, for messages
	rest []byte
	err  error
}

// corrupt records a fault, wrapping ErrCorrupt, unless there is one already.
func (in *input) corrupt(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("%w: %s: %s", ErrCorrupt, in.what, fmt.Sprintf(format, args...))
	}
}

// mismatch records that the encoding has other parameters than those wanted.
func (in *input) mismatch(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("%w: %s: %s", ErrMismatch, in.what, fmt.Sprintf(format, args...))
	}
}

// take returns the next n bytes, which belong to the caller of the decoder.
func (in *input) take(n int, part string) []byte {
	if in.err != nil {
		return nil
	}
	if n > len(in.rest) {
		in.corrupt("%s needs %d bytes, %d are left", part, n, len(in.rest))
		return nil
	}
	b := in.rest[:n:n]
	in.rest = in.rest[n:]
	return b
}

func (in *input) octet(part string) byte {
	if b := in.take(1, part); b != nil {
		return b[0]
	}
	return 0
}

// uvarint reads an unsigned varint and refuses all but the shortest form, so
// that equal states have equal bytes.
func (in *input) uvarint(part string) uint64 {
	if in.err != nil {
		return 0
	}
	v, n := binary.Uvarint(in.rest)
	if n <= 0 {
		in.corrupt("%s is not a whole varint", part)
		return 0
	}
	if n > 1 && in.rest[n-1] == 0 {
		in.corrupt("%s is a varint longer than it need be", part)
		return 0
	}
	in.rest = in.rest[n:]
	return v
}

// word reads eight bytes, least significant first.
func (in *input) word(part string) uint64 {
	if b := in.take(8, part); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// version checks the leading version byte of an encoding.
func (in *input) version(want byte) {
	if v := in.octet("version"); in.err == nil && v != want {
		in.corrupt("version %d is not known, only %d is", v, want)
	}
}

// count reads a number of entries that take at least one byte each.
func (in *input) count(limit int, part string) int {
	n := in.uvarint(part)
	if in.err == nil && (n > uint64(limit) || n > uint64(len(in.rest))) {
		in.corrupt("%s is %d, with room for %d and %d bytes left", part, n, limit, len(in.rest))
	}
	if in.err != nil {
		return 0
	}
	return int(n)
}

// ascend reads the next of a sequence of rising indexes below limit: its
// distance from the one before, less one. The sequence begins after -1.
func (in *input) ascend(previous, limit int, part string) int {
	delta := in.uvarint(part)
	if in.err == nil && delta >= uint64(limit-1-previous) {
		in.corrupt("%s %d past %d is not below %d", part, delta, previous, limit)
	}
	if in.err != nil {
		return 0
	}
	return previous + 1 + int(delta)
}

// Forms of a state's cells: all of them, or those that are not zero. The
// shorter one is written, and the dense one when they are equally long.
const (
	formDense  = 0
	formSparse = 1
)

func (in *input) form() byte {
	f := in.octet("form")
	if f > formSparse {
		in.corrupt("form %d is neither dense nor sparse", f)
	}
	return f
}

// uvarintSize is the number of bytes that v takes as a varint.
func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
