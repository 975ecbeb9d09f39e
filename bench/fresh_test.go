package bench

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Freshness looks up a suffix; the dumb way asks every receipt.
func TestFreshnessIsTheAgeOfTheOldestEventLeftOut(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	base := time.UnixMilli(1_700_000_000_000)
	var receipts []receipt
	for range 200 {
		receipts = append(receipts, receipt{
			offsets: []uint64{uint64(random.IntN(50)), uint64(random.IntN(50))},
			acked:   base.Add(time.Duration(random.IntN(5000)) * time.Millisecond),
		})
	}
	for range 500 {
		partition, offset := random.IntN(2), uint64(random.IntN(55))
		now := base.Add(time.Duration(random.IntN(6000)) * time.Millisecond)
		var want time.Duration
		for _, r := range receipts {
			if r.offsets[partition] > offset {
				want = max(want, now.Sub(r.acked))
			}
		}
		if got := arrivalsOf(receipts, partition).behind(offset, now); got != want {
			t.Fatalf("behind offset %d of partition %d: %v; want %v", offset, partition, got, want)
		}
	}
}

func TestFreshnessCountsUntilTheViewsHaveCaughtUp(t *testing.T) {
	base := time.UnixMilli(1_700_000_000_000)
	at := func(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }
	receipts := []receipt{
		{offsets: []uint64{1, 0}, acked: at(100)},
		{offsets: []uint64{2, 1}, acked: at(200)},
		{offsets: []uint64{3, 2}, acked: at(900)},
	}
	timeline := []Sample{
		{at: at(150), offsets: [][]uint64{{1, 0}, {1, 0}}},
		{at: at(500), offsets: [][]uint64{{2, 0}, {2, 1}}},  // 300 ms behind on partition 1 of one view
		{at: at(1200), offsets: [][]uint64{{3, 2}, {2, 2}}}, // 300 ms
		{at: at(1300), offsets: [][]uint64{{3, 2}, {3, 2}}}, // caught up
		{at: at(9000), offsets: [][]uint64{{0, 2}, {3, 2}}}, // after that nothing counts
	}
	f := intoFreshness(timeline, receipts, 2, at(1000))
	for i, want := range []float64{0, 0.3, 0.3, 0} {
		if timeline[i].Freshness != want {
			t.Errorf("sample %d: %v s; want %v", i, timeline[i].Freshness, want)
		}
	}
	if f.Max < 0.299 || f.Max > 0.301 {
		t.Errorf("the worst that counts is %v s; want 0.3", f.Max)
	}
}
