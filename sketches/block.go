package sketches

import (
	"encoding/binary"
	"math"
	"slices"
)

// A pane begins as one block of bytes, because most keys of a skewed stream
// stay small and there are millions of them: slices of their own for each
// table, sample and sum would cost more in headers and rounding than they hold.
//
//	sums       sumBytes a decay sketch
//	ignored    8 bytes a weighted sketch
//	headers    4 bytes a column: entries u8, samples u8, item bytes u16
//	columns    one after another:
//	  entries  hash u64, count u32, weight sums u64 each; none without a table
//	  items    one a entry: length u8, bytes; none where the plan keeps none
//	  samples  position hash u64, number of the item u8
//
// In a block a reservoir holds all events of its column, and its items are the
// table's. Numbers are little-endian. What does not fit (an item of 256 bytes,
// a reservoir that overflows, more than blockLimit bytes) makes the pane wide;
// which of the two a pane is never shows in its answers or its encoding. A
// wide pane keeps sums and ignored in its block and the columns elsewhere.
const (
	sumBytes     = 24
	ignoredBytes = 8
	headerBytes  = 4
	sampleBytes  = 9
	blockLimit   = 1536
	blockItem    = math.MaxUint8
	blockEntries = math.MaxUint8
	blockCount   = math.MaxUint32
)

// blockPlan has the offsets of a layout's blocks.
type blockPlan struct {
	ignored, headers, columns int
}

func planBlock(l *Layout) blockPlan {
	var b blockPlan
	b.ignored = len(l.sums) * sumBytes
	b.headers = b.ignored + len(l.weighted)*ignoredBytes
	b.columns = b.headers + len(l.columns)*headerBytes
	return b
}

// entryBytes is the size of an entry in a block.
func (c *columnPlan) entryBytes() int {
	if c.tabled == 0 {
		return 0
	}
	return 12 + 8*len(c.weights)
}

// section is where a column stands in a block.
type section struct {
	column            int
	header            int // offset of its header
	at                int // offset of its entries
	stride            int // bytes an entry
	entries, samples  int // how many
	itemBytes, itemAt int
}

func (s *section) sampleAt() int { return s.itemAt + s.itemBytes }
func (s *section) end() int      { return s.sampleAt() + s.samples*sampleBytes }

// section finds a column by walking over those before it.
func (p *Pane) section(column int) section {
	at := p.layout.block.columns
	for c := 0; ; c++ {
		header := p.layout.block.headers + c*headerBytes
		h := p.block[header : header+headerBytes]
		s := section{column: c, header: header, at: at, stride: p.layout.columns[c].entryBytes(),
			entries: int(h[0]), samples: int(h[1]), itemBytes: int(binary.LittleEndian.Uint16(h[2:]))}
		s.itemAt = at + s.entries*s.stride
		if c == column {
			return s
		}
		at = s.end()
	}
}

func (p *Pane) setHeader(s *section) {
	h := p.block[s.header : s.header+headerBytes]
	h[0], h[1] = byte(s.entries), byte(s.samples)
	binary.LittleEndian.PutUint16(h[2:], uint16(s.itemBytes))
}

// open makes sure that there is a block.
func (p *Pane) open() {
	if p.block == nil {
		p.block = make([]byte, p.layout.block.columns)
	}
}

// lengthen adds n bytes to the block, whose content is left to the caller.
// Growth is by a quarter of what the columns take, rounded up to what the
// allocator would give anyway: few keys grow for long, and there are many.
func (p *Pane) lengthen(n int) {
	size := len(p.block) + n
	if cap(p.block) < size {
		grown := slices.Grow([]byte(nil), size+(size-p.layout.block.columns)/4)
		p.block = append(grown, p.block...)
	}
	p.block = p.block[:size]
}

// applyBlock counts a column's events in the block, as far as they fit, and
// returns how many rows it has dealt with.
func (p *Pane) applyBlock(column int, r *Rows) int {
	plan := &p.layout.columns[column]
	hashes := r.Hashes[column]
	if plan.tabled|plan.samples == 0 {
		return len(hashes)
	}
	room := min(plan.sample, blockEntries)
	s := p.section(column)
	done := len(hashes)
	for i, x := range hashes {
		if x == 0 {
			continue
		}
		if plan.samples != 0 && (s.samples == room || len(p.block)+sampleBytes > blockLimit) {
			done = i
			break
		}
		e := p.findEntry(&s, x)
		if e < 0 {
			if e = p.addEntry(&s, plan, x, r, i); e < 0 {
				done = i
				break
			}
		}
		if plan.tabled != 0 && !p.countEntry(&s, plan, e, r, i) {
			done = i
			break
		}
		if plan.samples != 0 {
			p.putSample(&s, r.Positions[i], e)
		}
	}
	p.setHeader(&s)
	return done
}

