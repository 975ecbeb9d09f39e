package sketches

// door is the doorkeeper of a hot list: a set of at most size+1 hashes, each
// standing for one occurrence. It is open addressing with backward-shift
// deletion, allocated upon first use.
type door struct {
	slots []uint64 // 0: free; at most half full
	n     int
}

func (d *door) home(hash uint64) int { return int(hash >> 24 & uint64(len(d.slots)-1)) }

// find returns the slot of a hash, or -1.
func (d *door) find(hash uint64) int {
	if d.n == 0 {
		return -1
	}
	mask := len(d.slots) - 1
	for j := d.home(hash); ; j = (j + 1) & mask {
		switch d.slots[j] {
		case hash:
			return j
		case 0:
			return -1
		}
	}
}

func (d *door) has(hash uint64) bool { return d.find(hash) >= 0 }

// add puts in a hash that is not in yet; size is the hot list's.
func (d *door) add(hash uint64, size int) {
	if d.slots == nil {
		slots := minSlots
		for slots < 2*(size+1) {
			slots *= 2
		}
		d.slots = make([]uint64, slots)
	}
	mask := len(d.slots) - 1
	j := d.home(hash)
	for d.slots[j] != 0 {
		j = (j + 1) & mask
	}
	d.slots[j] = hash
	d.n++
}

// remove takes a hash out and tells whether it was in.
func (d *door) remove(hash uint64) bool {
	hole := d.find(hash)
	if hole < 0 {
		return false
	}
	mask := len(d.slots) - 1
	for j := (hole + 1) & mask; d.slots[j] != 0; j = (j + 1) & mask {
		// An entry may move back into the hole if that is not before its home.
		if (j-d.home(d.slots[j]))&mask >= (j-hole)&mask {
			d.slots[hole] = d.slots[j]
			hole = j
		}
	}
	d.slots[hole] = 0
	d.n--
	return true
}

func (d *door) reset() {
	if d.n > 0 {
		clear(d.slots)
		d.n = 0
	}
}

// all calls fn for each hash, in no particular order.
func (d *door) all(fn func(hash uint64)) {
	if d.n == 0 {
		return
	}
	for _, x := range d.slots {
		if x != 0 {
			fn(x)
		}
	}
}
