package ingest

// A request while its chunks are being appended, and the requests with a number that are under way.

import (
	"context"
	"fmt"
	"sync"

	"sketchlog/ingest/event"
)

// call collects how the chunks of one request fared.
type call struct {
	duplicate bool            // as the receipt; does not change
	after     func(err error) // called once, when the last chunk has finished, before done is closed

	mu      sync.Mutex
	receipt Receipt
	left    int
	err     error
	done    chan struct{}
}

// newCall makes the call of a request with so many chunks to append. receipt holds what is known already.
func newCall(chunks int, receipt Receipt, after func(err error)) *call {
	return &call{duplicate: receipt.Duplicate, receipt: receipt, after: after, left: chunks, done: make(chan struct{})}
}

// settle ends a call that has nothing to append.
func (c *call) settle() {
	c.after(nil)
	close(c.done)
}

// finish says how one chunk fared. Of several chunks of one partition the greatest offset stays; of several errors the first.
func (c *call) finish(partition int, offset uint64, err error) {
	c.mu.Lock()
	c.left--
	last := c.left == 0
	if err == nil {
		c.receipt.Offsets[partition] = max(c.receipt.Offsets[partition], offset)
		c.receipt.Through[partition] = max(c.receipt.Through[partition], offset)
	} else if c.err == nil {
		c.err = err
	}
	err = c.err
	c.mu.Unlock()
	if last {
		c.after(err)
		close(c.done)
	}
}

// wait waits until every chunk has finished, or ctx ends: then the chunks go on without the caller.
func (c *call) wait(ctx context.Context) (Receipt, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	}
	if c.err != nil && len(c.receipt.Offsets) > 0 {
		return Receipt{}, fmt.Errorf("%w; other parts of the request are in the log: sent again under the same Idempotency-Key it counts once", c.err)
	}
	if c.err != nil {
		return Receipt{}, c.err
	}
	return c.receipt, nil
}

// numbered keeps order among the numbered requests of one stream: two with the same name and number are never under way at
// the same time, since both would be judged fresh.
type numbered struct {
	mu       sync.Mutex
	underway map[numberKey]chan struct{}
	// complete remembers the requests that this process has appended in full. Each partition remembers the numbers that it
	// holds itself, which for a stream of many partitions are the last 10,000 of fewer events than all; this knows sooner
	// that a number is too old.
	complete *event.Producers
}

type numberKey struct {
	producer string
	number   uint64
}

func newNumbered() *numbered {
	return &numbered{underway: map[numberKey]chan struct{}{}, complete: event.NewProducers()}
}

// begin waits until no request with this key is under way, and claims it. end must follow.
func (n *numbered) begin(ctx context.Context, key numberKey) error {
	for {
		n.mu.Lock()
		other, found := n.underway[key]
		if !found {
			n.underway[key] = make(chan struct{})
			n.mu.Unlock()
			return nil
		}
		n.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end gives the key back; placed is the partition count if all of the request is in the log now, else 0.
func (n *numbered) end(key numberKey, placed int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if placed > 0 {
		n.complete.Note(key.producer, key.number, placed)
	}
	close(n.underway[key])
	delete(n.underway, key)
}

// tooOld says whether the number is lower than all that are remembered.
func (n *numbered) tooOld(key numberKey) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	verdict, _ := n.complete.Check(key.producer, key.number)
	return verdict == event.TooOld
}
