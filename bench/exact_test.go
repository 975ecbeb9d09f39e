package bench

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// log places ranges of events as a server could: every partition gets its
// records in an order of its own, and a record may hold several requests.
func placed(s *Source, partitions, requests, batch int, random *rand.Rand) []receipt {
	at := time.UnixMilli(1_700_000_000_000)
	receipts := make([]receipt, requests)
	for i := range receipts {
		receipts[i] = receipt{first: i * batch, last: (i + 1) * batch, at: at.UnixMilli() + int64(i), offsets: make([]uint64, partitions), acked: at.Add(time.Duration(i) * time.Millisecond)}
	}
	for p := range partitions {
		offset := uint64(1)
		for _, i := range random.Perm(requests) {
			has := false
			for _, e := range collect(s.Live(receipts[i].first, receipts[i].last, receipts[i].at)) {
				has = has || partitionOf(e.Key, partitions) == p
			}
			if has {
				receipts[i].offsets[p] = offset
				if random.IntN(3) > 0 {
					offset++
				}
			}
		}
	}
	return receipts
}

// Judging makes the requests of a partition again in the order of the log; the
// dumb way goes through all of them for every single answer.
func TestJudgingAgreesWithCountingEverythingForEveryAnswer(t *testing.T) {
	w := small()
	w.Keys, w.Items = 30, 50
	s := sourceOf(t, w)
	random := rand.New(rand.NewPCG(5, 6))
	const partitions = 3
	receipts := placed(s, partitions, 40, 20, random)
	sumAt := int64(1_700_000_000_000) + halfLife.Milliseconds()
	c := newChecker(nil, s, "v", partitions, sumAt)
	questions := []string{"count", "distinct", "frequency", "sum", "topk", "contains"}
	for range 300 {
		c.seen = append(c.seen, observation{
			question: questions[random.IntN(len(questions))], key: random.IntN(len(c.keys)), item: uint32(random.IntN(w.Items)),
			offset: uint64(random.IntN(45)), estimate: 3, low: 2, high: 40, contains: []string{"no", "maybe", "unknown"}[random.IntN(3)],
		})
	}
	verdicts, final, err := c.judge(receipts)
	if err != nil || len(verdicts) != len(c.seen) {
		t.Fatalf("%d verdicts about %d answers, %v", len(verdicts), len(c.seen), err)
	}
	for _, v := range verdicts {
		if want := dumbTruth(s, receipts, c.keys[v.key], v.observation, sumAt); math.Abs(v.truth-want) > 1e-9*want {
			t.Fatalf("%s of key %d, item %d at offset %d is taken for %v; it is %v", v.question, c.keys[v.key], v.item, v.offset, v.truth, want)
		}
		if v.question == "contains" {
			if v.held != (v.contains != "no" || v.truth == 0) {
				t.Errorf("the answer %q about an item that came %v times: held %v", v.contains, v.truth, v.held)
			}
		} else if v.held != (v.truth >= 2 && v.truth <= 40) {
			t.Errorf("the interval from 2 to 40 around %v: held %v", v.truth, v.held)
		}
	}
	for i, k := range c.keys {
		if want := dumbTruth(s, receipts, k, observation{question: "count", offset: math.MaxUint64}, sumAt); float64(final[i].events) != want {
			t.Errorf("key %d ends with %d events; want %v", k, final[i].events, want)
		}
	}
}

func dumbTruth(s *Source, receipts []receipt, key uint32, o observation, sumAt int64) float64 {
	p := partitionOf(key, len(receipts[0].offsets))
	items := map[uint32]int{}
	sum, events := 0.0, 0
	for _, r := range receipts {
		if r.offsets[p] == 0 || r.offsets[p] > o.offset {
			continue
		}
		for _, e := range collect(s.Live(r.first, r.last, r.at)) {
			if e.Key == key {
				events++
				items[e.Item]++
				sum += float64(e.Value) * math.Pow(0.5, float64(sumAt-e.Time)/600_000)
			}
		}
	}
	switch o.question {
	case "count":
		return float64(events)
	case "distinct":
		return float64(len(items))
	case "sum":
		return sum
	}
	return float64(items[o.item])
}

