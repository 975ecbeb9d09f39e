package bench

// Distributions of latency, in HdrHistograms.

import (
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

// percentiles are where the curve of a distribution is drawn.
var percentiles = []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999}

// point of a curve.
type point struct{ x, y float64 }

// curveOf is latency in milliseconds against the percentile, as far as there
// are enough values for one.
func curveOf(h *hdrhistogram.Histogram) []point {
	var out []point
	for _, q := range percentiles {
		if n := float64(h.TotalCount()); n == 0 || q > 0 && n*(1-q/100) < 1-1e-6 {
			break
		}
		out = append(out, point{q, float64(h.ValueAtQuantile(q)) / 1000})
	}
	return out
}
