package bench

import (
	"encoding/json"
	"fmt"
	"io"
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
	NS   float64 // processor time
	Wall float64 // wall time, ns
	Note string
}

// applied is how many events a pane is given at once: about a batch of the log.
const applied = 8192

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
		s := newSketchStream(c, shape.skew, 1)
		r.add("hash_"+shape.name+"_ns", c.hashing(s), "xxh3 of a column of strings, alone")
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
		r.add("libraries_"+shape.name+"_ns", libraries, fmt.Sprintf("axiomhq, bits-and-blooms, a map of counts; %.1f times the six", libraries.cpu/six.cpu))
	}
	for _, many := range []struct {
		name  string
		keys  int
		batch int
	}{{"six_1k_keys_ns", 1000, 65536}, {"six_100k_keys_ns", 100_000, 65536}} {
		progress(many.name)
		ns, err := c.manyKeys(newSketchStream(c, 1.1, many.keys), many.keys, many.batch)
		if err != nil {
			return nil, err
		}
		r.add(many.name, ns, fmt.Sprintf("%d keys, uniform; batches of %d grouped by key, grouping included", many.keys, many.batch))
	}
	return r, nil
}

func (r *SketchesResult) add(name string, t timing, note string) {
	r.Figures = append(r.Figures, Figure{name, t.cpu, t.wall, note})
}

// stopwatch adds up the time of what it is started and stopped around: the
// processor time of this thread, and wall time.
type stopwatch struct {
	cpu, wall           time.Duration
	beganCPU, beganWall time.Duration
	epoch               time.Time
}

func (w *stopwatch) start() { w.beganCPU, w.beganWall = threadTime(), time.Since(w.epoch) }

func (w *stopwatch) stop() {
	w.cpu, w.wall = w.cpu+threadTime()-w.beganCPU, w.wall+time.Since(w.epoch)-w.beganWall
}

// median times a pass over all events several times, after one that does not count.
func (c SketchesConfig) median(pass func(w *stopwatch)) timing {
	pass(&stopwatch{epoch: time.Now()})
	cpu, wall := make([]time.Duration, c.Runs), make([]time.Duration, c.Runs)
	for i := range c.Runs {
		runtime.GC()
		w := stopwatch{epoch: time.Now()}
		pass(&w)
		cpu[i], wall[i] = w.cpu, w.wall
	}
	middle := func(times []time.Duration) float64 {
		slices.Sort(times)
		return float64(times[len(times)/2].Nanoseconds()) / float64(c.Events)
	}
	return timing{middle(cpu), middle(wall)}
}

// timing is ns an event.
type timing struct{ cpu, wall float64 }

// newLayout has one item column and one of values.
func newLayout(specs []sketches.Spec) (*sketches.Layout, error) {
	return sketches.NewHashedLayout(event.HashItem, 1, 0, 1, specs)
}

// hashing is the part of the work that all sketches share.
func (c SketchesConfig) hashing(s *sketchStream) timing {
	hashes := make([]uint64, applied)
	return c.median(func(w *stopwatch) {
		s.batches(applied, w, func(b *sketchStream) { b.hash(hashes[:len(b.refs)]) })
	})
}

// oneKey hashes and applies the stream by batches, to a new pane each pass.
func (c SketchesConfig) oneKey(s *sketchStream, specs []sketches.Spec) (timing, error) {
	l, err := newLayout(specs)
	if err != nil {
		return timing{}, err
	}
	index := make([]int32, applied)
	for i := range index {
		index[i] = int32(i)
	}
	hashes := make([]uint64, applied)
	rows := sketches.Rows{Hashes: make([][]uint64, 1), Items: make([]sketches.Items, 1), Values: make([][]float64, 1)}
	return c.median(func(w *stopwatch) {
		p := l.NewPane()
		s.batches(applied, w, func(b *sketchStream) {
			n := len(b.refs)
			b.hash(hashes[:n])
			rows.Index, rows.Times, rows.Positions = index[:n], b.times, b.positions
			rows.Hashes[0], rows.Items[0], rows.Values[0] = hashes[:n], b, b.values
			p.Apply(&rows)
		})
	}), nil
}

// manyKeys groups each batch by key with a counting sort, as views do, and
// applies each group to its key's pane.
func (c SketchesConfig) manyKeys(s *sketchStream, keys, batch int) (timing, error) {
	l, err := newLayout(keySize())
	if err != nil {
		return timing{}, err
	}
	g := newGrouping(keys, batch)
	return c.median(func(w *stopwatch) {
		panes := make([]*sketches.Pane, keys)
		s.batches(batch, w, func(b *sketchStream) {
			g.group(b)
			g.apply(l, panes)
		})
	}), nil
}

// libraries does the work of the six with axiomhq/hyperloglog, bits-and-blooms,
// a map of exact counts in place of Count-Min and hot list, and a running sum;
// each hashes for itself, as it does out of the box. It has no sample.
func (c SketchesConfig) libraries(s *sketchStream) timing {
	return c.median(func(w *stopwatch) {
		hll := hyperloglog.New14()
		filter := bloom.NewWithEstimates(1_000_000, 0.01)
		counts := make(map[string]uint64)
		sum := 0.0
		s.batches(applied, w, func(b *sketchStream) {
			for i, value := range b.values {
				item := b.item(i)
				hll.Insert(item)
				filter.Add(item)
				counts[string(item)]++
				sum += value
			}
		})
		runtime.KeepAlive(sum)
	})
}

// Table writes the figures for people and, as the last line, as JSON.
func (r *SketchesResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "median of %d passes over %d events, one core; ns an event\tprocessor\twall\t\n", r.Config.Runs, r.Config.Events)
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%s\n", f.Name, f.NS, f.Wall, f.Note)
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
