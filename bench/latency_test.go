package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Percentiles are those of the sorted values, within the histogram's three digits.
func TestPercentilesAreThoseOfTheSortedValues(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	h := newHistogram()
	var all []float64 // ms
	for range 20_000 {
		d := time.Duration(math.Exp(r.NormFloat64()*2+8)) * time.Microsecond
		record(h, d)
		all = append(all, float64(d.Microseconds())/1000)
	}
	slices.Sort(all)
	// at is the value at a quantile, from one rank below to one above it: which of them has it is a matter of rounding.
	at := func(q float64) [2]float64 {
		rank := int(math.Round(q / 100 * float64(len(all))))
		return [2]float64{all[max(rank-2, 0)], all[min(rank, len(all)-1)]}
	}
	l := latencyOf(h)
	for _, c := range []struct {
		name string
		got  float64
		want [2]float64
	}{
		{"p50", l.P50, at(50)}, {"p99", l.P99, at(99)}, {"p999", l.P999, at(99.9)}, {"max", l.Max, at(100)},
	} {
		if c.got < 0.998*c.want[0] || c.got > 1.002*c.want[1] {
			t.Errorf("%s is %v; want %v", c.name, c.got, c.want)
		}
	}
	curve := curveOf(h)
	if curve[0].x != 0 || curve[len(curve)-1].x != 99.995 { // one value of 20,000 lies above it
		t.Errorf("20,000 values are drawn from percentile %v to %v", curve[0].x, curve[len(curve)-1].x)
	}
	for i := 1; i < len(curve); i++ {
		if curve[i].y < curve[i-1].y {
			t.Errorf("the curve falls at percentile %v", curve[i].x)
		}
	}
}

func TestDurationsBeyondTheHistogramCountAsItsEnds(t *testing.T) {
	h := newHistogram()
	record(h, -time.Second)
	record(h, 24*time.Hour)
	if l := latencyOf(h); h.TotalCount() != 2 || l.Max < 600_000*0.99 {
		t.Errorf("%d values, the greatest %v ms", h.TotalCount(), l.Max)
	}
	if c := curveOf(newHistogram()); len(c) != 0 {
		t.Errorf("nothing is drawn as %v", c)
	}
}
