package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/axiomhq/hyperloglog"
	"github.com/bits-and-blooms/bloom/v3"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// SketchesConfig says how much work `bench sketches` does: every figure is the
// median of Runs passes over Events events.
type SketchesConfig struct {
	Events int
	Runs   int
	Items  int
	Seed   uint64
}

// Validate names the fault.
func (c SketchesConfig) Validate() error {
	if c.Events < 1 || c.Events > 1<<30 || c.Runs < 1 || c.Items < 1 || c.Items > 1<<30 {
		return fmt.Errorf("bench sketches: events, runs and items must be at least 1, events and items at most 2^30")
	}
	return nil
}

// SketchesResult has every figure by its name, in ns an event on one core.
type SketchesResult struct {
	Config  SketchesConfig
	Figures []Figure
}

// Figure is one measurement.
type Figure struct {
	Name string
	NS   float64
	Note string
}

// applied is how many events a pane is given at once: about a batch of the log.
const applied = 8192

// stream is events in columns: items with their canonical bytes, and which key each has.
type stream struct {
	items     [][]byte // by event; canonical bytes
	hashes    []uint64
	positions []uint64
	times     []int64
	values    []float64
	keys      []uint32
}

// itemSlice gives items to sketches.
type itemSlice [][]byte

// AppendItem implements sketches.Items.
func (s itemSlice) AppendItem(dst []byte, row int32) []byte { return append(dst, s[row]...) }

// makeStream draws a stream; the items' bytes lie behind one another in memory
// in the order of events, as the columns of a batch do.
func makeStream(c SketchesConfig, skew float64, keys int) *stream {
	r := rand.New(rand.NewPCG(c.Seed, 1))
	z := NewZipf(c.Items, skew)
	s := &stream{}
	var arena []byte
	for i := range c.Events {
		at := len(arena)
		arena = event.AppendItem(arena, event.StringValue(fmt.Sprintf("user-%06d", z.Draw(r.Uint64()))))
		s.items = append(s.items, arena[at:len(arena):len(arena)])
		s.positions = append(s.positions, r.Uint64())
		s.times = append(s.times, 1_700_000_000_000+int64(i)/1000)
		s.values = append(s.values, float64(r.IntN(100)))
		s.keys = append(s.keys, uint32(r.IntN(keys)))
	}
	s.hashes = make([]uint64, c.Events)
	return s
}

// hash fills in the hashes of events first to last-1; it is part of what is measured.
func (s *stream) hash(first, last int) {
	for i := first; i < last; i++ {
		s.hashes[i] = event.HashItem(s.items[i])
	}
}

// fullSize is the layout of one key that sees a million items.
func fullSize() []sketches.Spec {
	return []sketches.Spec{
		{Name: "hll", Kind: sketches.KindHLL, Weight: -1, Precision: 14},
		{Name: "bloom", Kind: sketches.KindBloom, Weight: -1, Capacity: 1_000_000, Error: 0.01},
		{Name: "countmin", Kind: sketches.KindCountMin, Weight: -1, Width: 65536, Depth: 4, Confidence: 0.98},
		{Name: "hotlist", Kind: sketches.KindHotList, Weight: -1, Size: 256},
		{Name: "reservoir", Kind: sketches.KindReservoir, Weight: -1, Size: 1000},
		{Name: "decay", Kind: sketches.KindDecay, Weight: -1, HalfLife: 600_000},
	}
}

// keySize is the layout of one key of many.
func keySize() []sketches.Spec {
	s := fullSize()
	s[1].Capacity, s[2].Width, s[3].Size, s[4].Size = 10_000, 4096, 100, 100
	return s
}

// Sketches measures each sketch alone, the six together on one key, on a
// thousand and on a hundred thousand keys, and the same work by widely used
// libraries that hash for themselves, all on the same streams in one run.
func Sketches(c SketchesConfig, progress func(string)) (*SketchesResult, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := &SketchesResult{Config: c}
	for _, shape := range []struct {
		name string
		skew float64
	}{{"zipf", 1.1}, {"uniform", 0}} {
		s := makeStream(c, shape.skew, 1)
		for i, spec := range fullSize() {
			progress(spec.Name + " alone, " + shape.name)
			ns, err := c.oneKey(s, []sketches.Spec{spec})
			if err != nil {
				return nil, err
			}
			r.add(fmt.Sprintf("%s_%s_ns", fullSize()[i].Name, shape.name), ns, "alone, hashing included")
		}
		progress("six sketches, " + shape.name)
		six, err := c.oneKey(s, fullSize())
		if err != nil {
			return nil, err
		}
		r.add("six_"+shape.name+"_ns", six, "one key, hashing included")
		progress("libraries, " + shape.name)
		libraries := c.libraries(s)
		r.add("libraries_"+shape.name+"_ns", libraries, fmt.Sprintf("axiomhq, bits-and-blooms, a map of counts; %.1f times the six", libraries/six))
	}
	for _, many := range []struct {
		name  string
		keys  int
		batch int
	}{{"six_1k_keys_ns", 1000, 65536}, {"six_100k_keys_ns", 100_000, 65536}} {
		progress(many.name)
		ns, err := c.manyKeys(makeStream(c, 1.1, many.keys), many.keys, many.batch)
		if err != nil {
			return nil, err
		}
		r.add(many.name, ns, fmt.Sprintf("%d keys, uniform; batches of %d grouped by key, grouping included", many.keys, many.batch))
	}
	return r, nil
}

