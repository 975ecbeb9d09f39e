package sketches

import "encoding/binary"

// How a block is merged into another without leaving it, which is what nearly all panes
// of many keys need. What the union takes is reckoned before anything is changed: a union
// that does not fit a block is for the slow path of wide panes. Answers and encoding are
// the same either way.

// unionColumns is up to how many item columns the fast path takes: more seldom fit a block.
const unionColumns = 8

// unionItems is more than the items of any block: each takes a sample, or else more.
const unionItems = blockLimit / sampleBytes

// blockUnion is what merging a block into another one adds to it.
type blockUnion struct {
	columns [unionColumns]addition
	numbers [unionItems]uint8 // by item of the other block, column by column: its number in this one
	size    int               // of a block that just holds all
	short   int               // columns that lack room for what is added
}

// addition is what is added to a column.
type addition struct {
	items   int // that are new
	samples int
	log     int // bytes of records
	short   bool
}

// reckon is false if the union of two panes does not fit a block, or if they are to be
// merged in part of a column's sketches, which a block cannot tell.
func (u *blockUnion) reckon(p, o *Pane, which Set) bool {
	l := p.layout
	if p.wide != nil || o.wide != nil || p.block.first == nil || o.block.first == nil || len(l.columns) > unionColumns {
		return false
	}
	u.size = l.block.sections
	numbers := u.numbers[:]
	for c := range l.columns {
		plan := &l.columns[c]
		if !plan.kept() {
			continue
		}
		var s, t section
		p.section(&s, c)
		j := &u.columns[c]
		switch all := plan.tabled | plan.samples; which & all {
		case 0:
		case all:
			o.section(&t, c)
			if t.entries > len(numbers) || !j.number(&s, &t, plan, numbers[:t.entries]) {
				return false
			}
			numbers = numbers[t.entries:]
		default:
			return false
		}
		if j.short = s.gap() < j.log+j.items*plan.stride || s.marks < j.marks(&s, plan); j.short {
			u.short++
		}
		u.size += j.marks(&s, plan) + j.used(&s, plan)
	}
	return u.size <= blockLimit
}

// number finds the items of t among those of s; new ones get the numbers behind, in
// order. It is false if a block cannot hold the union.
func (j *addition) number(s, t *section, plan *columnPlan, numbers []uint8) bool {
	walk := itemWalk{at: s.marks}
	log := t.records()
	for e := range numbers {
		var item []byte
		if plan.items {
			item, log = plan.nextItem(log, e)
		}
		n := -1
		if plan.stride > 0 {
			n = s.find(plan.stride, binary.LittleEndian.Uint64(t.entry(plan.stride, e)))
		}
		switch {
		case n < 0:
			n = s.entries + j.items
			if j.items++; plan.items {
				j.log += 1 + len(item)
			}
		case plan.counts:
			if s.count(plan, n)+t.count(plan, e) > blockCount {
				return false
			}
		case string(walk.item(s, plan, n)) != string(item):
			return false // of the same hash: a sample has the bytes of both
		}
		numbers[e] = uint8(n)
	}
	j.samples = t.samples
	j.log += t.samples * sampleBytes
	items, samples, lengths := s.entries+j.items, s.samples+j.samples, 0
	if items > blockEntries || samples > plan.room && plan.samples != 0 {
		return false
	}
	if plan.items { // what is in the log besides
		lengths = s.log - s.marks + j.log - samples*sampleBytes - items
	}
	return plan.stride == 0 || plan.fits(items, lengths)
}

// count is that of entry e, in a column that has counts.
func (s *section) count(plan *columnPlan, e int) uint64 {
	return uint64(binary.LittleEndian.Uint32(s.entry(plan.stride, e)[countAt:]))
}

// nextItem takes records off a log of a column that keeps items, down to the first one
// of item e.
func (plan *columnPlan) nextItem(log []byte, e int) (item, rest []byte) {
	var r record
	for r, rest = plan.next(log, e); !r.fresh; {
		r, rest = plan.next(rest, e)
	}
	return r.item, rest
}

// itemWalk looks for the items of a section by their numbers, and walks over its log once.
type itemWalk struct {
	at     int // where it goes on
	seen   int // items
	starts [blockEntries]uint16
}

