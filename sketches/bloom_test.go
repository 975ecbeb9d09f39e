package sketches

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func bloomSized(t testing.TB, capacity uint64, rate float64) *BloomParameters {
	t.Helper()
	p, err := NewBloomParameters(capacity, rate)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bloomExact(t testing.TB, bits, hashes int) *BloomParameters {
	t.Helper()
	p, err := ExactBloomParameters(bits, hashes)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// measuredRate is the share of absent items that the filter claims to hold.
func measuredRate(b *Bloom, trials int) float64 {
	r := rand.New(rand.NewPCG(99, 99))
	yes := 0
	for range trials {
		if b.Contains(r.Uint64()) {
			yes++
		}
	}
	return float64(yes) / float64(trials)
}

func TestBloomParametersRefused(t *testing.T) {
	for _, c := range []struct {
		capacity uint64
		rate     float64
	}{{0, 0.01}, {10, 0}, {10, 1}, {10, 0.6}, {10, math.NaN()}, {10, 1e-12}, {math.MaxUint64, 0.01}, {1 << 33, 0.01}} {
		if _, err := NewBloomParameters(c.capacity, c.rate); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	for _, c := range [][2]int{{0, 1}, {-1, 1}, {1 << 34, 1}, {512, 0}, {512, 17}} {
		if _, err := ExactBloomParameters(c[0], c[1]); err == nil {
			t.Errorf("%v was accepted", c)
		}
	}
}

// At capacity a filter holds every item, is still one filter, and keeps the rate
// asked for; past capacity the chain keeps it too.
func TestBloomRateHolds(t *testing.T) {
	for _, c := range []struct {
		capacity int
		rate     float64
	}{{1, 0.01}, {10, 0.1}, {100, 0.01}, {1000, 0.5}, {1000, 0.05}, {3000, 0.001}, {20_000, 0.01}, {20_000, 0.2}, {2000, 0.0001}} {
		t.Run(fmt.Sprintf("%d at %v", c.capacity, c.rate), func(t *testing.T) {
			p := bloomSized(t, uint64(c.capacity), c.rate)
			b := NewBloom(p)
			hashes := randomHashes(uint64(c.capacity), 12*c.capacity)
			b.AddHashes(hashes[:c.capacity])
			if len(b.filters) != 1 {
				t.Errorf("%d filters at capacity", len(b.filters))
			}
			if c.capacity >= 100 && b.FalsePositiveRate() > c.rate {
				t.Errorf("rate %v at capacity", b.FalsePositiveRate())
			}
			b.AddHashes(hashes[c.capacity:])
			if len(b.filters) < 2 {
				t.Errorf("did not grow at 12 times its capacity")
			}
			for _, h := range hashes {
				if !b.Contains(h) {
					t.Fatalf("%x is missing", h)
				}
			}
			rate := b.FalsePositiveRate()
			if rate > c.rate {
				t.Errorf("rate %v past capacity", rate)
			}
			trials := 200_000
			sigma := math.Sqrt(rate / float64(trials))
			if got := measuredRate(b, trials); math.Abs(got-rate) > 5*sigma+rate/50 {
				t.Errorf("measured rate %v, computed %v", got, rate)
			}
		})
	}
}

// The model by which filters are sized agrees with filters of every number of
// hashes.
func TestBloomModel(t *testing.T) {
	for hashes := 1; hashes <= bloomHashLimit; hashes++ {
		p := bloomExact(t, 512*512, hashes)
		b := NewBloom(p)
		n := int(0.6 * 512 * 512 / float64(hashes))
		b.AddHashes(randomHashes(uint64(hashes), n))
		model, fill := blockedRate(float64(n)/512, hashes), b.FalsePositiveRate()
		if ratio := model / fill; ratio < 0.8 || ratio > 1.25 {
			t.Errorf("%d hashes: %v by the model, %v by the bits set", hashes, model, fill)
		}
		if measured := measuredRate(b, 100_000); math.Abs(measured-fill) > 5*math.Sqrt(fill/100_000)+fill/50 {
			t.Errorf("%d hashes: measured rate %v, %v by the bits set", hashes, measured, fill)
		}
	}
}

// The rate that is remembered is that of the bits, by the words' shares of bits set, after
// whatever may set one, and however many ask for it at once.
func TestBloomRateIsThatOfTheBits(t *testing.T) {
	dumb := func(b *Bloom) float64 {
		none := 0.0 // the logarithm of the chance that no filter errs
		for i := range b.filters {
			f, sum := &b.filters[i], 0.0
			for _, line := range f.lines {
				for start := range bloomWords {
					product := 1.0
					for k := range f.hashes {
						product *= float64(bits.OnesCount64(line[(start+k)%bloomWords])) / 64
					}
					sum += product / bloomWords
				}
			}
			none += math.Log1p(-sum / float64(f.blocks))
		}
		return -math.Expm1(none)
	}
	r := rand.New(rand.NewPCG(8, 8))
	for _, p := range []*BloomParameters{bloomSized(t, 300, 0.01), bloomExact(t, 4096, 8), bloomExact(t, 8192, 5), bloomExact(t, 4096, 13)} {
		b := NewBloom(p)
		for round := range 200 {
			switch r.IntN(5) {
			case 0:
				other := NewBloom(p)
				other.AddHashes(randomHashes(r.Uint64(), r.IntN(60)))
				if err := b.Merge(other); err != nil {
					t.Fatal(err)
				}
			case 1:
				b = b.Clone()
			case 2:
				var err error
				if b, _, err = DecodeBloom(b.AppendBinary(nil), p); err != nil {
					t.Fatal(err)
				}
			default:
				b.AddHashes(randomHashes(r.Uint64(), r.IntN(30)))
			}
			want := dumb(b)
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					if got := b.FalsePositiveRate(); math.Abs(got-want) > 1e-12*want {
						t.Errorf("round %d of %v: a rate of %v, want %v", round, p, got, want)
					}
				})
			}
			group.Wait()
		}
	}
}

