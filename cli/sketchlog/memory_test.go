package main

import "testing"

// What is shared out fits into what was given, and leaves room for the rest.
func TestMemoryPlan(t *testing.T) {
	for _, total := range []int64{leastMemory, 128 << 20, 256 << 20, 1 << 30, 64 << 30} {
		p := planMemory(total)
		if p.heap > total || p.heap < total/2 {
			t.Errorf("of %d bytes the heap has %d", total, p.heap)
		}
		if shared := p.panes + p.tails + p.queue + p.store + p.cache; total >= 128<<20 && shared > p.heap*2/3 {
			t.Errorf("of a heap of %d bytes %d are shared out", p.heap, shared)
		}
		if l := p.limits(); l.Body > l.Unpacked || int64(l.Unpacked) > l.InFlight {
			t.Errorf("of %d bytes requests have %+v", total, l)
		}
	}
}
