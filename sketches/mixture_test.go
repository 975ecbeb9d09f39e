package sketches

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// mixtureSpecs is a layout in which tables stay for the tests' streams if
// large, and are promoted otherwise.
func mixtureSpecs(large bool) []Spec {
	precision, width, size, capacity := 8, 128, 20, uint64(500)
	if large {
		precision, width, size, capacity = 16, 4096, 200, 5000
	}
	return []Spec{
		{Name: "users", Kind: KindHLL, Precision: precision},
		{Name: "seen", Kind: KindBloom, Capacity: capacity, Error: 0.01},
		{Name: "often", Kind: KindCountMin, Weight: -1, Width: width, Depth: 3},
		{Name: "volume", Kind: KindCountMin, Weight: 0, Width: width, Depth: 3},
		{Name: "hot", Kind: KindHotList, Weight: -1, Size: size},
		{Name: "heavy", Kind: KindHotList, Weight: 0, Size: size},
		{Name: "some", Kind: KindReservoir, Size: 50},
		{Name: "lately", Kind: KindDecay, HalfLife: testHalfLife},
		{Name: "all", Kind: KindDecay, Factor: 1},
	}
}

// Indexes into mixtureSpecs.
const (
	atUsers = iota
	atSeen
	atOften
	atVolume
	atHot
	atHeavy
	atSome
	atLately
	atAll
)

const mixtureKeys = 3

// rangeOf is a range of the log: its rate (0: in full), and its share of the events.
type rangeOf struct {
	rate  int
	share float64
}

var mixtureRanges = map[string][]rangeOf{
	"1/2":   {{1, 1}},
	"1/4":   {{2, 1}},
	"1/16":  {{4, 1}},
	"mixed": {{0, 0.4}, {1, 0.2}, {4, 0.1}, {0, 0.1}, {4, 0.1}, {2, 0.1}},
}

// keyed is an event of one of a few keys.
type keyed struct {
	sketchtest.Event
	key int
}

// mixtureEvents draws events whose items follow Zipf's law, and whose hashes
// and positions differ from seed to seed.
func mixtureEvents(seed uint64, n int) []keyed {
	rng := rand.New(rand.NewPCG(seed, 5))
	zipf := rand.NewZipf(rng, 1.2, 4, 3000)
	events := make([]keyed, n)
	for i := range events {
		e := &events[i]
		item := int(zipf.Uint64())
		e.Hash = max(1, sketchtest.Mix(sketchtest.Mix(seed)+uint64(item)))
		e.Item = fmt.Appendf(nil, "item-%d", item)
		e.Time = 1_700_000_000_000 + int64(i)*10
		e.Position = rng.Uint64()
		e.Weight = 1 + rng.Int64N(100)
		e.Value = rng.NormFloat64()*10 + 5
		e.key = min(rng.IntN(2*mixtureKeys), mixtureKeys-1) // the last has most
	}
	return events
}

// scenario is a run: a mixture of the last key or of all keys, and the events in it.
type scenario struct {
	*Mixture
	events []sketchtest.Event
}

// mix applies ranges of events to panes of each key, in two partitions, and merges them.
func mix(t testing.TB, l *Layout, events []keyed, ranges []rangeOf, all bool) *scenario {
	t.Helper()
	s := &scenario{Mixture: l.NewMixture()}
	first := 0
	for i, r := range ranges {
		last := min(len(events), first+int(r.share*float64(len(events))))
		if i == len(ranges)-1 {
			last = len(events)
		}
		var parts [2 * mixtureKeys][]sketchtest.Event
		for j, e := range events[first:last] {
			parts[2*e.key+j%2] = append(parts[2*e.key+j%2], e.Event)
		}
		for p, part := range parts {
			if all || p/2 == mixtureKeys-1 {
				s.events = append(s.events, part...)
				mixPart(t, s.Mixture, part, r.rate)
			}
		}
		first = last
	}
	return s
}

