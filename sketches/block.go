package sketches

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// A pane begins as one block of bytes, because most keys of a skewed stream
// stay small and there are millions of them: slices of their own for each
// table, sample and sum would cost more in headers and rounding than they hold.
//
//	headers    8 bytes a column: see section
//	sums       sumBytes a decay sketch
//	ignored    8 bytes a weighted sketch
//	sections   one a column that keeps anything:
//	  places   by groups of eight items:
//	             marks    one byte of each item's hash
//	             lengths  one byte each: of the item
//	  records  one an item, in order:
//	             hash u64
//	             position hash of its first event u64, or else its count u32
//	             weight sums u64 each
//	             item
//	  gap
//	  samples  one a further event of an item: number of the item u8, position hash u64;
//	           the first one last
//
// Panes of many keys are bound by memory, and so the form is one of which an
// event touches few cache lines: what is counted for every event and the places
// lie in the first one or two, a new item is written in one place behind the
// others, and nothing ever moves but into a larger block. An item is looked for by
// its mark, many at a time; where the one record is that may be its own, the
// lengths of those before tell.
//
// A column without a table has neither marks nor hashes, and every event is a new item.
// One without a reservoir has no positions and no samples, and one that keeps no items
// no lengths. In a block a reservoir holds all events of its column: how often an item
// came is one more than it has samples, and its record keeps no count. Numbers are
// little-endian. What does not fit (an item of 256 bytes,
// a reservoir that overflows, more than blockLimit bytes) makes the pane wide;
// which of the two a pane is never shows in its answers or its encoding. A
// wide pane keeps sums and ignored in its block and the columns elsewhere.
const (
	headerBytes   = 8
	sumBytes      = 24
	ignoredBytes  = 8
	placeGroup    = 8
	hashBytes     = 8
	positionBytes = 8
	countBytes    = 4
	sampleBytes   = 1 + positionBytes
	blockItem     = math.MaxUint8
	blockEntries  = math.MaxUint8
	blockCount    = math.MaxUint32
)

// blockSizes are those that blocks grow through. They are sizes that Go's
// allocator has, so that nothing is rounded away, and far apart, because to
// grow costs more than all else that is done for an event.
var blockSizes = [...]int{96, 192, 384, 704, 1152, blockLimit}

const blockLimit = 1536

// firstShare is what a column gets of a new block, at least: room for an item or two.
const firstShare = 48

// block is a slice of bytes whose capacity is its length. A slice would be a
// word longer, and a Pane longer than a cache line.
type block struct {
	first    *byte // nil: there is no block
	size     uint32
	end, low uint16 // where the column that was filled last goes on, for touch
}

func blockOf(b []byte) block { return block{first: unsafe.SliceData(b), size: uint32(len(b))} }

func (b block) bytes() []byte { return unsafe.Slice(b.first, b.size) }

// blockPlan has the offsets of a layout's blocks.
type blockPlan struct {
	sums, ignored, sections int
	fresh                   []byte // a new block to which events are to be added
}

// planBlock shares out a new block to the columns that keep anything. Where
// they do not find room, it begins without any.
func planBlock(l *Layout) blockPlan {
	b := blockPlan{sums: len(l.columns) * headerBytes}
	b.ignored = b.sums + len(l.sums)*sumBytes
	b.sections = b.ignored + len(l.weighted)*ignoredBytes
	b.fresh = make([]byte, b.sections)
	kept := 0
	for c := range l.columns {
		if l.columns[c].kept() {
			kept++
		}
	}
	size := blockSize(b.sections + kept*firstShare)
	if kept == 0 || size == 0 {
		return b
	}
	share := (size - b.sections) / kept
	b.fresh = make([]byte, b.sections+kept*share)
	for c := range l.columns {
		plan := &l.columns[c]
		if !plan.kept() {
			continue
		}
		s := section{column: c, room: b.fresh[:share], places: placeGroup, end: plan.group} // of that size
		s.setHeader(b.fresh)
	}
	return b
}

// blockSize is the size of a block of at least so many bytes, 0 if it would be too large.
func blockSize(least int) int {
	for _, size := range blockSizes {
		if size >= least {
			return size
		}
	}
	return 0
}

// kept tells whether anything is kept of the column.
func (c *columnPlan) kept() bool { return c.tabled|c.samples != 0 }

// measure reckons what the column takes in a block.
func (c *columnPlan) measure() {
	c.record, c.group = 0, 0
	if c.tabled != 0 {
		c.record, c.group = hashBytes, placeGroup
	}
	c.lengths, c.value = c.group, c.record
	switch {
	case c.samples != 0:
		c.record += positionBytes
	case c.tabled != 0:
		c.counts = true
		c.record += countBytes
	}
	c.weighed = c.record
	c.record += 8 * len(c.weights)
	c.usual = c.record
	if c.items {
		c.group += placeGroup
		c.usual += 8
	}
	c.room = min(c.sample, blockEntries)
}

// section is a column's part of a block, with its header taken apart. The
// header is size u16, end of the records u16, items u8, samples u8, groups of places u8, 0.
type section struct {
	room    []byte // all of it
	places  int    // how many items may have one; the records begin behind them
	end     int    // where the records end
	low     int    // where the samples begin
	items   int
	samples int // of further events
	column  int
	at      int    // where it begins in the block
	header  uint64 // as it was when it was taken apart
	first   int    // the item that a group's first item seems to be; -1: none
	found   int    // its record
}

