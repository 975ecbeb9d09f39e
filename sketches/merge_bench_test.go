package sketches

import (
	"fmt"
	"testing"
)

// BenchmarkMergeSmallPanes merges a pane of few events into as small a one: in place where
// it has room, and into a new pane, as healing does for nearly all keys of many.
func BenchmarkMergeSmallPanes(b *testing.B) {
	l := mustHashed(b, manyKeysSpecs())
	for _, n := range []int{1, 5, 20} {
		events := zipfEvents(2*n, 100_000, 1.1, 1)
		p, o := l.NewPane(), l.NewPane()
		p.Apply(rowsOf(events[:n]))
		o.Apply(rowsOf(events[n:]))
		size, fits := p.unionFits(o, l.All())
		if !fits {
			b.Fatal("the union does not fit")
		}
		b.Run(fmt.Sprintf("events=%d/in-place", n), func(b *testing.B) {
			b.ReportAllocs()
			roomy := p.Clone()
			roomy.block.resize(blockSize(size))
			before, block := roomy.Clone(), roomy.block
			for b.Loop() {
				roomy.block = block
				copy(roomy.block.bytes(), before.block.bytes())
				if err := roomy.Merge(o, l.All()); err != nil {
					b.Fatal(err)
				}
			}
			perEvent(b, n)
		})
		b.Run(fmt.Sprintf("events=%d/new", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Merged(o, l.All()); err != nil {
					b.Fatal(err)
				}
			}
			perEvent(b, n)
		})
	}
}
