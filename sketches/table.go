package sketches

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// table is the exact state of one item column while it has few distinct
// items: how often each occurred and what it weighed. One update of it stands for the
// updates of the column's HyperLogLog, Bloom filter, Count-Min and hot list, and its
// answers are exact. It is promoted to those sketches when columnPlan.fits says so.
//
// Entries stand in order of arrival in one slice of words, and so do their
// items in one slice of bytes, each behind its length: no entry is ever removed, and
// a walk over both is all that anyone needs. An index is added when scanning gets slow.
type table struct {
	plan  *columnPlan
	words []uint64 // per entry: hash, count, weight sums
	items []byte   // per entry: uvarint length, bytes; nil if the plan keeps none
	bytes int      // sum of the items' lengths
	index []uint16 // open addressing over entries: number + 1, 0 free; empty while small
}

// scanned is the number of entries up to which a scan beats an index.
const scanned = 12

// tableEntries fit the index.
var _ [math.MaxUint16 - tableEntries]struct{}

func newTable(plan *columnPlan) *table { return &table{plan: plan} }

func (t *table) stride() int { return 2 + len(t.plan.weights) }

func (t *table) len() int { return len(t.words) / t.stride() }

// find returns the entry of an item, or -1.
func (t *table) find(hash uint64) int {
	stride := t.stride()
	if len(t.index) == 0 {
		for at, i := 0, 0; at < len(t.words); at, i = at+stride, i+1 {
			if t.words[at] == hash {
				return i
			}
		}
		return -1
	}
	mask := uint64(len(t.index) - 1)
	for j := hash & mask; t.index[j] != 0; j = (j + 1) & mask {
		if i := int(t.index[j]) - 1; t.words[i*stride] == hash {
			return i
		}
	}
	return -1
}

// touch reads what finding these items will read, so that all of it comes from
// memory together; the result is there lest the reading be left out.
//
//go:noinline
func (t *table) touch(hashes []uint64) (read uint64) {
	if len(t.index) == 0 {
		return 0
	}
	stride, mask := t.stride(), uint64(len(t.index)-1)
	for _, x := range hashes {
		i := max(int(t.index[x&mask]), 1) - 1
		read |= t.words[i*stride]
	}
	return read
}

// entry returns the words of entry i: hash, count, weight sums.
func (t *table) entry(i int) []uint64 {
	stride := t.stride()
	return t.words[i*stride : (i+1)*stride : (i+1)*stride]
}

// open makes an entry with nothing counted; where the plan keeps items, the
// caller adds the item by putItem.
func (t *table) open(hash uint64) []uint64 {
	i := t.len()
	if cap(t.words)-len(t.words) < t.stride() {
		// By half at least: append would grow a large slice by a quarter, and copy twice as much.
		t.words = slices.Grow(t.words, max(t.stride(), len(t.words)/2))
	}
	t.words = append(t.words, hash)
	for range t.stride() - 1 {
		t.words = append(t.words, 0)
	}
	if 2*(i+1) <= len(t.index) {
		t.place(i)
	} else if i+1 > scanned {
		t.reindex(4 * (i + 1))
	}
	return t.entry(i)
}

func (t *table) place(i int) {
	mask := uint64(len(t.index) - 1)
	j := t.words[i*t.stride()] & mask
	for t.index[j] != 0 {
		j = (j + 1) & mask
	}
	t.index[j] = uint16(i + 1)
}

func (t *table) reindex(slots int) {
	n := minSlots
	for n < slots {
		n *= 2
	}
	if cap(t.index) >= n {
		t.index = t.index[:n]
		clear(t.index)
	} else {
		t.index = make([]uint16, n)
	}
	for i := range t.len() {
		t.place(i)
	}
}

// putItem adds the item of the entry that was opened last.
func (t *table) putItem(item []byte) {
	if t.plan.items {
		t.items = binary.AppendUvarint(t.items, uint64(len(item)))
		t.items = append(t.items, item...)
		t.bytes += len(item)
	}
}

// fits tells whether the table may stay.
func (t *table) fits() bool { return t.plan.fits(t.len(), t.bytes) }

// tableEntryView is one entry with its item; it aliases the table.
type tableEntryView struct {
	words []uint64
	item  []byte
}

// entries returns all entries in order of arrival.
func (t *table) entries() []tableEntryView {
	es := make([]tableEntryView, t.len())
	rest := t.items
	for i := range es {
		es[i].words = t.entry(i)
		if t.plan.items {
			es[i].item, rest = cutItem(rest)
		}
	}
	return es
}

// cutItem takes one length-prefixed item off the front.
func cutItem(b []byte) (item, rest []byte) {
	n, k := binary.Uvarint(b)
	return b[k : k+int(n) : k+int(n)], b[k+int(n):]
}

// sortEntries brings entries into canonical order, by hash.
func sortEntries(es []tableEntryView) {
	slices.SortFunc(es, func(a, b tableEntryView) int { return cmp.Compare(a.words[0], b.words[0]) })
}

func (t *table) size() int { return 96 + 8*cap(t.words) + cap(t.items) + 2*cap(t.index) }

// larger returns a copy with room for as much again.
func (t *table) larger() *table {
	c := &table{plan: t.plan, bytes: t.bytes}
	c.words = append(make([]uint64, 0, 2*len(t.words)), t.words...)
	if len(t.items) > 0 {
		c.items = append(make([]byte, 0, 2*len(t.items)), t.items...)
	}
	if n := t.len(); n > scanned {
		c.reindex(4 * n)
	}
	return c
}

func (t *table) clone() *table {
	c := *t
	c.words, c.items, c.index = slices.Clone(t.words), slices.Clone(t.items), slices.Clone(t.index)
	return &c
}

// appendEntries appends the canonical form of a table (FORMAT.md, "Table").
func appendEntries(dst []byte, plan *columnPlan, es []tableEntryView) []byte {
	sortEntries(es)
	dst = binary.AppendUvarint(dst, uint64(len(es)))
	for i := range es {
		dst = binary.LittleEndian.AppendUint64(dst, es[i].words[0])
		for _, x := range es[i].words[1:] {
			dst = binary.AppendUvarint(dst, x)
		}
		if plan.items {
			dst = binary.AppendUvarint(dst, uint64(len(es[i].item)))
			dst = append(dst, es[i].item...)
		}
	}
	return dst
}

// decodeTable reads what appendEntries wrote.
func decodeTable(in *input, plan *columnPlan) *table {
	t := newTable(plan)
	n := in.count(max(tableAlways, tableEntries), "number of entries")
	var last uint64
	for range n {
		hash := in.word("hash")
		if in.err == nil && hash <= last {
			in.corrupt("entries are not in order of their hashes")
		}
		if in.err != nil {
			return nil
		}
		last = hash
		words := t.open(hash)
		for j := 1; j < len(words); j++ {
			words[j] = in.uvarint("count")
		}
		if in.err == nil && words[1] == 0 {
			in.corrupt("an entry without events")
		}
		if plan.items {
			t.putItem(in.take(in.count(len(in.rest), "length of item"), "item"))
		}
	}
	if in.err == nil && !t.fits() {
		in.corrupt("a table of %d entries and %d bytes of items should have been promoted", t.len(), t.bytes)
	}
	return t
}
