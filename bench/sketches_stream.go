package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// sketchStream is events in columns, as a batch of the log has them: a string
// is an offset and a length into the bytes of all.
type sketchStream struct {
	text      []byte
	refs      []uint64 // by event: offset<<32 | length
	positions []uint64
	times     []int64
	values    []float64
	keys      []uint32
}

// eventsPerTenMSec is the pace of event time: five million events an hour.
const eventsPerTenMSec = 14

// newSketchStream draws events whose items lie behind one another in memory.
func newSketchStream(c SketchesConfig, skew float64, keys int) *sketchStream {
	r := rand.New(rand.NewPCG(c.Seed, 1))
	z := NewZipf(c.Items, skew)
	s := &sketchStream{
		text: make([]byte, 0, 12*c.Events), refs: make([]uint64, c.Events), positions: make([]uint64, c.Events),
		times: make([]int64, c.Events), values: make([]float64, c.Events), keys: make([]uint32, c.Events),
	}
	for i := range c.Events {
		at := len(s.text)
		s.text = fmt.Appendf(s.text, "user-%06d", z.Draw(r.Uint64()))
		s.refs[i] = uint64(at)<<32 | uint64(len(s.text)-at)
		s.positions[i] = r.Uint64()
		s.times[i] = 1_700_000_000_000 + int64(i)*10/eventsPerTenMSec
		s.values[i] = float64(r.IntN(100))
		s.keys[i] = uint32(r.IntN(keys))
	}
	return s
}

// batches copies the stream to f by batches of so many events, and times f
// alone: a batch that is applied has just been decoded, or read by another
// view, and comes from the processor's cache, not from memory.
func (s *sketchStream) batches(size int, w *stopwatch, f func(b *sketchStream)) {
	var b sketchStream
	for first := 0; first < len(s.refs); first += size {
		last := min(first+size, len(s.refs))
		from, to := s.refs[first]>>32, s.refs[last-1]>>32+uint64(uint32(s.refs[last-1]))
		b.text = append(b.text[:0], s.text[from:to]...)
		b.refs = append(b.refs[:0], s.refs[first:last]...)
		for i := range b.refs {
			b.refs[i] -= from << 32
		}
		b.positions = append(b.positions[:0], s.positions[first:last]...)
		b.times = append(b.times[:0], s.times[first:last]...)
		b.values = append(b.values[:0], s.values[first:last]...)
		b.keys = append(b.keys[:0], s.keys[first:last]...)
		w.start()
		f(&b)
		w.stop()
	}
}

func (s *sketchStream) item(i int) []byte {
	ref := s.refs[i]
	return s.text[ref>>32:][:uint32(ref)]
}

// AppendItem implements sketches.Items.
func (s *sketchStream) AppendItem(dst []byte, row int32) []byte {
	return append(append(dst, byte(event.String)), s.item(int(row))...)
}

// AppendItems implements sketches.Items.
func (s *sketchStream) AppendItems(dst []byte, rows, ends []int32, gap, most int) []byte {
	return event.AppendTexts(dst, rows, ends, gap, most, s.text, s.refs)
}

// hash fills out with the hashes of all events; it is part of what is measured.
func (s *sketchStream) hash(out []uint64) {
	event.HashTexts(out, s.text, s.refs[:len(out)])
}

// grouping sorts a batch by key, as views do before they apply it.
type grouping struct {
	ends      []int32 // by key
	order     []int32 // events of the batch, by key
	times     []int64
	unsorted  []uint64 // hashes by event
	hashes    []uint64
	positions []uint64
	values    []float64
	items     sketchStream // text and refs only, in order
	index     []int32      // of items: 0, 1, 2, …
	present   []int32      // keys that have events, and room for one more
	window    [32]sketches.Group
}

func newGrouping(keys, batch int) *grouping {
	index := make([]int32, batch)
	for i := range index {
		index[i] = int32(i)
	}
	return &grouping{
		items: sketchStream{refs: make([]uint64, batch)}, index: index,
		ends: make([]int32, keys+1), order: make([]int32, batch), times: make([]int64, batch), unsorted: make([]uint64, batch),
		hashes: make([]uint64, batch), positions: make([]uint64, batch), values: make([]float64, batch),
		present: make([]int32, keys+1),
	}
}

// group is a counting sort of the events' numbers; after it ends[k] is where
// group k ends. The columns are fetched in that order one by one, as views do: each
// of them alone stays in the processor's second cache.
func (g *grouping) group(s *sketchStream) {
	n := len(s.refs)
	s.hash(g.unsorted[:n])
	clear(g.ends)
	for _, k := range s.keys {
		g.ends[k+1]++
	}
	for k := 1; k < len(g.ends); k++ {
		g.ends[k] += g.ends[k-1]
	}
	g.order = g.order[:n]
	for i, k := range s.keys {
		g.order[g.ends[k]] = int32(i)
		g.ends[k]++
	}
	fetch(g.times, s.times, g.order)
	fetch(g.hashes, g.unsorted, g.order)
	fetch(g.positions, s.positions, g.order)
	fetch(g.values, s.values, g.order)
	fetch(g.items.refs, s.refs, g.order)
	g.fetchText(s.text)
}

// fetchText copies the items in that order. Views need not do so, for the text of their
// batches is small enough for the second cache.
func (g *grouping) fetchText(text []byte) {
	refs, out := g.items.refs[:len(g.order)], slices.Grow(g.items.text[:0], len(text))
	for i, ref := range refs {
		refs[i] = uint64(len(out))<<32 | uint64(uint32(ref))
		out = append(out, text[ref>>32:][:uint32(ref)]...)
	}
	g.items.text = out
}

// fetch copies a column in another order.
func fetch[T any](dst, src []T, order []int32) {
	dst = dst[:len(order)]
	for i, row := range order {
		dst[i] = src[row]
	}
}

// apply gives every group to its key's pane, a few dozen panes at a time so
// that they come from memory together.
func (g *grouping) apply(l *sketches.Layout, panes []*sketches.Pane) {
	n := len(g.order)
	rows := sketches.Rows{Index: g.index[:n], Times: g.times[:n], Positions: g.positions[:n],
		Hashes: [][]uint64{g.hashes[:n]}, Items: []sketches.Items{&g.items}, Values: [][]float64{g.values[:n]}}
	from := int32(0)
	for present := g.keys(); len(present) > 0; {
		window := g.window[:min(len(present), len(g.window))]
		for i, key := range present[:len(window)] {
			if panes[key] == nil {
				panes[key] = l.NewPane()
			}
			window[i] = sketches.Group{Pane: panes[key], From: from, To: g.ends[key]}
			from = g.ends[key]
		}
		sketches.Apply(window, &rows)
		present = present[len(window):]
	}
}

// keys lists the keys that have events. It writes down each, and goes on to the
// next place only if it has: no processor would predict a branch for those that do.
func (g *grouping) keys() []int32 {
	n, from := uint32(0), int32(0)
	for key, end := range g.ends[:len(g.ends)-1] {
		g.present[n] = int32(key)
		n += uint32(from-end) >> 31 // 1 if end is above from
		from = end
	}
	return g.present[:n]
}
