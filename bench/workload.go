package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tinylib/msgp/msgp"
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
	Seed     uint64
}

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
	return errors.Join(faults...)
}

// Event is one event of a workload before it is written in some format.
type Event struct {
	Time  int64 // Unix ms
	Key   uint32
	Item  uint32
	Value uint32
}

// Generator draws the events of a workload in order. The tables are shared by
// all generators of one Source; a Generator itself is for one goroutine.
type Generator struct {
	source *Source
	random *rand.PCG
	next   int
	last   int
}

// Source holds a workload's tables.
type Source struct {
	Workload
	keys, items *Zipf
}

// NewSource builds the tables of w.
func NewSource(w Workload) (*Source, error) {
	if err := w.Validate(); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	return &Source{Workload: w, keys: NewZipf(w.Keys, w.KeySkew), items: NewZipf(w.Items, w.ItemSkew)}, nil
}

// Range generates the events numbered first to last-1. Which events these are
// depends on the seed and on first alone, so that a stream can be cut into
// ranges and made in any order by any number of goroutines.
func (s *Source) Range(first, last int) *Generator {
	return &Generator{source: s, random: rand.NewPCG(s.Seed, uint64(first)), next: first, last: last}
}

// Next gives the next event, and false after the last.
func (g *Generator) Next() (Event, bool) {
	if g.next >= g.last {
		return Event{}, false
	}
	s := g.source
	e := Event{Time: s.Start.UnixMilli() + int64(float64(s.Span.Milliseconds())*(float64(g.next)/float64(s.Events)))}
	g.next++
	e.Key = s.keys.Draw(g.random.Uint64())
	e.Item = s.items.Draw(g.random.Uint64())
	bits := g.random.Uint64()
	e.Value = 1 + uint32((bits>>32)*uint64(s.Values)>>32)
	if s.Late > 0 && float64(uint32(bits)) < s.Late*(1<<32) {
		e.Time -= int64(g.random.Uint64() % uint64(s.Lateness.Milliseconds()+1))
	}
	return e, true
}

// KeyName and ItemName are how ranks are written in events.
func KeyName(rank uint32) string  { return "k" + strconv.FormatUint(uint64(rank), 10) }
func ItemName(rank uint32) string { return "i" + strconv.FormatUint(uint64(rank), 10) }

// AppendNDJSON appends e as one line.
func (e Event) AppendNDJSON(dst []byte) []byte {
	dst = append(dst, `{"time":`...)
	dst = strconv.AppendInt(dst, e.Time, 10)
	dst = append(dst, `,"key":"k`...)
	dst = strconv.AppendUint(dst, uint64(e.Key), 10)
	dst = append(dst, `","item":"i`...)
	dst = strconv.AppendUint(dst, uint64(e.Item), 10)
	dst = append(dst, `","value":`...)
	dst = strconv.AppendUint(dst, uint64(e.Value), 10)
	return append(dst, "}\n"...)
}

// AppendMsgpack appends e as one map.
func (e Event) AppendMsgpack(dst []byte) []byte {
	dst = msgp.AppendMapHeader(dst, 4)
	dst = msgp.AppendInt64(msgp.AppendString(dst, "time"), e.Time)
	dst = appendName(msgp.AppendString(dst, "key"), 'k', e.Key)
	dst = appendName(msgp.AppendString(dst, "item"), 'i', e.Item)
	return msgp.AppendUint32(msgp.AppendString(dst, "value"), e.Value)
}

// appendName appends letter and rank as a msgpack string without making one.
func appendName(dst []byte, letter byte, rank uint32) []byte {
	at := len(dst)
	dst = append(dst, 0, letter) // a fixstr: its length, at most 11, follows once known
	dst = strconv.AppendUint(dst, uint64(rank), 10)
	dst[at] = 0xa0 | byte(len(dst)-at-1)
	return dst
}
