package view

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
)

// The index of cells does what a map does, also where hashes collide.
func TestCellsAgainstAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, spread := range []uint64{1, 7, 1 << 40} {
		var index cells
		want := map[string]*cell{}
		hash := func(key string) uint64 { return keyHash([]byte(key)) % spread }
		for range 20_000 {
			key := fmt.Sprint("key ", random.IntN(300))
			switch c := want[key]; {
			case c != nil && random.IntN(2) == 0:
				index.remove(c)
				delete(want, key)
			case c == nil:
				c = &cell{key: key, hash: hash(key)}
				index.add(c)
				want[key] = c
			}
			if random.IntN(500) == 0 {
				index.reserve(random.IntN(300))
				index.touch([]uint64{hash(key), random.Uint64(), 0})
			}
			if random.IntN(2000) == 0 {
				index.drop(func(c *cell) bool { return c.key[4] == '1' })
				for key := range want {
					if key[4] == '1' {
						delete(want, key)
					}
				}
			}
			key = fmt.Sprint("key ", random.IntN(310))
			if got := index.find(hash(key), key); got != want[key] || index.len() != len(want) {
				t.Fatalf("spread %d: %q is %v of %d, want %v of %d", spread, key, got, index.len(), want[key], len(want))
			}
		}
		index.all(func(c *cell) {
			if want[c.key] != c {
				t.Errorf("spread %d: %q is listed", spread, c.key)
			}
			delete(want, c.key)
		})
		if len(want) > 0 {
			t.Errorf("spread %d: %d are not listed", spread, len(want))
		}
	}
}

// What room was made for is added without making more, and touching any keys is no harm.
func TestRoomForCells(t *testing.T) {
	var index cells
	index.touch([]uint64{1})
	for _, n := range []int{1, 6, 7, 100, 1000} {
		index.reserve(n)
		slots := len(index.slots)
		for range n {
			key := fmt.Sprint(index.len())
			index.add(&cell{key: key, hash: keyHash([]byte(key))})
		}
		if len(index.slots) != slots {
			t.Errorf("%d slots had room for %d more, and became %d", slots, n, len(index.slots))
		}
	}
	var hashes [window]uint64
	for i := range hashes {
		hashes[i] = keyHash([]byte(fmt.Sprint(i)))
	}
	index.touch(hashes[:])
}

// A look-up among a million keys, as the groups of a batch make it.
func BenchmarkCells(b *testing.B) {
	const n = 1 << 20
	var index cells
	keys, hashes := make([]string, n), make([]uint64, n)
	for i := range n {
		keys[i] = fmt.Sprint("\x06\x05key", i, "\x00")
		hashes[i] = keyHash([]byte(keys[i]))
		index.add(&cell{key: keys[i], hash: hashes[i]})
	}
	b.ReportAllocs()
	i, missing := uint64(0), 0
	for b.Loop() {
		i = i*6364136223846793005 + 1442695040888963407
		if at := i >> 44; index.find(hashes[at], keys[at]) == nil {
			missing++
		}
	}
	if missing > 0 {
		b.Fatal(missing)
	}
}

// BenchmarkApplyManyKeys applies records of 10,000 events to the panes of half a
// million keys, all in memory, where every event is of another key.
func BenchmarkApplyManyKeys(b *testing.B) {
	const records, rows, keys = 50, 10_000, 500_000
	random := rand.New(rand.NewPCG(1, 1))
	batches := make([]*event.Batch, records)
	for i := range batches {
		events := make([]testEvent, rows)
		for j := range events {
			events[j] = testEvent{time: int64(i), fields: map[string]any{"key": fmt.Sprintf("key-%d", random.IntN(keys)), "item": random.IntN(3)}}
		}
		batches[i] = batchOf(b, events)
	}
	t := &testing.T{}
	streams := newTestStreams(t)
	streams.make("s", 1)
	store, err := OpenStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	shard := benchmarkShard(b, store, streams, `{"stream": "s", "by": ["key"], "max_keys": 1000000, "sketches": {"d": {"kind": "hll", "of": "item"}, "often": {"kind": "countmin", "of": "item"}}}`)
	offset := uint64(0)
	pass := func() {
		for _, batch := range batches {
			offset++
			if err := shard.apply(entryOf(offset, batch), shedding.Full); err != nil {
				b.Fatal(err)
			}
		}
	}
	pass() // makes the panes
	b.ReportAllocs()
	for b.Loop() {
		pass()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records*rows), "ns/event")
}
