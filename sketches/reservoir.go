package sketches

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Reservoir keeps a uniform sample, without replacement, of the items that
// went by: those whose log positions have the least hashes (bottom-k sampling:
// Cohen and Kaplan, "Summarizing data using bottom-k sketches", 2007). Every set of k
// events is equally likely, as the hash of a position knows nothing of the item there.
//
// Vitter's reservoir draws random numbers as events come, so that its state
// depends upon their order and two of them cannot be merged exactly. Here the
// choice is a function of the log: any order, partitioning and merging gives
// the same sample.
type Reservoir struct {
	size       int
	population uint64
	heap       []sampled // the greatest in front
	arena      []byte    // item bytes
	dead       int       // bytes of the arena that no entry refers to
}

type sampled struct {
	position uint64 // hash of the log position
	at, size int    // item bytes in the arena
}

// NewReservoir makes a sample of at most size items, 1..65536.
func NewReservoir(size int) (*Reservoir, error) {
	if size < 1 || size > maxReservoir {
		return nil, fmt.Errorf("sketches: reservoir of size %d: the size must be within 1..%d", size, maxReservoir)
	}
	return &Reservoir{size: size}, nil
}

// Population is the number of events that the sample is drawn from.
func (r *Reservoir) Population() uint64 { return r.population }

// Len is the number of items held.
func (r *Reservoir) Len() int { return len(r.heap) }

// Add offers one event: the hash of its log position and its item, which is copied.
func (r *Reservoir) Add(position uint64, item []byte) {
	r.population = saturatingAdd(r.population, 1)
	r.offer(position, item)
}

// AddRows offers a column of events; an item whose hash is 0 is null and not
// part of the population. The item bytes are only asked for when an event is taken.
func (r *Reservoir) AddRows(positions, hashes []uint64, items Items, index []int32) {
	var nulls int
	hashes = hashes[:len(positions)]
	highest := r.highest()
	for i, x := range positions {
		if x > highest && hashes[i] != 0 { // nearly always
			continue
		}
		if hashes[i] == 0 {
			nulls++
			continue
		}
		at := len(r.arena)
		r.arena = items.AppendItem(r.arena, index[i])
		r.settle(x, at)
		highest = r.highest()
	}
	r.population = saturatingAdd(r.population, uint64(len(positions)-nulls))
}

// highest is the position above which nothing is taken.
func (r *Reservoir) highest() uint64 {
	if len(r.heap) < r.size {
		return math.MaxUint64
	}
	return r.heap[0].position
}

func (r *Reservoir) offer(position uint64, item []byte) {
	if position > r.highest() {
		return
	}
	at := len(r.arena)
	r.arena = append(r.arena, item...)
	r.settle(position, at)
}

// settle takes or refuses the item that was appended to the arena at at.
func (r *Reservoir) settle(position uint64, at int) {
	e := sampled{position, at, len(r.arena) - at}
	if len(r.heap) < r.size {
		r.heap = append(r.heap, e)
		r.up(len(r.heap) - 1)
		return
	}
	if r.compare(&e, &r.heap[0]) >= 0 {
		r.arena = r.arena[:at]
		return
	}
	r.dead += r.heap[0].size
	r.heap[0] = e
	r.down()
	if r.dead > len(r.arena)/2+1024 {
		r.compact()
	}
}

func (r *Reservoir) item(e *sampled) []byte { return r.arena[e.at : e.at+e.size : e.at+e.size] }

// compare orders by position. Two events whose positions have the same hash are
// told apart by their items, so that which of them is kept does not depend upon order.
func (r *Reservoir) compare(a, b *sampled) int {
	if a.position != b.position {
		return cmp.Compare(a.position, b.position)
	}
	return bytes.Compare(r.item(a), r.item(b))
}

// above tells whether a goes before b in the heap.
func (r *Reservoir) above(a, b *sampled) bool {
	if a.position != b.position {
		return a.position > b.position
	}
	return r.compare(a, b) > 0
}

func (r *Reservoir) up(i int) {
	e := r.heap[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !r.above(&e, &r.heap[parent]) {
			break
		}
		r.heap[i] = r.heap[parent]
		i = parent
	}
	r.heap[i] = e
}

