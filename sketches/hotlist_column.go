package sketches

// What a hot list does with whole columns of items that weigh one each, in two
// steps: hit finds those that have an entry, and admit counts the others. Between
// the two, and without looking at the hot list again, a pane can do the
// others' updates of the column's further sketches; see writeback.go.
//
// Which items have an entry is a coin toss to a branch predictor. A filter of
// filterBits bits a slot, of which about one in a hundred misleads, parts a column
// without branches; only candidates are then looked up. It is kept with the
// list, since to fill it for each column would cost more than short columns do.

const filterBits = 32

func (h *HotList) mark(hash uint64) {
	h.filter[hash>>20&uint64(len(h.filter)-1)] |= 1 << (hash >> 44 & 63)
}

// refilter fills the filter anew, at the size that goes with the table's.
func (h *HotList) refilter() {
	if n := len(h.tags) * filterBits / 64; len(h.filter) == n {
		clear(h.filter)
	} else {
		h.filter = make([]uint64, n)
	}
	for _, t := range h.tags {
		if t != 0 {
			h.mark(t)
		}
	}
}

// columnScratch is what parting a column takes besides the list. hits is all
// zero between uses.
type columnScratch struct {
	candidates, misses []int32  // rows
	strays             []int32  // rows of candidates without an entry, rising
	hits               []uint32 // by slot of the hot list's table
	touched            []int32  // slots that were hit
	hashes             []uint64
	index              []int32
	paid               []uint64
	counts             []int64
}

// fit makes room for a column of n rows on a table of so many slots.
func (s *columnScratch) fit(n, slots int) {
	if len(s.candidates) < n {
		s.candidates, s.misses = make([]int32, n), make([]int32, n)
		s.hashes, s.index = make([]uint64, n), make([]int32, n)
	}
	if len(s.hits) < slots {
		s.hits, s.touched = make([]uint32, slots), make([]int32, slots)
	}
}

// hit finds the items that have an entry and counts their occurrences in
// s.hits, by slot, without counting them in the list yet. It returns the hashes
// and rows of all others, in order, and the slots touched.
func (h *HotList) hit(s *columnScratch, column []uint64, index []int32) (hashes []uint64, rows []int32, touched []int32) {
	if h.filter == nil {
		h.refilter()
	}
	s.fit(len(column), len(h.tags))
	candidates, misses := h.part(s, column)
	tags, hits := h.tags, s.hits[:len(h.tags)]
	mask := uint64(len(tags) - 1)
	s.strays = s.strays[:0]
	n := 0
	for _, i := range candidates {
		x := column[i]
		j := x & mask
		for tags[j] != x && tags[j] != 0 {
			j = (j + 1) & mask
		}
		if tags[j] != x || x == 0 {
			s.strays = append(s.strays, i)
			continue
		}
		s.touched[n] = int32(j)
		if hits[j] == 0 {
			n++
		}
		hits[j]++
	}
	hashes, rows = s.gather(column, index, misses)
	return hashes, rows, s.touched[:n]
}

// gather fetches the hashes and rows of the misses. Strays go back to where they
// were among them: what follows depends upon order, and must not depend upon
// what a filter mistakes.
func (s *columnScratch) gather(column []uint64, index, misses []int32) ([]uint64, []int32) {
	n := len(misses) + len(s.strays)
	hashes, rows := s.hashes[:n], s.index[:n]
	index = index[:len(column)]
	n = 0
	for _, stray := range append(s.strays, int32(len(column))) {
		before := 0
		for before < len(misses) && misses[before] < stray {
			i := misses[before]
			hashes[n], rows[n] = column[i], index[i]
			before, n = before+1, n+1
		}
		misses = misses[before:]
		if int(stray) < len(column) {
			hashes[n], rows[n] = column[stray], index[stray]
			n++
		}
	}
	return hashes, rows
}

// part separates the rows whose items may have an entry from those that have none.
func (h *HotList) part(s *columnScratch, column []uint64) (candidates, misses []int32) {
	candidates, misses = s.candidates[:len(column)], s.misses[:len(column)]
	filter, mask := h.filter, uint64(len(h.filter)-1)
	a, b := 0, 0
	for i, x := range column {
		candidate := int(filter[x>>20&mask] >> (x >> 44 & 63) & 1)
		candidates[a], misses[b] = int32(i), int32(i)
		a += candidate
		b += 1 - candidate
	}
	return candidates[:a], misses[:b]
}

// settleHits counts in the list what hit has counted in s, and clears it.
func (h *HotList) settleHits(s *columnScratch, touched []int32) {
	for _, j := range touched {
		h.seen[j] += uint64(s.hits[j])
		h.total += uint64(s.hits[j])
		s.hits[j] = 0
	}
}

// admit counts items that had no entry when hit looked, in order. The total
// must be far from its greatest value.
func (h *HotList) admit(hashes []uint64, items Items, index []int32) {
	for i := 0; i < len(hashes); {
		i += h.turnAway(hashes[i:])
		if i == len(hashes) {
			return
		}
		if x := hashes[i]; x != 0 {
			if slot := h.count(x, 1); slot >= 0 {
				h.arena = items.AppendItem(h.arena, index[i])
				h.close(slot)
			}
		}
		i++
	}
}

// turnAway is the fast path of count for a full list: it puts items to the door
// until it meets one that may be there already, or that has entered the table,
// and returns how many it has counted.
func (h *HotList) turnAway(hashes []uint64) (done int) {
	if h.n < h.size {
		return 0
	}
	d := &h.door
	d.open(h.size)
	waiting, next, heads := d.waiting, d.next[:len(d.waiting)], d.heads
	filter, mask, homes := h.filter, uint64(len(h.filter)-1), uint64(len(d.heads)-1)
	n := d.n
	for _, x := range hashes {
		home := x >> 24 & homes
		other := waiting[heads[home]]
		if other>>24&homes == home || filter[x>>20&mask]>>(x>>44&63)&1 != 0 || x == 0 {
			break
		}
		done++
		if n == len(waiting) { // the size+1st ends the epoch
			h.offset = saturatingAdd(h.offset, 1)
			n = 0
			continue
		}
		waiting[n], next[n], heads[home] = x, -1, uint16(n)
		n++
	}
	d.n = n
	h.total += uint64(done)
	return done
}
