package sketches

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// answersOf asks a mixture everything.
func answersOf(m *Mixture, at int64, hashes []uint64) []any {
	var out []any
	add := func(xs ...any) { out = append(out, xs...) }
	add(m.Events(0.95), m.Distinct(atUsers, 0.95), m.Sum(atLately, at, 0.95), m.Sum(atAll, at, 0.95))
	for _, hash := range hashes {
		add(m.Frequency(atOften, hash, 0.95), m.Frequency(atHeavy, hash, 0.95))
	}
	all, rate := m.ContainsAll(atSeen, hashes)
	add(all, rate)
	for _, sketch := range []int{atHot, atHeavy} {
		items, bound, exact := m.TopK(sketch, 12, 0.95)
		add(items, bound, exact)
	}
	items, population := m.Sample(atSome, 20, 0.95)
	add(items, population)
	return out
}

// answersOfPane asks a pane the same.
func answersOfPane(p *Pane, at int64, hashes []uint64) []any {
	var out []any
	add := func(xs ...any) { out = append(out, xs...) }
	add(exactly(float64(p.Events())), p.Distinct(atUsers, 0.95), p.Sum(atLately, at), p.Sum(atAll, at))
	for _, hash := range hashes {
		add(p.Frequency(atOften, hash, 0.95), p.Frequency(atHeavy, hash, 0.95))
	}
	all := make([]Membership, len(hashes))
	found, rate := p.ContainsAll(atSeen, hashes)
	for i, yes := range found {
		if yes {
			all[i] = Maybe
		}
	}
	add(all, rate)
	for _, sketch := range []int{atHot, atHeavy} {
		items, bound, exact := p.TopK(sketch, 12)
		add(items, bound, exact)
	}
	items, population := p.Sample(atSome, 20)
	add(items, exactly(float64(population)))
	return out
}

// TestMixtureWithoutStrata: with nothing sampled, every answer is the pane's,
// to the bit; and so it is again once what was sampled has been applied in full.
func TestMixtureWithoutStrata(t *testing.T) {
	for _, large := range []bool{true, false} {
		l := mustLayout(t, mixtureSpecs(large))
		for _, n := range []int{0, 1, 20, 3000} {
			events := mixtureEvents(uint64(n), max(n, 1))[:n]
			s := mix(t, l, events, []rangeOf{{0, 0.3}, {0, 0.7}}, true)
			s.Owe(0, 10)
			s.Owe(3, 0)
			hashes := []uint64{0, 1, 77}
			for _, e := range events {
				hashes = append(hashes, e.Hash)
			}
			if s.Sampled() {
				t.Fatal("a mixture without strata says that it is sampled")
			}
			if got, want := answersOf(s.Mixture, 1e12, hashes), answersOfPane(s.Base(), 1e12, hashes); !reflect.DeepEqual(got, want) {
				t.Errorf("%d events: got\n%v\nwant\n%v", n, got, want)
			}
		}
	}
}

// TestMixtureContains: no is never wrong, absent items of small hash are no,
// and others are unknown.
func TestMixtureContains(t *testing.T) {
	for _, large := range []bool{true, false} {
		l := mustLayout(t, mixtureSpecs(large))
		for name, ranges := range mixtureRanges {
			for seed := range uint64(20) {
				s := mix(t, l, mixtureEvents(seed, 1500), ranges, seed%2 == 0)
				checkMembership(t, s, name)
			}
		}
	}
}

