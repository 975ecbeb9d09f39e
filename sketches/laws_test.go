package sketches

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// batchItems are the items of a batch of test events, by row.
type batchItems []sketchtest.Event

func (b batchItems) AppendItem(dst []byte, row int32) []byte { return append(dst, b[row].Item...) }

func (b batchItems) AppendItems(dst []byte, rows, ends []int32, gap, _ int) []byte {
	for i, row := range rows {
		item, at := b[row].Item, len(dst)+gap
		dst = slices.Grow(dst, gap+len(item))[:at+len(item)]
		copy(dst[at:], item)
		ends[i] = int32(len(dst))
	}
	return dst
}

// rowsOf makes the columns of events: one item column, one of weights, one of values.
func rowsOf(events []sketchtest.Event) *Rows {
	n := len(events)
	r := &Rows{Index: make([]int32, n), Times: make([]int64, n), Positions: make([]uint64, n),
		Hashes: [][]uint64{make([]uint64, n)}, Items: []Items{batchItems(events)},
		Weights: [][]int64{make([]int64, n)}, Values: [][]float64{make([]float64, n)}}
	for i, e := range events {
		r.Index[i], r.Times[i], r.Positions[i] = int32(i), e.Time, e.Position
		r.Hashes[0][i], r.Weights[0][i], r.Values[0][i] = e.Hash, e.Weight, e.Value
		if e.Late {
			r.Late++
		}
	}
	return r
}

func TestHotListLaws(t *testing.T) {
	for _, k := range []int{1, 2, 7, 64} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			sketchtest.Laws(t, hotListSubject(k), sketchtest.Streams(2000, k, uint64(k)))
		})
	}
}

func hotListSubject(k int) sketchtest.Subject[*HotList] {
	return sketchtest.Subject[*HotList]{
		New: func() *HotList { h, _ := NewHotList(k); return h },
		Add: func(h *HotList, events []sketchtest.Event) {
			r := rowsOf(events)
			h.AddRows(r.Hashes[0], r.Weights[0], r.Items[0], r.Index)
		},
		Merge:  (*HotList).Merge,
		Encode: func(h *HotList) []byte { return h.AppendBinary(nil) },
		Decode: func(b []byte) (*HotList, error) {
			h, rest, err := DecodeHotList(b, k)
			return h, trailing(rest, err)
		},
		Symmetric: true,
		Check:     func(t testing.TB, h *HotList, events []sketchtest.Event) { checkHotList(t, h, k, events) },
		Corrupt:   ErrCorrupt, Mismatch: ErrMismatch,
	}
}

func trailing(rest []byte, err error) error {
	if err == nil && len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes follow", ErrCorrupt, len(rest))
	}
	return err
}

// checkHotList checks every promise of the guarantee, for every item, and for one that never came.
func checkHotList(t testing.TB, h *HotList, k int, events []sketchtest.Event) {
	t.Helper()
	truth := sketchtest.Exact(events)
	if h.Total() != truth.Weight {
		t.Fatalf("total %d, want %d", h.Total(), truth.Weight)
	}
	bound := h.ErrorBound()
	if float64(bound) > float64(truth.Weight)/float64(k+1)+1 {
		t.Fatalf("error bound %d is above %d/%d + 1", bound, truth.Weight, k+1)
	}
	absent, _ := sketchtest.Item(-77)
	truth.Weights[absent] = 0
	for hash, f := range truth.Weights {
		low, high := h.Interval(hash)
		if f < low || f > high {
			t.Fatalf("item %x weighs %d, outside of [%d, %d]", hash, f, low, high)
		}
		if high-low > bound {
			t.Fatalf("interval [%d, %d] is wider than the bound %d", low, high, bound)
		}
		if h.find(hash) < 0 && f > bound {
			t.Fatalf("an item of weight %d is not in the list, whose bound is %d", f, bound)
		}
	}
	if h.n > h.limit() || h.door.n > k || h.door.n > 0 && h.n < k {
		t.Fatalf("%d entries, %d at the door of a list of %d", h.n, h.door.n, k)
	}
	var counted uint64
	for _, e := range h.entries(nil) {
		counted += e.counter
		if e.counter == 0 || e.slack+e.seen-e.counter > h.offset {
			t.Fatalf("entry %+v at offset %d", e, h.offset)
		}
	}
	if !h.paid(counted) {
		t.Fatalf("(k+1)·%d + %d + %d exceeds %d", h.offset, counted, h.door.n, h.total)
	}
	last := math.Inf(1)
	for _, c := range h.Top(10) {
		if hash, item := c.Hash, string(c.Item); c.Value > last || truth.Weights[hash] == 0 || item == "" {
			t.Fatalf("top: %q with %v after %v", item, c.Value, last)
		}
		last = c.Value
	}
}