// Filters of a chain are each sized for their share of the rate, down to the
// least one that can be asked for.
func TestBloomLevels(t *testing.T) {
	for _, rate := range []float64{0.5, 0.03, 1e-5, minBloomError} {
		p := bloomSized(t, 1000, rate)
		sum := 0.0
		for i := range 10 {
			level := p.levels[i]()
			items := float64(uint64(1000) << i)
			share := blockedRate(items/float64(level.blocks), level.hashes)
			sum += share
			if perItem := float64(level.blocks*bloomBlockBits) / items; perItem > 400 {
				t.Errorf("error %v, filter %d: %.0f bits an item", rate, i, perItem)
			}
		}
		if sum > rate {
			t.Errorf("error %v: the chain's rates add up to %v", rate, sum)
		}
	}
	for _, p := range []*BloomParameters{bloomSized(t, 50_000_000, 0.01), bloomSized(t, 1, 0.5), bloomExact(t, 1<<30, 5)} {
		last := 0
		for last < maxBloomLevels && p.levels[last]().limit < math.MaxInt {
			if blocks := p.levels[last]().blocks; blocks > bloomBitLimit/bloomBlockBits {
				t.Errorf("%v: filter %d has %d blocks", p, last, blocks)
			}
			last++
		}
		if last == maxBloomLevels {
			t.Errorf("%v: the chain has no last filter", p)
		}
	}
}

// A blocked filter takes little more than the theory's 1.44 log2(1/rate) bits an
// item, and the chain's share of the rate.
func TestBloomBitsAnItem(t *testing.T) {
	for _, c := range []struct{ rate, most float64 }{{0.1, 6}, {0.01, 11.6}, {0.001, 18}, {0.0001, 26}} {
		if bits := float64(bloomSized(t, 1_000_000, c.rate).Bits()) / 1e6; bits > c.most {
			t.Errorf("%.2f bits an item at %v, at most %v expected", bits, c.rate, c.most)
		}
	}
}

