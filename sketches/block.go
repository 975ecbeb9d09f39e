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
//	  marks    one byte of each entry's hash
//	  log      one record an event, or a new item, in order:
//	             sample  number of the item u8, position hash u64
//	             item    length u8, bytes; only upon its first occurrence
//	  gap
//	  entries  hash u64, count u32 where no record tells it, weight sums u64 each;
//	           the first one last
//
// Panes of many keys are bound by memory, and so the form is one of which an
// event touches few cache lines: what is counted for every event and the marks
// lie in the first one or two, the log grows up and the entries grow down
// towards each other, and nothing ever moves but into a larger block. An item
// is looked for by its mark, many at a time, before any hash is read.
//
// Records have a sample where the column has a reservoir, and an item where
// the plan keeps items. In a block a reservoir holds all events of its column: how
// often an item came is how many records it has, and its entry keeps no count. A
// column without a table has no entries and no marks, and every event is a new item.
// Numbers are little-endian. What does not fit (an item of 256 bytes,
// a reservoir that overflows, more than blockLimit bytes) makes the pane wide;
// which of the two a pane is never shows in its answers or its encoding. A
// wide pane keeps sums and ignored in its block and the columns elsewhere.
const (
	headerBytes  = 8
	sumBytes     = 24
	ignoredBytes = 8
	markGroup    = 8
	sampleBytes  = 9
	countAt      = 8
	countBytes   = 4
	blockItem    = math.MaxUint8
	blockEntries = math.MaxUint8
	blockCount   = math.MaxUint32
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
	log, low uint16 // where the column that was filled last goes on, for touch
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
		s := section{column: c, room: b.fresh[:share]} // of that size
		if plan.stride > 0 {
			s.marks = markGroup
		}
		s.log = s.marks
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
	if c.tabled != 0 {
		c.weightsAt = countAt
		if c.counts = c.samples == 0; c.counts {
			c.weightsAt += countBytes
		}
		c.stride = c.weightsAt + 8*len(c.weights)
	}
	c.fixed, c.usual = c.stride, c.stride
	if c.samples != 0 {
		c.fixed, c.usual = c.fixed+sampleBytes, c.usual+sampleBytes
	}
	if c.items {
		c.fixed, c.usual = c.fixed+1, c.usual+8
	}
	c.room = min(c.sample, blockEntries)
}

// section is a column's part of a block, with its header taken apart. The
// header is size u16, end of the log u16, entries u8, samples u8, groups of marks u8, 0.
type section struct {
	room    []byte // all of it
	marks   int    // bytes for marks: a multiple of markGroup; the log begins behind them
	log     int    // where the log ends
	low     int    // where the entries begin
	entries int    // also the number of items, without a table
	samples int
	column  int
	at      int    // where it begins in the block
	header  uint64 // as it was when it was taken apart
	first   int    // the entry that a group's first item seems to have; -1: it has none
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
	s.log, s.marks = int(h>>16&0xffff), int(h>>48)*markGroup
	s.entries, s.samples = int(h>>32&0xff), int(h>>40&0xff)
	s.low = size - s.entries*p.layout.columns[column].stride
	s.column, s.at = column, at
}

// close writes what may have changed of a section.
func (p *Pane) close(s *section) {
	s.setHeader(p.block.bytes())
	p.block.log, p.block.low = uint16(s.at+s.log), uint16(s.at+s.low)
}

func (s *section) setHeader(block []byte) {
	binary.LittleEndian.PutUint64(block[s.column*headerBytes:], uint64(len(s.room))|uint64(s.log)<<16|
		uint64(s.entries)<<32|uint64(s.samples)<<40|uint64(s.marks/markGroup)<<48)
}

// entry returns the bytes of entry e.
func (s *section) entry(stride, e int) []byte {
	end := len(s.room) - e*stride
	return s.room[end-stride : end]
}

// records returns the log.
func (s *section) records() []byte { return s.room[s.marks:s.log] }

// gap is how many bytes are free.
func (s *section) gap() int { return s.low - s.log }

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

// grow makes room in a section for so many bytes and one more entry. It is
// false, with nothing changed, if the block would be too large.
func (p *Pane) grow(s *section, plan *columnPlan, bytes int) bool {
	marks := 0
	if plan.stride > 0 {
		marks = (s.entries + markGroup) &^ (markGroup - 1)
	}
	used := len(s.room) - s.marks - s.gap() + bytes
	more := max(1, marks+used-len(s.room)) // there may be bytes left, and only marks wanting
	size := blockSize(int(p.block.size) + more)
	if size == 0 {
		return false
	}
	size -= int(p.block.size) - len(s.room)
	p.move(s, size, plan.marksFor(marks, size, used))
	return true
}

// marksFor is how many bytes for marks suit a section of that size, of which so many are
// used otherwise: at least so many.
func (c *columnPlan) marksFor(least, size, used int) int {
	if c.stride == 0 {
		return 0
	}
	return max(least, min(size/c.usual+markGroup-1, size-used)&^(markGroup-1))
}

// move copies the block to one in which a section has another size and number of marks.
func (p *Pane) move(s *section, size, marks int) {
	old := p.block.bytes()
	b := make([]byte, len(old)+size-len(s.room))
	copy(b, old[:s.at])
	copy(b[s.at+size:], old[s.at+len(s.room):])
	s.moveTo(b[s.at:s.at+size:s.at+size], marks)
	s.setHeader(b)
	p.block = blockOf(b)
}

// moveTo copies the section to a new room, with another number of marks.
func (s *section) moveTo(room []byte, marks int) {
	copy(room, s.room[:min(s.marks, marks)])
	log := marks + copy(room[marks:], s.records())
	low := len(room) - (len(s.room) - s.low)
	copy(room[low:], s.room[s.low:])
	s.room, s.log, s.low, s.marks = room, log, low, marks
}

// trim takes the free bytes out of the block.
func (p *Pane) trim() {
	for c := range p.layout.columns {
		var s section
		p.section(&s, c)
		marks := 0
		if p.layout.columns[c].stride > 0 {
			marks = (s.entries + markGroup - 1) &^ (markGroup - 1)
		}
		if free := s.gap() + s.marks - marks; free != 0 {
			p.move(&s, len(s.room)-free, marks)
		}
	}
}
