package sketches

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func newHalfLife(t testing.TB, milliseconds int64) *HalfLife {
	t.Helper()
	h, err := NewHalfLife(milliseconds)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	second = int64(1000)
	year   = 365 * 24 * 3600 * second
)

// decayed is the definition, summed with 200 bits, and the sum of magnitudes.
func decayed(times []int64, values []float64, halfLife, at int64) (sum, magnitude float64) {
	total := new(big.Float).SetPrec(200)
	term := new(big.Float).SetPrec(200)
	for i, v := range values {
		// The power by halves: whole half-lives exactly, the rest as a number.
		whole, rest := (at-times[i])/halfLife, (at-times[i])%halfLife
		w := math.Exp2(-float64(rest) / float64(halfLife))
		term.SetMantExp(new(big.Float).SetPrec(200).SetFloat64(w), -int(whole))
		term.Mul(term, big.NewFloat(v))
		total.Add(total, term)
		m, _ := term.Float64()
		magnitude += math.Abs(m)
	}
	sum, _ = total.Float64()
	return sum, magnitude
}

func TestHalfLifeSumDefinition(t *testing.T) {
	const n = 4000
	for _, halfLife := range []int64{1, 7, second, 60 * second, 3600*second + 1, 24 * 3600 * second, year} {
		for _, span := range []int64{halfLife / 3, 40 * halfLife, 300 * second} {
			for name, value := range map[string]func(r *rand.Rand) float64{
				"positive": func(r *rand.Rand) float64 { return r.Float64() * 1000 },
				"signed":   func(r *rand.Rand) float64 { return r.NormFloat64() },
				"wide":     func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64() * 20) },
			} {
				r := rand.New(rand.NewPCG(uint64(halfLife), uint64(span)))
				times, values := make([]int64, n), make([]float64, n)
				start := int64(1_700_000_000_000)
				for i := range times {
					late := int64(0)
					if r.IntN(5) == 0 {
						late = r.Int64N(span + 1)
					}
					times[i] = start + span*int64(i)/n - late
					values[i] = value(r)
				}
				h := newHalfLife(t, halfLife)
				s := NewHalfLifeSum(h)
				for i := 0; i < n; {
					k := min(n-i, 1+r.IntN(500))
					s.AddValues(times[i:i+k], values[i:i+k])
					i += k
				}
				for _, at := range []int64{start + span, slices.Max(times), start + span + 3*halfLife + 1} {
					want, magnitude := decayed(times, values, halfLife, at)
					if got := s.At(at); math.Abs(got-want) > 1e-14*magnitude {
						t.Errorf("half-life %d, span %d, %s: %v, want %v (error %.1e of the magnitude)", halfLife, span, name, got, want, math.Abs(got-want)/magnitude)
					}
				}
			}
		}
	}
}

// A million events, each of which moves time forward, lose nothing.
func TestHalfLifeSumMillionSteps(t *testing.T) {
	for _, halfLife := range []int64{second, year} {
		s := NewHalfLifeSum(newHalfLife(t, halfLife))
		start := int64(1_700_000_000_000)
		n := 1_000_000
		for i := range n {
			s.Add(start+int64(i), 1)
		}
		// A geometric series.
		q := math.Ln2 / float64(halfLife)
		want := math.Expm1(-q*float64(n)) / math.Expm1(-q)
		if got := s.At(start + int64(n) - 1); math.Abs(got/want-1) > 1e-13 {
			t.Errorf("half-life %d: %v, want %v, relative error %.1e", halfLife, got, want, got/want-1)
		}
	}
}

func TestHalfLifePower(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, halfLife := range []int64{1, 2, 3, 1000, 1001, 1 << 40, 1 << 53} {
		h := newHalfLife(t, halfLife)
		for range 20_000 {
			rest := r.Int64N(halfLife + 1)
			want := math.Exp2(float64(rest) / float64(halfLife))
			if got := h.power(rest); math.Abs(got/want-1) > 1.2e-15 {
				t.Fatalf("2^(%d/%d) = %v, want %v", rest, halfLife, got, want)
			}
		}
	}
}

