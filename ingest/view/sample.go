package view

// This file holds provisional panes: what is kept of the events of an entry of
// the ledger that was sampled and not applied in full.
//
// They are apart from base panes, by the number of their entry, so that paying
// the entry drops them and nothing is ever subtracted. Memory is a cache over the
// store for them as it is for base panes; those of older entries, which change
// no more, are the first to go from it.

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/shedding"
	"sketchlog/sketches"
)

// sample is the provisional panes of one entry. The shard's lock guards it.
type sample struct {
	number  uint64
	spans   map[spanID]*sampleSpan
	size    int64 // bytes in memory, about
	changed []*sampled
	dirty   int64 // bytes of those
	stored  bool  // the store may hold something of it
}

// sampleSpan is the provisional panes of one entry and span.
type sampleSpan struct {
	id       spanID
	cells    index[*sampled] // those in memory
	keys     int             // panes that were made since the shard was loaded
	partial  bool            // the store may have panes that are not in memory
	overflow bool            // some keys share the overflow pane
}

// sampled is the provisional pane of one entry, span and key.
type sampled struct {
	hash  uint64 // of the key
	key   string
	span  spanID
	pane  *sketches.Provisional
	size  int64
	dirty bool

	saving bool // the commit that is made writes it
}

func (c *sampled) place() (uint64, string) { return c.hash, c.key }

// sampleOf returns the sample of an entry, and makes it if need be.
func (s *Shard) sampleOf(number uint64) *sample {
	m := s.samples[number]
	if m == nil {
		m = &sample{number: number, spans: map[spanID]*sampleSpan{}}
		s.samples[number] = m
	}
	return m
}

// span returns the provisional panes of a span, and makes room for them if need be.
func (m *sample) span(id spanID) *sampleSpan {
	sp := m.spans[id]
	if sp == nil {
		sp = &sampleSpan{id: id}
		m.spans[id] = sp
	}
	return sp
}

// locateSampled finds the provisional panes of the gathered groups, in memory or in the
// store. As for locate, that needs no lock but Shard.working.
func (s *Shard) locateSampled(m *sample) error {
	w := &s.work
	w.spell()
	for i := range w.groups {
		g := &w.groups[i]
		sp, key := w.samples[g.span], w.keyOf(g)
		if g.sampled = sp.cells.find(g.keyHash, text(key)); g.sampled != nil || !sp.partial {
			continue
		}
		var err error
		if g.kept, err = s.records.sampled(s.view.plan.layout, m.number, sp.id, key); err != nil {
			return err
		}
	}
	return nil
}

// obtainSampled returns the provisional pane of a key that was not in memory, and makes
// it if need be: stored is what the store has of it, nil when there is nothing. Past the
// most keys that a span may have it is that of the overflow key.
func (s *Shard) obtainSampled(m *sample, sp *sampleSpan, hash uint64, key []byte, stored *sketches.Provisional, rate shedding.Rate) (*sampled, error) {
	if c := sp.cells.find(hash, text(key)); c != nil {
		return c, nil
	}
	p := stored
	if p == nil {
		own := sp.keys
		if sp.overflow {
			own--
		}
		if own >= s.view.maxKeys() && len(s.view.plan.by) > 0 && string(key) != overflowKey {
			return s.overflowSampled(m, sp, rate)
		}
		sp.keys++
		sp.overflow = sp.overflow || s.overflows(key)
		p = s.view.plan.layout.NewProvisional(int(rate))
	}
	c := &sampled{hash: hash, key: string(key), span: sp.id, pane: p}
	sp.cells.add(c)
	return c, nil
}

// overflowSampled is obtainSampled for the overflow key.
func (s *Shard) overflowSampled(m *sample, sp *sampleSpan, rate shedding.Rate) (*sampled, error) {
	key := []byte(overflowKey)
	stored, err := s.sampledPane(m, sp, key)
	if err != nil {
		return nil, err
	}
	return s.obtainSampled(m, sp, keyHash(key), key, stored, rate)
}

// noteSampled notes that a provisional pane has changed.
func (s *Shard) noteSampled(m *sample, c *sampled) {
	grown := int64(c.pane.Size()) + cellOverhead - c.size
	c.size += grown
	m.size += grown
	s.hold(grown)
	if !c.dirty {
		c.dirty = true
		m.changed = append(m.changed, c)
		m.dirty += c.size
		s.pendingAt += c.size
		return
	}
	m.dirty += grown
	s.pendingAt += grown
}

// dropSample forgets the provisional panes of an entry, and has the next commit do so too.
func (s *Shard) dropSample(number uint64) {
	m := s.samples[number]
	if m == nil {
		return
	}
	s.hold(-m.size)
	s.pendingAt -= m.dirty
	delete(s.samples, number)
	if m.stored {
		s.struck = append(s.struck, number)
	}
	s.unsaved = true
}

// evictSamples lets panes that the store has go from memory, those of the oldest
// entries first, until the shard holds no more than limit bytes.
func (s *Shard) evictSamples(limit int64) {
	for _, number := range slices.Sorted(maps.Keys(s.samples)) {
		if s.held <= limit {
			return
		}
		m := s.samples[number]
		for _, sp := range m.spans {
			sp.cells.drop(func(c *sampled) bool {
				if c.dirty || c.saving {
					return false
				}
				sp.partial = true
				m.size -= c.size
				s.hold(-c.size)
				return true
			})
		}
	}
}

