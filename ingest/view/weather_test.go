package view

// This file makes disordered streams and weather to shed in.

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
)

// disorder moves some events back in time, and repeats some requests.
type disorder struct {
	r       *rand.Rand
	streams *testStreams
	number  uint64
	sent    map[uint64][]testEvent
}

// append appends one record of requests, old and new, numbered and not.
func (d *disorder) append(partition int, events []testEvent) {
	for i := range events {
		if d.r.IntN(10) == 0 {
			events[i].time -= d.r.Int64N(90_000)
		}
	}
	var all []testEvent
	var segments []event.Segment
	add := func(producer string, number uint64, events []testEvent) {
		all = append(all, events...)
		segments = append(segments, event.Segment{Producer: producer, Number: number, Partitions: 1, Rows: len(events)})
	}
	half := len(events) / 2
	add("", 0, events[:half])
	if d.number > 0 && d.r.IntN(3) == 0 {
		old := 1 + d.r.Uint64N(d.number)
		add(fmt.Sprint("p", partition), old, d.sent[old]) // fresh in this partition or a repeat
	}
	d.number++
	d.sent[d.number] = events[half:]
	add(fmt.Sprint("p", partition), d.number, events[half:])
	d.streams.append("s", partition, all, segments...)
}

// disordered fills a stream of two partitions.
func disordered(streams *testStreams, seed uint64, n int) {
	d := &disorder{r: rand.New(rand.NewPCG(seed, 2)), streams: streams, sent: map[uint64][]testEvent{}}
	events := zipfEvents(seed, n)
	for len(events) > 0 {
		size := min(len(events), 1+d.r.IntN(120))
		d.append(d.r.IntN(2), events[:size])
		events = events[size:]
	}
}

// weather decides at random, and lets everything heal once it has cleared.
type weather struct {
	mu      sync.Mutex
	r       *rand.Rand
	now     shedding.Decision
	skips   bool
	cleared atomic.Bool
}

func (w *weather) decide(_ *Shard, _ shedding.Decision) shedding.Decision {
	if w.cleared.Load() {
		return shedding.Decision{Rate: shedding.Full, Heal: 1}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.r.IntN(6) == 0 {
		rates := []shedding.Rate{shedding.Full, shedding.Full, 1, 2, 4, 16, shedding.Nothing}
		w.now.Rate = rates[w.r.IntN(len(rates))]
		w.now.Heal = float64(w.r.IntN(2))
	}
	w.now.Skip = 0
	if w.skips && w.r.IntN(40) == 0 {
		w.now.Skip = 1
	}
	return w.now
}

// under has a node decide like this.
func under(w *weather, memory int64) func(*Config) {
	return func(c *Config) {
		c.Override = w.decide
		c.Limits = shedding.Limits{Cut: 700, Entries: 64}
		c.MemoryBytes = memory
		c.CommitEvery = time.Millisecond
	}
}

func atOnce(c *Config) {
	c.Override = func(*Shard, shedding.Decision) shedding.Decision { return shedding.Decision{Heal: 1} }
}
