package bench

// `bench scale`: the same load again and again, each time on a new server, with one
// setting varied while the others stay.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Dimension is one setting of a load and the values that it takes in turn.
type Dimension struct {
	Name   string
	Unit   string // what a value counts
	Values []int
	set    func(c *LoadConfig, value int)
}

// Dimensions are those that bench scale knows, in the order in which it runs them.
var Dimensions = []Dimension{
	{"keys", "distinct keys", []int{1000, 10_000, 100_000, 1_000_000}, func(c *LoadConfig, v int) { c.Workload.Keys = v }},
	{"partitions", "partitions of the stream", []int{1, 2, 4, 8}, func(c *LoadConfig, v int) { c.Partitions = v }},
	{"event-bytes", "least bytes of an event as sent", []int{0, 200, 500, 1000}, func(c *LoadConfig, v int) { c.Workload.Bytes = v }},
	{"views", "views of the stream, all alike", []int{1, 2, 4, 8, 16}, func(c *LoadConfig, v int) { c.Views = v }},
	{"batch", "events a request", []int{100, 1000, 5000, 20_000}, func(c *LoadConfig, v int) { c.Batch = v }},
}

// DimensionOf finds a dimension by its name.
func DimensionOf(name string) (Dimension, error) {
	var names []string
	for _, d := range Dimensions {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return Dimension{}, fmt.Errorf("bench scale: there is no dimension %q; there are %s", name, strings.Join(names, ", "))
}

// ScaleConfig says what `bench scale` does.
type ScaleConfig struct {
	Load       LoadConfig
	Dimensions []Dimension
	Runs       int                                        // of every point; the median counts
	Launch     func(ctx context.Context) (*Target, error) // starts a server of a point's own
}

// Validate names every fault at once.
func (c ScaleConfig) Validate() error {
	faults := []error{c.Load.Validate()}
	if len(c.Dimensions) == 0 || c.Launch == nil {
		faults = append(faults, errors.New("bench scale: a dimension and a way to start servers are needed"))
	}
	if c.Runs < 1 || c.Runs > 99 {
		faults = append(faults, errors.New("bench scale: runs must lie between 1 and 99"))
	}
	for _, d := range c.Dimensions {
		for _, v := range d.Values {
			point := c.Load
			d.set(&point, v)
			if err := point.Validate(); err != nil {
				faults = append(faults, fmt.Errorf("bench scale: %s of %d: %w", d.Name, v, err))
			}
		}
	}
	return errors.Join(faults...)
}

// ScalePoint is one value of a dimension.
type ScalePoint struct {
	EventsPerSecond float64 `json:"events_per_second"`   // to queryable
	EventCPU        float64 `json:"server_microseconds"` // of the server's processor time, an event
	PeakRSS         int64   `json:"peak_rss_bytes"`
	P99             float64 `json:"latency_ms_p99"` // ms
}

// ScaleResult is what `bench scale` reports: points by dimension and value.
type ScaleResult struct {
	Kind   string                           `json:"bench"`
	Events int                              `json:"events"` // of every run
	Format string                           `json:"format"`
	Runs   int                              `json:"runs"`
	Scale  map[string]map[string]ScalePoint `json:"scale"`

	order []Dimension
}

// Scale measures every point of every dimension.
func Scale(ctx context.Context, c ScaleConfig) (*ScaleResult, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &ScaleResult{Kind: "scale", Events: c.Load.Workload.Events, Format: c.Load.Format, Runs: c.Runs, Scale: map[string]map[string]ScalePoint{}, order: c.Dimensions}
	for _, d := range c.Dimensions {
		points := map[string]ScalePoint{}
		r.Scale[d.Name] = points
		for _, v := range d.Values {
			load := c.Load
			d.set(&load, v)
			p, err := c.point(ctx, load)
			if err != nil {
				return nil, fmt.Errorf("bench scale: %s of %d: %w", d.Name, v, err)
			}
			points[fmt.Sprint(v)] = p
		}
	}
	return r, nil
}

// point is the run with the median throughput.
func (c ScaleConfig) point(ctx context.Context, load LoadConfig) (ScalePoint, error) {
	var points []ScalePoint
	for range c.Runs {
		p, err := c.run(ctx, load)
		if err != nil {
			return p, err
		}
		points = append(points, p)
	}
	slices.SortFunc(points, func(a, b ScalePoint) int { return cmp.Compare(a.EventsPerSecond, b.EventsPerSecond) })
	return points[len(points)/2], nil
}

func (c ScaleConfig) run(ctx context.Context, load LoadConfig) (p ScalePoint, err error) {
	t, err := c.Launch(ctx)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	one, _, err := loadAll(ctx, t, load)
	if err != nil {
		return p, err
	}
	return ScalePoint{
		EventsPerSecond: one.EventsPerSecond, PeakRSS: one.PeakRSS, P99: one.Latency.P99,
		EventCPU: one.CPUSeconds * 1e6 / float64(max(one.Acknowledged, 1)),
	}, nil
}

// Table writes the points by dimension. The last column compares the server's work
// for an event with that of the dimension's first value.
func (r *ScaleResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, d := range r.order {
		fmt.Fprintf(t, "%s\tevents/s\tserver µs/event\tpeak MiB\tp99 ms\twork\t\n", d.Name)
		first := r.Scale[d.Name][fmt.Sprint(d.Values[0])]
		for _, v := range d.Values {
			p := r.Scale[d.Name][fmt.Sprint(v)]
			work := "-"
			if first.EventCPU > 0 {
				work = fmt.Sprintf("%.2f", p.EventCPU/first.EventCPU)
			}
			fmt.Fprintf(t, "%d\t%.0f\t%.2f\t%.0f\t%.1f\t%s\t\n", v, p.EventsPerSecond, p.EventCPU, float64(p.PeakRSS)/(1<<20), p.P99, work)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d %s events a run, median of %d, each on a new server; work is the server's processor time an event against the first row\n", r.Events, r.Format, r.Runs)
	return err
}

// Plot draws throughput, and the server's work for an event, over each dimension.
func (r *ScaleResult) Plot(w io.Writer) error {
	c := chart{title: "sketchlog bench scale", note: fmt.Sprintf("%d %s events a run, median of %d", r.Events, r.Format, r.Runs)}
	for _, d := range r.order {
		var rate, work []point
		var values []float64
		for _, v := range d.Values {
			p := r.Scale[d.Name][fmt.Sprint(v)]
			values = append(values, float64(v))
			rate = append(rate, point{float64(v), p.EventsPerSecond})
			work = append(work, point{float64(v), p.EventCPU})
		}
		one := panel{xTitle: d.Unit, xTicks: values, logX: values[0] > 0}
		one.title, one.series = "Events a second by "+d.Name, []series{{points: rate}}
		c.panels = append(c.panels, one)
		one.title, one.series = "Microseconds of the server's processor time an event by "+d.Name, []series{{points: work}}
		c.panels = append(c.panels, one)
	}
	return c.writeSVG(w)
}
