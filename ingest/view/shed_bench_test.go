package view

// This file measures what an event costs, by how much of it is applied.

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
)

const benchmarkSix = `{"stream": "s", "by": ["key"], %s"max_keys": 1000000, "sketches": {
	"distinct": {"kind": "hll", "of": "item"}, "seen": {"kind": "bloom", "of": "item", "capacity": 10000},
	"often": {"kind": "countmin", "of": "item"}, "hot": {"kind": "hotlist", "of": "item", "weight": "value"},
	"sample": {"kind": "reservoir", "of": "item"}, "recent": {"kind": "decay", "of": "value", "half_life": "10m"}}}`

// BenchmarkRates takes half a million events, about an entry of the ledger, in records of
// 10,000: applied in full to panes that are there, sampled into the new provisional panes
// of an entry, and replayed into hidden panes, which are
// folded into panes that are there. Custom metrics are per event of the log, kept or not,
// and for how long a fold holds the shard's lock.
func BenchmarkRates(b *testing.B) {
	const records, rows = 50, 10_000
	for _, keys := range []int{1000, 100_000} {
		batches := skewedBatches(b, records, rows, keys)
		for name, pane := range map[string]string{"minutes": `"pane": "1m", `, "total": ""} {
			t := &testing.T{}
			streams := newTestStreams(t)
			streams.make("s", 1)
			store, err := OpenStore(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			shard := benchmarkShard(b, store, streams, fmt.Sprintf(benchmarkSix, pane))
			measure := func(how string, prepare func(), take func(offset uint64, batch *event.Batch)) {
				b.Run(fmt.Sprintf("keys=%d/%s/%s", keys, name, how), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						b.StopTimer()
						prepare()
						first := shard.tally.offset + 1
						b.StartTimer()
						for i, batch := range batches {
							take(first+uint64(i), batch)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records*rows), "ns/event")
				})
			}
			apply := func(rate shedding.Rate) func(uint64, *event.Batch) {
				return func(offset uint64, batch *event.Batch) {
					if err := shard.apply(entryOf(offset, batch), rate); err != nil {
						b.Fatal(err)
					}
				}
			}
			measure("full", func() {}, apply(shedding.Full))
			for _, rate := range []shedding.Rate{1, 2, 4, 8} {
				measure(fmt.Sprintf("rate=%v", rate.Value()), func() { shard.clear() }, apply(rate))
			}
			var h *healing
			measure("replay", func() {
				shard.clear()
				h = &healing{spans: map[spanID]*span{}}
			}, func(offset uint64, batch *event.Batch) { shard.replayBatch(entryOf(offset, batch), h) })
			shard.clear()
			for _, batch := range batches {
				apply(shedding.Full)(shard.tally.offset+1, batch)
			}
			b.Run(fmt.Sprintf("keys=%d/%s/fold", keys, name), func(b *testing.B) {
				held := time.Duration(0)
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					h = &healing{spans: map[spanID]*span{}}
					for i, batch := range batches {
						shard.replayBatch(entryOf(uint64(records+i), batch), h)
					}
					b.StartTimer()
					targets, err := shard.locateHidden(h)
					if err == nil {
						err = shard.mergeAhead(h, targets)
					}
					began := time.Now()
					if err == nil {
						err = shard.foldPanes(h, targets)
					}
					held += time.Since(began)
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records*rows), "ns/event")
				b.ReportMetric(float64(held.Microseconds())/1000/float64(b.N), "held-ms")
			})
		}
	}
}

// skewedBatches are records of so many keys, of which few are hot, and a million items,
// six seconds of event time each.
func skewedBatches(b *testing.B, records, rows, keys int) []*event.Batch {
	r := rand.New(rand.NewPCG(1, 1))
	key, item := rand.NewZipf(r, 1.1, 1, uint64(keys-1)), rand.NewZipf(r, 1.05, 1, 1_000_000)
	out := make([]*event.Batch, records)
	for i := range out {
		events := make([]testEvent, rows)
		for j := range events {
			events[j] = testEvent{time: 1_700_000_000_000 + int64(i)*6000 + int64(j)/2, fields: map[string]any{
				"key": fmt.Sprintf("key-%d", key.Uint64()), "item": fmt.Sprintf("item-%d", item.Uint64()), "value": int(1 + r.Uint64N(100))}}
		}
		var err error
		if out[i], err = event.DecodeBatch(batchOf(b, events).AppendBinary(nil)); err != nil { // with its dictionaries
			b.Fatal(err)
		}
	}
	return out
}