// findEntry returns the number of an item's entry, or -1.
func (p *Pane) findEntry(s *section, hash uint64) int {
	if s.stride == 0 {
		return -1
	}
	b := p.block[s.at:s.itemAt]
	for i := 0; len(b) >= 8; i++ {
		if binary.LittleEndian.Uint64(b) == hash {
			return i
		}
		b = b[s.stride:]
	}
	return -1
}

// addEntry adds an entry with nothing counted, and its item, for row i, and
// returns its number; -1, with nothing changed, if it does not fit.
func (p *Pane) addEntry(s *section, plan *columnPlan, hash uint64, r *Rows, i int) int {
	var item []byte
	if plan.items {
		r.scratch = r.Items[s.column].AppendItem(r.scratch[:0], r.Index[i])
		item = r.scratch
	}
	need := len(p.block) + s.stride + 1 + len(item) + sampleBytes
	if len(item) > blockItem || s.entries == blockEntries || need > blockLimit {
		return -1
	}
	if plan.tabled != 0 && !plan.fits(s.entries+1, s.itemBytes-s.entries+len(item)) {
		return -1
	}
	return p.putEntry(s, plan, hash, item)
}

// putEntry adds an entry with nothing counted, for which there must be room:
// it goes behind the other entries, and its item behind the other items.
func (p *Pane) putEntry(s *section, plan *columnPlan, hash uint64, item []byte) int {
	entryAt, itemAt, size := s.itemAt, s.sampleAt(), len(p.block)
	itemBytes := 0
	if plan.items {
		itemBytes = 1 + len(item)
	}
	p.lengthen(s.stride + itemBytes)
	b := p.block
	copy(b[itemAt+s.stride+itemBytes:], b[itemAt:size])
	copy(b[entryAt+s.stride:], b[entryAt:itemAt])
	if plan.items {
		at := itemAt + s.stride
		b[at] = byte(len(item))
		copy(b[at+1:], item)
	}
	if s.stride > 0 {
		entry := b[entryAt : entryAt+s.stride]
		clear(entry)
		binary.LittleEndian.PutUint64(entry, hash)
	}
	s.itemAt += s.stride
	s.itemBytes += itemBytes
	s.entries++
	return s.entries - 1
}

// putSample adds an event to the sample, for which there must be room.
func (p *Pane) putSample(s *section, position uint64, entry int) {
	at, size := s.end(), len(p.block)
	p.lengthen(sampleBytes)
	copy(p.block[at+sampleBytes:], p.block[at:size])
	b := p.block[at : at+sampleBytes]
	binary.LittleEndian.PutUint64(b, position)
	b[8] = byte(entry)
	s.samples++
}

// countEntry counts row i in an entry; false, with nothing changed, if the
// count does not fit.
func (p *Pane) countEntry(s *section, plan *columnPlan, e int, r *Rows, i int) bool {
	b := p.block[s.at+e*s.stride:][:s.stride]
	count := binary.LittleEndian.Uint32(b[8:])
	if count == blockCount {
		return false
	}
	binary.LittleEndian.PutUint32(b[8:], count+1)
	for j, w := range plan.weights {
		if x := r.Weights[w][i]; x > 0 {
			sum := b[12+8*j:]
			binary.LittleEndian.PutUint64(sum, saturatingAdd(binary.LittleEndian.Uint64(sum), uint64(x)))
		}
	}
	return true
}

// blockEntries copies a column's entries out of the block; the items alias it.
func (p *Pane) blockEntries(column int) []tableEntryView {
	if p.block == nil {
		return nil
	}
	plan, s := &p.layout.columns[column], p.section(column)
	es := make([]tableEntryView, s.entries)
	stride := 2 + len(plan.weights)
	words := make([]uint64, s.entries*stride)
	items := p.block[s.itemAt:s.sampleAt()]
	for i := range es {
		e := &es[i]
		e.words = words[i*stride : (i+1)*stride : (i+1)*stride]
		if plan.items {
			n := int(items[0])
			e.item, items = items[1:1+n:1+n], items[1+n:]
		}
		if s.stride == 0 {
			continue
		}
		b := p.block[s.at+i*s.stride:]
		e.words[0] = binary.LittleEndian.Uint64(b)
		e.words[1] = uint64(binary.LittleEndian.Uint32(b[8:]))
		for j := range plan.weights {
			e.words[2+j] = binary.LittleEndian.Uint64(b[12+8*j:])
		}
	}
	return es
}

// blockReservoir makes the reservoir of a sketch from the block.
func (p *Pane) blockReservoir(sketch int) *Reservoir {
	spec := &p.layout.specs[sketch]
	r := &Reservoir{size: spec.Size}
	if p.block == nil {
		return r
	}
	es, s := p.blockEntries(spec.Column), p.section(spec.Column)
	r.heap = make([]sampled, 0, s.samples)
	r.arena = make([]byte, 0, s.itemBytes)
	for b := p.block[s.sampleAt():s.end()]; len(b) > 0; b = b[sampleBytes:] {
		r.Add(binary.LittleEndian.Uint64(b), es[b[8]].item)
	}
	return r
}