// visitSamples calls fn for the provisional panes of a key (nil: of all) in
// [from, to), by entry, span and key, but for those in spans that are past keep.
func (s *Shard) visitSamples(p *Position, key []byte, from, to int64, fn func(key []byte, from, to int64, p *sketches.Provisional) error) error {
	horizon := s.view.levels().horizon(s.tally.greatest)
	for _, number := range slices.Sorted(maps.Keys(s.samples)) {
		m := s.samples[number]
		for _, id := range slices.SortedFunc(maps.Keys(m.spans), compareSpans) {
			first, end := id.reach()
			if id.width > 0 && (first >= to || end <= from || end <= horizon) {
				continue
			}
			each := func(key []byte, p *sketches.Provisional) error { return fn(key, first, end, p) }
			if err := s.visitSampleSpan(p, m, m.spans[id], key, each); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Shard) visitSampleSpan(p *Position, m *sample, sp *sampleSpan, key []byte, fn func(key []byte, p *sketches.Provisional) error) error {
	if key == nil {
		p.Overflow = p.Overflow || sp.overflow
		return s.visitSampleKeys(m, sp, fn)
	}
	pane, err := s.sampledPane(m, sp, key)
	if err != nil {
		return err
	}
	if pane == nil && sp.overflow {
		rest, err := s.sampledPane(m, sp, []byte(overflowKey))
		if err != nil {
			return err
		}
		p.Overflow = true
		if rest != nil {
			p.Shared += rest.Kept() << rest.Rate
		}
	}
	if pane == nil {
		return nil
	}
	return fn(key, pane)
}

func (s *Shard) visitSampleKeys(m *sample, sp *sampleSpan, fn func(key []byte, p *sketches.Provisional) error) error {
	cells := make([]*sampled, 0, sp.cells.len())
	sp.cells.all(func(c *sampled) { cells = append(cells, c) })
	slices.SortFunc(cells, func(a, b *sampled) int { return strings.Compare(a.key, b.key) })
	visit := func(c *sampled) error { return fn([]byte(c.key), c.pane) }
	next := 0
	if sp.partial {
		err := s.records.eachSampled(s.view.plan.layout, m.number, sp.id, func(key []byte, p *sketches.Provisional) error {
			for ; next < len(cells) && compareKey(cells[next].key, key) < 0; next++ {
				if err := visit(cells[next]); err != nil {
					return err
				}
			}
			if next < len(cells) && compareKey(cells[next].key, key) == 0 {
				return nil // memory is right; it comes before the next stored key
			}
			return fn(key, p)
		})
		if err != nil {
			return err
		}
	}
	for _, c := range cells[next:] {
		if err := visit(c); err != nil {
			return err
		}
	}
	return nil
}

// sampledPane returns a provisional pane, nil when there is none.
func (s *Shard) sampledPane(m *sample, sp *sampleSpan, key []byte) (*sketches.Provisional, error) {
	if c := sp.cells.find(keyHash(key), text(key)); c != nil {
		return c.pane, nil
	}
	if !sp.partial {
		return nil, nil
	}
	return s.records.sampled(s.view.plan.layout, m.number, sp.id, key)
}

// encodeSamples adds what has changed of the samples to a commit.
func (s *Shard) encodeSamples(b *pebble.Batch) error {
	var key, value []byte
	for _, number := range s.struck {
		key = s.records.sampleKey(key[:0], number)
		if err := b.DeleteRange(key, after(key), nil); err != nil {
			return err
		}
	}
	for _, number := range slices.Sorted(maps.Keys(s.samples)) {
		for _, c := range s.samples[number].changed {
			key = append(s.records.sampleSpanKey(key[:0], number, c.span), c.key...)
			value = c.pane.AppendBinary(value[:0])
			if err := b.Set(key, value, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// samplesEncoded returns what encodeSamples wrote, which is clean when the commit
// succeeds.
func (s *Shard) samplesEncoded() (written []*sampled) {
	s.struck = s.struck[:0]
	for _, m := range s.samples {
		for _, c := range m.changed {
			c.dirty, c.saving = false, true
		}
		written = append(written, m.changed...)
		m.stored = m.stored || len(m.changed) > 0
		m.changed, m.dirty = nil, 0
	}
	return written
}

// loadSamples finds which samples there are, and of which spans; their panes stay
// on disk until they are asked for.
func (s *Shard) loadSamples() error {
	it, err := s.records.iterator(append(append([]byte{}, s.records.prefix...), recordSample))
	if err != nil {
		return err
	}
	var at []byte
	for valid := it.First(); valid; valid = it.SeekGE(after(at)) {
		number, id, _, err := s.records.sampleOf(it.Key())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		m := s.samples[number]
		if m == nil {
			m = &sample{number: number, spans: map[spanID]*sampleSpan{}, stored: true}
			s.samples[number] = m
		}
		sp := &sampleSpan{id: id, partial: true}
		m.spans[id] = sp
		at = s.records.sampleSpanKey(at[:0], number, id)
		rest, err := s.records.store.get(append(slices.Clone(at), overflowKey...))
		if err != nil {
			return errors.Join(err, it.Close())
		}
		sp.overflow = rest != nil && len(s.view.plan.by) > 0
	}
	return errors.Join(it.Error(), it.Close())
}
