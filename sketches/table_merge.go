package sketches

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
)

// How exact tables are merged: into one another, and into sketches. A question about
// an hour of panes of a minute merges sixty of them, so that all that is done for an
// entry counts, and nothing is made for a table that the next one has to make again.

// tableScratch is what merging a table takes besides the panes.
type tableScratch struct {
	block   table // a column that came out of a block
	hashes  []uint64
	weights []uint64
	signed  []int64
	heavy   []weighed
	entries []hotEntry
}

var tableScratches = sync.Pool{New: func() any { return new(tableScratch) }}

// exactTable returns the table of a column that is still exact, to be read while
// neither pane nor scratch is used otherwise; nil is an empty one.
func (p *Pane) exactTable(c int, scratch *tableScratch) *table {
	if p.wide != nil {
		return p.wide.columns[c].table
	}
	if p.block.words == 0 {
		return nil
	}
	t := &scratch.block
	*t = table{plan: &p.layout.columns[c], words: t.words[:0], items: t.items[:0], index: t.index[:0]}
	t.addLog(p, c)
	return t
}

// lentTables are the memory of panes that were made for a question (see NewUnion).
var lentTables = sync.Pool{New: func() any { return new(table) }}

// mostLent bounds what one table may keep for the next question.
const mostLent = 1 << 20

// lendTable is an empty table with the memory of one that was given back.
func lendTable(plan *columnPlan) *table {
	t := lentTables.Get().(*table)
	*t = table{plan: plan, words: t.words[:0], items: t.items[:0], index: t.index[:0]}
	return t
}

// giveBack ends the use of a table that was lent.
func (t *table) giveBack() {
	if t.size() <= mostLent {
		t.plan = nil
		lentTables.Put(t)
	}
}

// union adds all entries of another table of the same plan.
func (t *table) union(o *table) {
	if len(t.words) == 0 {
		t.words, t.items, t.bytes = append(t.words, o.words...), append(t.items, o.items...), o.bytes
		t.index = append(t.index, o.index...)
		if n := t.len(); n > scanned && len(t.index) == 0 {
			t.reindex(2 * n)
		}
		return
	}
	t.reserve(o)
	if len(t.index) > 0 {
		t.unionIndexed(o)
		return
	}
	stride, rest := t.stride(), o.items
	for at := 0; at < len(o.words); at += stride {
		var item []byte
		if t.plan.items {
			item, rest = cutItem(rest)
		}
		words := o.words[at : at+stride]
		if i := t.find(words[0]); i >= 0 {
			addWords(t.entry(i), words)
			continue
		}
		copy(t.open(words[0]), words)
		t.putItem(item)
	}
}

// unionIndexed is the fast path of union: there is an index, and room for every entry
// and every item.
func (t *table) unionIndexed(o *table) {
	stride, mask := t.stride(), uint64(len(t.index)-1)
	index, keeps, rest := t.index, t.plan.items, o.items
	n, end := t.len(), len(t.items)
	words, items := t.words[:cap(t.words)], t.items[:cap(t.items)]
	for theirs := o.words; len(theirs) >= stride; theirs = theirs[stride:] {
		head, size := 0, 0 // bytes of the item's length, and of both
		if keeps {
			if head, size = 1, 1+int(rest[0]); size > 0x80 {
				head, size = longItem(rest)
			}
		}
		x := theirs[0]
		j := x & mask
		for index[j] != 0 && words[(int(index[j])-1)*stride] != x {
			j = (j + 1) & mask
		}
		if i := int(index[j]) - 1; i >= 0 {
			addWords(words[i*stride:(i+1)*stride], theirs[:stride])
		} else {
			entry := words[n*stride : (n+1)*stride]
			for k := range entry {
				entry[k] = theirs[k]
			}
			n++
			index[j] = uint16(n)
			copyShort(items[end:], rest[:size])
			end += size
			t.bytes += size - head
		}
		rest = rest[size:]
	}
	t.words, t.items = words[:n*stride], items[:end]
}

