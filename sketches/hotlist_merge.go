package sketches

import (
	"fmt"
	"slices"
)

// hotEntry is an entry of a hot list outside of its table.
type hotEntry struct {
	hash, seen, counter, slack uint64
	item                       []byte
	slot                       int // while lists are united
}

// fewEntries is how many entries find room on the stack: a list of 256, with
// what it holds beyond its size.
const fewEntries = 512

// slots lists the slots that are taken, in few if it has room for all. Which
// they are is a coin toss that a branch would lose every time; a list of them is
// made without branches, and walked without any.
func (h *HotList) slots(few []int32) []int32 {
	if len(few) < len(h.tags) {
		few = make([]int32, len(h.tags))
	}
	n := 0
	for j, t := range h.tags {
		few[n] = int32(j)
		if t != 0 {
			n++
		}
	}
	return few[:n]
}

// entries appends the table's entries to es; the items alias the arena.
func (h *HotList) entries(es []hotEntry) []hotEntry {
	var few [4 * fewEntries]int32
	for _, j := range h.slots(few[:]) {
		c := &h.cold[j]
		es = append(es, hotEntry{hash: h.tags[j], seen: h.seen[j], counter: h.seen[j] + c.shift - h.purged, slack: c.slack, item: h.item(int(j))})
	}
	return es
}

// put makes an entry and copies its item.
func (h *HotList) put(e *hotEntry) {
	slot := h.enter(e.hash, e.seen, e.counter, e.slack)
	h.arena = append(h.arena, e.item...)
	h.close(slot)
}

// purge subtracts the (size+1)-th largest counter from all and drops the
// entries that have nothing left; it needs at least size+1 entries. The door is emptied:
// what stood there lost one, and the offset grows by at least that.
func (h *HotList) purge() {
	c := h.rank(h.size + 1)
	h.evict(c)
	h.purged += c
	h.offset = saturatingAdd(h.offset, c)
	h.door.reset()
}

// evict drops the entries whose counters are not above c.
func (h *HotList) evict(c uint64) {
	free := 0
	for h.tags[free] != 0 { // at most half of the slots are taken
		free++
	}
	var few [4 * fewEntries]int32
	for _, j := range h.slots(few[:]) {
		if h.counter(int(j)) <= c {
			h.drop(int(j))
		}
	}
	h.settle(free)
}

// drop frees a slot without regard for the probe sequences that run through
// it: settle must follow.
func (h *HotList) drop(slot int) {
	h.dead += h.cold[slot].size
	h.tags[slot] = 0
	h.n--
}

// settle mends the probe sequences after drops. free is a slot that was free
// before them, so that no sequence runs through it: walking on from there, each
// entry can only move back, to a slot that has been settled.
func (h *HotList) settle(free int) {
	mask := len(h.tags) - 1
	for i := 1; i <= mask; i++ {
		j := (free + i) & mask
		t := h.tags[j]
		if t == 0 {
			continue
		}
		h.tags[j] = 0
		k := int(t & uint64(mask))
		for h.tags[k] != 0 {
			k = (k + 1) & mask
		}
		h.tags[k], h.seen[k], h.cold[k] = t, h.seen[j], h.cold[j]
	}
	if h.filter != nil {
		h.refilter()
	}
	if h.dead > len(h.arena)/2 {
		h.compact()
	}
}

// compact copies the live items to a new arena.
func (h *HotList) compact() {
	arena := make([]byte, 0, len(h.arena)-h.dead+len(h.arena)/4)
	for j, t := range h.tags {
		if t != 0 {
			at := len(arena)
			arena = append(arena, h.item(j)...)
			h.cold[j].at = at
		}
	}
	h.arena, h.dead = arena, 0
}

// resize moves the table to another number of slots.
func (h *HotList) resize(slots int) {
	tags, seen, cold := h.tags, h.seen, h.cold
	h.tags, h.seen, h.cold = make([]uint64, slots), make([]uint64, slots), make([]hotCold, slots)
	mask := uint64(slots - 1)
	for i, t := range tags {
		if t == 0 {
			continue
		}
		j := t & mask
		for h.tags[j] != 0 {
			j = (j + 1) & mask
		}
		h.tags[j], h.seen[j], h.cold[j] = t, seen[i], cold[i]
	}
	if h.filter != nil {
		h.refilter()
	}
}

