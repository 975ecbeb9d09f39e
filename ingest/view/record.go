package view

// This file holds what a shard writes to the store: the keys below its
// prefix, and the bytes of its meta and span records. Panes and producers have
// their own formats in the packages that own them.

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// errCorrupt is a record of the store that cannot be read.
var errCorrupt = errors.New("view: corrupt record in the state store")

// records is the part of the store that belongs to one shard.
type records struct {
	store  *Store
	prefix []byte // up to the partition
}

func newRecords(s *Store, generation uint64, partition int) records {
	return records{store: s, prefix: binary.BigEndian.AppendUint32(generationKey(generation), uint32(partition))}
}

const signBit = 1 << 63

func (r *records) spanKey(dst []byte, kind byte, id spanID) []byte {
	return appendSpan(append(append(dst, r.prefix...), kind), id)
}

func appendSpan(dst []byte, id spanID) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(id.start)^signBit)
	return binary.BigEndian.AppendUint64(dst, uint64(id.width))
}

// readSpan reads what appendSpan wrote; b has 16 bytes at least.
func readSpan(b []byte) spanID {
	return spanID{start: int64(binary.BigEndian.Uint64(b) ^ signBit), width: int64(binary.BigEndian.Uint64(b[8:]))}
}

func (r *records) paneKey(dst []byte, id spanID, key []byte) []byte {
	return append(r.spanKey(dst, recordPane, id), key...)
}

// spanOf reads the span of a span or pane key, and what follows it.
func (r *records) spanOf(key []byte) (spanID, []byte, error) {
	rest := key[min(len(key), len(r.prefix)+1):]
	if len(rest) < 16 {
		return spanID{}, nil, fmt.Errorf("%w: key %x", errCorrupt, key)
	}
	return readSpan(rest), rest[16:], nil
}

// pane reads one pane; nil when there is none.
func (r *records) pane(l *sketches.Layout, id spanID, key []byte) (*sketches.Pane, error) {
	var room [96]byte
	value, closer, err := r.store.db.Get(r.paneKey(room[:0], id, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pane: %w", err)
	}
	p, err := l.DecodePane(value)
	if err = errors.Join(err, closer.Close()); err != nil {
		return nil, fmt.Errorf("read pane: %w", err)
	}
	return p, nil
}

// iterator returns an iterator over the records whose keys begin with prefix.
// Close it.
func (r *records) iterator(prefix []byte) (*pebble.Iterator, error) {
	return r.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
}

// load reads what a restart needs: tallies, producers, and which spans there
// are. Panes stay on disk until they are asked for. found is false when the
// shard has never committed.
func (r *records) load(s *Shard) (found bool, err error) {
	meta, err := r.store.get(append(append([]byte{}, r.prefix...), recordMeta))
	if err != nil || meta == nil {
		return false, err
	}
	if err := s.tally.decode(meta); err != nil {
		return false, err
	}
	producers, err := r.store.get(append(append([]byte{}, r.prefix...), recordProducers))
	if err != nil {
		return false, err
	}
	if producers != nil {
		if s.producers, err = event.DecodeProducers(producers); err != nil {
			return false, fmt.Errorf("read producers: %w", err)
		}
	}
	debts, err := r.store.get(append(append([]byte{}, r.prefix...), recordLedger))
	if err != nil {
		return false, err
	}
	if debts != nil {
		if s.ledger, err = shedding.DecodeLedger(debts, s.view.views.limits); err != nil {
			return false, fmt.Errorf("read ledger: %w", err)
		}
	}
	it, err := r.iterator(append(append([]byte{}, r.prefix...), recordSpan))
	if err != nil {
		return false, err
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var id spanID
		if id, _, err = r.spanOf(it.Key()); err == nil {
			sp := newSpan(id)
			if err = sp.decode(it.Value()); err == nil {
				s.addSpan(sp)
			}
		}
	}
	return true, errors.Join(err, it.Error(), it.Close())
}

const (
	tallyVersion = 1
	spanVersion  = 1
)

// appendBinary writes a tally: a version byte, then varints in the order of
// the fields.
func (t *tally) appendBinary(dst []byte) []byte {
	dst = append(dst, tallyVersion)
	for _, n := range t.counts() {
		dst = binary.AppendUvarint(dst, *n)
	}
	dst = append(dst, flagByte(t.any))
	return binary.AppendVarint(dst, t.greatest)
}

func (t *tally) counts() []*uint64 {
	return []*uint64{&t.offset, &t.read, &t.applied, &t.lost, &t.late, &t.expired, &t.repeated}
}

func (t *tally) decode(b []byte) error {
	d := decoder{b: b}
	d.version(tallyVersion)
	for _, n := range t.counts() {
		*n = d.uvarint()
	}
	t.any = d.flag()
	t.greatest = d.varint()
	return d.end("tallies")
}

// appendBinary writes a span: a version byte, keys, bytes, whether it has
// overflowed.
func (sp *span) appendBinary(dst []byte) []byte {
	dst = append(dst, spanVersion)
	dst = binary.AppendUvarint(dst, uint64(sp.keys))
	dst = binary.AppendUvarint(dst, uint64(max(sp.size, 0)))
	return append(dst, flagByte(sp.overflow))
}

func (sp *span) decode(b []byte) error {
	d := decoder{b: b}
	d.version(spanVersion)
	sp.keys = int(d.uvarint())
	sp.size = int64(d.uvarint())
	sp.overflow = d.flag()
	return d.end("span")
}

func flagByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// decoder reads the fields of a record; the first fault sticks.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) version(want byte) {
	if len(d.b) == 0 || d.b[0] != want {
		d.bad = true
		return
	}
	d.b = d.b[1:]
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return decoded(d, v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	return decoded(d, v, n)
}

func decoded[T int64 | uint64](d *decoder, v T, n int) T {
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) flag() bool {
	if d.bad || len(d.b) == 0 || d.b[0] > 1 {
		d.bad = true
		return false
	}
	v := d.b[0] == 1
	d.b = d.b[1:]
	return v
}

func (d *decoder) end(what string) error {
	if d.bad || len(d.b) > 0 {
		return fmt.Errorf("%w: %s", errCorrupt, what)
	}
	return nil
}