func mixPart(t testing.TB, m *Mixture, part []sketchtest.Event, rate int) {
	t.Helper()
	var err error
	if rate == 0 {
		p := m.layout.NewPane()
		p.Apply(rowsOf(part))
		err = m.Merge(p, m.layout.All())
	} else {
		p := m.layout.NewProvisional(rate)
		p.Apply(rowsOf(part))
		err = m.MergeProvisional(p, m.layout.All())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// coverage counts how often intervals hold, and how far estimates are off.
type coverage struct {
	asked, held     int
	errors, squares float64 // sum and sum of squares of estimate - truth
	width           float64
}

type coverages map[string]*coverage

func (c coverages) note(question string, e Estimate, truth float64) {
	x := c[question]
	if x == nil {
		x = new(coverage)
		c[question] = x
	}
	x.asked++
	if e.Low <= truth && truth <= e.High {
		x.held++
	}
	d := e.Value - truth
	x.errors += d
	x.squares += d * d
	x.width += e.High - e.Low
}

// bias is the mean error in standard errors.
func (c *coverage) bias() float64 {
	n := float64(c.asked)
	mean := c.errors / n
	return mean / math.Sqrt(max(c.squares/n-mean*mean, 1e-18)/n)
}

// TestMixtureIntervals: over many runs, intervals at 95% hold for at least
// 93%, and estimates that are not biased by their sketches have no bias.
func TestMixtureIntervals(t *testing.T) {
	const runs, perRun = 200, 2500
	for _, large := range []bool{true, false} {
		l := mustLayout(t, mixtureSpecs(large))
		for _, name := range slices.Sorted(maps.Keys(mixtureRanges)) {
			t.Run(fmt.Sprintf("large %v, %s", large, name), func(t *testing.T) {
				t.Parallel()
				seen := coverages{}
				for seed := range uint64(runs) {
					s := mix(t, l, mixtureEvents(seed, perRun), mixtureRanges[name], seed%2 == 0)
					askMixture(t, seen, s.Mixture, s.events)
				}
				seen.check(t, large)
			})
		}
	}
}

// TestMixtureCounts is TestMixtureIntervals for what costs little to count,
// over enough runs to tell 93% from 95, and for few events.
func TestMixtureCounts(t *testing.T) {
	l := mustLayout(t, []Spec{{Name: "some", Kind: KindReservoir, Size: 5}, {Name: "all", Kind: KindDecay, Factor: 1}})
	for _, n := range []int{10, 300} {
		for _, name := range slices.Sorted(maps.Keys(mixtureRanges)) {
			ranges := mixtureRanges[name]
			ideal := 0.0
			for _, r := range ranges {
				if r.rate > 0 {
					ideal += float64(n) * r.share * (math.Ldexp(1, r.rate) - 1)
				}
			}
			seen := coverages{}
			for seed := range uint64(600) {
				s := mix(t, l, mixtureEvents(seed+1e6, n), ranges, true)
				seen.note("count", s.Events(0.95), float64(n))
				_, population := s.Sample(0, 5, 0.95)
				seen.note("population", population, float64(n))
				var plain float64
				for _, e := range s.events {
					plain += e.Value
				}
				seen.note("plain sum", s.Sum(1, 0, 0.95), plain)
			}
			t.Run(fmt.Sprintf("%d events, %s", n, name), func(t *testing.T) {
				seen.check(t, true)
				c := seen["count"]
				width := c.width / float64(c.asked) / (2 * deviate(0.95) * math.Sqrt(ideal))
				t.Logf("the mean width is %.2f of the ideal", width)
				if n >= 300 && width > 1.5 {
					t.Errorf("the mean width is %.2f of the ideal", width)
				}
			})
		}
	}
}

// check fails the test if too few intervals hold, or an estimate is biased that must not be.
func (c coverages) check(t *testing.T, large bool) {
	t.Helper()
	for _, question := range slices.Sorted(maps.Keys(c)) {
		x := c[question]
		held := float64(x.held) / float64(x.asked)
		t.Logf("%-20s %5d asked, %.3f held, bias %+.2f, mean width %.1f", question, x.asked, held, x.bias(), x.width/float64(x.asked))
		if held < 0.93 {
			t.Errorf("%s: only %.3f of the intervals hold", question, held)
		}
		if unbiased(question, large) && math.Abs(x.bias()) > 3 {
			t.Errorf("%s: the mean error is %.2f standard errors", question, x.bias())
		}
	}
}

// unbiased tells which estimates have no bias: Count-Min and hot lists have,
// and listed items are there because their estimates are high.
func unbiased(question string, large bool) bool {
	switch question {
	case "count", "population", "sum", "plain sum", "distinct":
		return true
	case "frequency heavy", "frequency medium", "weight heavy", "weight medium":
		return large
	}
	return false
}

// askMixture asks every question and notes how the answers fare.
func askMixture(t testing.TB, seen coverages, m *Mixture, events []sketchtest.Event) {
	t.Helper()
	const confidence = 0.95
	truth := sketchtest.Exact(events)
	seen.note("distinct", m.Distinct(atUsers, confidence), float64(len(truth.Counts)))
	at := events[len(events)-1].Time
	var lately float64
	for _, e := range events {
		lately += e.Value * math.Exp2(-float64(at-e.Time)/testHalfLife)
	}
	seen.note("sum", m.Sum(atLately, at, confidence), lately)

	ranked := slices.SortedFunc(maps.Keys(truth.Counts), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(truth.Counts[b], truth.Counts[a]), cmp.Compare(a, b))
	})
	places := map[string]int{"heavy": 0, "medium": len(ranked) / 20, "rare": len(ranked) - 1 - len(ranked)/4}
	for name, place := range places {
		hash := ranked[place]
		seen.note("frequency "+name, m.Frequency(atOften, hash, confidence), float64(truth.Counts[hash]))
		seen.note("hot "+name, m.Frequency(atHot, hash, confidence), float64(truth.Counts[hash]))
		seen.note("weight "+name, m.Frequency(atVolume, hash, confidence), float64(truth.Weights[hash]))
		seen.note("heavy "+name, m.Frequency(atHeavy, hash, confidence), float64(truth.Weights[hash]))
	}
	seen.note("frequency absent", m.Frequency(atOften, 12345, confidence), 0)
	noteTop(t, seen, m, atHot, truth.Counts)
	noteTop(t, seen, m, atHeavy, truth.Weights)
}

