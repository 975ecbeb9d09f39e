package view

// This file finds out how busy the processors are, for views that give way to others.

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// processors measures how many processors the process keeps busy, healing apart.
type processors struct {
	spent   func() time.Duration // processor time of the process so far
	healing atomic.Int64         // of which for healing, about; nanoseconds

	mu     sync.Mutex
	at     time.Time // of the last measurement
	before time.Duration
	used   float64
}

func newProcessors() *processors { return &processors{spent: processTime} }

// measure returns the processors in use over the last period or so. Every shard
// asks; one of them measures.
func (p *processors) measure(now time.Time, period time.Duration) (used, all float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all = float64(runtime.GOMAXPROCS(0))
	elapsed := now.Sub(p.at)
	if elapsed >= 0 && elapsed < period {
		return p.used, all
	}
	spent := p.spent() - time.Duration(p.healing.Load())
	if !p.at.IsZero() && elapsed > 0 {
		p.used = min(max((spent-p.before).Seconds()/elapsed.Seconds(), 0), all)
	}
	p.at, p.before = now, spent
	return p.used, all
}

// processTime is the processor time that the process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
