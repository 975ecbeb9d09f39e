package sketches

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/axiomhq/hyperloglog"
)

func newHLL(t testing.TB, precision int) *HyperLogLog {
	t.Helper()
	h, err := NewHyperLogLog(precision)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHLLPrecision(t *testing.T) {
	for _, c := range []struct {
		err  float64
		want int // 0: refused
	}{{0.26, 4}, {0.9, 4}, {0.05, 9}, {0.02, 12}, {0.01, 14}, {0.008125, 14}, {0.0081, 15}, {0.00204, 18}, {0.002, 0}, {0, 0}, {1, 0}, {-1, 0}, {math.NaN(), 0}} {
		got, err := HLLPrecision(c.err)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("HLLPrecision(%v) = %d, %v; want %d", c.err, got, err, c.want)
		}
	}
}

// The states of this package and of axiomhq/hyperloglog are the same registers,
// whether that one is dense or sparse.
func TestHLLAxiomhqInsert(t *testing.T) {
	for _, precision := range []int{4, 5, 10, 14, 16, 18} {
		for _, n := range []int{0, 1, 30, 1000, 200_000} {
			for _, sparse := range []bool{false, true} {
				hashes := append(randomHashes(uint64(n), n), 1, 1<<63, 1<<(64-precision), 1<<40, math.MaxUint64)
				ours := newHLL(t, precision)
				ours.AddHashes(hashes)
				theirs, err := hyperloglog.NewSketch(uint8(precision), sparse)
				if err != nil {
					t.Fatal(err)
				}
				for _, h := range hashes {
					theirs.InsertHash(h)
				}
				back, err := FromAxiomhq(theirs)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(back.AppendBinary(nil), ours.AppendBinary(nil)) {
					t.Errorf("precision %d, %d items, sparse %v: registers differ", precision, n, sparse)
				}
			}
		}
	}
}

func TestHLLAxiomhqMerge(t *testing.T) {
	a, b := newHLL(t, 12), newHLL(t, 12)
	a.AddHashes(randomHashes(1, 5000))
	b.AddHashes(randomHashes(2, 9000))
	theirs, err := a.Axiomhq()
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Axiomhq()
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.Merge(other); err != nil {
		t.Fatal(err)
	}
	a.Merge(b)
	back, err := FromAxiomhq(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.registers, a.registers) {
		t.Error("merged registers differ")
	}
	if ratio := a.Estimate() / float64(theirs.Estimate()); math.Abs(ratio-1) > 0.02 {
		t.Errorf("estimates %v and %d differ", a.Estimate(), theirs.Estimate())
	}
	if _, err := FromAxiomhq(new(hyperloglog.Sketch)); err == nil {
		t.Error("a sketch without precision was accepted")
	}
}

// Folding down to a lower precision equals having been built with it.
func TestHLLMergeAcrossPrecisions(t *testing.T) {
	for high := 5; high <= 18; high++ {
		for low := 4; low < high; low++ {
			first, second := randomHashes(3, 300), randomHashes(4, 20_000>>(18-high))
			first = append(first, 1, 2, 1<<20, 1<<50, 1<<60) // long ranks
			want := newHLL(t, low)
			want.AddHashes(first)
			want.AddHashes(second)
			for _, order := range []string{"into low", "into high"} {
				a, b := newHLL(t, low), newHLL(t, high)
				if order == "into high" {
					a, b = b, a
				}
				a.AddHashes(first)
				b.AddHashes(second)
				before := b.AppendBinary(nil)
				a.Merge(b)
				if !bytes.Equal(a.AppendBinary(nil), want.AppendBinary(nil)) {
					t.Errorf("%d and %d, %s: registers differ", low, high, order)
				}
				if !bytes.Equal(before, b.AppendBinary(nil)) {
					t.Errorf("%d and %d, %s: the other was changed", low, high, order)
				}
			}
		}
	}
}

