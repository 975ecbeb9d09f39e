package main

// This file shares out the one number that an operator gives: --memory is what
// the whole process may take.
//
//	outside the heap    the program itself, stacks          48 MiB
//	                    by which the heap passes its limit
//	                    before the collector is through     an eighth of all, up to 512 MiB
//	in the heap         the store's cache and memtables     a tenth of all, 12 MiB to 512 MiB
//	                    panes of views                      an eighth of all, up to a third
//	                    newest events, of all partitions    a thirty-second
//	                    what answers remember of panes      a hundredth or so, up to 256 MiB
//	                    events waiting for the log          the same, up to 128 MiB
//	                    requests being read, the log,
//	                    and garbage until it is collected   the rest
//
// Go's collector lets a heap grow to twice what is in use, unless that passes its
// limit; then it runs more often. What is in use fills about two thirds of the
// heap at most, so that it need not run all the time. What everything but panes takes
// hardly grows with what is given, so that of more memory they get a larger share.

import (
	"runtime/debug"

	"sketchlog/server"
)

// memoryPlan is how many bytes each part of the process may take.
type memoryPlan struct {
	heap  int64 // of Go's heap; the collector sees to it
	panes int64
	tails int64 // of all partitions together
	cache int64 // of answers
	queue int64
	store int64 // outside the heap, mostly
	body  int64 // of one request, unpacked
}

// programMemory is about what the process takes whatever it does: its code, the
// stacks of its goroutines, the collector's own tables.
const programMemory = 48 << 20

func planMemory(total int64) memoryPlan {
	return memoryPlan{
		heap:  max(total-min(total/8, 512<<20)-programMemory, total/2),
		panes: max(total/8, total/3-128<<20),
		tails: total / 32,
		cache: min(total/128, 256<<20),
		queue: min(max(total/32, 8<<20), 128<<20),
		store: min(max(total/10, 12<<20), 512<<20),
		body:  min(max(total/4, 16<<20), 256<<20),
	}
}

// limitHeap tells the collector.
func (p *memoryPlan) limitHeap() { debug.SetMemoryLimit(p.heap) }

// limits are those of requests: one may have a quarter of the memory, up to what
// is the default anyway.
func (p *memoryPlan) limits() server.Limits {
	return server.Limits{Body: int(min(p.body, 32<<20)), Unpacked: int(p.body), InFlight: 2 * p.body}
}
