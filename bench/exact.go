package bench

// Exact answers. The generator can make every event again, and an
// acknowledgement says in which record of each partition a request's events
// are. So the exact answer at any position of the log is had by making the
// requests up to there once more: nothing is kept while a run is under way, and
// no answer is judged against a log that has moved on since.

import (
	"cmp"
	"math"
	"slices"

	"sketchlog/ingest"
)

// exactKey is the truth about one key.
type exactKey struct {
	events   int64
	distinct int64
	sum      float64 // of values, decayed to the moment that answers are asked for
	counts   counts
}

// counts is how often each item came: dense where there are few items, because
// a map would cost more than making the event.
type counts struct {
	dense  []uint32
	sparse map[uint32]uint32
}

// maxDense bounds what a dense table may take: 16 MiB a key.
const maxDense = 4 << 20

func newCounts(items int) counts {
	if items > maxDense {
		return counts{sparse: map[uint32]uint32{}}
	}
	return counts{dense: make([]uint32, items)}
}

// add counts an item and reports whether it is new.
func (c *counts) add(item uint32) bool {
	if c.sparse != nil {
		c.sparse[item]++
		return c.sparse[item] == 1
	}
	c.dense[item]++
	return c.dense[item] == 1
}

func (c *counts) of(item uint32) int64 {
	if c.sparse != nil {
		return int64(c.sparse[item])
	}
	if int(item) >= len(c.dense) {
		return 0
	}
	return int64(c.dense[item])
}

// exact follows some keys through the log of one partition.
type exact struct {
	source *Source
	sumAt  int64 // moment to which sums decay, Unix ms; at or after every event
	keys   []uint32
	wanted []int16 // by rank of a key: its index in keys, or -1
	state  []exactKey
}

// newExact follows keys; there may be at most 32,767 of them.
func newExact(s *Source, keys []uint32, sumAt int64) *exact {
	x := &exact{source: s, sumAt: sumAt, keys: keys, wanted: make([]int16, s.Keys), state: make([]exactKey, len(keys))}
	for i := range x.wanted {
		x.wanted[i] = -1
	}
	for i, k := range keys {
		x.wanted[k] = int16(i)
		x.state[i].counts = newCounts(s.Items)
	}
	return x
}

// add applies all events that are left in g.
func (x *exact) add(g *Generator) {
	for {
		e, i, ok := g.nextOf(x.wanted)
		if !ok {
			return
		}
		k := &x.state[i]
		k.events++
		if k.counts.add(e.Item) {
			k.distinct++
		}
		k.sum += float64(e.Value) * decay(x.sumAt-e.Time)
	}
}

// decay is the weight of a value after so many milliseconds.
func decay(ms int64) float64 {
	return math.Exp2(-float64(ms) / float64(halfLife.Milliseconds()))
}

// partitionOf is where a key's events go.
func partitionOf(key uint32, partitions int) int {
	return ingest.Partition([]byte(KeyName(key)), partitions)
}

// byPartition is the receipts that have events in a partition, as the log has
// them.
func byPartition(receipts []receipt, partition int) []receipt {
	var out []receipt
	for _, r := range receipts {
		if r.offsets[partition] > 0 {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b receipt) int {
		return cmp.Or(cmp.Compare(a.offsets[partition], b.offsets[partition]), cmp.Compare(a.first, b.first))
	})
	return out
}

// eventsByKey counts the events of every key over all receipts.
func eventsByKey(s *Source, receipts []receipt) []int64 {
	out := make([]int64, s.Keys)
	none := make([]int16, s.Keys) // every key wanted, under one index
	for _, r := range receipts {
		for g := s.Live(r.first, r.last, r.at); ; {
			e, _, ok := g.nextOf(none)
			if !ok {
				break
			}
			out[e.Key]++
		}
	}
	return out
}

// spread chooses up to n ranks of many: the first, and others at growing
// distances, so that hot, middling and rare ones are among them.
func spread(n, of int) []uint32 {
	n = min(n, of)
	out := make([]uint32, 0, n)
	for i := range n {
		rank := uint32(i)
		if n > 1 {
			// From rank 0 to of-1 in even steps of the logarithm, but each rank once.
			at := math.Exp(float64(i)/float64(n-1)*math.Log(float64(of))) - 1
			rank = min(uint32(math.Round(at)), uint32(of-n+i))
		}
		if i > 0 && rank <= out[i-1] {
			rank = out[i-1] + 1
		}
		out = append(out, rank)
	}
	return out
}