func (r *SketchesResult) add(name string, ns float64, note string) {
	r.Figures = append(r.Figures, Figure{name, ns, note})
}

// median times a pass over all events several times, after one that does not count.
func (c SketchesConfig) median(pass func()) float64 {
	pass()
	times := make([]float64, c.Runs)
	for i := range times {
		runtime.GC()
		began := time.Now()
		pass()
		times[i] = float64(time.Since(began).Nanoseconds()) / float64(c.Events)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// newLayout has one item column and one of values.
func newLayout(specs []sketches.Spec) (*sketches.Layout, error) {
	return sketches.NewLayout(1, 0, 1, specs)
}

// rows are events first to last-1 as a pane takes them.
func (s *stream) rows(into *sketches.Rows, index []int32, first, last int) {
	*into = sketches.Rows{
		Index: index[first:last], Times: s.times[first:last], Positions: s.positions[first:last],
		Hashes: [][]uint64{s.hashes[first:last]}, Items: []sketches.Items{itemSlice(s.items)}, Values: [][]float64{s.values[first:last]},
	}
}

func (c SketchesConfig) oneKey(s *stream, specs []sketches.Spec) (float64, error) {
	l, err := newLayout(specs)
	if err != nil {
		return 0, err
	}
	index := make([]int32, c.Events)
	for i := range index {
		index[i] = int32(i)
	}
	var rows sketches.Rows
	return c.median(func() {
		p := l.NewPane()
		for first := 0; first < c.Events; first += applied {
			last := min(first+applied, c.Events)
			s.hash(first, last)
			s.rows(&rows, index, first, last)
			p.Apply(&rows)
		}
	}), nil
}

// manyKeys groups each batch by key with a counting sort, as views do, and
// applies each group to its key's pane.
func (c SketchesConfig) manyKeys(s *stream, keys, batch int) (float64, error) {
	l, err := newLayout(keySize())
	if err != nil {
		return 0, err
	}
	g := newGrouping(keys, batch)
	return c.median(func() {
		panes := make([]*sketches.Pane, keys)
		for first := 0; first < c.Events; first += batch {
			last := min(first+batch, c.Events)
			s.hash(first, last)
			g.group(s, first, last)
			g.each(s, func(key uint32, rows *sketches.Rows) {
				if panes[key] == nil {
					panes[key] = l.NewPane()
				}
				panes[key].Apply(rows)
			})
		}
	}), nil
}

// grouping is the scratch of manyKeys.
type grouping struct {
	ends      []int32 // by key
	order     []int32 // events of the batch, by key
	times     []int64
	hashes    []uint64
	positions []uint64
	values    []float64
}

func newGrouping(keys, batch int) *grouping {
	return &grouping{
		ends: make([]int32, keys+1), order: make([]int32, batch), times: make([]int64, batch),
		hashes: make([]uint64, batch), positions: make([]uint64, batch), values: make([]float64, batch),
	}
}

func (g *grouping) group(s *stream, first, last int) {
	clear(g.ends)
	for _, k := range s.keys[first:last] {
		g.ends[k+1]++
	}
	for k := 1; k < len(g.ends); k++ {
		g.ends[k] += g.ends[k-1]
	}
	g.order = g.order[:last-first]
	for i := first; i < last; i++ {
		at := g.ends[s.keys[i]]
		g.ends[s.keys[i]]++
		g.order[at] = int32(i)
		g.times[at], g.hashes[at], g.positions[at], g.values[at] = s.times[i], s.hashes[i], s.positions[i], s.values[i]
	}
}

// each hands every group to f; ends[k] is where group k ends.
func (g *grouping) each(s *stream, f func(key uint32, rows *sketches.Rows)) {
	items := []sketches.Items{itemSlice(s.items)}
	hashes, values := make([][]uint64, 1), make([][]float64, 1)
	rows := sketches.Rows{Hashes: hashes, Items: items, Values: values}
	begin := int32(0)
	for k, end := range g.ends[:len(g.ends)-1] {
		if end > begin {
			rows.Index, rows.Times, rows.Positions = g.order[begin:end], g.times[begin:end], g.positions[begin:end]
			hashes[0], values[0] = g.hashes[begin:end], g.values[begin:end]
			f(uint32(k), &rows)
		}
		begin = end
	}
}

// libraries does the work of the six with axiomhq/hyperloglog, bits-and-blooms,
// a map of exact counts in place of Count-Min and hot list, and a running sum;
// each hashes for itself, as it does out of the box. It has no sample.
func (c SketchesConfig) libraries(s *stream) float64 {
	return c.median(func() {
		hll := hyperloglog.New14()
		filter := bloom.NewWithEstimates(1_000_000, 0.01)
		counts := make(map[string]uint64)
		sum := 0.0
		for i, item := range s.items {
			hll.Insert(item)
			filter.Add(item)
			counts[string(item)]++
			sum += s.values[i]
		}
		runtime.KeepAlive(sum)
	})
}

// Table writes the figures for people and, as the last line, as JSON.
func (r *SketchesResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "median of %d passes over %d events, one core\tns an event\t\n", r.Config.Runs, r.Config.Events)
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%.1f\t%s\n", f.Name, f.NS, f.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(r)
}

// MarshalJSON writes one object of names and figures.
func (r *SketchesResult) MarshalJSON() ([]byte, error) {
	figures := make(map[string]float64, len(r.Figures))
	for _, f := range r.Figures {
		figures[f.Name] = float64(int(f.NS*10+0.5)) / 10
	}
	return json.Marshal(figures)
}