// The histogram is right after any mixture of additions and merges.
func TestHLLHistogram(t *testing.T) {
	h := newHLL(t, 8)
	r := rand.New(rand.NewPCG(5, 5))
	for step := range 300 {
		if r.IntN(3) == 0 {
			other := newHLL(t, 8+r.IntN(3))
			other.AddHashes(randomHashes(uint64(step), r.IntN(50)))
			h.Merge(other)
		} else {
			h.AddHashes(randomHashes(uint64(1000+step), r.IntN(50)))
		}
		fresh := *h
		fresh.ranks, fresh.stale = countRanks(h.registers), false
		if h.Estimate() != fresh.Estimate() {
			t.Fatalf("step %d: estimate %v from the histogram kept, %v from a fresh one", step, h.Estimate(), fresh.Estimate())
		}
	}
}

func TestHLLSmallAndZero(t *testing.T) {
	h := newHLL(t, 14)
	h.AddHashes([]uint64{0, 0})
	if low, high := h.Interval(0.95); h.Estimate() != 0 || low != 0 || high != 0 {
		t.Errorf("empty: %v in [%v, %v]", h.Estimate(), low, high)
	}
	h.Add(0x123456789abcdef0)
	h.Add(0x123456789abcdef0)
	if low, high := h.Interval(0.95); math.Abs(h.Estimate()-1) > 1e-3 || low != 1 || high > 2 {
		t.Errorf("one item: %v in [%v, %v]", h.Estimate(), low, high)
	}
}

// Of many trials with random hashes at 95 % confidence, at least 93 % hold the
// truth, at every number of items.
func TestHLLIntervalCoverage(t *testing.T) {
	const trials = 400
	for _, precision := range []int{4, 7, 10, 14} {
		steps := []int{1, 2, 3, 5, 8, 12, 18, 25, 40, 60, 90, 140, 200, 300, 500, 800, 1300, 2000, 3500, 6000, 10_000, 20_000}
		held := make([]int, len(steps))
		r := rand.New(rand.NewPCG(uint64(precision), 7))
		for range trials {
			h := newHLL(t, precision)
			n := 0
			var column [1]uint64
			for i, step := range steps {
				for ; n < step; n++ {
					column[0] = r.Uint64()
					h.AddHashes(column[:])
				}
				if low, high := h.Interval(0.95); low <= float64(n) && float64(n) <= high {
					held[i]++
				}
			}
		}
		for i, n := range steps {
			if share := float64(held[i]) / trials; share < 0.93 {
				t.Errorf("precision %d, %d items: %.3f of the intervals hold", precision, n, share)
			}
		}
	}
}

// drawRegisters gives registers the distribution that n random hashes lead to,
// without hashing n times: a register's rank is at most k with a chance of
// e^(-n/m 2^-k), as each register has its own Poisson number of items.
func drawRegisters(h *HyperLogLog, n float64, r *rand.Rand) {
	load := n / float64(len(h.registers))
	for i := range h.registers {
		// The least k with e^(-load 2^-k) >= u.
		k := math.Ceil(math.Log2(load / -math.Log(r.Float64())))
		h.registers[i] = uint8(min(max(k, 0), float64(maxRank(h.precision))))
	}
	h.stale = true
}

func TestHLLIntervalCoverageOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, precision := range []int{6, 10, 12} {
		for _, n := range []float64{500_000, 1_000_000, 3_000_000, 10_000_000, 1e15} {
			trials, held, sum := 600, 0, 0.0
			h := newHLL(t, precision)
			for range trials {
				drawRegisters(h, n, r)
				low, high := h.Interval(0.95)
				if low <= n && n <= high {
					held++
				}
				sum += h.Estimate()/n - 1
			}
			if share := float64(held) / float64(trials); share < 0.93 {
				t.Errorf("precision %d, %v items: %.3f of the intervals hold", precision, n, share)
			}
			sigma := hllError / math.Sqrt(float64(int(1)<<precision))
			if bias := sum / float64(trials); math.Abs(bias) > sigma/5+sigma*sigma {
				t.Errorf("precision %d, %v items: biased by %.4f, the standard error is %.4f", precision, n, bias, sigma)
			}
		}
	}
}