// copyShort is copy of a few bytes, mostly: two words, which overlap for less than sixteen.
func copyShort(dst, src []byte) {
	n := len(src)
	if n < 8 || n > 16 {
		copy(dst, src)
		return
	}
	first, last := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[n-8:])
	binary.LittleEndian.PutUint64(dst, first)
	binary.LittleEndian.PutUint64(dst[n-8:], last)
}

// addWords adds counts and weight sums of an entry to those of the same item's.
func addWords(words, others []uint64) {
	for j := 1; j < len(words); j++ {
		words[j] = saturatingAdd(words[j], others[j])
	}
}

// longItem tells how many bytes the length of the first of some items takes, and how
// many that and the item do.
func longItem(items []byte) (head, size int) {
	n, head := binary.Uvarint(items)
	return head, head + int(n)
}

// reserve makes room for the entries of another table, so that adding them does not
// grow this one again and again. It doubles, for more tables will come.
func (t *table) reserve(o *table) {
	t.words = roomFor(t.words, len(o.words))
	t.items = roomFor(t.items, len(o.items))
	if n := t.len() + o.len(); n > scanned && 2*n > len(t.index) {
		t.reindex(2 * n)
	}
}

// roomFor makes room for n more elements, and where that needs a copy, for as many again
// as there are.
func roomFor[E any](s []E, n int) []E {
	if cap(s)-len(s) >= n {
		return s
	}
	return slices.Grow(s, max(n, cap(s)))
}

// ranked is the n-th largest of a table's weights, n from 1, their total, and how many
// are above zero.
func (t *table) ranked(slot, n int, scratch *tableScratch) (nth, total uint64, some int) {
	// Most items of a skewed stream weigh one: those are counted, without a branch, and
	// the others looked at again.
	xs := slices.Grow(scratch.weights[:0], t.len())[:t.len()]
	scratch.weights = xs
	more, overflow := 0, uint64(0)
	for at := slot; at < len(t.words); at += t.stride() {
		x := t.words[at]
		xs[more] = x
		_, none := bits.Sub64(x, 1, 0)
		_, few := bits.Sub64(x, 2, 0)
		some += 1 - int(none)
		more += 1 - int(few)
		var carry uint64
		total, carry = bits.Add64(total, x, 0)
		overflow |= carry
	}
	total |= -overflow
	switch {
	case n > some:
		return 0, total, some
	case n > more:
		return 1, total, some
	}
	return nthLargest(xs[:more], n), total, some
}

// weighed is an item with one of its weights; the item aliases its table.
type weighed struct {
	hash, weight uint64
	item         []byte
}

// heavier lists the entries that weigh more than least. It is valid until the scratch
// is used again, and for the caller to clear: it must not keep the pane alive.
func (t *table) heavier(slot int, least uint64, scratch *tableScratch) []weighed {
	es := scratch.heavy[:0]
	stride, at := t.stride(), 0
	for words := t.words; len(words) > 0; words = words[stride:] {
		head, size := 0, 0 // bytes of the item's length, and of both
		if t.plan.items {
			if head, size = 1, 1+int(t.items[at]); size > 0x80 {
				head, size = longItem(t.items[at:])
			}
		}
		if words[slot] > least {
			es = append(es, weighed{words[0], words[slot], t.items[at+head : at+size : at+size]})
		}
		at += size
	}
	scratch.heavy = es
	return es
}

// hashesOf lists the items' hashes, until the scratch is used again.
func (t *table) hashesOf(scratch *tableScratch) []uint64 {
	hashes := slices.Grow(scratch.hashes[:0], t.len())[:t.len()]
	scratch.hashes = hashes
	stride := t.stride()
	for i := range hashes {
		hashes[i] = t.words[i*stride]
	}
	return hashes
}

// weightsOf lists the items' weights in the form that Count-Min takes, until the
// scratch is used again, and what of them all is too great for that.
func (t *table) weightsOf(slot int, scratch *tableScratch) (weights []int64, beyond uint64) {
	weights = slices.Grow(scratch.signed[:0], t.len())[:t.len()]
	scratch.signed = weights
	stride := t.stride()
	for i := range weights {
		n := t.words[i*stride+slot]
		least := min(n, math.MaxInt64)
		weights[i] = int64(least)
		beyond = saturatingAdd(beyond, n-least)
	}
	return weights, beyond
}