func TestHalfLifeSumExtremes(t *testing.T) {
	h := newHalfLife(t, 1000)
	s := NewHalfLifeSum(h)
	if s.At(5) != 0 {
		t.Error("empty sum")
	}
	s.AddValues([]int64{1, 2, 3, 4}, []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64})
	if !bytes.Equal(s.AppendBinary(nil), NewHalfLifeSum(h).AppendBinary(nil)) {
		t.Error("values that cannot be used changed the sum")
	}
	s.AddValues([]int64{-2500, 0, 2500}, []float64{8, 8, 8}) // before and after 1970
	want := 8*math.Exp2(-5) + 8*math.Exp2(-2.5) + 8
	if got := s.At(2500); math.Abs(got-want) > 1e-14 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := s.At(500); math.Abs(got/(4*want)-1) > 1e-14 {
		t.Errorf("before the latest event: %v, want %v", got, 4*want)
	}
	for _, time := range []int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, 0} {
		s.Add(time, decayLimit)
		s.Add(time, -1)
		for _, at := range []int64{math.MinInt64, 0, math.MaxInt64} {
			if got := s.At(at); math.IsNaN(got) || math.IsInf(got, 0) {
				t.Errorf("at %d after %d: %v", at, time, got)
			}
		}
		if _, _, err := DecodeHalfLifeSum(s.AppendBinary(nil), h); err != nil {
			t.Errorf("after %d: %v", time, err)
		}
	}
	for _, ms := range []int64{0, -1, 1<<53 + 1} {
		if _, err := NewHalfLife(ms); err == nil {
			t.Errorf("half-life %d was accepted", ms)
		}
	}
}

