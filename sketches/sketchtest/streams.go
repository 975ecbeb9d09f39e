package sketchtest

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Event is one event as sketches see it.
type Event struct {
	Time     int64
	Position uint64 // hash of the log position, unique
	Hash     uint64 // of the item; 0: null
	Item     []byte
	Weight   int64 // negative: not usable
	Value    float64
	Late     bool
}

// Stream is a named run of events.
type Stream struct {
	Name   string
	Events []Event
}

// Mix is a bijection of 64-bit words (the finaliser of splitmix64) that serves as hash.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Item is the n-th item: its hash, never 0, and its bytes.
func Item(n int) (hash uint64, item []byte) {
	return max(1, Mix(uint64(n))), strconv.AppendInt([]byte("item-"), int64(n), 10)
}

// Hash is the hash that Item gives with an item; of other bytes it is any.
func Hash(item []byte) uint64 {
	if n, err := strconv.Atoi(strings.TrimPrefix(string(item), "item-")); err == nil {
		return max(1, Mix(uint64(n)))
	}
	h := fnv.New64a()
	h.Write(item)
	return max(1, Mix(h.Sum64()))
}

// stream makes events of the items that next gives.
func stream(name string, n int, seed uint64, next func(i int, rng *rand.Rand) int) Stream {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	s := Stream{Name: name, Events: make([]Event, n)}
	for i := range s.Events {
		e := &s.Events[i]
		e.Hash, e.Item = Item(next(i, rng))
		e.Time = 1_700_000_000_000 + int64(i)*37 - rng.Int64N(2000)
		e.Position = Mix(seed<<40 + uint64(i))
		e.Weight = 1
		e.Value = float64(rng.IntN(100))
		e.Late = rng.IntN(20) == 0
	}
	return s
}

// Streams are the shapes that summaries of frequent items find easy and hard.
// k is the size that the round robin is meant against.
func Streams(n, k int, seed uint64) []Stream {
	zipf := func(s float64) func(int, *rand.Rand) int {
		return func(_ int, rng *rand.Rand) int {
			return int(math.Pow(rng.Float64(), -1/s)) % (1 << 20) // a Pareto tail
		}
	}
	all := []Stream{
		stream("zipf", n, seed, zipf(1)),
		stream("steep", n, seed+1, zipf(2)),
		stream("uniform", n, seed+2, func(_ int, rng *rand.Rand) int { return rng.IntN(4 * k) }),
		stream("sorted", n, seed+3, func(i int, _ *rand.Rand) int { return i * i / max(n, 1) }),
		stream("round robin", n, seed+4, func(i int, _ *rand.Rand) int { return i % (k + 1) }),
		stream("all distinct", n, seed+5, func(i int, _ *rand.Rand) int { return i }),
		stream("heavy last", n, seed+6, func(i int, _ *rand.Rand) int {
			if i > n*4/5 {
				return -1
			}
			return i
		}),
		stream("heavy first", n, seed+7, func(i int, _ *rand.Rand) int {
			if i < n/5 {
				return -1
			}
			return i
		}),
		stream("few", n, seed+8, func(_ int, rng *rand.Rand) int { return rng.IntN(7) }),
	}
	weighted := stream("weighted", n, seed+9, zipf(1))
	rng := rand.New(rand.NewPCG(seed, 99))
	for i := range weighted.Events {
		e := &weighted.Events[i]
		switch e.Weight = rng.Int64N(50); {
		case rng.IntN(30) == 0:
			e.Weight = -1
		case rng.IntN(100) == 0:
			e.Hash, e.Item = 0, nil
		case rng.IntN(50) == 0:
			e.Value = math.NaN()
		}
	}
	return append(all, weighted)
}

// Split deals events out to parts at random, keeping their order in each.
func Split(events []Event, parts int, rng *rand.Rand) [][]Event {
	out := make([][]Event, parts)
	for _, e := range events {
		i := rng.IntN(parts)
		out[i] = append(out[i], e)
	}
	return out
}

// Shuffled returns the events in another order.
func Shuffled(events []Event, rng *rand.Rand) []Event {
	out := slices.Clone(events)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Truth is what an exact counter knows about events.
type Truth struct {
	Counts  map[uint64]uint64 // by hash: events
	Weights map[uint64]uint64 // by hash: sum of usable weights
	Total   uint64            // events with an item
	Weight  uint64            // sum of Weights
}

// Exact counts events the obvious way.
func Exact(events []Event) Truth {
	t := Truth{Counts: map[uint64]uint64{}, Weights: map[uint64]uint64{}}
	for _, e := range events {
		if e.Hash == 0 {
			continue
		}
		t.Counts[e.Hash]++
		t.Total++
		if e.Weight > 0 {
			t.Weights[e.Hash] += uint64(e.Weight)
			t.Weight += uint64(e.Weight)
		}
	}
	return t
}

// Seed makes a number of a name, so that each test has its own random numbers and repeats them.
func Seed(name string) uint64 {
	var b [8]byte
	for i := range name {
		b[i%8] = b[i%8]*31 + name[i]
	}
	return binary.LittleEndian.Uint64(b[:])
}