// trim brings the table back within its limit after entries were added in bulk.
func (h *HotList) trim() {
	if h.n <= h.limit() {
		return
	}
	h.purge()
	slots := len(h.tags)
	for slots > minSlots && slots > 8*h.limit() { // twice what is needed, for the next merge
		slots /= 2
	}
	if slots < len(h.tags) {
		h.resize(slots)
	}
}

// rank returns the n-th largest counter, n from 1.
func (h *HotList) rank(n int) uint64 {
	var few [2 * fewEntries]uint64
	var slots [4 * fewEntries]int32
	counters := few[:0]
	for _, j := range h.slots(slots[:]) {
		counters = append(counters, h.counter(int(j)))
	}
	return nthLargest(counters, n)
}

// nthLargest selects by Hoare's method; it reorders xs. n is from 1.
func nthLargest(xs []uint64, n int) uint64 {
	low, high, k := 0, len(xs)-1, n-1
	for low < high {
		pivot := xs[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for xs[i] > pivot {
				i++
			}
			for xs[j] < pivot {
				j--
			}
			if i <= j {
				xs[i], xs[j] = xs[j], xs[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return xs[k]
		}
	}
	return xs[k]
}

// toll says which entries close the epoch of a table whose door holds waiting
// hashes: the size+1-waiting heaviest pay the rest of one unit of offset, each
// one. The heaviest pay because they will not miss it: seen, which answers are made
// from, stays, and hardly any entry has to leave. Ties go by hash.
type toll struct {
	least uint64 // the counter of the lightest that pay
	last  uint64 // the greatest hash of those of this counter that pay
}

func (t *toll) due(counter, hash uint64) bool {
	return counter > t.least || counter == t.least && hash <= t.last
}

// newToll takes the counters and hashes of all entries.
func newToll(es []hotEntry, size, waiting int) toll {
	pay := size + 1 - waiting
	var few [fewEntries]uint64
	xs := few[:0]
	for i := range es {
		xs = append(xs, es[i].counter)
	}
	t := toll{least: nthLargest(xs, pay)}
	ties := xs[:0]
	for i := range es {
		switch {
		case es[i].counter > t.least:
			pay--
		case es[i].counter == t.least:
			ties = append(ties, es[i].hash)
		}
	}
	t.last = nthLargest(ties, len(ties)+1-pay)
	return t
}

// Merge adds another list of the same size; other is not changed.
//
// Counters, seen and slack of an item in both tables add up; an item that one
// table lacks can have lost that list's offset there, which its slack takes up. An
// item that stands at one door and in the other's table gets its occurrence
// back. The doors are united where no item stands at both and at most size do together;
// if more do, they end an epoch together; if an item stands at both, each list first closes its
// epoch by itself (see seal, which by (6) always finds enough to pay with).
// Last, a table beyond its limit is purged. Sums of (1) to (5) give (1) to (5) of the
// union, and (6) holds as the table of a list with a door is kept whole.
// Every choice depends upon hashes and counters alone, so that the same lists
// merged either way give the same list.
func (h *HotList) Merge(other *HotList) error {
	if h.size != other.size {
		return fmt.Errorf("%w: hot lists of size %d and %d", ErrMismatch, h.size, other.size)
	}
	if h == other {
		other = other.Clone()
	}
	h.merge(other)
	return nil
}

func (h *HotList) merge(other *HotList) {
	var few [fewEntries]hotEntry
	theirs := other.entries(few[:0])
	h.takeIn(theirs)
	var waiting []uint64
	clash := false
	other.door.all(func(x uint64) {
		if slot := h.find(x); slot >= 0 {
			h.seen[slot] = saturatingAdd(h.seen[slot], 1)
			return
		}
		clash = clash || h.door.has(x)
		waiting = append(waiting, x)
	})
	offset := other.offset
	if clash {
		h.seal()
		due := newToll(theirs, other.size, len(waiting))
		for i := range theirs {
			if e := &theirs[i]; due.due(e.counter, e.hash) {
				e.counter--
			}
		}
		offset = saturatingAdd(offset, 1)
		waiting = nil
	}
	h.unite(theirs, offset)
	if clash {
		h.evict(0)
	}
	h.total = saturatingAdd(h.total, other.total)
	if h.n > h.limit() {
		h.trim() // empties the door: whoever waits at the other one goes as well
		return
	}
	if len(waiting)+h.door.n > h.size {
		h.offset = saturatingAdd(h.offset, 1)
		h.door.reset()
		return
	}
	for _, x := range waiting {
		h.door.add(x, h.size)
	}
}

// seal closes the open epoch. Entries that have nothing left stay for the caller to evict.
func (h *HotList) seal() {
	if h.door.n == 0 {
		return
	}
	var few [fewEntries]hotEntry
	due := newToll(h.entries(few[:0]), h.size, h.door.n)
	for j, t := range h.tags {
		if t != 0 && due.due(h.counter(j), t) {
			h.cold[j].shift--
		}
	}
	h.offset = saturatingAdd(h.offset, 1)
	h.door.reset()
}

// mergeTable adds an exact table, each item of which has its weight at words[slot], as
// the list that got its items all at once and was purged once at the end: the heaviest keep
// exact counts whatever the order. What that purge would drop is left out from the start,
// and the list itself is never made.
func (h *HotList) mergeTable(t *table, slot int, scratch *tableScratch) {
	nth, total, n := t.ranked(slot, h.size+1, scratch)
	offset := uint64(0)
	if n > h.limit() {
		offset = nth
	}
	heavy := t.heavier(slot, offset, scratch)
	theirs := slices.Grow(scratch.entries[:0], len(heavy))[:len(heavy)]
	scratch.entries = theirs
	for i := range heavy {
		e := &heavy[i]
		theirs[i] = hotEntry{hash: e.hash, seen: e.weight, counter: e.weight - offset, item: e.item}
	}
	h.takeIn(theirs)
	h.unite(theirs, offset)
	clear(heavy) // neither may keep the pane alive
	clear(theirs)
	h.total = saturatingAdd(h.total, total)
	if h.n > h.limit() {
		h.trim()
	}
}

// takeIn gives entries of another list the occurrences of their items at the door.
func (h *HotList) takeIn(theirs []hotEntry) {
	if h.door.n == 0 {
		return
	}
	for i := range theirs {
		if e := &theirs[i]; h.door.remove(e.hash) {
			e.seen, e.counter = saturatingAdd(e.seen, 1), saturatingAdd(e.counter, 1)
		}
	}
}

// unite adds the entries of another list whose offset is given, and changes them.
func (h *HotList) unite(theirs []hotEntry, offset uint64) {
	for i := range theirs {
		e := &theirs[i]
		if e.slot = h.find(e.hash); e.slot < 0 {
			continue
		}
		counter := saturatingAdd(h.counter(e.slot), e.counter)
		h.seen[e.slot] = saturatingAdd(h.seen[e.slot], e.seen)
		c := &h.cold[e.slot]
		c.shift = counter - h.seen[e.slot] + h.purged
		e.slack = saturatingAdd(c.slack, e.slack)
	}
	// What the other list lacks can have lost its offset there; what it has, nothing
	// beyond its slack.
	if offset > 0 {
		for j, t := range h.tags {
			if t != 0 {
				h.cold[j].slack = saturatingAdd(h.cold[j].slack, offset)
			}
		}
	}
	for i := range theirs {
		if e := &theirs[i]; e.slot >= 0 {
			h.cold[e.slot].slack = e.slack
		}
	}
	mine := h.offset
	for i := range theirs { // last, for the table may grow
		if e := &theirs[i]; e.slot < 0 {
			e.slack = saturatingAdd(e.slack, mine)
			h.put(e)
		}
	}
	h.offset = saturatingAdd(mine, offset)
}
