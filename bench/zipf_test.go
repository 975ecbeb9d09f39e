package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Every rank comes as often as the definition says, within five standard
// deviations of a binomial count.
func TestZipfFollowsItsDefinition(t *testing.T) {
	for _, c := range []struct {
		n int
		s float64
	}{{1, 1.1}, {2, 0}, {10, 0}, {100, 1.1}, {1000, 1.05}, {1000, 0.5}} {
		const draws = 1_000_000
		counts := make([]float64, c.n)
		r := rand.New(rand.NewPCG(1, 2))
		z := NewZipf(c.n, c.s)
		for range draws {
			counts[z.Draw(r.Uint64())]++
		}
		sum := 0.0
		for i := range c.n {
			sum += math.Pow(float64(i+1), -c.s)
		}
		for i, got := range counts {
			p := math.Pow(float64(i+1), -c.s) / sum
			want, deviation := p*draws, math.Sqrt(draws*p*(1-p))
			if math.Abs(got-want) > 5*deviation+1 {
				t.Errorf("n=%d s=%v: rank %d came %v times, expected %.0f ± %.0f", c.n, c.s, i, got, want, deviation)
			}
		}
	}
}

func BenchmarkZipfDraw(b *testing.B) {
	z := NewZipf(1_000_000, 1.05)
	r := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	var sum uint32
	for b.Loop() {
		sum += z.Draw(r.Uint64())
	}
	_ = sum
}