func (w *itemWalk) item(s *section, plan *columnPlan, e int) []byte {
	for w.seen <= e {
		item, rest := plan.nextItem(s.room[w.at:s.log], w.seen)
		w.at = s.log - len(rest)
		w.starts[w.seen] = uint16(w.at - len(item))
		w.seen++
	}
	start := int(w.starts[e])
	return s.room[start : start+int(s.room[start-1])]
}

// marks is how many bytes for marks the column takes at least.
func (j *addition) marks(s *section, plan *columnPlan) int {
	if plan.stride == 0 {
		return 0
	}
	return (s.entries + j.items + markGroup - 1) &^ (markGroup - 1)
}

// used is what the column takes besides.
func (j *addition) used(s *section, plan *columnPlan) int {
	return s.log - s.marks + j.log + (s.entries+j.items)*plan.stride
}

// rebuild copies the block to one that has room for what a union adds. What it has
// besides is for the columns that lacked room.
func (p *Pane) rebuild(u *blockUnion, size int) {
	l := p.layout
	each := (size - u.size) / max(u.short, 1)
	b := make([]byte, u.size+each*u.short)
	copy(b, p.block.bytes()[:l.block.sections])
	at := l.block.sections
	for c := range l.columns {
		plan := &l.columns[c]
		if !plan.kept() {
			continue
		}
		var s section
		p.section(&s, c)
		j := &u.columns[c]
		marks, used, share := j.marks(&s, plan), j.used(&s, plan), 0
		length := marks + used
		if j.short {
			share = each
		}
		if share > 0 {
			length += share
			marks = plan.marksFor(marks, length, used)
		}
		s.moveTo(b[at:at+length:at+length], marks)
		s.setHeader(b)
		at += length
	}
	p.block = blockOf(b)
}

// join adds the columns of another block that are in which; there is room for them.
func (p *Pane) join(o *Pane, which Set, u *blockUnion) {
	numbers := u.numbers[:]
	for c := range p.layout.columns {
		plan := &p.layout.columns[c]
		if which&(plan.tabled|plan.samples) == 0 {
			continue
		}
		var s, t section
		p.section(&s, c)
		o.section(&t, c)
		s.joinLog(&t, plan, numbers)
		s.joinEntries(&t, plan, numbers[:t.entries])
		p.close(&s)
		numbers = numbers[t.entries:]
	}
}

// joinLog adds the records of another block's section, whose items have those numbers in this one.
func (s *section) joinLog(t *section, plan *columnPlan, numbers []uint8) {
	seen := 0
	for log := t.records(); len(log) > 0; {
		var r record
		r, log = plan.next(log, seen)
		n := int(numbers[r.entry])
		if plan.samples != 0 {
			putSample(s.room[s.log:], n, r.position)
			s.log += sampleBytes
			s.samples++
		}
		if !r.fresh {
			continue
		}
		if seen++; n >= s.entries { // also new here
			s.room[s.log] = byte(len(r.item))
			s.log += 1 + copy(s.room[s.log+1:], r.item)
		}
	}
}

// joinEntries adds the entries of another block's section, which have those numbers in this one.
func (s *section) joinEntries(t *section, plan *columnPlan, numbers []uint8) {
	if plan.stride == 0 {
		s.entries += len(numbers)
		return
	}
	for e, n := range numbers {
		theirs := t.entry(plan.stride, e)
		if int(n) == s.entries { // Fast path: a new one.
			s.room[s.entries] = theirs[0]
			s.low -= plan.stride
			copy(s.room[s.low:], theirs)
			s.entries++
			continue
		}
		mine := s.entry(plan.stride, int(n))
		if plan.counts {
			binary.LittleEndian.PutUint32(mine[countAt:], uint32(s.count(plan, int(n))+t.count(plan, e)))
		}
		for at := plan.weightsAt; at < plan.stride; at += 8 {
			sum, more := binary.LittleEndian.Uint64(mine[at:]), binary.LittleEndian.Uint64(theirs[at:])
			binary.LittleEndian.PutUint64(mine[at:], saturatingAdd(sum, more))
		}
	}
}