// How items are cut into columns makes no difference, nor which path they take.
func TestBloomColumns(t *testing.T) {
	for _, p := range []*BloomParameters{bloomSized(t, 700, 0.01), bloomSized(t, 700, 0.2), bloomExact(t, 2048, 8), bloomExact(t, 5000, 11)} {
		hashes := randomHashes(1, 8000)
		for i := 0; i < len(hashes); i += 7 {
			hashes[i] = hashes[i/3] // repeated items
		}
		hashes[50] = 0
		whole, single, cut := NewBloom(p), NewBloom(p), NewBloom(p)
		whole.AddHashes(hashes)
		for _, h := range hashes {
			single.Add(h)
		}
		r := rand.New(rand.NewPCG(2, 2))
		for rest := hashes; len(rest) > 0; {
			n := min(len(rest), r.IntN(600))
			cut.AddHashes(rest[:n])
			rest = rest[n:]
		}
		want := whole.AppendBinary(nil)
		if !bytes.Equal(single.AppendBinary(nil), want) || !bytes.Equal(cut.AppendBinary(nil), want) {
			t.Errorf("%v: states differ", p)
		}
		if len(whole.filters) < 3 {
			t.Errorf("%v: %d filters after %d items", p, len(whole.filters), len(hashes))
		}
	}
}

// The number of bits set is right whenever a next filter may be begun.
func TestBloomOnes(t *testing.T) {
	b := NewBloom(bloomSized(t, 300, 0.02))
	for i := range 200 {
		b.AddHashes(randomHashes(uint64(i), i%40))
		for j := range b.filters {
			f := &b.filters[j]
			ones := int(f.set.Count())
			if !f.stale && ones != f.ones {
				t.Fatalf("step %d: filter %d has %d bits set, counted %d", i, j, ones, f.ones)
			}
			if j < len(b.filters)-1 && ones < f.limit || ones > f.limit+f.hashes {
				t.Fatalf("step %d: filter %d has %d bits set, its limit is %d", i, j, ones, f.limit)
			}
		}
	}
}

