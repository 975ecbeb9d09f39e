package sketches

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// HotList finds the items that occur most often, or weigh most, in one pass
// and bounded memory. It is the algorithm of Misra and Gries ("Finding
// repeated elements", 1982) with three changes, and merges as Agarwal et al.
// do ("Mergeable Summaries", 2012).
//
// Misra and Gries keep k counters. An item that has one increments it; an item
// without takes a free one; where none is free, all counters go down by one.
// The changes are these.
//
//   - Decrements are done in bulk. The table holds up to limit = k + k/2
//     entries; when it is full, the (k+1)-th largest counter c is subtracted
//     from all and entries without a remainder leave: a purge.
//   - A doorkeeper stands before the table once k entries are in it. An item
//     of weight one that has no entry is remembered by its hash alone, with
//     an unwritten counter of one. Upon its second occurrence it enters the table
//     with both. With the (k+1)-th such item the door is emptied: an epoch ends.
//     The long tail of a skewed stream therefore never churns the table. A
//     bitmap at the door would be smaller, but cannot give an item its first
//     occurrence back, and two of them cannot be merged within the bound.
//   - An entry keeps how often its item was seen since it entered, which is
//     exact, and slack, the most that it can have lost before.
//
// # Guarantee
//
// Let N be the total weight, f(x) the true weight of item x, T the table with
// counters c(x) and seen(x), D the door, and offset the sum of all bulk
// decrements and epochs. At all times:
//
//	(1) x in T:  seen(x) <= f(x) <= seen(x) + slack(x)
//	(2) x in D:  1 <= f(x) <= 1 + offset
//	(3) else:    f(x) <= offset
//	(4) (k+1)·offset + Σ c + |D| <= N,  hence offset <= N/(k+1)
//	(5) slack(x) + seen(x) - c(x) <= offset, hence slack(x) <= offset
//	(6) D is not empty only if |T| >= k; every counter is at least 1
//
// Proof, by induction over the operations; all hold for the empty list.
// An occurrence of an item in T adds w to seen and c and N. An item that enters T from
// nowhere has c = seen = w and slack = offset by (3); from the door
// c = seen = 1 + w and slack = offset by (2). An item that enters D keeps (2) by (3),
// and (4) as N grows by one. The end of an epoch turns k+1 units of |D| into one of offset, and
// (2) into (3). A purge lowers at least k+1 counters by c, or to nothing, and
// raises offset by c: (4) holds as at least (k+1)·c units left the counters; an
// item that leaves T had f <= seen + slack <= c(x) + offset, by (1) and (5), which is
// at most the new offset as c(x) <= c; an item at the door had f <= 1 + offset, and c >= 1,
// so the door is emptied for nothing. (5) holds as c(x) falls by what offset gains.
// For merging see Merge. ∎
//
// The error bound that is reported is offset, plus one while the door is not
// empty: no item outside of the table weighs more, and no interval is wider.
type HotList struct {
	size   int // k
	total  uint64
	offset uint64
	purged uint64 // what purges have subtracted from every counter so far
	n      int    // entries

	// The table, by slot: open addressing on the hash, at most half full. Only
	// tags and seen are touched by an item that has an entry.
	tags  []uint64 // 0: free
	seen  []uint64
	cold  []hotCold
	arena []byte // item bytes
	dead  int    // bytes of the arena that no entry refers to
	door  door

	filter []uint64 // see hotlist_column.go; nil until a column comes
}

// hotCold is the part of an entry that is only touched when it enters or is asked for.
type hotCold struct {
	shift uint64 // the counter is seen + shift - purged, modulo 2^64
	slack uint64
	at    int // item bytes in the arena
	size  int
}

const minSlots = 16

// NewHotList makes a list that keeps the size heaviest items, 1..65536.
func NewHotList(size int) (*HotList, error) {
	if size < 1 || size > maxHotListSize {
		return nil, fmt.Errorf("sketches: hot list of size %d: the size must be within 1..%d", size, maxHotListSize)
	}
	return newHotList(size, minSlots), nil
}