func checkMembership(t *testing.T, s *scenario, name string) {
	t.Helper()
	limit := sampleLimit(s.coarsest())
	truth := sketchtest.Exact(s.events).Counts
	rng := rand.New(rand.NewPCG(sketchtest.Seed(name), 1))
	var hashes []uint64
	for hash := range truth {
		hashes = append(hashes, hash)
	}
	for range 400 {
		hashes = append(hashes, rng.Uint64()|1, rng.Uint64()%limit|1)
	}
	answers, rate := s.ContainsAll(atSeen, hashes)
	wrong := 0
	for i, hash := range hashes {
		one, oneRate := s.Contains(atSeen, hash)
		if one != answers[i] || oneRate > rate {
			t.Fatalf("%s: alone %v at %v, among others %v at %v", name, one, oneRate, answers[i], rate)
		}
		switch _, seen := truth[hash]; {
		case seen && answers[i] == No:
			t.Fatalf("%s: item %x was seen, and the answer is no", name, hash)
		case seen && hash < limit && answers[i] != Maybe:
			t.Fatalf("%s: item %x was kept everywhere, and the answer is %v", name, hash, answers[i])
		case !seen && hash < limit && answers[i] == Unknown:
			t.Fatalf("%s: item %x would have been kept, and the answer is unknown", name, hash)
		case !seen && answers[i] == Maybe:
			wrong++
		case !seen && hash >= limit && answers[i] == No:
			t.Fatalf("%s: item %x may have been left out, and the answer is no", name, hash)
		}
	}
	if allowed := 800 * rate; float64(wrong) > allowed+4*math.Sqrt(allowed)+1 {
		t.Errorf("%s: %d of 800 absent items may have been seen, at a rate of %v", name, wrong, rate)
	}
}

// TestMixtureSample: every event is sampled equally often, whatever its range's rate.
func TestMixtureSample(t *testing.T) {
	l := mustLayout(t, []Spec{{Name: "some", Kind: KindReservoir, Size: 30}})
	const runs, events, groups = 1500, 400, 10
	var drawn [groups]float64
	total := 0.0
	for seed := range uint64(runs) {
		all := make([]keyed, events)
		for i := range all {
			hash, _ := sketchtest.Item(i)
			all[i] = keyed{Event: sketchtest.Event{Position: sketchtest.Mix(sketchtest.Mix(seed) ^ uint64(i)), Hash: hash, Item: fmt.Append(nil, i)}}
		}
		s := mix(t, l, all, mixtureRanges["mixed"], true)
		items, population := s.Sample(0, 10, 0.95)
		if population.Low > events+1e-9 && population.High < events {
			t.Fatalf("population %+v", population)
		}
		for _, item := range items {
			var i int
			if _, err := fmt.Sscan(string(item), &i); err != nil {
				t.Fatal(err)
			}
			drawn[i*groups/events]++
			total++
		}
	}
	if total < runs*9 {
		t.Errorf("%v events were sampled in %d runs", total, runs)
	}
	chi := 0.0
	for _, n := range drawn {
		chi += square(n-total/groups) / (total / groups)
	}
	if chi > 27.88 { // 99.9% of χ² with 9 degrees of freedom
		t.Errorf("χ² is %.1f: %v", chi, drawn)
	}
}

