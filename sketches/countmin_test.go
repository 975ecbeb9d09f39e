package sketches

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func newCountMin(t testing.TB, width, depth int) *CountMin {
	t.Helper()
	c, err := NewCountMin(width, depth)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCountMinSize(t *testing.T) {
	for _, c := range []struct {
		err, confidence float64
		width, depth    int // 0: refused
	}{
		{0.0001, 0.99, 32768, 5}, {0.01, 0.95, 512, 3}, {math.E / 1024, 1 - 1/math.E, 1024, 1}, {0.5, 0.5, 64, 1},
		{0.001, 0.9999998, 4096, 16}, {1e-8, 0.9, 0, 0}, {0.1, 0.99999999, 0, 0}, {0, 0.9, 0, 0}, {1, 0.9, 0, 0}, {0.1, 0, 0, 0}, {0.1, 1, 0, 0},
		{math.NaN(), 0.9, 0, 0}, {0.1, math.NaN(), 0, 0},
	} {
		width, depth, err := CountMinSize(c.err, c.confidence)
		if width != c.width || depth != c.depth || (err == nil) != (c.width != 0) {
			t.Errorf("CountMinSize(%v, %v) = %d, %d, %v; want %d, %d", c.err, c.confidence, width, depth, err, c.width, c.depth)
		}
	}
	for _, c := range [][2]int{{32, 4}, {100, 4}, {1 << 25, 4}, {64, 0}, {64, 17}} {
		if _, err := NewCountMin(c[0], c[1]); err == nil {
			t.Errorf("%v was accepted", c)
		}
	}
}

// Every path of AddHashes leads to the state that adding one by one to rows by
// index does.
func TestCountMinPaths(t *testing.T) {
	for _, c := range [][2]int{{64, 1}, {64, 16}, {256, 4}, {4096, 5}, {8192, 5}, {32768, 5}, {65536, 4}, {65536, 5}, {65536, 9}, {1 << 18, 4}, {1 << 22, 3}} {
		hashes := append(randomHashes(1, 3000), 0, 0)
		plain, weighted, dumb := newCountMin(t, c[0], c[1]), newCountMin(t, c[0], c[1]), newCountMin(t, c[0], c[1])
		plain.AddHashes(hashes, nil)
		ones := slices.Repeat([]int64{1}, len(hashes))
		weighted.AddHashes(hashes, ones)
		for _, h := range hashes {
			if h != 0 {
				dumb.total++
				for r := range c[1] {
					dumb.row(r)[dumb.index(h, r)]++
				}
			}
		}
		if !slices.Equal(plain.counters, dumb.counters) || !slices.Equal(weighted.counters, dumb.counters) || plain.total != 3000 || weighted.total != 3000 {
			t.Errorf("%v: states differ", c)
		}
	}
}

// No row is a function of another: two items that meet in one row meet in
// another no more often than by chance.
func TestCountMinRowsIndependent(t *testing.T) {
	for _, c := range [][2]int{{64, 16}, {256, 8}, {1024, 16}} {
		s := newCountMin(t, c[0], c[1])
		hashes := randomHashes(3, 4000)
		for r := range c[1] {
			for q := range r {
				both := map[[2]int]int{}
				for _, h := range hashes {
					both[[2]int{s.index(h, r), s.index(h, q)}]++
				}
				pairs := 0
				for _, n := range both {
					pairs += n * (n - 1) / 2
				}
				want := float64(len(hashes)) * float64(len(hashes)) / 2 / float64(c[0]*c[0])
				if math.Abs(float64(pairs)-want) > 6*math.Sqrt(want)+6 {
					t.Errorf("%v: %d pairs meet in rows %d and %d, %.0f expected", c, pairs, q, r, want)
				}
			}
		}
	}
}

// stream gives each of n items a weight by a law of the given skew.
func stream(seed uint64, n int, skew float64) (hashes []uint64, weights []int64) {
	hashes = randomHashes(seed, n)
	weights = make([]int64, n)
	for i := range weights {
		weights[i] = 1 + int64(float64(n)*math.Pow(float64(i+1), -skew))
	}
	return hashes, weights
}

// The upper bound always holds, the lower one at least as often as promised, for
// items that are there and ones that are not; and it is tighter than the bound
// known beforehand.
func TestCountMinInterval(t *testing.T) {
	for _, skew := range []float64{0, 0.6, 1.1, 2} {
		for _, c := range [][2]int{{64, 3}, {512, 1}, {256, 4}, {2048, 5}} {
			for _, confidence := range []float64{0.5, 0.9, 0.95, 0.99} {
				s := newCountMin(t, c[0], c[1])
				hashes, weights := stream(uint64(c[0]), 4000, skew)
				s.AddHashes(hashes, weights)
				hashes = append(hashes, randomHashes(5, 1000)...)
				asked, held, wide := 0, 0, 0.0
				for i := 0; i < len(hashes); i += 5 {
					h := hashes[i]
					truth := 0.0
					if i < len(weights) {
						truth = float64(weights[i])
					}
					estimate, low, high := s.Interval(h, confidence)
					if truth > high || estimate != high || low > estimate {
						t.Fatalf("truth %v, estimate %v in [%v, %v]", truth, estimate, low, high)
					}
					asked++
					if low <= truth {
						held++
					}
					wide += estimate - low
				}
				share := float64(held) / float64(asked)
				if share < confidence-0.02 {
					t.Errorf("skew %v, %v at %v: only %.3f of the lower bounds hold", skew, c, confidence, share)
				}
				apriori := float64(s.Total()) / float64(c[0]) / math.Pow(1-confidence, 1/float64(c[1]))
				if mean := wide / float64(asked); mean > apriori {
					t.Errorf("skew %v, %v at %v: mean error bound %v, beforehand it is %v", skew, c, confidence, mean, apriori)
				}
			}
		}
	}
}

// The promise of the paper: at most err of the total too much, with confidence.
func TestCountMinPromise(t *testing.T) {
	const err, confidence = 0.005, 0.98
	width, depth, e := CountMinSize(err, confidence)
	if e != nil {
		t.Fatal(e)
	}
	s := newCountMin(t, width, depth)
	hashes, weights := stream(1, 20_000, 1)
	s.AddHashes(hashes, weights)
	over := 0
	for i, h := range hashes {
		if float64(s.Count(h))-float64(weights[i]) > err*float64(s.Total()) {
			over++
		}
	}
	if float64(over) > (1-confidence)*float64(len(hashes)) {
		t.Errorf("%d of %d counts are off by more than promised", over, len(hashes))
	}
}

func TestCountMinWeights(t *testing.T) {
	s := newCountMin(t, 64, 4)
	s.AddHashes([]uint64{7, 7, 0, 7, 7}, []int64{5, -3, 100, 0, 10})
	if s.Count(7) != 15 || s.Total() != 15 || s.Count(0) != 0 {
		t.Errorf("count %d, total %d, of null %d", s.Count(7), s.Total(), s.Count(0))
	}
}

func TestCountMinSaturation(t *testing.T) {
	s := newCountMin(t, 64, 4)
	s.Add(7, math.MaxUint32-1)
	if s.Saturated() {
		t.Error("saturated too early")
	}
	s.AddHashes([]uint64{7, 7, 7}, nil)
	if !s.Saturated() || s.Count(7) != math.MaxUint32 || s.Total() != math.MaxUint32+2 {
		t.Errorf("saturated %v, count %d, total %d", s.Saturated(), s.Count(7), s.Total())
	}
	if estimate, low, high := s.Interval(7, 0.9); low > estimate || high != math.MaxUint32+2 {
		t.Errorf("%v in [%v, %v]", estimate, low, high)
	}
	s.Add(9, math.MaxInt64)
	s.Add(9, math.MaxInt64)
	s.Add(9, math.MaxInt64)
	if s.Total() != math.MaxUint64 {
		t.Errorf("total %d", s.Total())
	}
	if _, _, err := DecodeCountMin(s.AppendBinary(nil), 64, 4); err != nil {
		t.Error(err)
	}
	a, b := newCountMin(t, 64, 4), newCountMin(t, 64, 4)
	a.Add(7, math.MaxUint32-5)
	b.Add(7, 10)
	if err := a.Merge(b); err != nil || !a.Saturated() || a.Count(7) != math.MaxUint32 || a.Total() != math.MaxUint32+5 {
		t.Errorf("merged: saturated %v, count %d, total %d, %v", a.Saturated(), a.Count(7), a.Total(), err)
	}
}

func TestCountMinMerge(t *testing.T) {
	hashes, weights := stream(1, 3000, 1)
	whole := newCountMin(t, 1024, 5)
	whole.AddHashes(hashes, weights)
	parts := make([]*CountMin, 4)
	for i := range parts {
		parts[i] = newCountMin(t, 1024, 5)
	}
	for i, h := range hashes {
		parts[i%4].Add(h, weights[i])
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 1, 0, 2}} {
		sum := parts[order[0]].Clone()
		for _, i := range order[1:] {
			if err := sum.Merge(parts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(sum.AppendBinary(nil), whole.AppendBinary(nil)) {
			t.Errorf("order %v: not the state of the whole stream", order)
		}
	}
	for _, c := range [][2]int{{512, 5}, {1024, 4}} {
		other := newCountMin(t, c[0], c[1])
		if err := whole.Merge(other); !errors.Is(err, ErrMismatch) {
			t.Errorf("%v: %v", c, err)
		}
		if _, _, err := whole.InnerProduct(other); !errors.Is(err, ErrMismatch) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestCountMinInnerProduct(t *testing.T) {
	a, b := newCountMin(t, 2048, 5), newCountMin(t, 2048, 5)
	hashes, weights := stream(1, 2000, 0.8)
	a.AddHashes(hashes, weights)
	b.AddHashes(hashes[500:], nil)
	truth := 0.0
	for _, w := range weights[500:] {
		truth += float64(w)
	}
	estimate, bound, err := a.InnerProduct(b)
	if err != nil || estimate < truth || estimate-truth > bound {
		t.Errorf("%v for %v, bound %v, %v", estimate, truth, bound, err)
	}
}

func TestCountMinBinary(t *testing.T) {
	for _, n := range []int{0, 1, 40, 500, 20_000} {
		s := newCountMin(t, 256, 3)
		s.AddHashes(randomHashes(uint64(n), n), nil)
		data := s.AppendBinary([]byte("before"))[len("before"):]
		back, rest, err := DecodeCountMin(append(bytes.Clone(data), "after"...), 256, 3)
		if err != nil || string(rest) != "after" {
			t.Fatalf("%d items: rest %q, %v", n, rest, err)
		}
		if !bytes.Equal(back.AppendBinary(nil), data) || back.Total() != s.Total() || back.Saturated() {
			t.Errorf("%d items: not what was encoded", n)
		}
		for cut := range min(len(data), 60) {
			if _, _, err := DecodeCountMin(data[:cut], 256, 3); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d items, cut to %d bytes: %v", n, cut, err)
			}
		}
		for _, c := range [][2]int{{512, 3}, {256, 4}} {
			if _, _, err := DecodeCountMin(data, c[0], c[1]); !errors.Is(err, ErrMismatch) {
				t.Errorf("as %v: %v", c, err)
			}
		}
	}
}

func TestCountMinCorrupt(t *testing.T) {
	dense := append([]byte{1, 6, 1, 1, 0, 1}, make([]byte, 63)...)
	for name, b := range map[string][]byte{
		"version":           {2, 6, 1, 0, 1, 0},
		"form":              {1, 6, 1, 0, 2, 0},
		"dense though few":  dense,
		"zero counter":      {1, 6, 1, 0, 1, 1, 0, 0},
		"sum below total":   {1, 6, 1, 3, 1, 1, 0, 2},
		"sum above total":   {1, 6, 1, 1, 1, 1, 0, 2},
		"index":             {1, 6, 1, 1, 1, 1, 64, 1},
		"counter too great": {1, 6, 1, 1, 1, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x10},
		"dense cut short":   {1, 6, 1, 1, 0, 1},
	} {
		if _, _, err := DecodeCountMin(b, 64, 1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCountMinGolden(t *testing.T) {
	s := newCountMin(t, 64, 3)
	hashes, weights := stream(1, 9, 1)
	s.AddHashes(hashes, weights)
	golden(t, "countmin_sparse", s.AppendBinary(nil))
	s.AddHashes(randomHashes(2, 400), nil)
	golden(t, "countmin_dense", s.AppendBinary(nil))
}

func FuzzDecodeCountMin(f *testing.F) {
	for _, n := range []int{0, 3, 30, 900} {
		s := newCountMin(f, 64, 2)
		s.AddHashes(randomHashes(uint64(n), n), nil)
		f.Add(s.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := DecodeCountMin(b, 64, 2)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMismatch) {
				t.Fatal(err)
			}
			return
		}
		if used := b[:len(b)-len(rest)]; !bytes.Equal(s.AppendBinary(nil), used) {
			t.Fatalf("%x is encoded as %x", used, s.AppendBinary(nil))
		}
		s.Add(1, 1)
		if estimate, low, high := s.Interval(1, 0.9); !(low <= estimate && estimate <= high && high >= 1) {
			t.Fatalf("%v in [%v, %v]", estimate, low, high)
		}
	})
}

func BenchmarkCountMinAdd(b *testing.B) {
	for _, c := range []struct {
		width, depth int
		weighted     bool
	}{{65536, 4, false}, {32768, 5, false}, {32768, 5, true}, {4096, 3, false}, {1 << 20, 4, false}} {
		b.Run(fmt.Sprintf("%dx%d weighted=%v", c.depth, c.width, c.weighted), func(b *testing.B) {
			s := newCountMin(b, c.width, c.depth)
			hashes := randomHashes(1, 1<<16)
			var weights []int64
			if c.weighted {
				weights = make([]int64, 1024)
				r := rand.New(rand.NewPCG(1, 1))
				for i := range weights {
					weights[i] = r.Int64N(100)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 1024 {
				s.AddHashes(hashes[n&(1<<16-1):][:1024], weights)
			}
		})
	}
}

func BenchmarkCountMinInterval(b *testing.B) {
	s := newCountMin(b, 32768, 5)
	hashes := randomHashes(1, 1<<16)
	s.AddHashes(hashes, nil)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		s.Interval(hashes[n&(1<<16-1)], 0.95)
		n++
	}
}

func BenchmarkCountMinMerge(b *testing.B) {
	s, other := newCountMin(b, 65536, 4), newCountMin(b, 65536, 4)
	other.AddHashes(randomHashes(1, 1<<12), nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Merge(other); err != nil {
			b.Fatal(err)
		}
	}
}
