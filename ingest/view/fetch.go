package view

// This file brings panes that only the store has back into memory: all that a
// record, or a fold, will change, in the order of their keys.
//
// One by one, each look-up would open the store's tables at random; a million of
// them spend their time on reading filters, indexes and blocks again and again.
// In order each table is opened once, and what is between two keys is passed over.

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/sketches"
)

// wanted is a pane that is looked for in the store.
type wanted struct {
	span spanID
	key  string // the caller's bytes, perhaps
	at   int    // the caller's
}

// fetch looks for panes in the store, in order, and calls fn for each that is
// there, with its place in the caller's list. It sorts want. Dropped panes count as absent.
func (s *Shard) fetch(want []wanted, fn func(at int, p *sketches.Pane)) error {
	if len(want) == 0 {
		return nil
	}
	slices.SortFunc(want, func(a, b wanted) int { return cmp.Or(compareSpans(a.span, b.span), strings.Compare(a.key, b.key)) })
	prefix := append(bytes.Clone(s.records.prefix), recordPane)
	it, err := s.records.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix), UseL6Filters: true})
	if err != nil {
		return fmt.Errorf("read panes: %w", err)
	}
	var at []byte
	for i := range want {
		w := &want[i]
		if s.removing() && s.removed(paneID{w.span, w.key}) {
			continue
		}
		at = append(s.records.spanKey(at[:0], recordPane, w.span), w.key...)
		if !it.SeekPrefixGE(at) || !bytes.Equal(it.Key(), at) {
			if err = it.Error(); err != nil {
				break
			}
			continue
		}
		var value []byte
		if value, err = it.ValueAndErr(); err != nil {
			break
		}
		var p *sketches.Pane
		if p, err = s.decode(value); err != nil {
			break
		}
		fn(w.at, p)
	}
	if err = errors.Join(err, it.Close()); err != nil {
		return fmt.Errorf("read panes: %w", err)
	}
	return nil
}

// spell writes the key of every group, and hashes it: once a batch and group, whoever
// looks for it where.
func (w *batchWork) spell() {
	w.keyBytes = w.keyBytes[:0]
	for i := range w.groups {
		g := &w.groups[i]
		g.keyAt = len(w.keyBytes)
		w.keyBytes = w.keys.AppendTuple(w.keyBytes, g.first)
		g.keyEnd = len(w.keyBytes)
		g.keyHash = keyHash(w.keyOf(g))
	}
}

// locate finds the cells of the gathered groups, or their panes in the store.
// Only the worker changes what it reads, so it needs no lock; nobody may drop cells
// from memory until they have been changed (Shard.working).
func (s *Shard) locate() error {
	w := &s.work
	w.homes = w.homes[:0]
	for _, id := range w.spans {
		w.homes = append(w.homes, s.spans[id])
	}
	w.spell()
	w.want = w.want[:0]
	for i := range w.groups {
		g := &w.groups[i]
		sp := w.homes[g.span]
		if sp == nil {
			continue
		}
		if g.cell = sp.cells.find(g.keyHash, text(w.keyOf(g))); g.cell == nil && !sp.complete() {
			w.want = append(w.want, wanted{sp.id, text(w.keyOf(g)), i}) // nobody changes it while it is wanted
		}
	}
	err := s.fetch(w.want, func(at int, p *sketches.Pane) { w.groups[at].stored = p })
	clear(w.want)
	return err
}