// header returns the header of a column.
func (p *Pane) header(column int) uint64 {
	return binary.LittleEndian.Uint64(p.block.bytes()[column*headerBytes:])
}

// section finds a column by walking over those before it.
func (p *Pane) section(s *section, column int) {
	b, at := p.block.bytes(), p.layout.block.sections
	for c := range column {
		at += int(binary.LittleEndian.Uint16(b[c*headerBytes:]))
	}
	h := binary.LittleEndian.Uint64(b[column*headerBytes:])
	s.header = h
	size := int(h & 0xffff)
	s.room = b[at : at+size : at+size]
	s.end, s.places = int(h>>16&0xffff), int(h>>48)*placeGroup
	s.items, s.samples = int(h>>32&0xff), int(h>>40&0xff)
	s.low = size - s.samples*sampleBytes
	s.column, s.at = column, at
}

// close writes what may have changed of a section.
func (p *Pane) close(s *section) {
	s.setHeader(p.block.bytes())
	p.block.end, p.block.low = uint16(s.at+s.end), uint16(s.at+s.low)
}

func (s *section) setHeader(block []byte) {
	binary.LittleEndian.PutUint64(block[s.column*headerBytes:], uint64(len(s.room))|uint64(s.end)<<16|
		uint64(s.items)<<32|uint64(s.samples)<<40|uint64(s.places/placeGroup)<<48)
}

// records is where the records begin.
func (s *section) records(plan *columnPlan) int { return s.places / placeGroup * plan.group }

// recordOf is where the record of item e begins: behind those before it.
func (s *section) recordOf(plan *columnPlan, e int) int {
	at := s.records(plan) + e*plan.record
	if !plan.items {
		return at
	}
	lengths := s.room[plan.lengths:]
	for ; e >= placeGroup; e -= placeGroup {
		at += addBytes(binary.LittleEndian.Uint64(lengths))
		lengths = lengths[plan.group:]
	}
	return at + addBytes(binary.LittleEndian.Uint64(lengths)&(1<<(8*e)-1))
}

// addBytes is the sum of eight bytes: of every other one in four lanes, and of the lanes.
func addBytes(x uint64) int {
	const lanes = 0x00ff00ff00ff00ff
	return int((x&lanes + x>>8&lanes) * 0x0001000100010001 >> 48)
}

// length returns the place of the length of item e.
func (s *section) length(plan *columnPlan, e int) *byte {
	return &s.room[e/placeGroup*plan.group+plan.lengths+e%placeGroup]
}

// sample returns the n-th sample of a further event.
func (s *section) sample(n int) (e int, position uint64) {
	b := s.room[len(s.room)-(n+1)*sampleBytes:][:sampleBytes]
	return int(b[0]), binary.LittleEndian.Uint64(b[1:])
}

// gap is how many bytes are free.
func (s *section) gap() int { return s.low - s.end }

// open makes sure that there is a block, without room for columns.
func (p *Pane) open() {
	if p.block.first == nil {
		p.block = blockOf(make([]byte, p.layout.block.sections))
	}
}

// openForRows makes sure that there is a block, with room for some events.
func (p *Pane) openForRows() {
	if p.block.first == nil {
		p.block = blockOf(append([]byte(nil), p.layout.block.fresh...))
	}
}

// grow makes room in a section for so many bytes and a place of one more item. It is
// false, with nothing changed, if the block would be too large.
func (p *Pane) grow(s *section, plan *columnPlan, bytes int) bool {
	groups, begin := s.items/placeGroup+1, s.records(plan)
	samples := len(s.room) - s.low
	used := s.end - begin + samples + bytes
	more := max(1, groups*plan.group+used-len(s.room)) // there may be bytes left, and only places wanting
	size := blockSize(int(p.block.size) + more)
	if size == 0 {
		return false
	}
	size -= int(p.block.size) - len(s.room)
	each := plan.usual
	if s.items > 0 {
		each = (s.end - begin) / s.items
	}
	fit := (size - samples) / (each + plan.group/placeGroup)
	groups = max(groups, min((fit+placeGroup-1)/placeGroup, (size-used)/plan.group, blockEntries/placeGroup))
	p.move(s, plan, size, groups)
	return true
}

// move copies the block to one in which a section has another size and number of places.
func (p *Pane) move(s *section, plan *columnPlan, size, groups int) {
	old := p.block.bytes()
	b := make([]byte, len(old)+size-len(s.room))
	copy(b, old[:s.at])
	room := b[s.at : s.at+size : s.at+size]
	begin, end := s.records(plan), groups*plan.group
	copy(room, s.room[:min(begin, end)])
	end += copy(room[end:], s.room[begin:s.end])
	low := size - (len(s.room) - s.low)
	copy(room[low:], s.room[s.low:])
	copy(b[s.at+size:], old[s.at+len(s.room):])
	s.room, s.end, s.low, s.places = room, end, low, groups*placeGroup
	s.setHeader(b)
	p.block = blockOf(b)
}

// trim takes the free bytes out of the block.
func (p *Pane) trim() {
	for c := range p.layout.columns {
		var s section
		p.section(&s, c)
		plan := &p.layout.columns[c]
		groups := (s.items + placeGroup - 1) / placeGroup
		if free := s.gap() + s.records(plan) - groups*plan.group; free != 0 {
			p.move(&s, plan, len(s.room)-free, groups)
		}
	}
}
