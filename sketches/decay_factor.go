package sketches

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FactorSum is a sum in which every value of the stream makes all earlier ones
// count by a factor less: S becomes factor*S + x, so S = Σ factor^i x_i, where i
// is how many values came after x_i. It depends on order.
//
// The recurrence would round once a value and, for factors close to one, lose
// digits over millions of values; rounding is kept beside the sum, as in
// HalfLifeSum, and powers of the factor carry twice the digits of a number.
type FactorSum struct {
	factor float64
	count  uint64  // values added
	sum    float64 // S
	lost   float64 // what rounding lost from sum
}

// NewFactorSum returns an empty sum; factor is above 0 and at most 1, which
// gives a plain sum.
func NewFactorSum(factor float64) (*FactorSum, error) {
	if !(factor > 0 && factor <= 1) {
		return nil, fmt.Errorf("decay: factor %v is not above 0 and at most 1", factor)
	}
	return &FactorSum{factor: factor}, nil
}

// Add adds the next value. NaN, infinities and values beyond ±2^960 are left
// out, and do not make the earlier ones count less.
func (s *FactorSum) Add(value float64) {
	if usable(value) {
		s.step(s.factor, 0, value)
		s.count++
	}
	s.settle()
}

func usable(x float64) bool { return x >= -decayLimit && x <= decayLimit }

// step is S = (factor + rest)*S + x, where rest is the part of the factor beyond
// its own digits.
func (s *FactorSum) step(factor, rest, x float64) {
	product := float64(factor * s.sum)
	lost := float64(factor*s.lost) + float64(rest*s.sum) + math.FMA(factor, s.sum, -product)
	var rounding float64
	s.sum, rounding = twoSum(product, x)
	s.lost = lost + rounding
}

// settle brings the state to its one form.
func (s *FactorSum) settle() {
	s.sum, s.lost = twoSum(s.sum, s.lost)
	s.sum, s.lost = s.sum+0, s.lost+0
}

// AddValues adds values in order, leaving out what Add leaves out.
func (s *FactorSum) AddValues(values []float64) {
	f := s.factor
	f2 := float64(f * f)
	f3 := float64(f2 * f)
	f4 := float64(f2 * f2)
	// What rounding lost from f2 and f4, so that f4 stands for f*f*f*f exactly.
	f2rest := math.FMA(f, f, -f2)
	f4rest := math.FMA(f2, f2, -f4) + float64(2*f2*f2rest)
	for len(values) > 0 {
		// Fast path, four at a time: only one step in four waits for S.
		if len(values) >= 4 {
			a, b, c, d := values[0], values[1], values[2], values[3]
			if usable(a) && usable(b) && usable(c) && usable(d) {
				s.step(f4, f4rest, float64(float64(f3*a)+float64(f2*b))+float64(float64(f*c)+d))
				s.count += 4
				values = values[4:]
				continue
			}
		}
		if x := values[0]; usable(x) {
			s.step(f, 0, x)
			s.count++
		}
		values = values[1:]
	}
	s.settle()
}

// Sum returns the sum as of the last value.
func (s *FactorSum) Sum() float64 { return s.sum + s.lost }

// Count is how many values were added.
func (s *FactorSum) Count() uint64 { return s.count }

// Follow appends later's values after those of s: S*factor^n + S_later, where n
// is how many values later has. Sums of different factors are refused with
// ErrMismatch. later is not changed.
func (s *FactorSum) Follow(later *FactorSum) error {
	if err := s.match(later); err != nil {
		return err
	}
	// By logarithm, because squaring again and again, as math.Pow does, doubles
	// the error each time. factor-1 is exact for factors above a half.
	logarithm := math.Log(s.factor)
	if s.factor > 0.5 {
		logarithm = math.Log1p(s.factor - 1)
	}
	shrink := math.Exp(logarithm * float64(later.count))
	s.step(shrink, 0, later.sum)
	s.lost += later.lost
	s.count += later.count
	s.settle()
	return nil
}

// Merge adds the sum of another partition's values, which has no order relative
// to these: the sums and the counts add up, each sum being as of its own last
// value. To append a later pane of the same partition is Follow, which therefore
// comes before Merge: a merged sum no longer knows how many of its values each
// partition had. Sums of different factors are refused with ErrMismatch. other
// is not changed.
func (s *FactorSum) Merge(other *FactorSum) error {
	if err := s.match(other); err != nil {
		return err
	}
	sum, lost := twoSum(s.sum, other.sum)
	s.sum, s.lost = sum, (s.lost+other.lost)+lost
	s.count += other.count
	s.settle()
	return nil
}

func (s *FactorSum) match(other *FactorSum) error {
	if s.factor != other.factor {
		return fmt.Errorf("%w: decay: merge of factor %v with %v", ErrMismatch, s.factor, other.factor)
	}
	return nil
}

// Size is the memory held, in bytes.
func (s *FactorSum) Size() int { return 32 }

// Clone returns a copy.
func (s *FactorSum) Clone() *FactorSum {
	c := *s
	return &c
}

const factorVersion = 1

// AppendBinary appends the canonical encoding of s to dst: equal states have
// equal bytes. See FORMAT.md.
func (s *FactorSum) AppendBinary(dst []byte) []byte {
	dst = append(dst, factorVersion)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.factor))
	dst = binary.AppendUvarint(dst, s.count)
	if s.count == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.sum))
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.lost))
}

// DecodeFactorSum reads the encoding at the front of b, which must have the given
// factor, and returns what follows it. Errors wrap ErrCorrupt or ErrMismatch.
func DecodeFactorSum(b []byte, factor float64) (s *FactorSum, rest []byte, err error) {
	s, err = NewFactorSum(factor)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	in := &input{what: "decay by factor", rest: b}
	in.version(factorVersion)
	if f := in.word("factor"); in.err == nil && f != math.Float64bits(factor) {
		in.mismatch("factor %v, want %v", math.Float64frombits(f), factor)
	}
	if s.count = in.uvarint("count"); s.count > 0 {
		s.sum, s.lost = in.rounded()
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	return s, in.rest, nil
}
