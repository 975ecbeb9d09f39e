package view

// This file holds how provisional panes are found in the store.

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/sketches"
)

func (r *records) sampleKey(dst []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(append(dst, r.prefix...), recordSample), number)
}

func (r *records) sampleSpanKey(dst []byte, number uint64, id spanID) []byte {
	return appendSpan(r.sampleKey(dst, number), id)
}

// sampleOf reads the entry and span of a provisional pane's key, and what follows.
func (r *records) sampleOf(key []byte) (number uint64, id spanID, rest []byte, err error) {
	rest = key[min(len(key), len(r.prefix)+1):]
	if len(rest) < 24 {
		return 0, spanID{}, nil, fmt.Errorf("%w: key %x", errCorrupt, key)
	}
	return binary.BigEndian.Uint64(rest), readSpan(rest[8:]), rest[24:], nil
}

// sampled reads one provisional pane; nil when there is none.
func (r *records) sampled(l *sketches.Layout, number uint64, id spanID, key []byte) (*sketches.Provisional, error) {
	var room [128]byte
	value, closer, err := r.store.db.Get(append(r.sampleSpanKey(room[:0], number, id), key...))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read provisional pane: %w", err)
	}
	p, err := l.DecodeProvisional(value)
	if err = errors.Join(err, closer.Close()); err != nil {
		return nil, fmt.Errorf("read provisional pane: %w", err)
	}
	return p, nil
}

// eachSampled calls fn for the provisional panes of an entry and span, by key. The
// key is valid until fn returns.
func (r *records) eachSampled(l *sketches.Layout, number uint64, id spanID, fn func(key []byte, p *sketches.Provisional) error) error {
	it, err := r.iterator(r.sampleSpanKey(nil, number, id))
	if err != nil {
		return err
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var key []byte
		if _, _, key, err = r.sampleOf(it.Key()); err != nil {
			break
		}
		var p *sketches.Provisional
		if p, err = l.DecodeProvisional(it.Value()); err != nil {
			err = fmt.Errorf("read provisional pane: %w", err)
			break
		}
		err = fn(key, p)
	}
	return errors.Join(err, it.Error(), it.Close())
}
