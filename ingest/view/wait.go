package view

// This file lets requests wait until views have applied what was appended.

import (
	"context"
	"sync"
)

// progress wakes those who wait for any shard to get on. Without waiters
// telling costs a lock.
type progress struct {
	mu      sync.Mutex
	moved   chan struct{} // closed and replaced when something moves
	waiters int
}

func newProgress() *progress { return &progress{moved: make(chan struct{})} }

// tell wakes everybody.
func (p *progress) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiters > 0 {
		close(p.moved)
		p.moved = make(chan struct{})
	}
}

func (p *progress) join(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters += n
}

// next returns a channel that is closed at the next move. Take it before
// looking, so that no move is missed.
func (p *progress) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moved
}

// WaitApplied waits until every view of the stream has applied these offsets,
// given by partition. Views that are made meanwhile are waited for, views that
// are deleted are not. It returns ctx's error when that ends first, and
// ErrClosed once the views have stopped.
func (v *Views) WaitApplied(ctx context.Context, stream string, offsets map[int]uint64) error {
	v.progress.join(1)
	defer v.progress.join(-1)
	for {
		moved := v.progress.next()
		if v.applied(stream, offsets) {
			return nil
		}
		if v.stopped() {
			return ErrClosed
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (v *Views) applied(stream string, offsets map[int]uint64) bool {
	for _, view := range v.List() {
		if view.Definition().Stream != stream {
			continue
		}
		shards := view.Partitions()
		for partition, offset := range offsets {
			if partition >= len(shards) || shards[partition].offset() < offset {
				return false
			}
		}
	}
	return true
}
