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

// marked tells whether an item may have an entry.
func (h *HotList) marked(hash uint64) bool {
	return h.filter[hash>>20&uint64(len(h.filter)-1)]>>(hash>>44&63)&1 != 0
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
	candidates []int32  // rows, rising
	strays     []int32  // which candidates turned out to have no entry, rising
	missed     choice   // the rows that are not candidates
	others     choice   // missed and strays, in order
	hits       []uint32 // by slot of the hot list's table
	touched    []int32  // slots that were hit
	paid       []uint64
	counts     []int64
}

// choice is some of a column's rows.
type choice struct {
	hashes []uint64
	rows   []int32
}

// fit makes room for a column of n rows on a table of so many slots.
func (s *columnScratch) fit(n, slots int) {
	if len(s.candidates) < n {
		s.candidates = make([]int32, n)
		s.missed = choice{make([]uint64, n), make([]int32, n)}
		s.others = choice{make([]uint64, n), make([]int32, n)}
	}
	if len(s.hits) < slots {
		s.hits, s.touched = make([]uint32, slots), make([]int32, slots)
	}
}

// hit finds the items that have an entry and counts their occurrences in
// s.hits, by slot, without counting them in the list yet. It returns all other
// rows, in order, and the slots touched.
func (h *HotList) hit(s *columnScratch, column []uint64) (others choice, touched []int32) {
	if h.filter == nil {
		h.refilter()
	}
	s.fit(len(column), len(h.tags))
	candidates, missed := h.part(s, column)
	tags, hits := h.tags, s.hits[:len(h.tags)]
	mask := uint64(len(tags) - 1)
	s.strays = s.strays[:0]
	n := 0
	for k, i := range candidates {
		x := column[i]
		j := x & mask
		for tags[j] != x && tags[j] != 0 {
			j = (j + 1) & mask
		}
		if tags[j] != x || x == 0 {
			s.strays = append(s.strays, int32(k))
			continue
		}
		s.touched[n] = int32(j)
		if hits[j] == 0 {
			n++
		}
		hits[j]++
	}
	return s.rejoin(missed, column), s.touched[:n]
}

// part separates the rows whose items may have an entry from those that have none.
func (h *HotList) part(s *columnScratch, column []uint64) (candidates []int32, missed choice) {
	n := len(column)
	a := partColumn(s.candidates[:n], s.missed.rows[:n], s.missed.hashes[:n], column, h.filter)
	return s.candidates[:a], choice{s.missed.hashes[:n-a], s.missed.rows[:n-a]}
}

// partColumn writes the rows of candidates, and the rows and hashes of the others. It
// is by itself because a loop that has nothing else to remember stays in registers.
//
//go:noinline
func partColumn(candidates, rows []int32, hashes, column, filter []uint64) (a int) {
	rows, hashes = rows[:len(candidates)], hashes[:len(candidates)]
	mask := uint64(len(filter) - 1)
	for i, x := range column {
		candidates[a], rows[i-a], hashes[i-a] = int32(i), int32(i), x
		a += int(filter[x>>20&mask] >> (x >> 44 & 63) & 1)
	}
	return a
}

// rejoin puts the strays back to where they were among the rows missed: what
// follows depends upon order, and must not depend upon what a filter mistakes.
func (s *columnScratch) rejoin(missed choice, column []uint64) choice {
	if len(s.strays) == 0 {
		return missed
	}
	hashes, rows := s.others.hashes[:0], s.others.rows[:0]
	done := 0
	for _, k := range s.strays {
		i := s.candidates[k]
		before := int(i - k) // of the i rows before it, k are candidates
		hashes = append(append(hashes, missed.hashes[done:before]...), column[i])
		rows = append(append(rows, missed.rows[done:before]...), i)
		done = before
	}
	return choice{append(hashes, missed.hashes[done:]...), append(rows, missed.rows[done:]...)}
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
func (h *HotList) admit(others choice, items Items, index []int32) {
	hashes := others.hashes
	for i := 0; i < len(hashes); {
		i += h.turnAway(hashes[i:])
		if i == len(hashes) {
			return
		}
		if x := hashes[i]; x != 0 {
			if slot := h.count(x, 1); slot >= 0 {
				h.arena = items.AppendItem(h.arena, index[others.rows[i]])
				h.close(slot)
			}
		}
		i++
	}
}

// turnAway is the fast path of count for a full list: it puts items to the door
// until it meets one that is there already, or may have entered the table, and
// returns how many it has counted.
func (h *HotList) turnAway(hashes []uint64) (done int) {
	if h.n < h.size {
		return 0
	}
	d := &h.door
	d.open(h.size)
	for {
		done += h.turnAwayStrangers(hashes[done:])
		if done == len(hashes) {
			break
		}
		x := hashes[done]
		if x == 0 || h.marked(x) || d.has(x) {
			break
		}
		if d.n == h.size {
			h.endEpoch()
		} else {
			d.add(x, h.size)
		}
		done++
	}
	h.total += uint64(done)
	return done
}

// turnAwayStrangers stops already at an item that shares its home at the door with
// another, be that of an epoch past: in a loop without calls all stays in registers.
func (h *HotList) turnAwayStrangers(hashes []uint64) (done int) {
	d := &h.door
	n, waiting, next, heads := d.n, d.waiting, d.next[:len(d.waiting)], d.heads
	filter, mask, homes := h.filter, uint64(len(h.filter)-1), uint64(len(d.heads)-1)
	for _, x := range hashes {
		home := x >> 24 & homes
		place := int(heads[home])
		other := (waiting[place]^x)>>24&homes | uint64(n-1-place)>>63 // not 0: none of this home, or one of an epoch past
		if filter[x>>20&mask]>>(x>>44&63)&1 != 0 || x == 0 || other == 0 {
			break
		}
		done++
		if n == len(waiting) { // the size+1st
			h.endEpoch()
			n = 0
			continue
		}
		waiting[n], next[n], heads[home] = x, -1, uint16(n)
		n++
	}
	d.n = n
	return done
}
