package sketches

import "encoding/binary"

// combination tells which records of a log are of the same item.
type combination struct {
	slots  [256]uint8           // open addressing by hash: the item's number plus one
	first  [blockRecords]uint8  // by item: its first record
	last   [blockRecords]uint8  // by item
	starts [blockRecords]uint16 // by record
	next   [blockRecords]uint8  // by record: the next one of its item; 0: none
	items  int
}

// combine combines the records of the block.
func (p *Pane) combine() {
	log, words := p.layout.combine(p.log(), int(p.block.words))
	p.block.log, p.block.words = uint16(p.layout.block.log+len(log)), uint16(words)
}

// combine makes one record of all that are of the same item, where the first of them was,
// and returns what is left of a log of so many words, in place. A log that is too long
// for a block is left as it is.
func (l *Layout) combine(log []byte, words int) (rest []byte, left int) {
	if words < 2 || len(log) > blockLimit {
		return log, words
	}
	var c combination
	if records := c.number(l, log); records == c.items {
		return log, words
	}
	var out [blockLimit + 1]byte // two records of an empty item may take a byte less than one of both
	n, left := 0, words
	for k := range c.items {
		j := c.first[k]
		start := n
		r := log[c.starts[j]:]
		plan := &l.columns[l.columnOf(r)]
		n += copy(out[n:], r[:plan.recordSize(r)])
		for j = c.next[j]; j != 0; j = c.next[j] {
			n = start + plan.join(out[start:], n-start, log[c.starts[j]:])
			if plan.samples == 0 {
				left--
			}
		}
	}
	if n > len(log) {
		return log, words
	}
	return log[:copy(log, out[:n])], left
}

// number gives the items of a log numbers in order, and returns how many records there are.
func (c *combination) number(l *Layout, log []byte) (records int) {
	for at := 0; at < len(log); records++ {
		plan := &l.columns[l.columnOf(log[at:])]
		r := log[at : at+plan.recordSize(log[at:])]
		c.starts[records] = uint16(at)
		at += len(r)
		slot := uint8(plan.mark(r) >> 56)
		for c.slots[slot] != 0 && !plan.sameItem(log[c.starts[c.first[c.slots[slot]-1]]:], r) {
			slot++
		}
		if k := c.slots[slot]; k != 0 {
			c.next[c.last[k-1]], c.last[k-1] = uint8(records), uint8(records)
			continue
		}
		c.first[c.items], c.last[c.items] = uint8(records), uint8(records)
		c.items++
		c.slots[slot] = uint8(c.items)
	}
	return records
}

// sameItem tells whether the record that another log begins with is of the column and the
// item of r. Items of one hash have records of their own where a sample has the bytes of both.
func (plan *columnPlan) sameItem(log, r []byte) bool {
	if plan.tagged && log[0] != r[0] {
		return false
	}
	if plan.hashed() {
		if binary.LittleEndian.Uint64(log[plan.hashAt:]) != binary.LittleEndian.Uint64(r[plan.hashAt:]) {
			return false
		}
		if plan.samples == 0 {
			return true
		}
	}
	at := plan.fixed - 1
	if log[at] != several && r[at] != several { // Fast path: the items end with the records.
		return string(log[at:len(r)]) == string(r[at:])
	}
	one, _ := plan.parts(log[:plan.recordSize(log)])
	other, _ := plan.parts(r)
	return string(one) == string(other)
}

// join adds the record that a log begins with to another one of the same item, of
// size bytes, and returns how many it has then.
func (plan *columnPlan) join(to []byte, size int, log []byte) int {
	add := func(at int) {
		sum := saturatingAdd(binary.LittleEndian.Uint64(to[at:]), binary.LittleEndian.Uint64(log[at:]))
		binary.LittleEndian.PutUint64(to[at:], sum)
	}
	for j := range plan.weights {
		add(plan.weightsAt + wordBytes*j)
	}
	if plan.samples == 0 {
		add(plan.wordAt)
		return size
	}
	at := plan.fixed - 1
	if n := to[at]; n != several {
		copy(to[at+3:], to[at+1:size])
		to[at], to[at+1], to[at+2] = several, n, 0
		size += 2
	}
	binary.LittleEndian.PutUint64(to[size:], binary.LittleEndian.Uint64(log[plan.wordAt:]))
	size += wordBytes
	to[at+2]++
	if log[at] == several {
		_, words := plan.parts(log[:plan.recordSize(log)])
		size += copy(to[size:], words)
		to[at+2] += byte(len(words) / wordBytes)
	}
	return size
}
