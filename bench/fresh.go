package bench

// Freshness: for how long the oldest acknowledged event that answers leave out
// has been acknowledged. It is what a view owes to those who were told that
// their events are in; the way of an event to its acknowledgement is the
// latency of its request, and is reported there.

import (
	"cmp"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Freshness is a distribution in seconds.
type Freshness struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// arrivals knows when the records of one partition were acknowledged.
type arrivals struct {
	offsets []uint64    // rising
	oldest  []time.Time // the first acknowledgement at this offset or after it
}

func arrivalsOf(receipts []receipt, partition int) *arrivals {
	type one struct {
		offset uint64
		acked  time.Time
	}
	var all []one
	for _, r := range receipts {
		if r.offsets[partition] > 0 {
			all = append(all, one{r.offsets[partition], r.acked})
		}
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Compare(a.offset, b.offset) })
	a := &arrivals{offsets: make([]uint64, len(all)), oldest: make([]time.Time, len(all))}
	for i := len(all) - 1; i >= 0; i-- {
		a.offsets[i], a.oldest[i] = all[i].offset, all[i].acked
		if i+1 < len(all) && a.oldest[i+1].Before(a.oldest[i]) {
			a.oldest[i] = a.oldest[i+1]
		}
	}
	return a
}

// behind is how long ago the first record after offset was acknowledged; 0 if
// there was none by now.
func (a *arrivals) behind(offset uint64, now time.Time) time.Duration {
	i, _ := slices.BinarySearch(a.offsets, offset+1)
	if i == len(a.offsets) {
		return 0
	}
	return max(now.Sub(a.oldest[i]), 0)
}

// intoFreshness fills in the freshness of every sample, the worst of all views
// and partitions, and returns its distribution: until the load's end, and from
// there until the views have caught up.
func intoFreshness(timeline []Sample, receipts []receipt, partitions int, until time.Time) Freshness {
	by := make([]*arrivals, partitions)
	for p := range by {
		by[p] = arrivalsOf(receipts, p)
	}
	h := newHistogram()
	counted := true
	for i := range timeline {
		s := &timeline[i]
		var worst time.Duration
		for _, view := range s.offsets {
			for p, offset := range view {
				worst = max(worst, by[p].behind(offset, s.at))
			}
		}
		s.Freshness = worst.Seconds()
		counted = counted && (s.at.Before(until) || worst > 0)
		if counted {
			record(h, worst)
		}
	}
	return secondsOf(h)
}

func secondsOf(h *hdrhistogram.Histogram) Freshness {
	s := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
	return Freshness{P50: s(50), P99: s(99), Max: float64(h.Max()) / 1e6}
}

// ages is the distribution of the newest events' ages until a moment.
func ages(timeline []Sample, until time.Time) Freshness {
	h := newHistogram()
	for _, s := range timeline {
		if s.at.Before(until) {
			record(h, time.Duration(s.NewestAge*float64(time.Second)))
		}
	}
	return secondsOf(h)
}
