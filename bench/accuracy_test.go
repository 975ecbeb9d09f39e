package bench

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// The bound is compared with the sum of exact binomial probabilities.
func TestBinomialBound(t *testing.T) {
	for _, c := range []struct {
		n int
		p float64
	}{{1, 0.5}, {50, 0.01}, {50, 0}, {50, 1}, {1000, 0.001}, {100, 0.3}, {20, 0.99}} {
		got := int(binomialAtMost(c.n, c.p))
		below, upTo := cumulative(c.n, got-1, c.p), cumulative(c.n, got, c.p)
		if upTo < 0.975-1e-9 || (got > 0 && below >= 0.975+1e-9) {
			t.Errorf("n=%d p=%v: %d, which is exceeded with %v", c.n, c.p, got, 1-upTo)
		}
	}
}

func cumulative(n, k int, p float64) float64 {
	sum := 0.0
	for i := 0; i <= k; i++ {
		choose, _ := new(big.Float).SetInt(new(big.Int).Binomial(int64(n), int64(i))).Float64()
		sum += choose * math.Pow(p, float64(i)) * math.Pow(1-p, float64(n-i))
	}
	return sum
}

// Wilson's interval must hold the true share in about 95% of samples.
func TestWilsonHoldsItsShare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, p := range []float64{0.05, 0.3, 0.5, 0.9} {
		held := 0
		const runs, n = 5000, 100
		for range runs {
			hits := 0
			for range n {
				if r.Float64() < p {
					hits++
				}
			}
			if low, high := wilson(hits, n); low <= p && p <= high {
				held++
			}
		}
		if share := float64(held) / runs; share < 0.93 || share > 0.98 {
			t.Errorf("share %v: %v of the intervals hold", p, share)
		}
	}
}

func TestKthCount(t *testing.T) {
	counts := map[uint32]int64{1: 5, 2: 9, 3: 5, 4: 1}
	for k, want := range map[int]int64{1: 9, 2: 5, 3: 5, 4: 1, 5: 0} {
		if got := kthCount(counts, k); got != want {
			t.Errorf("the %d. count is %d; want %d", k, got, want)
		}
	}
}

func TestSketchAccuracyAddsUp(t *testing.T) {
	r := &AccuracyResult{Sketches: map[string]*SketchAccuracy{}}
	s := r.sketch("hll")
	s.add(100, 90, 110, 100, 100, true)
	s.add(110, 105, 115, 100, 100, false)
	s.endKey(0)
	s.add(99, 99, 99, 100, 100, true) // says exact and is not
	s.add(0, 0, 0, 0, 0, true)
	s.endKey(7)
	s.finish()
	if s.Answers != 4 || math.Abs(s.Mean-0.0275) > 1e-12 || s.Max != 0.1 || s.IntervalsHeld != 0.5 || s.Wrong != 1 || s.Exact != 0.75 {
		t.Errorf("%+v", s)
	}
	if len(s.byKey) != 2 || s.byKey[0] != (point{0, 0.05}) || s.byKey[1] != (point{7, 0.005}) {
		t.Errorf("by key: %v", s.byKey)
	}
}
