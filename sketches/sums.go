package sketches

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// The decayed sums and the tallies of ignored events have fixed places in a
// pane's block, also in a wide one. A block of zeros is a block of empty ones.

func (p *Pane) ignored(k int) uint64 {
	if p.block.first == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(p.block.bytes()[p.layout.block.ignored+k*ignoredBytes:])
}

func (p *Pane) setIgnored(k int, n uint64) {
	binary.LittleEndian.PutUint64(p.block.bytes()[p.layout.block.ignored+k*ignoredBytes:], n)
}

// applyIgnored tallies the items without a usable weight.
func (l *Layout) applyIgnored(k int, groups []Group, hashes []uint64, weights []int64) {
	for i := range groups {
		g := &groups[i]
		var n uint64
		for j := g.From; j < g.To; j++ {
			if weights[j] < 0 && hashes[j] != 0 {
				n++
			}
		}
		if n > 0 {
			g.Pane.setIgnored(k, saturatingAdd(g.Pane.ignored(k), n))
		}
	}
}

// Ignored is the number of events that a weighted sketch left out because
// their weight could not be used.
func (p *Pane) Ignored(sketch int) uint64 {
	for k, i := range p.layout.weighted {
		if i == sketch {
			return p.ignored(k)
		}
	}
	return 0
}

// sumBlock is the place of the k-th decayed sum: three words.
func (p *Pane) sumBlock(k int) *[sumBytes]byte {
	return (*[sumBytes]byte)(unsafe.Add(unsafe.Pointer(p.block.first), k*sumBytes)) // every block begins with them
}

func words3(b *[sumBytes]byte) (x, y, z uint64) {
	return binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
}

func setWords3(b *[sumBytes]byte, x, y, z uint64) {
	binary.LittleEndian.PutUint64(b[0:], x)
	binary.LittleEndian.PutUint64(b[8:], y)
	binary.LittleEndian.PutUint64(b[16:], z)
}

// readSum reads a sum from its place. The landmark is kept with its sign bit
// turned, so that zeros are an empty sum.
func (h *HalfLife) readSum(b *[sumBytes]byte) HalfLifeSum {
	x, y, z := words3(b)
	return HalfLifeSum{h, int64(x ^ 1<<63), math.Float64frombits(y), math.Float64frombits(z)}
}

// write writes a sum to its place.
func (s HalfLifeSum) write(b *[sumBytes]byte) {
	setWords3(b, uint64(s.landmark)^1<<63, math.Float64bits(s.sum), math.Float64bits(s.lost))
}

// halfLifeSum reads the k-th sum, one by half-life.
func (p *Pane) halfLifeSum(k int) HalfLifeSum {
	h := p.layout.sumPlans[k].halfLife
	if p.block.first == nil {
		return HalfLifeSum{halfLife: h, landmark: noLandmark}
	}
	return h.readSum(p.sumBlock(k))
}

func (p *Pane) setHalfLifeSum(k int, s *HalfLifeSum) { s.write(p.sumBlock(k)) }

// factorSum reads the k-th sum, one by factor.
func (p *Pane) factorSum(k int) FactorSum {
	s := FactorSum{factor: p.layout.sumPlans[k].factor}
	if p.block.first != nil {
		x, y, z := words3(p.sumBlock(k))
		s.count, s.sum, s.lost = x, math.Float64frombits(y), math.Float64frombits(z)
	}
	return s
}

func (p *Pane) setFactorSum(k int, s *FactorSum) {
	setWords3(p.sumBlock(k), s.count, math.Float64bits(s.sum), math.Float64bits(s.lost))
}

// byTime tells whether the k-th sum decays by half-life, not by factor.
func (l *Layout) byTime(k int) bool { return l.sumPlans[k].halfLife != nil }

// applySums adds values to the k-th sum of each pane.
func (l *Layout) applySums(k int, groups []Group, r *Rows) {
	plan := &l.sumPlans[k]
	times, values := r.Times, r.Values[plan.column]
	for i := range groups {
		g := &groups[i]
		from, to := int(g.From), int(g.To)
		switch {
		case from == to:
		case plan.halfLife == nil:
			s := g.Pane.factorSum(k)
			s.AddValues(values[from:to])
			g.Pane.setFactorSum(k, &s)
		case to-from > fewValues:
			g.Pane.addHalfLife(k, times[from:to], values[from:to])
		default:
			place := g.Pane.sumBlock(k)
			for ; from < to; from++ {
				if !plan.halfLife.addTo(place, times[from], values[from]) {
					g.Pane.addHalfLife(k, times[from:from+1], values[from:from+1])
				}
			}
		}
	}
}

// fewValues is up to how many values are added one by one.
const fewValues = 4

// addHalfLife adds values to the k-th sum.
func (p *Pane) addHalfLife(k int, times []int64, values []float64) {
	s := p.halfLifeSum(k)
	s.AddValues(times, values)
	p.setHalfLifeSum(k, &s)
}

// addTo is the fast path for the panes of many keys: it adds a usable value within the
// landmark's half-life to the sum at its place, as AddValues would. It is false, with
// nothing changed, for another value.
func (h *HalfLife) addTo(place *[sumBytes]byte, time int64, value float64) bool {
	x, y, z := words3(place)
	rest := uint64(time - int64(x^1<<63)*h.milliseconds)
	if rest >= uint64(h.milliseconds) || x == 0 || math.Float64bits(value)<<1 > decayLimitBits<<1 {
		return false
	}
	sum, lost := twoSum(math.Float64frombits(y), float64(value*h.power(int64(rest))))
	sum, lost = twoSum(sum, math.Float64frombits(z)+lost)
	setWords3(place, x, math.Float64bits(sum), math.Float64bits(lost))
	return true
}

// mergeSum adds the k-th sum of another pane; follow: of a later one.
func (p *Pane) mergeSum(k int, o *Pane, follow bool) error {
	if p.layout.byTime(k) {
		s, t := p.halfLifeSum(k), o.halfLifeSum(k)
		if err := s.Merge(&t); err != nil {
			return err
		}
		p.setHalfLifeSum(k, &s)
		return nil
	}
	s, t := p.factorSum(k), o.factorSum(k)
	merge := s.Merge
	if follow {
		merge = s.Follow
	}
	if err := merge(&t); err != nil {
		return err
	}
	p.setFactorSum(k, &s)
	return nil
}

// Sum is the decayed sum as of time at, in Unix ms; a sum by factor is as of
// its last event, whatever at is. It is exact but for rounding.
func (p *Pane) Sum(sketch int, at int64) Estimate {
	for k, i := range p.layout.sums {
		if i != sketch {
			continue
		}
		if p.layout.byTime(k) {
			s := p.halfLifeSum(k)
			return exactly(s.At(at))
		}
		s := p.factorSum(k)
		return exactly(s.Sum())
	}
	return Estimate{}
}