func TestReservoirLaws(t *testing.T) {
	for _, k := range []int{1, 10, 5000} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			sketchtest.Laws(t, reservoirSubject(k), sketchtest.Streams(1500, 64, uint64(k)))
		})
	}
}

func reservoirSubject(k int) sketchtest.Subject[*Reservoir] {
	return sketchtest.Subject[*Reservoir]{
		New: func() *Reservoir { r, _ := NewReservoir(k); return r },
		Add: func(s *Reservoir, events []sketchtest.Event) {
			r := rowsOf(events)
			s.AddRows(r.Positions, r.Hashes[0], r.Items[0], r.Index)
		},
		Merge:  (*Reservoir).Merge,
		Encode: func(s *Reservoir) []byte { return s.AppendBinary(nil) },
		Decode: func(b []byte) (*Reservoir, error) {
			s, rest, err := DecodeReservoir(b, k)
			return s, trailing(rest, err)
		},
		Canonical: true, Symmetric: true,
		Check: func(t testing.TB, s *Reservoir, events []sketchtest.Event) {
			checkSample(t, s.Sample(k), s.Population(), k, events)
		},
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}
}

func TestHyperLogLogLaws(t *testing.T) {
	sketchtest.Laws(t, sketchtest.Subject[*HyperLogLog]{
		New:    func() *HyperLogLog { h, _ := NewHyperLogLog(10); return h },
		Add:    func(h *HyperLogLog, events []sketchtest.Event) { h.AddHashes(rowsOf(events).Hashes[0]) },
		Merge:  func(dst, src *HyperLogLog) error { return mergeState(dst, src) },
		Encode: func(h *HyperLogLog) []byte { return h.AppendBinary(nil) },
		Decode: func(b []byte) (*HyperLogLog, error) {
			h, rest, err := DecodeHyperLogLog(b, 10)
			return h, trailing(rest, err)
		},
		Canonical: true, Symmetric: true,
		Check: func(t testing.TB, h *HyperLogLog, events []sketchtest.Event) {
			t.Helper()
			n := float64(len(sketchtest.Exact(events).Counts))
			if low, high := h.Interval(0.99999); n < low || n > high {
				t.Errorf("%v distinct items are outside of [%v, %v]", n, low, high)
			}
		},
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}, sketchtest.Streams(1500, 64, 1))
}

func TestBloomLaws(t *testing.T) {
	for name, capacity := range map[string]uint64{"one filter": 10000, "chain": 100} {
		t.Run(name, func(t *testing.T) {
			parameters, err := NewBloomParameters(capacity, 0.01)
			if err != nil {
				t.Fatal(err)
			}
			sketchtest.Laws(t, sketchtest.Subject[*Bloom]{
				New:    func() *Bloom { return NewBloom(parameters) },
				Add:    func(f *Bloom, events []sketchtest.Event) { f.AddHashes(rowsOf(events).Hashes[0]) },
				Merge:  (*Bloom).Merge,
				Encode: func(f *Bloom) []byte { return f.AppendBinary(nil) },
				Decode: func(b []byte) (*Bloom, error) {
					f, rest, err := DecodeBloom(b, parameters)
					return f, trailing(rest, err)
				},
				Canonical: capacity > 4000, Symmetric: true,
				Check: func(t testing.TB, f *Bloom, events []sketchtest.Event) {
					t.Helper()
					for hash := range sketchtest.Exact(events).Counts {
						if !f.Contains(hash) {
							t.Fatalf("item %x was forgotten", hash)
						}
					}
				},
				Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
			}, sketchtest.Streams(1500, 64, 1))
		})
	}
}