func newHotList(size, slots int) *HotList {
	return &HotList{size: size, tags: make([]uint64, slots), seen: make([]uint64, slots), cold: make([]hotCold, slots)}
}

func (h *HotList) limit() int { return h.size + max(h.size/2, 1) }

// Total is the weight of everything that was added.
func (h *HotList) Total() uint64 { return h.total }

// ErrorBound is the most by which an item outside of the list can be heavier
// than zero, and the greatest width of an interval; at most Total/(size+1) + 1. Of a
// total that has reached its greatest value there is no bound, which is that value too.
func (h *HotList) ErrorBound() uint64 {
	if h.total == math.MaxUint64 {
		return math.MaxUint64
	}
	if h.door.n > 0 {
		return saturatingAdd(h.offset, 1)
	}
	return h.offset
}

// Add counts an item with a weight. The bytes are copied. An item of hash 0
// is null and not counted, nor is a weight of 0.
func (h *HotList) Add(hash, weight uint64, item []byte) {
	if hash == 0 || weight == 0 {
		return
	}
	if slot := h.count(hash, weight); slot >= 0 {
		h.arena = append(h.arena, item...)
		h.close(slot)
	}
}

// AddRows counts a column of items. weights may be nil: 1 each; a negative
// weight is not counted. index holds the rows to ask items for.
func (h *HotList) AddRows(hashes []uint64, weights []int64, items Items, index []int32) {
	tags, seen := h.tags, h.seen
	mask := uint64(len(tags) - 1)
	var hits uint64
	fast := h.total < 1<<62 // then no sum below overflows
	for i, x := range hashes {
		if x == 0 {
			continue
		}
		w := uint64(1)
		if weights != nil {
			if weights[i] <= 0 {
				continue
			}
			w = uint64(weights[i])
		}
		if fast && w < 1<<32 && hits < 1<<32 {
			j := x & mask
			for tags[j] != x && tags[j] != 0 {
				j = (j + 1) & mask
			}
			if tags[j] == x {
				seen[j] += w
				hits += w
				continue
			}
		}
		h.total = saturatingAdd(h.total, hits)
		hits, fast = 0, h.total < 1<<62
		if slot := h.count(x, w); slot >= 0 {
			h.arena = items.AppendItem(h.arena, index[i])
			h.close(slot)
			tags, seen = h.tags, h.seen
			mask = uint64(len(tags) - 1)
		}
	}
	h.total = saturatingAdd(h.total, hits)
}

// count adds a weight and returns the slot of a new entry, whose item bytes
// the caller appends to the arena before it calls close; -1 when there is no new entry.
func (h *HotList) count(hash, weight uint64) int {
	// A total that cannot grow any more would break every bound: what is above is not counted.
	weight = min(weight, math.MaxUint64-h.total)
	if weight == 0 {
		return -1
	}
	h.total += weight
	if slot := h.find(hash); slot >= 0 {
		h.seen[slot] += weight
		return -1
	}
	slack := h.offset
	if h.door.remove(hash) {
		weight++
	} else if weight == 1 && h.n >= h.size {
		if h.door.n < h.size {
			h.door.add(hash, h.size)
		} else { // the size+1st
			h.endEpoch()
		}
		return -1
	}
	if h.n >= h.limit() {
		h.purge()
	}
	return h.enter(hash, weight, weight, slack)
}

// endEpoch empties a door that is full.
func (h *HotList) endEpoch() {
	h.offset = saturatingAdd(h.offset, 1)
	h.door.reset()
}

// enter makes an entry without item bytes.
func (h *HotList) enter(hash, seen, counter, slack uint64) int {
	if 2*(h.n+1) > len(h.tags) {
		h.resize(2 * len(h.tags))
	}
	mask := uint64(len(h.tags) - 1)
	j := hash & mask
	for h.tags[j] != 0 {
		j = (j + 1) & mask
	}
	h.tags[j], h.seen[j] = hash, seen
	h.cold[j] = hotCold{shift: counter - seen + h.purged, slack: slack, at: len(h.arena)}
	h.n++
	if h.filter != nil {
		h.mark(hash)
	}
	return int(j)
}