// Parts of a stream, merged in any order, give the whole to rounding, and two
// sums give the same bytes in either order.
func TestHalfLifeSumMerge(t *testing.T) {
	h := newHalfLife(t, 5000)
	r := rand.New(rand.NewPCG(4, 4))
	whole := NewHalfLifeSum(h)
	parts := make([]*HalfLifeSum, 7)
	for i := range parts {
		parts[i] = NewHalfLifeSum(h)
	}
	magnitude := NewHalfLifeSum(h)
	for range 20_000 {
		time, v := r.Int64N(100_000), r.NormFloat64()
		whole.Add(time, v)
		magnitude.Add(time, math.Abs(v))
		parts[r.IntN(len(parts)-1)].Add(time, v) // the last stays empty
	}
	for range 10 {
		sum := NewHalfLifeSum(h)
		for _, i := range r.Perm(len(parts)) {
			if err := sum.Merge(parts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := sum.At(100_000), whole.At(100_000); math.Abs(got-want) > 1e-14*magnitude.At(100_000) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	ab, ba := parts[0].Clone(), parts[1].Clone()
	if err := errors.Join(ab.Merge(parts[1]), ba.Merge(parts[0])); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ab.AppendBinary(nil), ba.AppendBinary(nil)) {
		t.Error("not commutative")
	}
	if err := ab.Merge(NewHalfLifeSum(newHalfLife(t, 5001))); !errors.Is(err, ErrMismatch) {
		t.Errorf("other half-life: %v", err)
	}
}

// powerSum is the definition of the sum by factor, with 300 bits.
func powerSum(values []float64, factor float64) (sum, magnitude float64) {
	total := new(big.Float).SetPrec(300)
	f := new(big.Float).SetPrec(300).SetFloat64(factor)
	for _, v := range values {
		total.Mul(total, f)
		total.Add(total, big.NewFloat(v))
		magnitude = magnitude*factor + math.Abs(v)
	}
	sum, _ = total.Float64()
	return sum, magnitude
}

func TestFactorSumDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, factor := range []float64{1e-300, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6, 1 - 1e-9, math.Nextafter(1, 0), 1} {
		values := make([]float64, 100_003)
		for i := range values {
			values[i] = r.NormFloat64() + 0.3
		}
		want, magnitude := powerSum(values, factor)
		single, cut, followed := newFactorSum(t, factor), newFactorSum(t, factor), newFactorSum(t, factor)
		for _, v := range values {
			single.Add(v)
		}
		for rest := values; len(rest) > 0; {
			n := min(len(rest), r.IntN(2000))
			cut.AddValues(rest[:n])
			later := newFactorSum(t, factor)
			later.AddValues(rest[:n])
			if err := followed.Follow(later); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		for name, s := range map[string]*FactorSum{"one by one": single, "columns": cut, "followed": followed} {
			if err := math.Abs(s.Sum()-want) / magnitude; err > 1e-13 || s.Count() != uint64(len(values)) {
				t.Errorf("factor %v, %s: %v of %d, want %v (error %.1e of the magnitude)", factor, name, s.Sum(), s.Count(), want, err)
			}
		}
	}
}

func newFactorSum(t testing.TB, factor float64) *FactorSum {
	t.Helper()
	s, err := NewFactorSum(factor)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFactorSumExtremes(t *testing.T) {
	s := newFactorSum(t, 0.5)
	s.AddValues([]float64{math.NaN(), 8, math.NaN(), math.Inf(1), 4, math.NaN(), math.Inf(-1), math.MaxFloat64, 2, 1, 1, 1, 1})
	if want := 8.0/64 + 4.0/32 + 2.0/16 + 1.0/8 + 1.0/4 + 1.0/2 + 1; s.Sum() != want || s.Count() != 7 {
		t.Errorf("%v of %d, want %v of 7", s.Sum(), s.Count(), want)
	}
	other := newFactorSum(t, 0.5)
	other.AddValues([]float64{3, 5})
	if err := s.Merge(other); err != nil || s.Count() != 9 || s.Sum() != 2.25+6.5 {
		t.Errorf("merged: %v of %d, %v", s.Sum(), s.Count(), err)
	}
	if other.Sum() != 6.5 {
		t.Error("the other was changed")
	}
	s.Follow(newFactorSum(t, 0.5))
	if s.Sum() != 8.75 {
		t.Errorf("followed by nothing: %v", s.Sum())
	}
	for _, err := range []error{s.Merge(newFactorSum(t, 0.25)), s.Follow(newFactorSum(t, 0.25))} {
		if !errors.Is(err, ErrMismatch) {
			t.Errorf("other factor: %v", err)
		}
	}
	for _, factor := range []float64{0, -0.5, 1.1, math.NaN(), math.Inf(1)} {
		if _, err := NewFactorSum(factor); err == nil {
			t.Errorf("factor %v was accepted", factor)
		}
	}
}

func TestDecayBinary(t *testing.T) {
	h := newHalfLife(t, 600_000)
	s, f := NewHalfLifeSum(h), newFactorSum(t, 0.99)
	for i := range 50 {
		data := s.AppendBinary([]byte("before"))[len("before"):]
		back, rest, err := DecodeHalfLifeSum(append(bytes.Clone(data), "after"...), h)
		if err != nil || string(rest) != "after" || *back != *s {
			t.Fatalf("by half-life, step %d: %+v, rest %q, %v; want %+v", i, back, rest, err, s)
		}
		for cut := range data {
			if _, _, err := DecodeHalfLifeSum(data[:cut], h); !errors.Is(err, ErrCorrupt) {
				t.Errorf("by half-life, cut to %d bytes: %v", cut, err)
			}
		}
		if _, _, err := DecodeHalfLifeSum(data, newHalfLife(t, 1)); !errors.Is(err, ErrMismatch) {
			t.Errorf("other half-life: %v", err)
		}
		data = f.AppendBinary([]byte("before"))[len("before"):]
		backf, rest, err := DecodeFactorSum(append(bytes.Clone(data), "after"...), 0.99)
		if err != nil || string(rest) != "after" || *backf != *f {
			t.Fatalf("by factor, step %d: %+v, rest %q, %v; want %+v", i, backf, rest, err, f)
		}
		for cut := range data {
			if _, _, err := DecodeFactorSum(data[:cut], 0.99); !errors.Is(err, ErrCorrupt) {
				t.Errorf("by factor, cut to %d bytes: %v", cut, err)
			}
		}
		if _, _, err := DecodeFactorSum(data, 0.9); !errors.Is(err, ErrMismatch) {
			t.Errorf("other factor: %v", err)
		}
		s.Add(int64(i)*123_456-1e6, math.Sqrt(float64(i))-3)
		f.Add(math.Sqrt(float64(i)) - 3)
	}
}

func TestDecayGolden(t *testing.T) {
	s, f := NewHalfLifeSum(newHalfLife(t, 600_000)), newFactorSum(t, 0.75)
	golden(t, "halflife_empty", s.AppendBinary(nil))
	golden(t, "factor_empty", f.AppendBinary(nil))
	// Whole half-lives apart, so that no platform rounds otherwise.
	times, values := []int64{1_700_000_400_000, 1_700_001_000_000, 1_699_999_800_000, 1_700_000_400_000}, []float64{1, 2.5, -0.25, 0x1p-60}
	s.AddValues(times, values)
	f.AddValues(values)
	golden(t, "halflife", s.AppendBinary(nil))
	golden(t, "factor", f.AppendBinary(nil))
}

func FuzzDecodeHalfLifeSum(f *testing.F) {
	h := newHalfLife(f, 600_000)
	s := NewHalfLifeSum(h)
	f.Add(s.AppendBinary(nil))
	s.AddValues([]int64{-5, 1_700_000_000_000, 1_700_000_700_001}, []float64{1, 2, -1e300})
	f.Add(s.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := DecodeHalfLifeSum(b, h)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMismatch) {
				t.Fatal(err)
			}
			return
		}
		if used := b[:len(b)-len(rest)]; !bytes.Equal(s.AppendBinary(nil), used) {
			t.Fatalf("%x is encoded as %x", used, s.AppendBinary(nil))
		}
		s.Add(1_700_000_000_000, 1)
		if x := s.At(1_700_000_000_000); math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatal(x)
		}
	})
}