// TestMixtureOwe: what is owed but was never sampled widens the intervals, and
// what cannot be narrows them.
func TestMixtureOwe(t *testing.T) {
	l := mustLayout(t, mixtureSpecs(true))
	m := l.NewMixture()
	p := l.NewPane()
	events := mixtureEvents(1, 100)
	plain := make([]sketchtest.Event, len(events))
	for i := range events {
		plain[i] = events[i].Event
	}
	p.Apply(rowsOf(plain))
	if err := m.Merge(p, l.All()); err != nil {
		t.Fatal(err)
	}
	m.Owe(2, 1000)
	e := m.Events(0.95)
	if e.Value != 100 || e.Low != 100 || e.High < 100+math.Log(0.025)/math.Log(0.75) || e.High > 125 || e.Exact {
		t.Errorf("a key never sampled at 1/4: %+v", e)
	}
	if e := m.Frequency(atVolume, plain[0].Hash, 0.95); e.High < 1e18 {
		t.Errorf("no weight was ever seen, yet %+v", e)
	}
	if e := m.Sum(atLately, plain[99].Time, 0.95); e.High < 1e100 || e.Low > -1e100 || math.IsInf(e.High, 0) {
		t.Errorf("no value was ever seen, yet %+v", e)
	}
	other := l.NewProvisional(5)
	other.Apply(rowsOf(plain))
	if err := m.Learn(other); err != nil {
		t.Fatal(err)
	}
	if e := m.Frequency(atVolume, plain[0].Hash, 0.95); e.High > 1e4 || e.High < 1000 {
		t.Errorf("weights are up to 100, and the interval is %+v", e)
	}
	if e := m.Sum(atAll, 0, 0.95); e.High > 3000 || e.Low < -3000 {
		t.Errorf("values are up to about 40, and the interval is %+v", e)
	}
	few := l.NewMixture()
	few.Owe(4, 7)
	for name, e := range map[string]Estimate{"events": few.Events(0.95), "distinct": few.Distinct(atUsers, 0.95), "frequency": few.Frequency(atOften, 5, 0.95)} {
		if e.High != 7 || e.Low != 0 {
			t.Errorf("%s of at most 7: %+v", name, e)
		}
	}
	few.OweUnknown(1000)
	if e := few.Events(0.95); e.High != 1007 || e.Low != 0 {
		t.Errorf("1000 more are not known of: %+v", e)
	}
	if e := few.Distinct(atUsers, 0.95); e.High != 1007 {
		t.Errorf("distinct of 1000 more: %+v", e)
	}
	if answer, _ := few.Contains(atSeen, 1); answer != Unknown {
		t.Errorf("1000 events are not known of, and an item is %v in them", answer)
	}
	if _, bound, _ := few.TopK(atHot, 3, 0.95); bound != 1007 {
		t.Errorf("an item may weigh 1007, and the bound is %v", bound)
	}
}

// TestMixtureFewRegisters: with few registers, or none, to tell what was added, intervals hold.
func TestMixtureFewRegisters(t *testing.T) {
	l := mustLayout(t, []Spec{{Name: "users", Kind: KindHLL, Precision: 4}})
	const runs = 150
	for rate := 1; rate <= 6; rate++ {
		held := 0
		for seed := range uint64(runs) {
			s := mix(t, l, mixtureEvents(seed, 800), []rangeOf{{0, 0.5}, {rate, 0.5}}, true)
			e := s.Distinct(0, 0.95)
			if math.IsInf(e.High, 0) || math.IsNaN(e.Value) {
				t.Fatalf("rate 2^-%d: %+v", rate, e)
			}
			if truth := float64(len(sketchtest.Exact(s.events).Counts)); e.Low <= truth && truth <= e.High {
				held++
			}
		}
		if held < runs*93/100 {
			t.Errorf("rate 2^-%d: %d of %d hold", rate, held, runs)
		}
	}
}

// TestMixtureFactor: by factor the interval holds for values of one sign, and
// equal values are summed as if they had all been seen.
func TestMixtureFactor(t *testing.T) {
	for _, factor := range []float64{0.5, 0.97, 0.9999, 1} {
		l := mustLayout(t, []Spec{{Name: "s", Kind: KindDecay, Factor: factor}})
		held := 0
		const runs = 100
		for seed := range uint64(runs) {
			events := mixtureEvents(seed, 2000)
			for i := range events {
				events[i].Value, events[i].key = math.Abs(events[i].Value), 0
			}
			s := mix(t, l, events, []rangeOf{{0, 0.5}, {2, 0.3}, {1, 0.2}}, true)
			var truth float64
			for _, e := range events {
				truth = truth*factor + e.Value
			}
			if e := s.Sum(0, 0, 0.95); e.Low <= truth && truth <= e.High && e.Low <= e.Value && e.Value <= e.High {
				held++
			}
		}
		if held < runs*93/100 {
			t.Errorf("factor %v: %d of %d hold", factor, held, runs)
		}
	}
}