func TestEventsByKeyCountsEveryReceiptOnce(t *testing.T) {
	w := small()
	w.Keys = 20
	s := sourceOf(t, w)
	receipts := []receipt{{first: 0, last: 100, at: 1}, {first: 300, last: 500, at: 2}}
	want := make([]int64, w.Keys)
	for _, r := range receipts {
		for _, e := range collect(s.Live(r.first, r.last, r.at)) {
			want[e.Key]++
		}
	}
	for k, n := range eventsByKey(s, receipts) {
		if n != want[k] {
			t.Errorf("key %d has %d events; want %d", k, n, want[k])
		}
	}
}

func TestExactEndEqualsTheWholeWorkload(t *testing.T) {
	w := small()
	w.Events = 1234
	s := sourceOf(t, w)
	sumAt := s.Start.Add(s.Span).UnixMilli()
	truth := exactEnd(s, 500, []uint32{0, 3}, sumAt)
	for i, key := range []uint32{0, 3} {
		var events int64
		sum, items := 0.0, map[uint32]int64{}
		for _, cut := range [][2]int{{0, 500}, {500, 1000}, {1000, 1234}} {
			for _, e := range collect(s.Range(cut[0], cut[1])) {
				if e.Key == key {
					events++
					items[e.Item]++
					sum += float64(e.Value) * math.Pow(0.5, float64(sumAt-e.Time)/600_000)
				}
			}
		}
		got := truth.keys[i]
		if got.events != events || len(got.counts) != len(items) || math.Abs(got.sum-sum) > 1e-9*sum || got.counts[0] != items[0] {
			t.Errorf("key %d: %d events of %d items, sum %v; want %d, %d, %v", key, got.events, len(got.counts), got.sum, events, len(items), sum)
		}
	}
}

func TestSparseCountsAgreeWithDenseOnes(t *testing.T) {
	dense, sparse := newCounts(10), newCounts(maxDense+1)
	for _, item := range []uint32{1, 1, 9, 1} {
		if dense.add(item) != sparse.add(item) {
			t.Errorf("item %d is new to only one", item)
		}
	}
	for item := range uint32(12) {
		if dense.of(item) != sparse.of(item) {
			t.Errorf("item %d: %d and %d", item, dense.of(item), sparse.of(item))
		}
	}
}

func TestSpreadRisesFromTheFirstToTheLast(t *testing.T) {
	for _, c := range []struct{ n, of, want int }{{1, 1, 1}, {1, 10, 1}, {5, 5, 5}, {16, 200, 16}, {100, 1000, 100}, {50, 20, 20}, {16, 100_000_000, 16}} {
		got := spread(c.n, c.of)
		if len(got) != c.want || got[0] != 0 {
			t.Fatalf("spread(%d, %d) gives %v", c.n, c.of, got)
		}
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] || int(got[i]) >= c.of {
				t.Fatalf("spread(%d, %d) gives %v", c.n, c.of, got)
			}
		}
	}
}

func TestSummary(t *testing.T) {
	all, by := summarise([]verdict{
		{observation: observation{question: "count", exact: true}, held: true},
		{observation: observation{question: "count"}, held: false, err: 0.5},
		{observation: observation{question: "sum"}, held: true, err: 0.1},
		{observation: observation{question: "sum"}, held: true, err: 0.2},
	})
	if all.Answers != 4 || all.Held != 0.75 || all.Max != 0.5 || math.Abs(all.Mean-0.2) > 1e-12 || all.Exact != 0.25 {
		t.Errorf("all: %+v", all)
	}
	if c := by["count"]; len(by) != 2 || c.Answers != 2 || c.Held != 0.5 || c.Exact != 0.5 {
		t.Errorf("by question: %+v", by)
	}
	if none, _ := summarise(nil); none.Held != 1 || none.Mean != 0 {
		t.Errorf("no answers: %+v", none)
	}
}