func FuzzDecodeFactorSum(f *testing.F) {
	s := newFactorSum(f, 0.75)
	f.Add(s.AppendBinary(nil))
	s.AddValues([]float64{1, 2, -1e300})
	f.Add(s.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := DecodeFactorSum(b, 0.75)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMismatch) {
				t.Fatal(err)
			}
			return
		}
		if used := b[:len(b)-len(rest)]; !bytes.Equal(s.AppendBinary(nil), used) {
			t.Fatalf("%x is encoded as %x", used, s.AppendBinary(nil))
		}
		s.Add(1)
		if x := s.Sum(); math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatal(x)
		}
	})
}

func BenchmarkHalfLifeSumAdd(b *testing.B) {
	for name, halfLife := range map[string]int64{"ten minutes": 600_000, "a second": 1000} {
		b.Run(name, func(b *testing.B) {
			s := NewHalfLifeSum(newHalfLife(b, halfLife))
			r := rand.New(rand.NewPCG(1, 1))
			times, values := make([]int64, 1024), make([]float64, 1024)
			for i := range times {
				times[i], values[i] = 1_700_000_000_000+int64(i)*2-r.Int64N(100), r.Float64()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 1024 {
				s.AddValues(times, values)
			}
		})
	}
}

func BenchmarkFactorSumAdd(b *testing.B) {
	s := newFactorSum(b, 0.999)
	values := make([]float64, 1024)
	for i := range values {
		values[i] = float64(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 1024 {
		s.AddValues(values)
	}
}

func BenchmarkHalfLifeSumMerge(b *testing.B) {
	h := newHalfLife(b, 600_000)
	s, other := NewHalfLifeSum(h), NewHalfLifeSum(h)
	other.Add(1_700_000_000_000, 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Merge(other); err != nil {
			b.Fatal(err)
		}
	}
}

// Columns, whose blocks take the path for values close in time, against single values.
func TestHalfLifeSumColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	for _, halfLife := range []int64{1000, 60_000, 600_000, 365 * 86_400_000} {
		h := newHalfLife(t, halfLife)
		for _, pace := range []float64{0, 0.4, 3, 50, 5000} {
			var times []int64
			var values []float64
			now := 1.7e12
			for range 1000 {
				now += r.Float64() * 2 * pace
				times, values = append(times, int64(now)), append(values, r.NormFloat64())
				if r.IntN(200) == 0 {
					times[len(times)-1] -= 7 * halfLife / 3
				}
				if r.IntN(200) == 0 {
					values[len(values)-1] = []float64{math.NaN(), math.Inf(1), 0x1p961}[r.IntN(3)]
				}
			}
			column, single := NewHalfLifeSum(h), NewHalfLifeSum(h)
			column.AddValues(times, values)
			magnitude := 0.0
			for i := range times {
				single.Add(times[i], values[i])
				if usable(values[i]) {
					magnitude += math.Abs(values[i])
				}
			}
			if a, b := column.At(int64(now)), single.At(int64(now)); math.Abs(a-b) > 1e-14*magnitude {
				t.Errorf("half-life %d, pace %v: %v by columns, %v one by one", halfLife, pace, a, b)
			}
			if column.landmark != single.landmark {
				t.Errorf("half-life %d, pace %v: landmark %d by columns, %d one by one", halfLife, pace, column.landmark, single.landmark)
			}
		}
	}
}

// TestPaneSums: a pane's sum is what HalfLifeSum makes of the same values, to the last bit
// where few come at once: also of values that are not usable, of late ones, and of
// those of another half-life.
func TestPaneSums(t *testing.T) {
	l, err := NewLayout(0, 0, 1, []Spec{{Name: "s", Kind: KindDecay, HalfLife: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -decayLimit, 0, math.Copysign(0, -1), 5e-324}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 41))
		p, want := l.NewPane(), NewHalfLifeSum(l.halfLives[0])
		for range 300 {
			n := 1 + r.IntN(fewValues)
			times, values := make([]int64, n), make([]float64, n)
			for i := range times {
				times[i], values[i] = -3000+r.Int64N(6000), r.NormFloat64()
				if r.IntN(10) == 0 {
					values[i] = odd[r.IntN(len(odd))]
				}
				if r.IntN(30) == 0 {
					times[i] = []int64{math.MinInt64, math.MaxInt64, decayTimeLimit, -decayTimeLimit}[r.IntN(int(1+seed%4))]
				}
				want.Add(times[i], values[i])
			}
			p.Apply(&Rows{Index: make([]int32, n), Times: times, Positions: make([]uint64, n), Values: [][]float64{values}})
			if got := p.halfLifeSum(0); got != *want {
				t.Fatalf("seed %d: the pane has %v, the sum is %v", seed, got, *want)
			}
		}
	}
}