// A sketch that only got items of hash below 2^(64-j) estimates all items.
func TestHLLPrefix(t *testing.T) {
	const trials = 300
	for _, c := range []struct{ precision, j, items int }{
		{10, 0, 3000}, {10, 1, 3000}, {10, 3, 20_000}, {12, 4, 500}, {12, 6, 30_000}, {8, 2, 40}, {8, 4, 9000},
	} {
		r := rand.New(rand.NewPCG(uint64(c.items), uint64(c.j)))
		held, sum := 0, 0.0
		for range trials {
			h := newHLL(t, c.precision)
			for range c.items {
				if x := r.Uint64(); x>>(64-c.j) == 0 {
					h.Add(x)
				}
			}
			sum += h.EstimatePrefix(c.j)
			if low, high := h.IntervalPrefix(c.j, 0.95); low <= float64(c.items) && float64(c.items) <= high {
				held++
			}
		}
		registers := float64(int(1) << (c.precision - c.j))
		seen := math.Ldexp(float64(c.items), -c.j)
		sigma := math.Sqrt(hllError*hllError/registers + 1/seen)
		if bias := sum/trials/float64(c.items) - 1; math.Abs(bias) > 3*sigma/math.Sqrt(trials)+sigma*sigma/2 {
			t.Errorf("%+v: biased by %.4f, the standard error is %.4f", c, bias, sigma)
		}
		if share := float64(held) / trials; share < 0.92 {
			t.Errorf("%+v: %.3f of the intervals hold", c, share)
		}
	}
	h := newHLL(t, 6)
	if !math.IsNaN(h.EstimatePrefix(7)) || !math.IsNaN(h.EstimatePrefix(-1)) || h.EstimatePrefix(6) != 0 {
		t.Error("prefixes past the precision")
	}
}

// The first registers are exactly what they would be if nothing was left out.
func TestHLLPrefixRegisters(t *testing.T) {
	all, some := newHLL(t, 9), newHLL(t, 9)
	for _, x := range randomHashes(11, 5000) {
		all.Add(x)
		if x < 1<<62 {
			some.Add(x)
		}
	}
	if all.EstimatePrefix(2) != some.EstimatePrefix(2) {
		t.Errorf("%v and %v", all.EstimatePrefix(2), some.EstimatePrefix(2))
	}
}

func TestHLLBinary(t *testing.T) {
	for _, precision := range []int{4, 9, 14} {
		for _, n := range []int{0, 1, 5, 100, 3000, 50_000} {
			h := newHLL(t, precision)
			h.AddHashes(randomHashes(uint64(n), n))
			b := h.AppendBinary([]byte("before"))[len("before"):]
			if len(b) > 3+len(h.registers) {
				t.Errorf("precision %d, %d items: %d bytes for %d registers", precision, n, len(b), len(h.registers))
			}
			back, rest, err := DecodeHyperLogLog(append(bytes.Clone(b), "after"...), precision)
			if err != nil || string(rest) != "after" {
				t.Fatalf("precision %d, %d items: rest %q, %v", precision, n, rest, err)
			}
			if !bytes.Equal(back.AppendBinary(nil), b) || back.Estimate() != h.Estimate() {
				t.Errorf("precision %d, %d items: not what was encoded", precision, n)
			}
			for cut := range min(len(b), 40) {
				if _, _, err := DecodeHyperLogLog(b[:cut], precision); !errors.Is(err, ErrCorrupt) {
					t.Errorf("precision %d, %d items, cut to %d bytes: %v", precision, n, cut, err)
				}
			}
			if _, _, err := DecodeHyperLogLog(b, precision+1); !errors.Is(err, ErrMismatch) {
				t.Errorf("other precision: %v", err)
			}
		}
	}
}