func noteTop(t testing.TB, seen coverages, m *Mixture, sketch int, truth map[uint64]uint64) {
	t.Helper()
	name := m.layout.specs[sketch].Name
	top, bound, exact := m.TopK(sketch, 10, 0.95)
	if exact {
		t.Fatal("a sampled list says that it is exact")
	}
	for i, c := range top {
		seen.note("top of "+name, c.Estimate, float64(truth[c.Hash]))
		if i > 0 && c.Value > top[i-1].Value {
			t.Fatalf("place %d: %v after %v", i, c.Value, top[i-1].Value)
		}
	}
	listed := make(map[uint64]bool)
	parts := []*Pane{m.base}
	for _, s := range m.strata {
		parts = append(parts, s.ByPosition)
	}
	for _, p := range parts {
		items, _, _ := p.TopK(sketch, math.MaxInt)
		for _, c := range items {
			listed[c.Hash] = true
		}
	}
	var heaviest uint64
	for hash, w := range truth {
		if !listed[hash] {
			heaviest = max(heaviest, w)
		}
	}
	seen.note("unlisted of "+name, Estimate{High: bound}, float64(heaviest))
}

// What is seen of a pane where it is, is what is seen of the mixture that took it in,
// with strata and without.
func TestMixtureSeesWhatItWouldMerge(t *testing.T) {
	l := mustLayout(t, mixtureSpecs(false))
	for _, n := range []int{0, 3, 40, 300, 9000} {
		events := sketchtest.Streams(n, 40, 9)[0].Events
		p := l.NewPane()
		p.Apply(rowsOf(events))
		hashes := []uint64{0}
		for i := range 500 {
			hash, _ := sketchtest.Item(i)
			hashes = append(hashes, hash)
		}
		for rate := range 3 {
			merged, seen := l.NewMixture(), l.NewMixture()
			for i, m := range []*Mixture{merged, seen} {
				var err error
				if i == 0 {
					err = m.Merge(p, Only(atSeen))
				} else {
					err = m.MergeSeen(p, atSeen, hashes)
				}
				if err != nil {
					t.Fatal(err)
				}
				if rate > 0 {
					sampled := l.NewProvisional(rate)
					sampled.Apply(rowsOf(sketchtest.Streams(200, 40, 3)[2].Events))
					if err := m.MergeProvisional(sampled, Only(atSeen)); err != nil {
						t.Fatal(err)
					}
				}
			}
			wanted, wantedRate := merged.ContainsAll(atSeen, hashes)
			got, gotRate := seen.ContainsAll(atSeen, hashes)
			if !slices.Equal(got, wanted) || gotRate != wantedRate || seen.Base().Events() != merged.Base().Events() {
				t.Errorf("%d events, rate %d: %v at %v, want %v at %v", n, rate, got, gotRate, wanted, wantedRate)
			}
		}
	}
	other := mustLayout(t, sixSpecs(-1)).NewPane()
	if err := l.NewMixture().MergeSeen(other, atSeen, nil); !errors.Is(err, ErrMismatch) {
		t.Errorf("a pane of another layout: %v", err)
	}
}
