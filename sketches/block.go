package sketches

import (
	"math"
	"unsafe"
)

// block is what a pane begins as, because most keys of a skewed stream stay
// small and there are millions of them: slices of their own for each table, sample
// and sum would cost more in headers and rounding than they hold.
//
//	sums       sumBytes a decay sketch
//	ignored    ignoredBytes a weighted sketch
//	log        a record for each event of each item column that keeps anything, in order
//	gap
//
// A record is
//
//	column     u8, if more than one keeps anything
//	hash       u64, of the item, if the layout does not know how to tell it from that (NewHashedLayout)
//	word       u64: if the column has a reservoir, the hash of the event's position;
//	           if not, how many events the record stands for
//	weights    u64 a weight column of the table
//	item       length u8, bytes; if the plan keeps items
//	words      further ones, if events with the same item were made one record: then the
//	           length is several, behind which stand the item's own length and the number of
//	           these words, u8 each, and the words stand behind the item
//
// An event is written behind the others, and nothing is looked for: panes of many
// keys are seldom in the processor's cache, and so the event touches as few lines as
// can be. Which events were of the same item is for those to find who read a block
// (addLog); when the log is full, records of an item become one (combine). A form that was
// kept up event by event, with entries and marks to find them by, took a fourth longer
// for each of them.
//
// In a block a reservoir holds all events of its column. Numbers are
// little-endian. What does not fit (an item of 255 bytes, a reservoir that overflows,
// more than blockLimit bytes) makes the pane wide; which of the two a pane is never
// shows in its answers or its encoding. A wide pane keeps sums and ignored in
// its block and the columns elsewhere.
type block struct {
	first *byte  // nil: there is no block
	size  uint16 // bytes
	log   uint16 // where the log ends
	words uint16 // of all records, one each and the further ones
}

const (
	sumBytes     = 24
	ignoredBytes = 8
	wordBytes    = 8
	several      = math.MaxUint8     // no length, but the sign of a record of several words
	blockItem    = several - 1       // the longest item
	blockColumns = math.MaxUint8 + 1 // the most that a record can tell apart
)

// blockSizes are those that blocks grow through. They are sizes that Go's
// allocator has, so that nothing is rounded away, and far apart, because to
// grow costs more than all else that is done for an event.
var blockSizes = [...]int{96, 256, 576, 1024, blockLimit}

const blockLimit = 1536

// blockRecords is how many records a block has room for, at most: of empty items without
// a hash. That is few enough for them to be numbered by bytes.
const blockRecords = blockLimit / (wordBytes + 1)

// firstRoom is what the log gets of a new block, at least: room for an event or two.
const firstRoom = 48

// blockPlan is what all blocks of a layout have in common.
type blockPlan struct {
	ignored, log int  // where they begin; sums are in front
	fresh        int  // size of a block to which events are to be added
	kept         Set  // sketches that the log is for
	tagged       bool // records tell their column
	column       int  // of all records, if they do not
	most         int  // so many words are not too many for any column
	counts       bool // there are records that count events
}

// planBlock shares out a block.
func planBlock(l *Layout) blockPlan {
	b := blockPlan{ignored: len(l.sums) * sumBytes, most: math.MaxUint16}
	b.log = b.ignored + len(l.weighted)*ignoredBytes
	b.fresh = b.log
	for c := range l.columns {
		if kept := l.columns[c].kept(); kept != 0 {
			b.tagged = b.kept != 0
			b.kept |= kept
			b.column = c
			b.fresh = max(b.log, blockSize(b.log+firstRoom))
		}
	}
	for c := range l.columns {
		if plan := &l.columns[c]; plan.kept() != 0 {
			plan.measure(b.tagged)
			b.most = min(b.most, plan.most)
			b.counts = b.counts || plan.samples == 0
		}
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

// kept is the sketches that anything of the column is kept for.
func (plan *columnPlan) kept() Set { return plan.tabled | plan.samples }

// measure reckons what the column's records take, and where.
func (plan *columnPlan) measure(tagged bool) {
	at := 0
	place := func(bytes int, there bool) (from int) {
		if from = at; there {
			at += bytes
		}
		return from
	}
	plan.tagged = tagged
	place(1, tagged) // the column, in front, for all else depends on it
	plan.hashAt = place(wordBytes, plan.hash == nil || !plan.items)
	plan.wordAt = place(wordBytes, true)
	plan.weightsAt = place(wordBytes*len(plan.weights), true)
	place(1, plan.items) // the length
	plan.fixed = at
	records := blockLimit / plan.fixed
	plan.most = records
	if plan.samples != 0 {
		plan.most = min(blockLimit/wordBytes, plan.sample)
	}
	if plan.tabled != 0 && !plan.fits(records, blockLimit) {
		plan.most = min(plan.most, tableAlways)
	}
}

// hashed tells whether records hold their items' hashes.
func (plan *columnPlan) hashed() bool { return plan.wordAt > plan.hashAt }

func (b *block) bytes() []byte { return unsafe.Slice(b.first, b.size) }

func (b *block) setBytes(bytes []byte) { b.first, b.size = unsafe.SliceData(bytes), uint16(len(bytes)) }

// gap is how many bytes are free.
func (b *block) gap() int { return int(b.size) - int(b.log) }

// resize copies the block to one of another size.
func (b *block) resize(size int) {
	used := b.bytes()[:b.log]
	bytes := make([]byte, size)
	copy(bytes, used)
	b.setBytes(bytes)
}

// open makes sure that there is a block, without room for records.
func (p *Pane) open() { p.openFor(p.layout.block.log) }

// openForRows makes sure that there is a block, with room for some events.
func (p *Pane) openForRows() { p.openFor(p.layout.block.fresh) }

func (p *Pane) openFor(size int) {
	if p.block.first == nil {
		p.block.setBytes(make([]byte, size))
		p.block.log = uint16(p.layout.block.log)
	}
}

// log returns the records.
func (p *Pane) log() []byte {
	if p.block.first == nil {
		return nil
	}
	return p.block.bytes()[p.layout.block.log:p.block.log]
}

// trim makes the block as short as can be.
func (p *Pane) trim() {
	p.combine()
	if p.block.gap() > 0 {
		p.block.resize(int(p.block.log))
	}
}