// down lets the front sink to its place.
func (r *Reservoir) down() {
	heap, e, i := r.heap, r.heap[0], 0
	for {
		child := 2*i + 1
		if child >= len(heap) {
			break
		}
		if child+1 < len(heap) && r.above(&heap[child+1], &heap[child]) {
			child++
		}
		if !r.above(&heap[child], &e) {
			break
		}
		heap[i] = heap[child]
		i = child
	}
	heap[i] = e
}

func (r *Reservoir) compact() {
	arena := make([]byte, 0, len(r.arena)-r.dead+1024)
	for i := range r.heap {
		e := &r.heap[i]
		at := len(arena)
		arena = append(arena, r.item(e)...)
		e.at = at
	}
	r.arena, r.dead = arena, 0
}

// sorted returns the entries by rising position.
func (r *Reservoir) sorted() []sampled {
	es := slices.Clone(r.heap)
	slices.SortFunc(es, func(a, b sampled) int { return r.compare(&a, &b) })
	return es
}

// Sample returns copies of the n items of least position hash, in that order:
// itself a uniform sample of n.
func (r *Reservoir) Sample(n int) [][]byte {
	es := r.sorted()
	out := make([][]byte, max(0, min(n, len(es))))
	for i := range out {
		out[i] = bytes.Clone(r.item(&es[i]))
	}
	return out
}

// Merge makes the sample of both populations, which must be disjoint. other is
// not changed. The least hashes of the union are among the least of each, so
// this is exactly the sample that one reservoir would have taken.
func (r *Reservoir) Merge(other *Reservoir) error {
	if r.size != other.size {
		return fmt.Errorf("%w: reservoirs of size %d and %d", ErrMismatch, r.size, other.size)
	}
	if r == other {
		other = other.Clone()
	}
	r.population = saturatingAdd(r.population, other.population)
	for i := range other.heap {
		r.offer(other.heap[i].position, other.item(&other.heap[i]))
	}
	return nil
}

// Size is the memory held, in bytes.
func (r *Reservoir) Size() int { return 80 + 24*cap(r.heap) + cap(r.arena) }

// Clone copies the sample.
func (r *Reservoir) Clone() *Reservoir {
	c := *r
	c.heap, c.arena = slices.Clone(r.heap), slices.Clone(r.arena)
	return &c
}

const reservoirVersion = 1

// AppendBinary appends the canonical encoding (FORMAT.md, "Reservoir").
func (r *Reservoir) AppendBinary(dst []byte) []byte {
	dst = append(dst, reservoirVersion)
	dst = binary.AppendUvarint(dst, uint64(r.size))
	dst = binary.AppendUvarint(dst, r.population)
	dst = binary.AppendUvarint(dst, uint64(len(r.heap)))
	es := r.sorted()
	for i := range es {
		dst = binary.LittleEndian.AppendUint64(dst, es[i].position)
		dst = binary.AppendUvarint(dst, uint64(es[i].size))
		dst = append(dst, r.item(&es[i])...)
	}
	return dst
}

// DecodeReservoir reads a sample of the given size and returns what follows
// it. It keeps nothing of b.
func DecodeReservoir(b []byte, size int) (*Reservoir, []byte, error) {
	in := input{what: "reservoir", rest: b}
	in.version(reservoirVersion)
	if k := in.uvarint("size"); in.err == nil && k != uint64(size) {
		in.mismatch("size %d, not %d", k, size)
	}
	r, err := NewReservoir(size)
	if err != nil {
		return nil, nil, err
	}
	r.population = in.uvarint("population")
	n := in.count(size, "number of items")
	if in.err == nil && uint64(n) != min(r.population, uint64(size)) {
		in.corrupt("%d items of a population of %d in a sample of %d", n, r.population, size)
	}
	for i := range n {
		at := len(r.arena)
		e := sampled{position: in.word("position"), at: at}
		item := in.take(in.count(len(in.rest), "length of item"), "item")
		if in.err != nil {
			break
		}
		r.arena = append(r.arena, item...)
		e.size = len(item)
		if i > 0 && r.compare(&r.heap[i-1], &e) > 0 {
			in.corrupt("items are not in order of position")
			break
		}
		r.heap = append(r.heap, e)
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	slices.Reverse(r.heap) // falling order is a heap
	return r, in.rest, nil
}
