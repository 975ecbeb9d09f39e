package main

import (
	"os"
	"runtime"
	"sync"
)

// cores returns how many processors the process may use, and at its first call gives
// the runtime twice as many to schedule on.
//
// The log syncs and the store writes in system calls that block. The runtime leaves a
// processor with such a call until it has noticed, and as long as all of its processors
// are busy nobody looks for questions that have come in. With two of them for each of
// the machine's, one that is free takes both up, and the system shares out the machine:
// measured on two cores under full load, throughput rose by 10 to 30% and the slowest
// hundredth of answers took half as long. Four for each gave no more throughput and
// slower answers. Package turns keeps all of them from being busy at once. Who sets
// GOMAXPROCS decides for himself.
var cores = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * n)
	}
	return n
})
