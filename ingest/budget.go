package ingest

// Room for what waits to be appended: counted in bytes, taken before anything of a request is queued.

import "sync/atomic"

// perChunk is charged for a chunk besides its rows, so that the bound on bytes bounds the count of tiny requests too.
const perChunk = 512

// budget is a bound on bytes. It may be used by any number of goroutines.
type budget struct {
	limit int64
	held  atomic.Int64
}

// take takes n bytes and says whether there was room. Something larger than the whole budget is taken when nothing else is
// held: otherwise it could never be.
func (b *budget) take(n int64) bool {
	for {
		held := b.held.Load()
		if held > 0 && held+n > b.limit {
			return false
		}
		if b.held.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// give gives n bytes back.
func (b *budget) give(n int64) { b.held.Add(-n) }