func TestBloomMerge(t *testing.T) {
	p := bloomSized(t, 500, 0.01)
	build := func(seed uint64, n int) *Bloom {
		b := NewBloom(p)
		b.AddHashes(randomHashes(seed, n))
		return b
	}
	sizes := []int{0, 200, 900, 4000}
	for _, n := range sizes {
		for _, m := range sizes {
			a, b := build(1, n), build(2, m)
			before := b.AppendBinary(nil)
			ab, ba := a.Clone(), b.Clone()
			if err := errors.Join(ab.Merge(b), ba.Merge(a)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ab.AppendBinary(nil), ba.AppendBinary(nil)) {
				t.Errorf("%d and %d: not commutative", n, m)
			}
			if !bytes.Equal(b.AppendBinary(nil), before) {
				t.Errorf("%d and %d: the other was changed", n, m)
			}
			for _, h := range append(randomHashes(1, n), randomHashes(2, m)...) {
				if !ab.Contains(h) {
					t.Fatalf("%d and %d: %x is missing", n, m, h)
				}
			}
			rate := ab.FalsePositiveRate()
			if got := measuredRate(ab, 50_000); math.Abs(got-rate) > 5*math.Sqrt(rate/50_000)+rate/50 {
				t.Errorf("%d and %d: measured rate %v, computed %v", n, m, got, rate)
			}
			c := build(3, 700)
			left, right := ab.Clone(), b.Clone()
			if err := errors.Join(left.Merge(c), right.Merge(c), right.Merge(a)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(left.AppendBinary(nil), right.AppendBinary(nil)) {
				t.Errorf("%d and %d: not associative", n, m)
			}
			// The copy of a longer chain is its own.
			ab.AddHashes(randomHashes(4, 3000))
			if !bytes.Equal(b.AppendBinary(nil), before) {
				t.Errorf("%d and %d: shares bits with the other", n, m)
			}
			if _, _, err := DecodeBloom(ab.AppendBinary(nil), p); err != nil {
				t.Errorf("%d and %d: %v", n, m, err)
			}
		}
	}
}

// Panes that are within capacity together are merged to one filter that keeps
// the rate.
func TestBloomMergeWithinCapacity(t *testing.T) {
	p := bloomSized(t, 6000, 0.01)
	sum := NewBloom(p)
	for i := range 60 {
		b := NewBloom(p)
		b.AddHashes(randomHashes(uint64(i), 100))
		if err := sum.Merge(b); err != nil {
			t.Fatal(err)
		}
	}
	if len(sum.filters) != 1 || sum.FalsePositiveRate() > 0.01 {
		t.Errorf("%d filters, rate %v", len(sum.filters), sum.FalsePositiveRate())
	}
}

func TestBloomMergeRefused(t *testing.T) {
	all := []*BloomParameters{
		bloomSized(t, 500, 0.01), bloomSized(t, 501, 0.01), bloomSized(t, 500, 0.02),
		bloomExact(t, 4096, 7), bloomExact(t, 4096, 8), bloomExact(t, 8192, 7),
	}
	for i, p := range all {
		for j, q := range all {
			a := NewBloom(p)
			if err := a.Merge(NewBloom(q)); (i != j) != errors.Is(err, ErrMismatch) {
				t.Errorf("%v with %v: %v", p, q, err)
			}
			if _, _, err := DecodeBloom(a.AppendBinary(nil), q); (i != j) != errors.Is(err, ErrMismatch) {
				t.Errorf("decode of %v as %v: %v", p, q, err)
			}
		}
	}
	if err := NewBloom(all[0]).Merge(NewBloom(bloomSized(t, 500, 0.01))); err != nil {
		t.Errorf("equal parameters made twice: %v", err)
	}
}

// TestBloomColumnsEqualItems: eight hashes a column at a time, by vectors and by
// words, set the bits that one item after the other sets.
func TestBloomColumnsEqualItems(t *testing.T) {
	for _, size := range []uint64{1, 20, 1000, 100_000} {
		p := bloomSized(t, size, 0.01)
		one, words, vectors := newBloomFilter(p.levels[0]()), newBloomFilter(p.levels[0]()), newBloomFilter(p.levels[0]())
		if one.hashes != bloomWords {
			t.Fatalf("capacity %d takes %d hashes", size, one.hashes)
		}
		for _, n := range []int{1, 2, 63, 64, 65, 1000, vectorPiece - 1, vectorPiece + 1, 3 * vectorPiece} {
			hashes := randomHashes(size+uint64(n), n)
			for i := 0; i < n; i += 7 {
				hashes[i] = 0
			}
			one.addAny(hashes)
			words.addEightByWords(hashes)
			vectors.addEight(hashes)
		}
		if !slices.Equal(words.words, one.words) || !slices.Equal(vectors.words, one.words) {
			t.Fatalf("capacity %d: columns set other bits", size)
		}
	}
}

func BenchmarkBloomAdd(b *testing.B) {
	for _, c := range []struct {
		name  string
		p     *BloomParameters
		first int
	}{
		{"million at 1%", bloomSized(b, 1_000_000, 0.01), 0},
		{"thousand at 1%", bloomSized(b, 1000, 0.01), 0},
		{"seven hashes", bloomExact(b, 10_000_000, 7), 0},
		{"second filter", bloomSized(b, 100_000, 0.01), 150_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			hashes := randomHashes(1, 1<<16)
			if c.p.capacity == 1000 {
				for i := range hashes {
					hashes[i] = hashes[i%900]
				}
			}
			f := NewBloom(c.p)
			f.AddHashes(randomHashes(2, c.first))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 1024 {
				f.AddHashes(hashes[n&(1<<16-1):][:1024])
			}
		})
	}
}

func BenchmarkBloomContains(b *testing.B) {
	f := NewBloom(bloomSized(b, 1_000_000, 0.01))
	hashes := randomHashes(1, 1<<16)
	f.AddHashes(hashes)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		f.Contains(hashes[n&(1<<16-1)])
		n++
	}
}

func BenchmarkBloomMerge(b *testing.B) {
	p := bloomSized(b, 100_000, 0.01)
	f, other := NewBloom(p), NewBloom(p)
	other.AddHashes(randomHashes(1, 1<<16))
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Merge(other); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBloomFalsePositiveRate(b *testing.B) {
	f := NewBloom(bloomSized(b, 1_000_000, 0.01))
	f.AddHashes(randomHashes(1, 1<<19))
	b.ReportAllocs()
	for b.Loop() {
		f.filters[0].rated = 0 // as when a bit was set since
		f.FalsePositiveRate()
	}
}
