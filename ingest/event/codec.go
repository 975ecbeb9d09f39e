package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/tinylib/msgp/msgp"
)

// This file holds the frame of a batch's record in the log: FORMAT.md has the tables.

// Errors of decoding, by errors.Is.
var (
	ErrCorrupt = errors.New("event: corrupt bytes")
	ErrVersion = errors.New("event: unknown version of the format")
)

const (
	recordVersion = 1
	recordFields  = 7
	recordMagic   = "\xa4SKLB" // the MessagePack string SKLB
	checksumBytes = 5          // a MessagePack uint32
	checksumTag   = 0xce
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends the batch's log record to dst and returns it. The record is a
// function of the batch's rows and segments. Columns without any value are left out. A
// batch for which Check fails gives a record that DecodeBatch refuses. The
// codes of string columns are computed on the way, and kept for those who ask for them later.
func (b *Batch) AppendBinary(dst []byte) []byte {
	start := len(dst)
	dst = msgp.AppendArrayHeader(dst, recordFields)
	dst = append(dst, recordMagic...)
	dst = msgp.AppendUint64(dst, recordVersion)
	dst = msgp.AppendUint64(dst, uint64(len(b.Times)))

	dst = msgp.AppendArrayHeader(dst, uint32(len(b.Segments)))
	for i := range b.Segments {
		s := &b.Segments[i]
		dst = msgp.AppendArrayHeader(dst, 4)
		dst = msgp.AppendString(dst, s.Producer)
		dst = msgp.AppendUint64(dst, s.Number)
		dst = msgp.AppendUint64(dst, uint64(s.Partitions))
		dst = msgp.AppendUint64(dst, uint64(s.Rows))
	}

	dst, at := openSection(dst)
	dst = appendInts(dst, b.Times)
	dst = closeSection(dst, at)

	w := columnWriters.Get().(*columnWriter)
	dst = w.appendColumns(dst, b)
	w.release()

	sum := crc32.Checksum(dst[start:], castagnoli)
	return binary.BigEndian.AppendUint32(append(dst, checksumTag), sum)
}

// sectionHeader is the room kept for a section's MessagePack bin header.
const sectionHeader = 5

// openSection begins a bin whose length is not known yet. at is where its content begins.
func openSection(dst []byte) (out []byte, at int) {
	dst = append(dst, 0xc6, 0, 0, 0, 0)
	return dst, len(dst)
}

// closeSection writes the length of the bin begun at at. Short ones, which small batches
// have, are moved up to a shorter header.
func closeSection(dst []byte, at int) []byte {
	n := len(dst) - at
	if n > 0xff {
		binary.BigEndian.PutUint32(dst[at-4:], uint32(n))
		return dst
	}
	dst[at-sectionHeader], dst[at-sectionHeader+1] = 0xc4, byte(n)
	copy(dst[at-sectionHeader+2:], dst[at:])
	return dst[:len(dst)-(sectionHeader-2)]
}

// DecodeBatch reads a log record. It fails with ErrCorrupt for bytes that are no whole
// record, and with ErrVersion for a record of another version. It keeps no reference to
// record. What it allocates is bounded by the record's length and by MaxCells, whatever
// the record claims.
func DecodeBatch(record []byte) (*Batch, error) {
	if len(record) < len(recordMagic)+2+checksumBytes || !bytes.HasPrefix(record[1:], []byte(recordMagic)) {
		return nil, fmt.Errorf("%w: no batch record of sketchlog (%d bytes)", ErrCorrupt, len(record))
	}
	body, tail := record[:len(record)-checksumBytes], record[len(record)-checksumBytes:]
	if tail[0] != checksumTag || binary.BigEndian.Uint32(tail[1:]) != crc32.Checksum(body, castagnoli) {
		return nil, fmt.Errorf("%w: checksum of a batch record of %d bytes does not match", ErrCorrupt, len(record))
	}
	r := recordReader{rest: body[1+len(recordMagic):]}
	if version := r.uint(); r.err == nil && version != recordVersion {
		return nil, fmt.Errorf("%w: batch record of version %d, this program reads %d", ErrVersion, version, recordVersion)
	}
	if body[0] != 0x90|recordFields {
		r.fail("record has another number of fields")
	}
	b := &Batch{}
	rows := r.uint()
	b.Segments = r.segments(rows)
	b.Times = r.times(rows)
	r.columns(b)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes after the columns", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}

// recordReader reads MessagePack values one after another; the first error sticks.
type recordReader struct {
	rest []byte
	err  error
}

// fail notes the first error.
func (r *recordReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: batch record: %s", ErrCorrupt, fmt.Sprintf(format, args...))
		r.rest = nil
	}
}

// note takes over the error of a MessagePack reader.
func (r *recordReader) note(rest []byte, err error) {
	if err != nil {
		r.fail("%v", err)
	} else {
		r.rest = rest
	}
}

func (r *recordReader) uint() uint64 {
	if r.err != nil {
		return 0
	}
	v, rest, err := msgp.ReadUint64Bytes(r.rest)
	r.note(rest, err)
	return v
}

func (r *recordReader) text() string {
	if r.err != nil {
		return ""
	}
	v, rest, err := msgp.ReadStringBytes(r.rest)
	r.note(rest, err)
	return v
}

// array reads an array header whose elements take at least least bytes each, so that a
// header cannot claim more elements than there are bytes for.
func (r *recordReader) array(least int) int {
	if r.err != nil {
		return 0
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(r.rest)
	r.note(rest, err)
	if err == nil && int64(n)*int64(least) > int64(len(rest)) {
		r.fail("array of %d elements in %d bytes", n, len(rest))
		return 0
	}
	return int(n)
}

// section reads a bin, aliasing the record, or a nil, for which it returns nil.
func (r *recordReader) section() []byte {
	if r.err != nil {
		return nil
	}
	if msgp.IsNil(r.rest) {
		r.rest = r.rest[1:]
		return nil
	}
	v, rest, err := msgp.ReadBytesZC(r.rest)
	r.note(rest, err)
	if len(v) == 0 {
		r.fail("empty section")
		return nil
	}
	return v
}

// segments reads the segments, which must cover the rows or be absent.
func (r *recordReader) segments(rows uint64) []Segment {
	const least = 5
	n := r.array(least)
	if n == 0 {
		return nil
	}
	segments := make([]Segment, 0, n)
	var sum uint64
	for range n {
		if r.array(1) != 4 {
			r.fail("segment has another number of fields")
		}
		s := Segment{Producer: r.text(), Number: r.uint()}
		partitions, count := r.uint(), r.uint()
		if partitions > MaxRows || count > MaxRows {
			r.fail("segment of %d rows over %d partitions", count, partitions)
		}
		if r.err != nil {
			return nil
		}
		s.Partitions, s.Rows = int(partitions), int(count)
		segments, sum = append(segments, s), sum+count
	}
	if sum != rows {
		r.fail("segments cover %d rows of %d", sum, rows)
	}
	return segments
}

// times reads the event times. A time takes a byte or more, so that from here on the
// number of rows is known to be no more than the record's length.
func (r *recordReader) times(rows uint64) []int64 {
	payload := r.section()
	if r.err != nil {
		return nil
	}
	if rows > MaxRows || rows > uint64(len(payload)) {
		r.fail("%d rows with %d bytes of times", rows, len(payload))
		return nil
	}
	times := make([]int64, rows)
	if err := decodeInts(times, payload); err != "" {
		r.fail("times: %s", err)
	}
	return times
}
