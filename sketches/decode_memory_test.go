package sketches

import (
	"runtime"
	"slices"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// TestDecodersAllocate: however lengths and counts are damaged, no decoder
// allocates more than a small multiple of its input, beside the one sketch of the
// parameters that it was given.
func TestDecodersAllocate(t *testing.T) {
	const few = 16 << 10 // for an error, and what the runtime allocates meanwhile
	l := mustLayout(t, sixSpecs(0))
	small, large := l.NewPane(), l.NewPane()
	small.Apply(rowsOf(sketchtest.Streams(25, 4, 1)[0].Events))
	large.Apply(rowsOf(zipfEvents(8000, 20_000, 1, 1)))
	provisional := l.NewProvisional(2)
	provisional.Apply(rowsOf(zipfEvents(20_000, 20_000, 1, 2)))
	w := large.wide
	hll, bloom, count := sketchAs[*HyperLogLog](w, 0), sketchAs[*Bloom](w, 1), sketchAs[*CountMin](w, 2)
	hot, reservoir := sketchAs[*HotList](w, 3), sketchAs[*Reservoir](w, 4)
	for name, c := range map[string]struct {
		encoding []byte
		size     int // of the sketches that the parameters allow for
		decode   func(b []byte) error
	}{
		"hll":       {hll.AppendBinary(nil), hll.Size(), func(b []byte) error { _, _, err := DecodeHyperLogLog(b, 9); return err }},
		"bloom":     {bloom.AppendBinary(nil), bloom.Size(), func(b []byte) error { _, _, err := DecodeBloom(b, l.blooms[1]); return err }},
		"countmin":  {count.AppendBinary(nil), count.Size(), func(b []byte) error { _, _, err := DecodeCountMin(b, 256, 4); return err }},
		"hotlist":   {hot.AppendBinary(nil), hot.Size(), func(b []byte) error { _, _, err := DecodeHotList(b, 40); return err }},
		"reservoir": {reservoir.AppendBinary(nil), reservoir.Size(), func(b []byte) error { _, _, err := DecodeReservoir(b, 20); return err }},
		"small":     {small.AppendBinary(nil), large.Size(), func(b []byte) error { _, err := l.DecodePane(b); return err }},
		"large":     {large.AppendBinary(nil), large.Size(), func(b []byte) error { _, err := l.DecodePane(b); return err }},
		"provisional": {provisional.AppendBinary(nil), 2 * provisional.Size(),
			func(b []byte) error { _, err := l.DecodeProvisional(b); return err }},
	} {
		worst := 0
		for at := range min(len(c.encoding), 300) {
			for _, lie := range [][]byte{{0xff}, {0xff, 0xff, 0x03}, {0xff, 0xff, 0xff, 0xff, 0x0f}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}} {
				b := slices.Concat(c.encoding[:at], lie, c.encoding[at+1:])
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := c.decode(b)
				runtime.ReadMemStats(&after)
				took := int(after.TotalAlloc - before.TotalAlloc)
				worst = max(worst, took)
				if limit := 8*len(b) + 3*c.size + few; took > limit {
					t.Errorf("%s: %x at %d: %d bytes for an input of %d and sketches of %d (%v)", name, lie, at, took, len(b), c.size, err)
				}
			}
		}
		t.Logf("%s: at most %d bytes for an input of %d and sketches of %d", name, worst, len(c.encoding), c.size)
	}
}