// close notes how many item bytes were appended for a new entry.
func (h *HotList) close(slot int) { h.cold[slot].size = len(h.arena) - h.cold[slot].at }

// find returns the slot of an item's entry, or -1.
func (h *HotList) find(hash uint64) int {
	mask := uint64(len(h.tags) - 1)
	for j := hash & mask; ; j = (j + 1) & mask {
		switch h.tags[j] {
		case hash:
			return int(j)
		case 0:
			return -1
		}
	}
}

func (h *HotList) counter(slot int) uint64 { return h.seen[slot] + h.cold[slot].shift - h.purged }

func (h *HotList) item(slot int) []byte {
	c := &h.cold[slot]
	return h.arena[c.at : c.at+c.size : c.at+c.size]
}

// Interval bounds the weight of an item, in the list or not: low <= weight <= high, but
// that the greatest high stands for no bound.
func (h *HotList) Interval(hash uint64) (low, high uint64) {
	if hash == 0 {
		return 0, 0
	}
	if slot := h.find(hash); slot >= 0 {
		low, high = h.seen[slot], saturatingAdd(h.seen[slot], h.cold[slot].slack)
	} else if h.door.has(hash) {
		low, high = 1, saturatingAdd(h.offset, 1)
	} else {
		low, high = 0, h.offset
	}
	if h.total == math.MaxUint64 {
		return low, math.MaxUint64 // nobody knows what was left out
	}
	return low, max(low, min(high, h.total))
}

// estimate is the interval of an item with the value to show for it: what was
// seen since it entered, and of what it can have lost before a third, but no more than
// half as much again. The lower end alone is always too low: in a list merged
// from 64 it misses 2.5 to 14% of the counts of the true top 100 of streams of zipf 1.3 to 1.0,
// this 0.9 to 2.2%. Most items lose far less than they can, and the
// cap keeps one that has only just entered from rising in the list.
func (h *HotList) estimate(hash uint64) Estimate {
	low, high := h.Interval(hash)
	value := low
	if slot := h.find(hash); slot >= 0 {
		value = h.value(slot)
	}
	return within(float64(value), float64(low), upper(high))
}

func (h *HotList) value(slot int) uint64 {
	return saturatingAdd(h.seen[slot], min(h.cold[slot].slack/3, h.seen[slot]/2))
}

// Top returns the n heaviest items, heaviest first, ties by item bytes. The
// items are copies.
func (h *HotList) Top(n int) []Counted {
	slots := make([]int, 0, h.n)
	for j, t := range h.tags {
		if t != 0 {
			slots = append(slots, j)
		}
	}
	slots = leading(slots, n, func(a, b *int) int {
		if x, y := h.value(*a), h.value(*b); x != y {
			return cmp.Compare(y, x)
		}
		return bytes.Compare(h.item(*a), h.item(*b))
	})
	out := make([]Counted, 0, len(slots))
	for _, j := range slots {
		out = append(out, Counted{Item: bytes.Clone(h.item(j)), Hash: h.tags[j], Estimate: h.estimate(h.tags[j])})
	}
	return out
}

// Size is the memory held, in bytes.
func (h *HotList) Size() int {
	return 168 + 48*len(h.tags) + cap(h.arena) + h.door.size() + 8*len(h.filter)
}

// Clone copies the list.
func (h *HotList) Clone() *HotList {
	c := *h
	c.tags, c.seen, c.cold = slices.Clone(h.tags), slices.Clone(h.seen), slices.Clone(h.cold)
	c.arena, c.door, c.filter = slices.Clone(h.arena), h.door.clone(), nil
	return &c
}

// saturatingAdd is a+b, or the greatest uint64 where that overflows.
func saturatingAdd(a, b uint64) uint64 {
	s, carry := bits.Add64(a, b, 0)
	return s | -carry
}
