package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a distribution in milliseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// newHistogram holds 1 µs to 10 min with three significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
}

// record adds one duration; what lies beyond the histogram counts as its end.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	us := min(max(d.Microseconds(), h.LowestTrackableValue()), h.HighestTrackableValue())
	if err := h.RecordValue(us); err != nil {
		panic("bench: a clamped value lies outside of its histogram: " + err.Error())
	}
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: ms(50), P99: ms(99), P999: ms(99.9), Max: float64(h.Max()) / 1000}
}

// IngestResult is what `bench ingest` reports.
type IngestResult struct {
	Events          int     `json:"events"`
	Seconds         float64 `json:"seconds"` // from the first request to the last event in every view
	EventsPerSecond float64 `json:"events_per_second"`
	Acknowledged    int     `json:"acknowledged"`
	AckSeconds      float64 `json:"acknowledged_seconds"` // to the last acknowledgement
	Format          string  `json:"format"`
	Acks            string  `json:"acks"`
	Connections     int     `json:"connections"`
	Batch           int     `json:"batch"`
	Partitions      int     `json:"partitions"`
	BytesSent       int64   `json:"bytes_sent"`
	Retries         int64   `json:"retries"` // requests that the server put off
	Latency         Latency `json:"latency_ms"`
	PeakRSS         int64   `json:"peak_rss_bytes"` // of a server started for the run; else 0
	CPUSeconds      float64 `json:"cpu_seconds"`    // likewise
	GeneratorCPU    float64 `json:"generator_cpu_seconds"`
}

// Table writes the result for people.
func (r *IngestResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "events\t%d, %s, acks=%s, %d connections, %d events a request, %d partitions\n", r.Events, r.Format, r.Acks, r.Connections, r.Batch, r.Partitions)
	fmt.Fprintf(t, "acknowledged\t%d in %.2f s (%.0f a second)\n", r.Acknowledged, r.AckSeconds, float64(r.Acknowledged)/r.AckSeconds)
	fmt.Fprintf(t, "queryable\tafter %.2f s: %.0f events a second\n", r.Seconds, r.EventsPerSecond)
	fmt.Fprintf(t, "request latency\tp50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms\n", r.Latency.P50, r.Latency.P99, r.Latency.P999, r.Latency.Max)
	fmt.Fprintf(t, "sent\t%.1f MB, %d requests put off\n", float64(r.BytesSent)/1e6, r.Retries)
	if r.PeakRSS > 0 {
		fmt.Fprintf(t, "server\t%.1f s of processor time, peak memory %.0f MiB\n", r.CPUSeconds, float64(r.PeakRSS)/(1<<20))
	}
	fmt.Fprintf(t, "generator\t%.1f s of processor time\n", r.GeneratorCPU)
	return t.Flush()
}

// QueryResult is what `bench query` reports.
type QueryResult struct {
	Events  int                `json:"events"`
	Rate    float64            `json:"rate"`  // questions a second asked
	Asked   int                `json:"asked"` // in all
	Late    int                `json:"late"`  // asked more than 1 ms after their time
	Latency map[string]Latency `json:"latency_ms"`
}

// Table writes the result for people.
func (r *QueryResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "question\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\t\n")
	for _, name := range slices.Sorted(maps.Keys(r.Latency)) {
		l := r.Latency[name]
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t\n", name, l.P50, l.P99, l.P999, l.Max)
	}
	fmt.Fprintf(t, "over %d events; %.0f questions a second, %d in all, %d of them asked late\n", r.Events, r.Rate, r.Asked, r.Late)
	return t.Flush()
}
