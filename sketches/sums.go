package sketches

import (
	"encoding/binary"
	"math"
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
func (p *Pane) sumBlock(k int) []byte {
	return p.block.bytes()[p.layout.block.sums+k*sumBytes:][:sumBytes]
}

func words3(b []byte) (x, y, z uint64) {
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
}

func setWords3(b []byte, x, y, z uint64) {
	binary.LittleEndian.PutUint64(b, x)
	binary.LittleEndian.PutUint64(b[8:], y)
	binary.LittleEndian.PutUint64(b[16:], z)
}

// halfLifeSum reads the k-th sum, one by half-life. The landmark is kept with
// its sign bit turned, so that zeros are an empty sum.
func (p *Pane) halfLifeSum(k int) HalfLifeSum {
	s := HalfLifeSum{halfLife: p.layout.sumPlans[k].halfLife, landmark: noLandmark}
	if p.block.first != nil {
		x, y, z := words3(p.sumBlock(k))
		s.landmark, s.sum, s.lost = int64(x^1<<63), math.Float64frombits(y), math.Float64frombits(z)
	}
	return s
}

func (p *Pane) setHalfLifeSum(k int, s *HalfLifeSum) {
	setWords3(p.sumBlock(k), uint64(s.landmark)^1<<63, math.Float64bits(s.sum), math.Float64bits(s.lost))
}

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
	if !l.byTime(k) {
		values := r.Values[l.sumPlans[k].column]
		for i := range groups {
			if g := &groups[i]; g.From < g.To {
				s := g.Pane.factorSum(k)
				s.AddValues(values[g.From:g.To])
				g.Pane.setFactorSum(k, &s)
			}
		}
		return
	}
	h, at := l.sumPlans[k].halfLife, l.block.sums+k*sumBytes
	values := r.Values[l.sumPlans[k].column][:len(r.Times)]
	for i := range groups {
		g := &groups[i]
		if g.From == g.To {
			continue
		}
		b := g.Pane.block.bytes()[at : at+sumBytes]
		x, y, z := words3(b)
		s := HalfLifeSum{h, int64(x ^ 1<<63), math.Float64frombits(y), math.Float64frombits(z)}
		if g.To-g.From == 1 {
			s = s.one(r.Times[g.From], values[g.From])
		} else {
			s.AddValues(r.Times[g.From:g.To], values[g.From:g.To])
		}
		setWords3(b, uint64(s.landmark)^1<<63, math.Float64bits(s.sum), math.Float64bits(s.lost))
	}
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