func TestCountMinLaws(t *testing.T) {
	sketchtest.Laws(t, sketchtest.Subject[*CountMin]{
		New: func() *CountMin { c, _ := NewCountMin(256, 4); return c },
		Add: func(c *CountMin, events []sketchtest.Event) {
			r := rowsOf(events)
			c.AddHashes(r.Hashes[0], r.Weights[0])
		},
		Merge:  (*CountMin).Merge,
		Encode: func(c *CountMin) []byte { return c.AppendBinary(nil) },
		Decode: func(b []byte) (*CountMin, error) {
			c, rest, err := DecodeCountMin(b, 256, 4)
			return c, trailing(rest, err)
		},
		Canonical: true, Symmetric: true,
		Check: func(t testing.TB, c *CountMin, events []sketchtest.Event) {
			t.Helper()
			truth := sketchtest.Exact(events)
			if c.Total() != truth.Weight {
				t.Fatalf("total %d, want %d", c.Total(), truth.Weight)
			}
			for hash, f := range truth.Weights {
				if c.Count(hash) < f {
					t.Fatalf("item %x weighs %d, not at most %d", hash, f, c.Count(hash))
				}
			}
		},
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}, sketchtest.Streams(1500, 64, 1))
}

func TestHalfLifeSumLaws(t *testing.T) {
	const half = 20000
	h, err := NewHalfLife(half)
	if err != nil {
		t.Fatal(err)
	}
	sketchtest.Laws(t, sketchtest.Subject[*HalfLifeSum]{
		New: func() *HalfLifeSum { return NewHalfLifeSum(h) },
		Add: func(s *HalfLifeSum, events []sketchtest.Event) {
			r := rowsOf(events)
			s.AddValues(r.Times, r.Values[0])
		},
		Merge:  (*HalfLifeSum).Merge,
		Encode: func(s *HalfLifeSum) []byte { return s.AppendBinary(nil) },
		Decode: func(b []byte) (*HalfLifeSum, error) {
			s, rest, err := DecodeHalfLifeSum(b, h)
			return s, trailing(rest, err)
		},
		Symmetric: true,
		Check: func(t testing.TB, s *HalfLifeSum, events []sketchtest.Event) {
			t.Helper()
			checkDecay(t, s.At, half, events)
		},
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}, sketchtest.Streams(1000, 64, 1))
}

// checkDecay compares a decayed sum with its definition.
func checkDecay(t testing.TB, sum func(int64) float64, half float64, events []sketchtest.Event) {
	t.Helper()
	const at = 1_700_000_100_000
	want := 0.0
	for _, e := range events {
		if !math.IsNaN(e.Value) {
			want += e.Value * math.Exp2(-float64(at-e.Time)/half)
		}
	}
	if got := sum(at); math.Abs(got-want) > 1e-9*want {
		t.Errorf("decayed sum %v, want %v", got, want)
	}
}

// TestFactorSumLaws takes a factor of 1: by any other, order matters (see TestFollow).
func TestFactorSumLaws(t *testing.T) {
	sketchtest.Laws(t, sketchtest.Subject[*FactorSum]{
		New:    func() *FactorSum { s, _ := NewFactorSum(1); return s },
		Add:    func(s *FactorSum, events []sketchtest.Event) { s.AddValues(rowsOf(events).Values[0]) },
		Merge:  (*FactorSum).Merge,
		Encode: func(s *FactorSum) []byte { return s.AppendBinary(nil) },
		Decode: func(b []byte) (*FactorSum, error) {
			s, rest, err := DecodeFactorSum(b, 1)
			return s, trailing(rest, err)
		},
		Canonical: true, Symmetric: true, // whole numbers add without rounding
		Check: func(t testing.TB, s *FactorSum, events []sketchtest.Event) {
			t.Helper()
			want := 0.0
			for _, e := range events {
				if !math.IsNaN(e.Value) {
					want += e.Value
				}
			}
			if s.Sum() != want {
				t.Errorf("sum %v, want %v", s.Sum(), want)
			}
		},
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}, sketchtest.Streams(1000, 64, 1))
}

// checkSample checks what holds of every sample of k.
func checkSample(t testing.TB, items [][]byte, population uint64, k int, events []sketchtest.Event) {
	t.Helper()
	truth := sketchtest.Exact(events)
	if population != truth.Total || len(items) != min(k, int(truth.Total)) {
		t.Fatalf("%d of %d sampled, want %d of %d", len(items), population, min(k, int(truth.Total)), truth.Total)
	}
	left := map[string]uint64{}
	for _, e := range events {
		left[string(e.Item)]++
	}
	for _, item := range items {
		if left[string(item)] == 0 {
			t.Fatalf("%q is more often in the sample than in the stream", item)
		}
		left[string(item)]--
	}
}
