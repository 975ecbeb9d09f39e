package view

// This file finds out how busy the processors are, for views that give way to others.

import (
	"cmp"
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
	all     float64              // that the process may use

	mu     sync.Mutex
	at     time.Time // of the last measurement
	before time.Duration
	used   float64
}

// newProcessors measures of so many; 0: of those that the runtime schedules on.
func newProcessors(all int) *processors {
	return &processors{spent: processTime, all: float64(cmp.Or(all, runtime.GOMAXPROCS(0)))}
}

// measure returns the processors in use over the last period or so. Every shard
// asks; one of them measures.
func (p *processors) measure(now time.Time, period time.Duration) (used, all float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.at)
	if elapsed >= 0 && elapsed < period {
		return p.used, p.all
	}
	spent := p.spent() - time.Duration(p.healing.Load())
	if !p.at.IsZero() && elapsed > 0 {
		p.used = min(max((spent-p.before).Seconds()/elapsed.Seconds(), 0), p.all)
	}
	p.at, p.before = now, spent
	return p.used, p.all
}

// processTime is the processor time that the process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
