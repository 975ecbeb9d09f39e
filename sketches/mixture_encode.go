package sketches

import (
	"encoding/binary"
	"math"
)

const provisionalVersion = 1

// AppendBinary appends the canonical encoding (FORMAT.md, "Provisional pane").
func (p *Provisional) AppendBinary(dst []byte) []byte {
	dst = append(dst, provisionalVersion, byte(p.Rate))
	for _, pane := range []*Pane{p.ByPosition, p.ByItem} {
		b := pane.AppendBinary(nil)
		dst = binary.AppendUvarint(dst, uint64(len(b)))
		dst = append(dst, b...)
	}
	for k := range p.sums {
		m := &p.sums[k]
		dst = appendFloat(appendFloat(dst, m.lowest), m.highest)
		if m.byTime() {
			dst = m.squares.AppendBinary(dst)
			continue
		}
		dst = m.aged.AppendBinary(dst)
		dst = m.agedSquares.AppendBinary(dst)
	}
	for i := range p.weights {
		dst = binary.AppendUvarint(dst, p.weights[i].greatest)
		dst = appendFloat(dst, p.weights[i].squares)
	}
	return dst
}

func appendFloat(dst []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

// DecodeProvisional reads a provisional state of this layout, under the terms
// of DecodePane.
func (l *Layout) DecodeProvisional(b []byte) (*Provisional, error) {
	in := input{what: "provisional pane", rest: b}
	in.version(provisionalVersion)
	rate := int(in.octet("rate"))
	if in.err == nil && (rate < 1 || rate > MaxRate) {
		in.corrupt("rate 2^-%d is not within 2^-1..2^-%d", rate, MaxRate)
	}
	if in.err != nil {
		return nil, in.err
	}
	p := l.NewProvisional(rate)
	p.ByPosition = in.pane(l, "pane by position")
	p.ByItem = in.pane(l.samplingPlan().items, "pane by item")
	for k := range p.sums {
		p.sums[k].decode(&in)
	}
	for i := range p.weights {
		m := &p.weights[i]
		m.greatest = in.uvarint("greatest weight")
		if m.squares = in.finite("squares of weights"); m.squares < 0 {
			in.corrupt("squares of weights add up to %v", m.squares)
		}
	}
	if in.err == nil && len(in.rest) > 0 {
		in.corrupt("%d bytes follow it", len(in.rest))
	}
	if in.err != nil {
		return nil, in.err
	}
	return p, nil
}

// pane reads a pane behind its length.
func (in *input) pane(l *Layout, part string) (p *Pane) {
	b := in.take(in.count(len(in.rest), "length of "+part), part)
	if in.err == nil {
		p, in.err = l.DecodePane(b)
	}
	return p
}

// finite reads a number that is neither infinite nor −0.
func (in *input) finite(part string) float64 {
	bits := in.word(part)
	x := math.Float64frombits(bits)
	if math.IsInf(x, 0) || math.IsNaN(x) || bits == 1<<63 {
		in.corrupt("%s is %v", part, x)
	}
	return x
}

func (m *sumMoments) decode(in *input) {
	m.lowest, m.highest = in.finite("lowest value"), in.finite("highest value")
	if m.lowest < -decayLimit || m.lowest > 0 || m.highest > decayLimit || m.highest < 0 {
		in.corrupt("values are from %v to %v", m.lowest, m.highest)
	}
	if m.byTime() {
		m.squares = decodedSum(in, m.squares, func(b []byte) (*HalfLifeSum, []byte, error) {
			return DecodeHalfLifeSum(b, m.squares.halfLife)
		})
		if m.squares.sum < 0 {
			in.corrupt("squares of values add up to %v", m.squares.sum)
		}
		return
	}
	for _, s := range []*FactorSum{&m.aged, &m.agedSquares} {
		*s = decodedSum(in, *s, func(b []byte) (*FactorSum, []byte, error) { return DecodeFactorSum(b, s.factor) })
	}
	if m.agedSquares.sum < 0 || m.agedSquares.count != m.aged.count {
		in.corrupt("%d squares of %d values add up to %v", m.agedSquares.count, m.aged.count, m.agedSquares.sum)
	}
}

// decodedSum reads a sum by its own decoder, or keeps the empty one.
func decodedSum[S any](in *input, empty S, decode func([]byte) (*S, []byte, error)) S {
	if in.err != nil {
		return empty
	}
	s, rest, err := decode(in.rest)
	if in.err, in.rest = err, rest; err != nil {
		return empty
	}
	return *s
}
