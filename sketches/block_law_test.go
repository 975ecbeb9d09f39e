package sketches

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// anyLayout has some sketches of any kind over a few columns, or over very many.
func anyLayout(t *testing.T, rng *rand.Rand) *Layout {
	columns := []int{1, 2, 5, blockColumns}[rng.IntN(4)]
	specs := make([]Spec, 1+rng.IntN([]int{8, maxSketches}[rng.IntN(8)/7]))
	for i := range specs {
		s := Spec{Name: fmt.Sprint(i), Column: rng.IntN(columns)}
		switch weight := rng.IntN(4) - 1; rng.IntN(7) {
		case 0:
			s.Kind, s.Precision = KindHLL, 4
		case 1:
			s.Kind, s.Capacity, s.Error = KindBloom, 5000, 0.01
		case 2:
			s.Kind, s.Weight, s.Width, s.Depth = KindCountMin, weight, 64, 2
		case 3:
			s.Kind, s.Weight, s.Size = KindHotList, weight, 100
		case 4:
			s.Kind, s.Column, s.HalfLife = KindDecay, 0, 1000
		default:
			s.Kind, s.Size = KindReservoir, 1+rng.IntN([]int{3, 20, 200}[rng.IntN(3)])
		}
		specs[i] = s
	}
	// The last of these gives many items the same hash.
	hash := []func(item []byte) uint64{nil, sketchtest.Hash, func(item []byte) uint64 { return sketchtest.Mix(uint64(1 + len(item)%4)) }}[rng.IntN(3)]
	l, err := NewHashedLayout(hash, columns, 3, 1, specs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// anyRows makes rows of which each column is of a temper of its own: how many distinct items
// it has, how long they are, and how many are null. Two items may have the same hash.
func anyRows(rng *rand.Rand, l *Layout, n int, seed uint64) *Rows {
	r := rowsOf(make([]sketchtest.Event, n)) // all values are 0, so that sums do not depend upon grouping
	r.Hashes, r.Items, r.Weights = nil, nil, nil
	for i := range n {
		r.Index[i], r.Times[i], r.Positions[i] = int32(n-1-i), int64(rng.IntN(100)), rng.Uint64()
	}
	for c := range l.columns {
		temper := rand.New(rand.NewPCG(seed, uint64(c)))
		distinct, long, nulls, collide := 1+temper.IntN(25), 1+temper.IntN(300), temper.IntN(110), temper.IntN(2)
		hashes, items := make([]uint64, n), make(batchItems, n)
		for i := range n {
			if item := rng.IntN(distinct); rng.IntN(100) >= nulls {
				hashes[i] = sketchtest.Mix(uint64(1 + item>>collide))
				items[n-1-i].Item = bytes.Repeat([]byte{byte(item)}, item*7%long)
				if l.hash != nil {
					hashes[i] = l.hash(items[n-1-i].Item)
				}
			}
		}
		r.Hashes, r.Items = append(r.Hashes, hashes), append(r.Items, items)
	}
	for range l.weights {
		weights := make([]int64, n)
		for i := range weights {
			weights[i] = []int64{-1, 0, 1, 7, math.MaxInt64}[rng.IntN(5)]
		}
		r.Weights = append(r.Weights, weights)
	}
	return r
}

// TestBlockLaws: of any layout and any items, panes in blocks are those that never had one,
// byte by byte, whatever is done with them.
func TestBlockLaws(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 77))
		l := anyLayout(t, rng)
		var blocks, plain [4]*Pane
		begin := func(i int) {
			blocks[i], plain[i] = l.NewPane(), l.NewPane()
			plain[i].open()
			plain[i].widen()
		}
		for i := range blocks {
			begin(i)
		}
		for step := range 30 {
			i := rng.IntN(len(blocks))
			j := (i + 1 + rng.IntN(len(blocks)-1)) % len(blocks)
			switch rng.IntN(7) {
			case 0:
				blocks[i].Compact()
			case 1:
				read, err := l.DecodePane(blocks[i].AppendBinary(nil))
				if err != nil {
					t.Fatal(err)
				}
				blocks[i] = read
			case 2:
				mergeEither(t, rng, &blocks[i], blocks[j], plain[i], plain[j], l.All())
				begin(j)
			default:
				n := 1 + rng.IntN([]int{12, 12, 130}[rng.IntN(3)])
				r := anyRows(rng, l, n, seed)
				var groups []Group
				cutGroups(rng, r, len(blocks), func(k, from, to int, part *Rows) {
					groups = append(groups, Group{blocks[k], int32(from), int32(to), int32(part.Late)})
					plain[k].Apply(part)
				})
				Apply(groups, r)
			}
			for k, p := range blocks {
				checkLog(t, p)
				if !bytes.Equal(p.AppendBinary(nil), plain[k].AppendBinary(nil)) {
					t.Fatalf("seed %d, step %d: in a block, the encoding is another", seed, step)
				}
			}
		}
	}
}