func TestHLLCorrupt(t *testing.T) {
	dense := append([]byte{1, 4, 0}, make([]byte, 16)...)
	dense[3] = 62
	for name, b := range map[string][]byte{
		"version":            {2, 4, 1, 0},
		"form":               {1, 4, 2, 0},
		"rank too great":     {1, 4, 1, 1, 0, 62},
		"dense too great":    dense,
		"zero rank":          {1, 4, 1, 1, 0, 0},
		"index too great":    {1, 4, 1, 1, 16, 1},
		"second too great":   {1, 4, 1, 2, 14, 1, 1, 1},
		"count too great":    {1, 4, 1, 17, 0, 1},
		"long varint":        {1, 4, 1, 0x81, 0, 0, 1},
		"dense not shorter":  append([]byte{1, 4, 0, 0, 0, 3}, make([]byte, 13)...),
		"sparse not shorter": {1, 4, 1, 8, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
	} {
		if _, _, err := DecodeHyperLogLog(b, 4); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHLLGolden(t *testing.T) {
	h := newHLL(t, 6)
	h.AddHashes(randomHashes(1, 9))
	golden(t, "hll_sparse", h.AppendBinary(nil))
	h.AddHashes(randomHashes(2, 500))
	golden(t, "hll_dense", h.AppendBinary(nil))
}

func FuzzDecodeHyperLogLog(f *testing.F) {
	for _, n := range []int{0, 3, 12, 100} {
		h := newHLL(f, 5)
		h.AddHashes(randomHashes(uint64(n), n))
		f.Add(h.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rest, err := DecodeHyperLogLog(b, 5)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMismatch) {
				t.Fatal(err)
			}
			return
		}
		if used := b[:len(b)-len(rest)]; !bytes.Equal(h.AppendBinary(nil), used) {
			t.Fatalf("%x is encoded as %x", used, h.AppendBinary(nil))
		}
		h.Add(1)
		if e := h.Estimate(); !(e > 0) {
			t.Fatalf("estimate %v", e)
		}
	})
}

func BenchmarkHLLAdd(b *testing.B) {
	hashes := randomHashes(1, 1<<16)
	h := newHLL(b, 14)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 1024 {
		h.AddHashes(hashes[n&(1<<16-1):][:1024])
	}
}

func BenchmarkHLLEstimate(b *testing.B) {
	for _, merged := range []bool{false, true} {
		b.Run(fmt.Sprintf("merged=%v", merged), func(b *testing.B) {
			h := newHLL(b, 14)
			h.AddHashes(randomHashes(1, 1<<17))
			h.stale = merged
			b.ReportAllocs()
			for b.Loop() {
				h.Estimate()
			}
		})
	}
}

func BenchmarkHLLMerge(b *testing.B) {
	h, other := newHLL(b, 14), newHLL(b, 14)
	h.AddHashes(randomHashes(1, 1<<17))
	other.AddHashes(randomHashes(2, 1<<17))
	b.ReportAllocs()
	for b.Loop() {
		h.Merge(other)
	}
}

// TestHLLCountRanks: counted by pairs as one by one, whatever ranks there are.
func TestHLLCountRanks(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{8, 16, 1 << 14} {
		for end := 1; end <= 64; end++ {
			registers := make([]uint8, n)
			var want [64]uint32
			for i := range registers {
				if rng.IntN(4) > 0 {
					registers[i] = uint8(rng.IntN(end))
				}
				want[registers[i]]++
			}
			if countRanks(registers) != want {
				t.Fatalf("%d registers of ranks below %d: counted %v, want %v", n, end, countRanks(registers), want)
			}
		}
	}
}

// BenchmarkHLLWindow: an hour of one-minute panes, merged and estimated.
func BenchmarkHLLWindow(b *testing.B) {
	panes := make([]*HyperLogLog, 60)
	for i := range panes {
		panes[i] = newHLL(b, 14)
		panes[i].AddHashes(randomHashes(uint64(i), 1<<16))
	}
	b.ReportAllocs()
	for b.Loop() {
		sum := newHLL(b, 14)
		for _, h := range panes {
			sum.Merge(h)
		}
		sum.Estimate()
	}
}
