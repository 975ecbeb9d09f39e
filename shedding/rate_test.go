package shedding

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestKeepsWhatIsBelowTheBound(t *testing.T) {
	for r := Full; r <= Coarsest; r++ {
		bound := bits.RotateLeft64(1, 64-int(r)) // 2^(64-r); 1 stands for 2^64
		hashes := []uint64{0, 1, bound - 1, bound, bound + 1, math.MaxUint64}
		for _, h := range hashes {
			want := r == Full || h < bound
			if r.Keeps(h) != want {
				t.Errorf("%v keeps %#x: %v, want %v", r, h, !want, want)
			}
		}
	}
	for _, h := range []uint64{0, 1, math.MaxUint64} {
		if Nothing.Keeps(h) {
			t.Errorf("rate 0 keeps %#x", h)
		}
	}
}

func TestAppendKept(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	hashes := make([]uint64, 1<<12)
	for i := range hashes {
		hashes[i] = random.Uint64() >> random.IntN(20)
	}
	for r := Full; r <= Nothing; r++ {
		want := []int32{-1}
		for i, h := range hashes {
			if r.Keeps(h) {
				want = append(want, int32(i))
			}
		}
		if got := r.AppendKept([]int32{-1}, hashes); !slices.Equal(got, want) {
			t.Errorf("%v: columns keep %d, rows %d", r, len(got)-1, len(want)-1)
		}
	}
}

// What a coarse rate keeps, every finer one keeps; and it is the right share.
func TestRatesAreNested(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var kept [Nothing + 1]int
	const n = 1 << 20
	for range n {
		h := random.Uint64()
		for r := Full; r <= Nothing; r++ {
			if !r.Keeps(h) {
				for c := r; c <= Nothing; c++ {
					if c.Keeps(h) {
						t.Fatalf("%v keeps %#x, %v does not", c, h, r)
					}
				}
				break
			}
			kept[r]++
		}
	}
	for r := Full; r <= Nothing; r++ {
		want := n * r.Value()
		if math.Abs(float64(kept[r])-want) > 5*math.Sqrt(want) {
			t.Errorf("%v keeps %d of %d, want about %.0f", r, kept[r], n, want)
		}
	}
}

func TestRateText(t *testing.T) {
	for r, want := range map[Rate]string{Full: "1", 1: "1/2", 4: "1/16", Coarsest: "1/65536", Nothing: "0"} {
		if r.String() != want {
			t.Errorf("%d is %q, want %q", r, r, want)
		}
	}
	for r := Full; r <= Nothing; r++ {
		if got, err := ParseRate(r.String()); err != nil || got != r {
			t.Errorf("%v reads as %v: %v", r, got, err)
		}
	}
	for _, text := range []string{"", "1/1", "1/3", "1/131072", "0.5", "2", "1/", "1/02", " 1", "-1"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("%q reads as %v", text, r)
		}
	}
	if Rate(18).Valid() || Rate(18).String() != "Rate(18)" {
		t.Error("18 passes for a rate")
	}
}

func TestCoarserFiner(t *testing.T) {
	if Full.Finer() != Full || Nothing.Coarser() != Nothing || Coarsest.Coarser() != Nothing || Nothing.Finer() != Coarsest {
		t.Error("ends are wrong")
	}
	// A half is a rate, but no step leads to it.
	if half := Rate(1); Full.Coarser() != 2 || Rate(2).Finer() != Full || half.Coarser() != 2 || half.Finer() != Full {
		t.Errorf("from 1 to %v, from 1/4 to %v, from 1/2 to %v and %v", Full.Coarser(), Rate(2).Finer(), half.Coarser(), half.Finer())
	}
	for r := Rate(2); r < Nothing; r++ {
		if r.Coarser() != r+1 || r.Coarser().Finer() != r {
			t.Errorf("%v: coarser is %v", r, r.Coarser())
		}
		if r < Coarsest && r.Coarser().Value() != r.Value()/2 {
			t.Errorf("%v: coarser is %v", r.Value(), r.Coarser().Value())
		}
	}
}

var sink int

func BenchmarkKeeps(b *testing.B) {
	random := rand.New(rand.NewPCG(5, 6))
	hashes := make([]uint64, 1024)
	for i := range hashes {
		hashes[i] = random.Uint64()
	}
	b.Run("row", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if Rate(2).Keeps(hashes[i&1023]) {
				sink++
			}
			i++
		}
	})
	b.Run("column of 1024", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]int32, 0, 1024)
		for b.Loop() {
			dst = Rate(2).AppendKept(dst[:0], hashes)
		}
		sink += len(dst)
	})
}
