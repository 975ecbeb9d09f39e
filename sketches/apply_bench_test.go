package sketches

import (
	"fmt"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// BenchmarkApplyManyPanes fills many small panes, one event at a time each, as
// a stream of many keys does: twenty events a pane, half of the panes a round, of items
// that seldom come twice to a pane, or of four.
func BenchmarkApplyManyPanes(b *testing.B) {
	const rounds, together = 40, 32
	l := mustHashed(b, manyKeysSpecs())
	for _, shape := range []struct{ panes, items int }{{1000, 100_000}, {1000, 4}, {100_000, 100_000}, {100_000, 4}} {
		count := shape.panes
		b.Run(fmt.Sprintf("panes=%d/items=%d", count, shape.items), func(b *testing.B) {
			events := zipfEvents(count/2*rounds, shape.items, 1.1, 1)
			rows := rowsOf(events)
			panes := make([]*Pane, count)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				for i := range panes {
					panes[i] = l.NewPane()
				}
				at := 0
				window := make([]Group, 0, together)
				for round := range rounds {
					for first := round & 1; first < count; first += 2 * together {
						window = window[:0]
						for k := first; k < min(first+2*together, count); k += 2 {
							window = append(window, Group{Pane: panes[k], From: int32(at), To: int32(at + 1)})
							at++
						}
						Apply(window, rows)
					}
				}
			}
			perEvent(b, len(events))
		})
	}
}

// BenchmarkApplyNulls is BenchmarkApplyManyPanes with four events a pane and round, of
// which half have no item.
func BenchmarkApplyNulls(b *testing.B) {
	const rounds, together, each, count = 5, 32, 4, 10_000
	l := mustHashed(b, manyKeysSpecs())
	events := zipfEvents(each*count*rounds, 100_000, 1.1, 1)
	for i := range events {
		if sketchtest.Mix(uint64(i))%2 == 0 {
			events[i].Hash, events[i].Item = 0, nil
		}
	}
	rows, panes, groups := rowsOf(events), make([]*Pane, count), make([]Group, 0, together)
	b.ReportAllocs()
	for b.Loop() {
		for i := range panes {
			panes[i] = l.NewPane()
		}
		for at := int32(0); int(at) < len(events); {
			groups = groups[:0]
			for range together {
				groups = append(groups, Group{Pane: panes[int(at)/each%count], From: at, To: min(at+each, int32(len(events)))})
				at = groups[len(groups)-1].To
			}
			Apply(groups, rows)
		}
	}
	perEvent(b, len(events))
}

// BenchmarkApplyOneKey fills one large pane of six sketches by batches, and
// begins a new one whenever the stream is over.
func BenchmarkApplyOneKey(b *testing.B) {
	const batch = 8192
	specs := sixSpecs(-1)[:6]
	specs[0].Precision, specs[1].Capacity, specs[2].Width, specs[3].Size, specs[4].Size = 14, 1_000_000, 1<<16, 256, 1000
	specs[5].HalfLife = 600_000
	l := mustLayout(b, specs)
	for _, stream := range []struct {
		name string
		skew float64
	}{{"zipf", 1.1}, {"uniform", 0}} {
		var batches []*Rows
		for events := zipfEvents(1<<21, 1_000_000, stream.skew, 1); len(events) > 0; events = events[batch:] {
			batches = append(batches, rowsOf(events[:batch:batch]))
		}
		b.Run(stream.name, func(b *testing.B) {
			b.ReportAllocs()
			p := l.NewPane()
			for i := range b.N {
				if i%len(batches) == 0 {
					p = l.NewPane()
				}
				p.Apply(batches[i%len(batches)])
			}
			perEvent(b, batch)
		})
	}
}
