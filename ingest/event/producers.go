package event

import (
	"container/list"
	"slices"
)

// This file remembers which numbered requests of producers were seen, so that repeats
// count once.

// Bounds of Producers.
const (
	rememberedNumbers = 10_000  // of a name: the greatest
	rememberedNames   = 10_000  // the last noted
	rememberedRuns    = 1 << 20 // of all names together: what a sender of gaps can make it hold
)

// Verdict says what is known of a producer's number.
type Verdict int

// The verdicts.
const (
	Fresh  Verdict = iota // not seen
	Repeat                // seen
	TooOld                // lower than all 10,000 that are remembered: it may have been seen
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Repeat:
		return "repeat"
	case TooOld:
		return "too old"
	}
	return "fresh"
}

// Producers remembers, per producer name, the greatest 10,000 numbers of requests seen, and
// the names noted last. Its state is a function of the calls of Note in their order, so
// whoever follows the same log remembers the same. It has one writer; Check may be called
// by several readers while nobody writes.
//
// Numbers mostly follow one another, so they are kept as runs, some 24 bytes a name. A set
// of numbers or a bitmap would take 80 KB or 1 KB a name. When the names become too many,
// or their runs do because of gaps, the name that was noted longest ago is forgotten.
type Producers struct {
	names map[string]*list.Element // of *producer
	order *list.List               // noted longest ago first
	runs  int                      // of all names
}

// producer is what is remembered of a name.
type producer struct {
	name  string
	count uint64 // numbers in runs
	runs  []run  // rising; runs that touch differ in partitions
}

// run is numbers first to last, inclusive, all placed under one partition count.
type run struct {
	first, last uint64
	partitions  int
}

// NewProducers returns an empty memory.
func NewProducers() *Producers {
	return &Producers{names: map[string]*list.Element{}, order: list.New()}
}

// Check says what is known of a number and, for a repeat, under how many partitions the
// request was placed. A request without a name is always fresh.
func (p *Producers) Check(name string, number uint64) (Verdict, int) {
	element := p.names[name]
	if element == nil {
		return Fresh, 0
	}
	verdict, partitions, _ := element.Value.(*producer).check(number)
	return verdict, partitions
}

// check also returns the index of the first run that ends at or after the number.
func (p *producer) check(number uint64) (Verdict, int, int) {
	at, _ := slices.BinarySearchFunc(p.runs, number, func(r run, n uint64) int {
		switch {
		case r.last < n:
			return -1
		case r.last > n:
			return 1
		}
		return 0
	})
	switch {
	case at < len(p.runs) && p.runs[at].first <= number:
		return Repeat, p.runs[at].partitions, at
	case at == 0 && p.count >= rememberedNumbers:
		return TooOld, 0, at
	}
	return Fresh, 0, at
}

// Note is Check, and remembers a fresh number, placed under that many partitions.
func (p *Producers) Note(name string, number uint64, partitions int) Verdict {
	if name == "" {
		return Fresh
	}
	element := p.names[name]
	if element == nil {
		element = p.order.PushBack(&producer{name: name})
		p.names[name] = element
	} else {
		p.order.MoveToBack(element)
	}
	known := element.Value.(*producer)
	verdict, _, at := known.check(number)
	if verdict == Fresh {
		before := len(known.runs)
		known.insert(at, number, partitions)
		known.trim()
		p.runs += len(known.runs) - before
		p.evict()
	}
	return verdict
}

// insert adds a number that lies before run at and after the run before it.
func (p *producer) insert(at int, number uint64, partitions int) {
	p.count++
	after := at < len(p.runs) && p.runs[at].first == number+1 && p.runs[at].partitions == partitions
	before := at > 0 && p.runs[at-1].last == number-1 && p.runs[at-1].partitions == partitions
	switch {
	case before && after:
		p.runs[at-1].last = p.runs[at].last
		p.runs = slices.Delete(p.runs, at, at+1)
	case before:
		p.runs[at-1].last = number
	case after:
		p.runs[at].first = number
	default:
		p.runs = slices.Insert(p.runs, at, run{first: number, last: number, partitions: partitions})
	}
}

// trim forgets the least numbers past the bound.
func (p *producer) trim() {
	for p.count > rememberedNumbers {
		least := &p.runs[0]
		drop := min(p.count-rememberedNumbers, least.last-least.first+1)
		p.count -= drop
		if least.first+drop-1 == least.last {
			p.runs = slices.Delete(p.runs, 0, 1)
		} else {
			least.first += drop
		}
	}
}

// evict forgets names noted longest ago until the bounds hold.
func (p *Producers) evict() {
	for len(p.names) > rememberedNames || p.runs > rememberedRuns {
		oldest := p.order.Remove(p.order.Front()).(*producer)
		delete(p.names, oldest.name)
		p.runs -= len(oldest.runs)
	}
}

// Len returns how many names are remembered.
func (p *Producers) Len() int { return len(p.names) }
