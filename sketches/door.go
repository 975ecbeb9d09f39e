package sketches

import "slices"

// door is the doorkeeper of a hot list: a set of at most size hashes, each
// standing for one occurrence. Nearly every hash that comes to it is new, and
// it is emptied every few hundred, so adding must be quick and emptying free.
//
// The hashes lie behind one another in waiting. heads holds, by some bits of
// the hash, the place of the last one with these bits, from which next leads to
// the others. A head is only good if the hash at its place has those bits (Briggs
// and Torczon, "An efficient representation for sparse sets", 1993), so neither
// heads nor next ever need to be cleared: to empty the door is to set n to zero.
// With open addressing a processor would mispredict whether the home of a hash is
// free about every eighth time; here it does about every thirtieth time.
type door struct {
	waiting []uint64
	next    []int32  // by place; -1: no more
	heads   []uint16 // by bits of the hash: place in waiting
	n       int
}

// doorSpread is how many heads there are a hash.
const doorSpread = 16

// open makes room for the hashes of a list of the given size, upon first use.
func (d *door) open(size int) {
	if d.waiting != nil {
		return
	}
	heads := minSlots
	for heads < doorSpread*size {
		heads *= 2
	}
	d.waiting, d.next, d.heads = make([]uint64, size), make([]int32, size), make([]uint16, heads)
}

// places of a list of the greatest size fit a head.
var _ [1<<16 - maxHotListSize]struct{}

func (d *door) home(hash uint64) int { return int(hash >> 24 & uint64(len(d.heads)-1)) }

// head returns the first place of those with a home, or -1.
func (d *door) head(home int) int {
	if i := int(d.heads[home]); i < d.n && d.home(d.waiting[i]) == home {
		return i
	}
	return -1
}

// find returns the place of a hash, or -1.
func (d *door) find(hash uint64) int {
	if d.n == 0 {
		return -1
	}
	i := d.head(d.home(hash))
	for i >= 0 && d.waiting[i] != hash {
		i = int(d.next[i])
	}
	return i
}

func (d *door) has(hash uint64) bool { return d.find(hash) >= 0 }

// add puts in a hash that is not in yet, for which there must be room; size is
// the hot list's.
func (d *door) add(hash uint64, size int) {
	d.open(size)
	home := d.home(hash)
	d.waiting[d.n], d.next[d.n] = hash, int32(d.head(home))
	d.heads[home] = uint16(d.n)
	d.n++
}

// remove takes a hash out and tells whether it was in.
func (d *door) remove(hash uint64) bool {
	i := d.find(hash)
	if i < 0 {
		return false
	}
	d.relink(i, int(d.next[i]))
	d.n--
	if i != d.n { // the last one takes its place
		d.relink(d.n, i)
		d.waiting[i], d.next[i] = d.waiting[d.n], d.next[d.n]
	}
	return true
}

// relink makes what leads to a place lead elsewhere; -1: nowhere. A head that
// leads nowhere stays as it is: place becomes free or another hash's, which
// makes the head no good.
func (d *door) relink(place, to int) {
	home := d.home(d.waiting[place])
	if i := int(d.heads[home]); i == place {
		if to >= 0 {
			d.heads[home] = uint16(to)
		}
		return
	}
	i := int(d.heads[home])
	for int(d.next[i]) != place {
		i = int(d.next[i])
	}
	d.next[i] = int32(to)
}

func (d *door) reset() { d.n = 0 }

// all calls fn for each hash, in no particular order.
func (d *door) all(fn func(hash uint64)) {
	for _, x := range d.waiting[:d.n] {
		fn(x)
	}
}

func (d *door) size() int { return 8*len(d.waiting) + 4*len(d.next) + 2*len(d.heads) }

func (d *door) clone() door {
	if d.n == 0 {
		return door{} // opened again when it is needed
	}
	return door{slices.Clone(d.waiting), slices.Clone(d.next), slices.Clone(d.heads), d.n}
}
