package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Workload describes a stream of events that is a function of its seed: skewed
// keys and items, a value, and event times that advance evenly over a span.
type Workload struct {
	Events   int
	Keys     int     // "k0" is the most frequent
	KeySkew  float64 // exponent of the zipf law; 0: uniform
	Items    int     // "i0" is the most frequent
	ItemSkew float64
	Values   int           // values are 1..Values, uniform
	Start    time.Time     // event time of the first event
	Span     time.Duration // event time from the first event to the last
	Late     float64       // share of events whose time lies up to Lateness back
	Lateness time.Duration
	Bytes    int // least size of an event as it is sent; a field "pad" of random letters fills it up
	Seed     uint64
}

// maxEventBytes bounds the padding of an event.
const maxEventBytes = 64 << 10

// W is the workload that figures are quoted for: five million events of 1,000
// keys (zipf 1.1) and a million items (zipf 1.05), values 1 to 100, one hour of
// event time that ends now.
func W(now time.Time) Workload {
	return Workload{
		Events: 5_000_000,
		Keys:   1000, KeySkew: 1.1,
		Items: 1_000_000, ItemSkew: 1.05,
		Values: 100,
		Start:  now.Add(-time.Hour).Truncate(time.Hour),
		Span:   time.Hour,
		Seed:   1,
	}
}

// Validate names every fault at once.
func (w Workload) Validate() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	need(w.Events >= 1, "events must be at least 1; it is %d", w.Events)
	need(w.Keys >= 1 && w.Keys <= 100_000_000, "keys must lie between 1 and 100,000,000; it is %d", w.Keys)
	need(w.Items >= 1 && w.Items <= 100_000_000, "items must lie between 1 and 100,000,000; it is %d", w.Items)
	need(w.KeySkew >= 0 && w.ItemSkew >= 0, "skews must be at least 0")
	need(w.Values >= 1, "values must be at least 1; it is %d", w.Values)
	need(w.Span >= 0 && w.Lateness >= 0, "span and lateness must be at least 0")
	need(w.Late >= 0 && w.Late <= 1, "the share of late events lies between 0 and 1; it is %v", w.Late)
	need(w.Bytes >= 0 && w.Bytes <= maxEventBytes, "event-bytes must lie between 0 and %d; it is %d", maxEventBytes, w.Bytes)
	return errors.Join(faults...)
}

// Event is one event of a workload before it is written in some format.
type Event struct {
	Time  int64 // Unix ms
	Key   uint32
	Item  uint32
	Value uint32
}

// Source holds a workload's tables. It is read-only after it is made.
type Source struct {
	Workload
	keys, items *Zipf
	start, span int64  // Unix ms, ms
	pad         []byte // random letters, from which paddings are cut
}

// NewSource builds the tables of w.
func NewSource(w Workload) (*Source, error) {
	if err := w.Validate(); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	s := &Source{
		Workload: w,
		keys:     NewZipf(w.Keys, w.KeySkew), items: NewZipf(w.Items, w.ItemSkew),
		start: w.Start.UnixMilli(), span: w.Span.Milliseconds(),
	}
	if w.Bytes > 0 {
		s.pad = letters(w.Seed, 2*maxEventBytes)
	}
	return s, nil
}

// drawnTogether is how many events are drawn at once: the table of a million
// items is larger than the caches, and one event at a time waited for it as long
// as all the rest took.
const drawnTogether = 64

// Generator draws the events of a workload in order, all of them by Next or some
// by nextOf; the two do not mix. The tables are shared by all generators of one
// Source; a Generator itself is for one goroutine.
type Generator struct {
	source *Source
	random *rand.PCG
	next   int // the event to be drawn next
	last   int
	at     int64 // of a live range: the time of its events, Unix ms

	drawn        [drawnTogether]Event
	given, count int // how many of those drawn Next has given, and there are
}

// Range generates the events numbered first to last-1. Which events these are
// depends on the seed and on first alone, so that a stream can be cut into
// ranges and made in any order by any number of goroutines, and made again
// when exact answers are wanted.
func (s *Source) Range(first, last int) *Generator {
	return &Generator{source: s, random: rand.NewPCG(s.Seed, uint64(first)), next: first, last: last}
}

// Live is Range for events that happen now: their time is at, Unix ms, less
// the lateness of those that are late.
func (s *Source) Live(first, last int, at int64) *Generator {
	g := s.Range(first, last)
	g.at = at
	return g
}

// Next gives the next event, and false after the last.
func (g *Generator) Next() (Event, bool) {
	if g.given == g.count {
		if g.draw(); g.count == 0 {
			return Event{}, false
		}
	}
	e := g.drawn[g.given]
	g.given++
	return e, true
}

// draw draws some events ahead.
func (g *Generator) draw() {
	s := g.source
	var items [drawnTogether]uint64
	n := max(0, min(g.last-g.next, drawnTogether))
	for i := range n {
		e := &g.drawn[i]
		e.Time = g.time()
		g.next++
		e.Key = s.keys.Draw(g.random.Uint64())
		item, bits := g.random.Uint64(), g.random.Uint64()
		items[i] = item
		e.Value = s.value(bits)
		e.Time -= g.lateness(bits)
	}
	for i := range n { // nothing else in this loop, so that the processor waits for many slots together
		g.drawn[i].Item = s.items.Draw(items[i])
	}
	g.given, g.count = 0, n
}

// nextOf is Next for a reader who wants some keys only: wanted has an index
// for each rank of a key, negative for those that are not wanted. The events of
// other keys are stepped over without drawing their items, which is what costs.
func (g *Generator) nextOf(wanted []int16) (e Event, index int16, ok bool) {
	s := g.source
	for g.next < g.last {
		e.Time = g.time()
		g.next++
		e.Key = s.keys.Draw(g.random.Uint64())
		item, bits := g.random.Uint64(), g.random.Uint64()
		late := g.lateness(bits)
		if index = wanted[e.Key]; index >= 0 {
			e.Item, e.Value = s.items.Draw(item), s.value(bits)
			e.Time -= late
			return e, index, true
		}
	}
	return Event{}, -1, false
}

// time is that of the next event before lateness.
func (g *Generator) time() int64 {
	if g.at != 0 {
		return g.at
	}
	s := g.source
	return s.start + int64(float64(s.span)*(float64(g.next)/float64(s.Events)))
}

func (s *Source) value(bits uint64) uint32 { return 1 + uint32((bits>>32)*uint64(s.Values)>>32) }

// lateness is how many milliseconds the event with these bits is late.
func (g *Generator) lateness(bits uint64) int64 {
	s := g.source
	if s.Late == 0 || float64(uint32(bits)) >= s.Late*(1<<32) {
		return 0
	}
	return int64(g.random.Uint64() % uint64(s.Lateness.Milliseconds()+1))
}

// letters makes n random lower-case letters.
func letters(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 0x706164))
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(random.UintN(26))
	}
	return b
}
