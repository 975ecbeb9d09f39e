package sketches

import (
	"bytes"
	"testing"

	"sketchlog/sketches/sketchtest"
)

func provisionalSpecs() []Spec {
	return []Spec{
		{Name: "users", Kind: KindHLL, Precision: 4},
		{Name: "often", Kind: KindCountMin, Weight: 0, Width: 64, Depth: 1},
		{Name: "seen", Kind: KindBloom, Bits: 512, Hashes: 4},
		{Name: "some", Kind: KindReservoir, Size: 3},
		{Name: "lately", Kind: KindDecay, HalfLife: 1000},
		{Name: "all", Kind: KindDecay, Factor: 0.5},
	}
}

// TestProvisionalGolden holds the format of FORMAT.md.
func TestProvisionalGolden(t *testing.T) {
	p := mustLayout(t, provisionalSpecs()).NewProvisional(2)
	golden(t, "provisional_empty", p.AppendBinary(nil))
	p.Apply(rowsOf(sketchtest.Streams(60, 4, 1)[9].Events)) // weighted
	golden(t, "provisional", p.AppendBinary(nil))
}

func provisionalSubject(l *Layout, rate int) sketchtest.Subject[*Provisional] {
	return sketchtest.Subject[*Provisional]{
		New:       func() *Provisional { return l.NewProvisional(rate) },
		Add:       func(p *Provisional, events []sketchtest.Event) { p.Apply(rowsOf(events)) },
		Merge:     func(dst, src *Provisional) error { return dst.Merge(src, l.All()) },
		Encode:    func(p *Provisional) []byte { return p.AppendBinary(nil) },
		Decode:    l.DecodeProvisional,
		Symmetric: true,
		Check: func(t testing.TB, p *Provisional, events []sketchtest.Event) {
			t.Helper()
			var kept []sketchtest.Event
			for _, e := range events {
				if e.Position < sampleLimit(rate) {
					e.Late = false
					kept = append(kept, e)
				}
			}
			q := p.ByPosition.Clone()
			q.late = 0 // late events are shared out, not sampled
			checkPane(t, q, kept)
		},
		Corrupt: ErrCorrupt, Mismatch: ErrMismatch,
	}
}

func TestProvisionalLaws(t *testing.T) {
	streams := sketchtest.Streams(800, 40, 5)
	for _, rate := range []int{1, 4} {
		sketchtest.Laws(t, provisionalSubject(mustLayout(t, sixSpecs(0)), rate), streams)
	}
}

func FuzzDecodeProvisional(f *testing.F) {
	l := mustLayout(f, provisionalSpecs())
	u := provisionalSubject(l, 2)
	fuzzSeeds(f, u)
	more := rowsOf(sketchtest.Streams(100, 5, 2)[0].Events)
	f.Fuzz(func(t *testing.T, b []byte) {
		u.Reject(t, b)
		p, err := l.DecodeProvisional(b)
		if err != nil {
			return
		}
		// Whatever decodes must go on working.
		m := l.NewMixture()
		p.Apply(more)
		if err := m.MergeProvisional(p, l.All()); err != nil {
			t.Fatal(err)
		}
		for _, e := range []Estimate{m.Events(0.95), m.Distinct(0, 0.95), m.Frequency(1, 1, 0.95), m.Sum(4, 1, 0.95), m.Sum(5, 0, 0.95)} {
			if !(e.Low <= e.Value && e.Value <= e.High) {
				t.Fatalf("estimate %+v", e)
			}
		}
		m.Contains(2, 1)
		m.Sample(3, 3, 0.95)
		if _, err := l.DecodeProvisional(p.AppendBinary(nil)); err != nil {
			t.Fatalf("a provisional pane that was decoded and changed does not decode: %v", err)
		}
		if !bytes.Equal(p.Clone().AppendBinary(nil), p.AppendBinary(nil)) {
			t.Fatal("a clone differs")
		}
	})
}

// steadyRows are rows whose items are all known to a provisional pane that has
// applied them before, so that applying them again takes no memory.
func steadyRows(t testing.TB) (*Provisional, *Rows) {
	p := mustLayout(t, mixtureSpecs(false)).NewProvisional(2)
	r := rowsOf(sketchtest.Streams(4096, 40, 5)[0].Events)
	for range 20 {
		p.Apply(r)
	}
	return p, r
}

func TestProvisionalAllocates(t *testing.T) {
	p, r := steadyRows(t)
	if n := testing.AllocsPerRun(20, func() { p.Apply(r) }); n > 40 { // a batch of 4,096; a collection may empty the pool, and the race detector's forgets a quarter
		t.Errorf("%v allocations a batch", n)
	}
}

func BenchmarkProvisionalApply(b *testing.B) {
	p, r := steadyRows(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(r.Times)))
	for b.Loop() {
		p.Apply(r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.Times)), "ns/event")
}
