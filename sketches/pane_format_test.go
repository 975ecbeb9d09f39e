package sketches

import (
	"bytes"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// TestPaneGolden holds the formats of FORMAT.md.
func TestPaneGolden(t *testing.T) {
	streams := sketchtest.Streams(60, 4, 1)
	h, _ := NewHotList(4)
	golden(t, "hotlist_empty", h.AppendBinary(nil))
	for _, s := range streams[0].Events {
		h.Add(s.Hash, 1, s.Item)
	}
	golden(t, "hotlist", h.AppendBinary(nil))

	r, _ := NewReservoir(3)
	golden(t, "reservoir_empty", r.AppendBinary(nil))
	for _, s := range streams[0].Events {
		r.Add(s.Position, s.Item)
	}
	golden(t, "reservoir", r.AppendBinary(nil))

	specs := []Spec{
		{Name: "users", Kind: KindHLL, Precision: 4},
		{Name: "seen", Kind: KindBloom, Bits: 512, Hashes: 4},
		{Name: "often", Kind: KindCountMin, Weight: 0, Width: 64, Depth: 1},
		{Name: "hot", Kind: KindHotList, Weight: -1, Size: 4},
		{Name: "some", Kind: KindReservoir, Size: 3},
		{Name: "lately", Kind: KindDecay, HalfLife: 1000},
		{Name: "all", Kind: KindDecay, Factor: 0.5},
	}
	p := mustLayout(t, specs).NewPane()
	golden(t, "pane_empty", p.AppendBinary(nil))
	p.Apply(rowsOf(streams[9].Events[:8])) // weighted
	golden(t, "pane_table", p.AppendBinary(nil))
	p.Apply(rowsOf(streams[5].Events)) // all distinct
	if p.Column(0) {
		t.Fatal("the column is not promoted")
	}
	golden(t, "pane_promoted", p.AppendBinary(nil))
}

// fuzzSeeds are encodings of short and long runs.
func fuzzSeeds[S any](f *testing.F, u sketchtest.Subject[S]) {
	for _, s := range sketchtest.Streams(200, 5, 1) {
		for _, n := range []int{0, 1, 6, 50, 200} {
			x := u.New()
			u.Add(x, s.Events[:n])
			f.Add(u.Encode(x))
		}
	}
}

func FuzzDecodePane(f *testing.F) {
	specs := sixSpecs(0)
	specs[0].Precision, specs[7].Precision, specs[1].Capacity, specs[2].Width, specs[3].Size = 4, 5, 50, 64, 5
	l := mustLayout(f, specs)
	u := paneSubject(l, false, true, l.All())
	fuzzSeeds(f, u)
	more := rowsOf(sketchtest.Streams(100, 5, 2)[0].Events)
	f.Fuzz(func(t *testing.T, b []byte) {
		u.Reject(t, b)
		p, err := l.DecodePane(b)
		if err != nil {
			return
		}
		// Whatever decodes must go on working.
		q := l.NewPane()
		q.Apply(more)
		if err := q.Merge(p, l.All()); err != nil {
			t.Fatal(err)
		}
		p.Apply(more)
		for i := range specs {
			p.TopK(3, 10)
			p.Sample(4, 10)
			p.Sum(5, 0)
			p.Ignored(i)
			p.Distinct(0, 0.95)
			p.Frequency(2, 1, 0.95)
			p.Contains(1, 1)
		}
		if _, err := l.DecodePane(p.AppendBinary(nil)); err != nil {
			t.Fatalf("a pane that was decoded and changed does not decode: %v", err)
		}
		if !bytes.Equal(p.Clone().AppendBinary(nil), p.AppendBinary(nil)) {
			t.Fatal("a clone differs")
		}
	})
}

func FuzzDecodeHotList(f *testing.F) {
	u := hotListSubject(5)
	fuzzSeeds(f, u)
	events := sketchtest.Streams(100, 5, 2)[0].Events
	f.Fuzz(func(t *testing.T, b []byte) {
		u.Reject(t, b)
		h, err := u.Decode(b)
		if err != nil {
			return
		}
		other := h.Clone()
		u.Add(h, events)
		if err := h.Merge(other); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Decode(u.Encode(h)); err != nil {
			t.Fatalf("a list that was decoded and changed does not decode: %v", err)
		}
	})
}

func FuzzDecodeReservoir(f *testing.F) {
	u := reservoirSubject(5)
	fuzzSeeds(f, u)
	f.Fuzz(func(t *testing.T, b []byte) { u.Reject(t, b) })
}