// TestMixtureMismatch: what does not belong together is refused and changes nothing.
func TestMixtureMismatch(t *testing.T) {
	a, b := mustLayout(t, mixtureSpecs(true)), mustLayout(t, mixtureSpecs(false))
	m := a.NewMixture()
	if err := m.MergeProvisional(b.NewProvisional(1), 0); !errors.Is(err, ErrMismatch) || m.Sampled() {
		t.Errorf("layouts: %v", err)
	}
	if err := m.Learn(b.NewProvisional(1)); !errors.Is(err, ErrMismatch) {
		t.Errorf("learning: %v", err)
	}
	if err := a.NewProvisional(1).Merge(a.NewProvisional(2), 0); !errors.Is(err, ErrMismatch) {
		t.Errorf("rates: %v", err)
	}
	if _, err := b.DecodeProvisional(a.NewProvisional(1).AppendBinary(nil)); !errors.Is(err, ErrMismatch) {
		t.Errorf("decode: %v", err)
	}
}

// TestMixtureOrder: answers do not depend on the order in which parts are merged.
func TestMixtureOrder(t *testing.T) {
	l := mustLayout(t, []Spec{mixtureSpecs(false)[atUsers], mixtureSpecs(false)[atOften]})
	events := mixtureEvents(3, 2000)
	parts := []rangeOf{{0, 0.2}, {1, 0.3}, {4, 0.5}}
	cut := func(order []int) *Mixture {
		m := l.NewMixture()
		for _, i := range order {
			var part []sketchtest.Event
			for _, e := range events[i*600 : i*600+600] {
				part = append(part, e.Event)
			}
			mixPart(t, m, part, parts[i].rate)
		}
		return m
	}
	a, b := cut([]int{0, 1, 2}), cut([]int{2, 0, 1})
	if a.Events(0.9) != b.Events(0.9) || a.Distinct(0, 0.9) != b.Distinct(0, 0.9) || a.Frequency(1, events[0].Hash, 0.9) != b.Frequency(1, events[0].Hash, 0.9) {
		t.Error("the order of merging changes answers")
	}
}

// sameProvisional compares by encoding.
func sameProvisional(a, b *Provisional) bool {
	return bytes.Equal(a.AppendBinary(nil), b.AppendBinary(nil))
}

// TestProvisionalParts: what is kept does not depend upon how events are cut
// into batches, nor upon whether others than those that are kept are given to it.
func TestProvisionalParts(t *testing.T) {
	l := mustLayout(t, []Spec{mixtureSpecs(false)[atUsers], mixtureSpecs(false)[atSeen], mixtureSpecs(false)[atVolume], mixtureSpecs(false)[atSome]})
	var events []sketchtest.Event
	for _, e := range mixtureEvents(4, 3000) {
		e.Value = math.NaN()
		events = append(events, e.Event)
	}
	for _, rate := range []int{1, 3, 6, MaxRate} {
		whole, parts, merged := l.NewProvisional(rate), l.NewProvisional(rate), l.NewProvisional(rate)
		whole.Apply(rowsOf(events))
		limit, kept := sampleLimit(rate), uint64(0)
		for rest := range slices.Chunk(events, 170) {
			parts.Apply(rowsOf(rest))
			p := l.NewProvisional(rate)
			p.Apply(rowsOf(rest))
			if err := merged.Merge(p, l.All()); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range events {
			if e.Position < limit {
				kept++
			}
		}
		if whole.Kept() != kept || !sameProvisional(whole, parts) || !sameProvisional(whole, merged) || !sameProvisional(whole, whole.Clone()) {
			t.Errorf("rate 2^-%d: %d kept, want %d, or the parts differ", rate, whole.Kept(), kept)
		}
		needed := slices.DeleteFunc(slices.Clone(events), func(e sketchtest.Event) bool { return e.Position >= limit && e.Hash >= limit })
		few := l.NewProvisional(rate)
		few.Apply(rowsOf(needed))
		if !bytes.Equal(few.ByPosition.AppendBinary(nil), whole.ByPosition.AppendBinary(nil)) || !bytes.Equal(few.ByItem.AppendBinary(nil), whole.ByItem.AppendBinary(nil)) {
			t.Errorf("rate 2^-%d: events that are not kept make a difference", rate)
		}
	}
}
