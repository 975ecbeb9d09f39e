package sketches

// A promoted column's hot list is a cache in front of its other sketches: most
// events of a skewed stream are of items that have an entry.
//
// Such an item is in the column's HyperLogLogs and Bloom filters already, so that
// to add it once more would change nothing: it is counted in its entry, and that
// is all. Count-Min is owed the count; the occurrences of a whole column are
// added up by entry first and paid in one update each, before apply returns, so that
// neither queries nor commits ever meet a pane that owes anything. Items without
// an entry are gathered into a shorter column for every sketch. The states of
// HyperLogLogs, Bloom filters and Count-Mins are the very same, bit by bit, as if each
// event had been added to each; the hot list sees hits before the others.
//
// That the items of a hot list are in the HyperLogLogs and Bloom filters holds
// as long as the column's sketches have seen the same events. A merge of some of the
// sketches only, or hostile bytes, can break it, and so it is checked once after
// each of those (trusts).

// trust tells whether the items of a column's hot lists are in its
// HyperLogLogs and Bloom filters.
type trust uint8

const (
	trustUnknown trust = iota // after a merge, and when decoded
	trusted
	distrusted
)

// minWriteBack is the length of a column from which the detour pays.
const minWriteBack = 24

// writeBack counts rows of a promoted column by way of its hot list; false,
// with nothing counted, where that is not possible or does not pay.
func (w *wide) writeBack(l *Layout, column int, hashes []uint64, r *Rows, first int) bool {
	plan := &l.columns[column]
	if plan.cache < 0 || len(hashes) < minWriteBack {
		return false
	}
	cache := need[*HotList](w, l, plan.cache)
	if cache.total >= 1<<62 || !w.trusts(l, column, cache) {
		return false
	}
	s := l.columnScratch.Get().(*columnScratch)
	defer l.columnScratch.Put(s)
	others, touched := cache.hit(s, hashes)
	w.payCountMins(l, plan, cache, s, touched)
	cache.settleHits(s, touched)
	for i := range l.specs {
		if !plan.tabled.Has(i) {
			continue
		}
		switch spec := &l.specs[i]; {
		case spec.weighted():
			w.addTo(l, i, hashes, r, first)
		case spec.Kind == KindHLL:
			need[*HyperLogLog](w, l, i).AddHashes(others.hashes)
		case spec.Kind == KindBloom:
			need[*Bloom](w, l, i).AddHashes(others.hashes)
		case spec.Kind == KindCountMin:
			need[*CountMin](w, l, i).AddHashes(others.hashes, nil)
		case i == plan.cache:
			cache.admit(others, r.Items[column], r.Index[first:])
		default: // another hot list
			w.addTo(l, i, hashes, r, first)
		}
	}
	return true
}

// payCountMins adds what was hit to the Count-Mins that count each event once.
func (w *wide) payCountMins(l *Layout, plan *columnPlan, cache *HotList, s *columnScratch, touched []int32) {
	s.counts = s.counts[:0]
	paid := s.paid[:0]
	for _, j := range touched {
		paid, s.counts = append(paid, cache.tags[j]), append(s.counts, int64(s.hits[j]))
	}
	s.paid = paid
	for i := range l.specs {
		if spec := &l.specs[i]; plan.tabled.Has(i) && spec.Kind == KindCountMin && !spec.weighted() {
			need[*CountMin](w, l, i).AddHashes(paid, s.counts)
		}
	}
}

// trusts tells whether adding any item of the cache to the column's
// HyperLogLogs and Bloom filters would change nothing.
func (w *wide) trusts(l *Layout, column int, cache *HotList) bool {
	c := &w.columns[column]
	if c.trust == trustUnknown {
		c.trust = trusted
		for _, hash := range cache.tags {
			if hash != 0 && !w.holds(l, l.columns[column].tabled, hash) {
				c.trust = distrusted
				break
			}
		}
	}
	return c.trust == trusted
}

// holds tells whether an item is in all HyperLogLogs and Bloom filters of a set.
func (w *wide) holds(l *Layout, which Set, hash uint64) bool {
	for i := range l.specs {
		if !which.Has(i) {
			continue
		}
		switch l.specs[i].Kind {
		case KindHLL:
			if h := sketchAs[*HyperLogLog](w, i); h == nil || !h.holds(hash) {
				return false
			}
		case KindBloom:
			if b := sketchAs[*Bloom](w, i); b == nil || !b.Contains(hash) {
				return false
			}
		}
	}
	return true
}
