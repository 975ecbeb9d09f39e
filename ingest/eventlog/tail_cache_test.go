package eventlog

import (
	"testing"

	"sketchlog/ingest/event"
)

// Caches that share a budget hold it together, however many there are.
func TestCachesShareABudget(t *testing.T) {
	const total = 1 << 20
	budget := NewCacheBudget(total)
	caches := make([]cache, 8)
	for i := range caches {
		caches[i] = cache{limit: total / 2, budget: budget}
		budget.join()
	}
	fill := func(c *cache) {
		for i := range 200 {
			offset := uint64(i + 1)
			c.push(Entry{First: offset, Offset: offset, Batch: &event.Batch{Times: make([]int64, 1000)}})
		}
	}
	sum := int64(0)
	for i := range caches {
		fill(&caches[i])
		sum += caches[i].bytes
	}
	if sum > total || sum < total/2 {
		t.Errorf("eight caches hold %d bytes of %d", sum, total)
	}
	for range caches[1:] {
		budget.leave()
	}
	fill(&caches[0])
	if held := caches[0].bytes; held > total/2 || held < total/4 {
		t.Errorf("one alone holds %d bytes, and may hold %d", held, total/2)
	}
}
