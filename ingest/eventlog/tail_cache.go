package eventlog

// This file keeps the newest entries of a partition, decoded, within a budget.

import (
	"sort"
	"sync/atomic"
)

// CacheBudget is what several tails may keep of decoded batches together: each
// gets an equal share, however many there are at the time. It is safe for
// concurrent use.
type CacheBudget struct {
	total int64
	tails atomic.Int64
}

// NewCacheBudget makes a budget of so many bytes.
func NewCacheBudget(bytes int64) *CacheBudget { return &CacheBudget{total: bytes} }

// join makes a tail share the budget until leave. A nil budget is none.
func (b *CacheBudget) join() {
	if b != nil {
		b.tails.Add(1)
	}
}

func (b *CacheBudget) leave() {
	if b != nil {
		b.tails.Add(-1)
	}
}

// share is what one tail may keep, which is never more than limit.
func (b *CacheBudget) share(limit int64) int64 {
	if b == nil {
		return limit
	}
	return min(limit, b.total/max(b.tails.Load(), 1))
}

// cache holds consecutive entries that end at the head. Dropping the oldest
// (rather than the least used) is right here: readers that keep up are all at
// the new end, and one that replays old records would only push out what the
// others share.
type cache struct {
	limit   int64
	budget  *CacheBudget // nil: limit alone counts
	bytes   int64
	entries []Entry
	sizes   []int64
}

// push adds the newest entry and drops the oldest past the limit; the newest
// always stays.
func (c *cache) push(e Entry) {
	size := int64(64)
	if e.Batch != nil {
		// Readers will have the batch hash a column or two, which it then keeps.
		size += int64(e.Batch.Bytes()) + 16*int64(e.Batch.Rows())
	}
	limit := c.budget.share(c.limit)
	c.entries = append(c.entries, e)
	c.sizes = append(c.sizes, size)
	c.bytes += size
	drop := 0
	for c.bytes > limit && drop < len(c.entries)-1 {
		c.bytes -= c.sizes[drop]
		c.entries[drop] = Entry{} // let its batch go
		drop++
	}
	c.entries, c.sizes = c.entries[drop:], c.sizes[drop:]
}

// first returns the least offset that is held, or head+1 when none is.
func (c *cache) first(head uint64) uint64 {
	if len(c.entries) == 0 {
		return head + 1
	}
	return c.entries[0].First
}

// at returns the entry that covers offset, which is at least first and at most
// the head. A gap is returned from offset on.
func (c *cache) at(offset uint64) Entry {
	i := sort.Search(len(c.entries), func(i int) bool { return c.entries[i].Offset >= offset })
	e := c.entries[i]
	e.First = max(e.First, offset)
	return e
}
