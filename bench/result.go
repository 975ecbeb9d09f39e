package bench

// What runs report: the names of these fields are a contract, because results
// are kept and compared.

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"
)

// Sample is one moment of a run. Counts of events add up from its beginning.
type Sample struct {
	Seconds   float64 `json:"seconds"` // since offering began
	Offered   int64   `json:"offered"`
	Accepted  int64   `json:"accepted"` // acknowledged
	Refused   int64   `json:"refused"`
	Applied   int64   `json:"applied"` // in full, by the view that is watched
	Rate      float64 `json:"rate"`    // the least over partitions and views
	Freshness float64 `json:"freshness_seconds"`
	NewestAge float64 `json:"newest_age_seconds"` // of the newest event in answers, since it was made
	Owed      uint64  `json:"owed"`
	Lost      uint64  `json:"lost"`
	Error     float64 `json:"error"` // mean relative error of the answers of this moment
	Asked     int     `json:"asked"` // answers with an interval
	Held      int     `json:"held"`  // of these, intervals that held the exact answer

	at      time.Time
	offsets [][]uint64 // by view and partition
}

// IngestResult is what `bench ingest` reports.
type IngestResult struct {
	Kind            string   `json:"bench"`
	Events          int      `json:"events"`
	Seconds         float64  `json:"seconds"` // from the first request to the last event in every view
	EventsPerSecond float64  `json:"events_per_second"`
	Acknowledged    int64    `json:"acknowledged"`
	AckSeconds      float64  `json:"acknowledged_seconds"` // to the last acknowledgement
	Format          string   `json:"format"`
	Acks            string   `json:"acks"`
	Connections     int      `json:"connections"`
	Batch           int      `json:"batch"`
	Partitions      int      `json:"partitions"`
	Views           int      `json:"views"`
	Keys            int      `json:"keys"`
	Items           int      `json:"items"`
	BytesSent       int64    `json:"bytes_sent"`
	Retries         int64    `json:"retries"` // requests that the server put off
	Latency         Latency  `json:"latency_ms"`
	PeakRSS         int64    `json:"peak_rss_bytes"` // of a server started for the run; else 0
	CPUSeconds      float64  `json:"cpu_seconds"`    // likewise
	GeneratorCPU    float64  `json:"generator_cpu_seconds"`
	Timeline        []Sample `json:"timeline"`

	curve []point
}

// Table writes the result for people.
func (r *IngestResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "events\t%d of %d keys and %d items, %s, acks=%s, %d connections, %d events a request, %d partitions, %d views\n",
		r.Events, r.Keys, r.Items, r.Format, r.Acks, r.Connections, r.Batch, r.Partitions, r.Views)
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

// GenerateResult is what `bench ingest --dry-run` reports.
type GenerateResult struct {
	Kind            string  `json:"bench"`
	Events          int64   `json:"events"`
	Seconds         float64 `json:"seconds"`
	EventsPerSecond float64 `json:"events_per_second"`
	PerCPUSecond    float64 `json:"events_per_cpu_second"`
	Bytes           int64   `json:"bytes"`
	Format          string  `json:"format"`
	Connections     int     `json:"connections"`
	GeneratorCPU    float64 `json:"generator_cpu_seconds"`
}

// Table writes the result for people.
func (r *GenerateResult) Table(w io.Writer) error {
	_, err := fmt.Fprintf(w, "the generator alone: %.0f %s events a second (%.0f a second of processor time), %.1f MB/s\n",
		r.EventsPerSecond, r.Format, r.PerCPUSecond, float64(r.Bytes)/1e6/r.Seconds)
	return err
}

// QueryResult is what `bench query` reports.
type QueryResult struct {
	Kind    string             `json:"bench"`
	Events  int64              `json:"events"`
	Rate    float64            `json:"rate"`  // questions a second asked
	Asked   int64              `json:"asked"` // in all
	Late    int64              `json:"late"`  // asked more than 1 ms after their time
	Latency map[string]Latency `json:"latency_ms"`

	curves map[string][]point
}

// Table writes the result for people.
func (r *QueryResult) Table(w io.Writer) error {
	if err := latencyTable(w, r.Latency); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "over %d events; %.0f questions a second, %d in all, %d of them asked late\n", r.Events, r.Rate, r.Asked, r.Late)
	return err
}

func latencyTable(w io.Writer, latency map[string]Latency) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "question\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\t\n")
	for _, name := range slices.Sorted(maps.Keys(latency)) {
		l := latency[name]
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t\n", name, l.P50, l.P99, l.P999, l.Max)
	}
	return t.Flush()
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: getrusage of the own process failed: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
