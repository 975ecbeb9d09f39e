package sketches

import (
	"encoding/binary"
	"fmt"
	"math"
)

// HalfLife is the parameter that decayed sums by time share: how long it takes
// until a value counts half. Made once a layout; immutable, safe for concurrent
// use.
type HalfLife struct {
	milliseconds int64
	scale        float64                 // powerSteps / milliseconds
	powers       [powerSteps + 1]float64 // 2^(i/powerSteps)
	soon         [soonSteps]float64      // 2^(i/milliseconds)
}

const (
	powerSteps = 1024
	soonSteps  = 1024 // milliseconds
)

const (
	// decayLimit is the greatest magnitude of a value that is counted: 2^960,
	// so that no number of events makes a sum overflow.
	decayLimit = 0x1p960

	decayLimitBits = uint64(960+1023) << 52 // its bits, which order magnitudes as numbers do

	// decayTimeLimit bounds times, in milliseconds on both sides of 1970, so
	// that differences of them do not overflow. It is 73 million years.
	decayTimeLimit = int64(1) << 61

	// sumBlock is how many values are added without keeping what rounding
	// loses: at most 64 units in the last place.
	sumBlock = 64

	// noLandmark marks a sum to which nothing was added.
	noLandmark = math.MinInt64
)

// NewHalfLife takes the half-life in milliseconds, at least 1.
func NewHalfLife(milliseconds int64) (*HalfLife, error) {
	if milliseconds < 1 || milliseconds > maxHalfLifeMSec {
		return nil, fmt.Errorf("decay: half-life of %d ms is not between 1 and 2^53", milliseconds)
	}
	h := &HalfLife{milliseconds: milliseconds, scale: powerSteps / float64(milliseconds)}
	for i := range h.powers {
		h.powers[i] = math.Exp2(float64(i) / powerSteps)
	}
	for i := range h.soon {
		h.soon[i] = math.Exp2(float64(i) / float64(milliseconds))
	}
	return h, nil
}

// split cuts a time into whole half-lives since 1970, rounded down, and the
// milliseconds left over.
func (h *HalfLife) split(time int64) (whole, rest int64) {
	whole, rest = time/h.milliseconds, time%h.milliseconds
	if rest < 0 {
		whole, rest = whole-1, rest+h.milliseconds
	}
	return whole, rest
}

// power is 2^(rest/half-life) for 0 <= rest <= half-life, to about two units in
// the last place: the nearest step through the table, what is left, |r| below
// 1/2900, through the first terms of e^r, of which the one left out is below 6e-16.
// Unlike tables over milliseconds it is as good for a year as for a second;
// math.Exp2 takes several times as long.
func (h *HalfLife) power(rest int64) float64 {
	const c = math.Ln2 / powerSteps
	x := float64(rest) * h.scale
	i := int(x + 0.5)
	r := x - float64(i)
	return h.powers[i] * (1 + r*(c+r*(c*c/2+r*(c*c*c/6))))
}

// HalfLifeSum is a sum of values in which each counts half as much after every
// half-life of event time (forward decay; Cormode, Shkapenyuk, Srivastava, Xu
// 2009): at time t it is Σ v_i 2^(-(t-t_i)/h). Events may come in any order.
//
// The state is the sum as of a landmark, and the landmark is always a whole
// number of half-lives: that of the latest event, rounded down. So advancing it
// scales the sum by a power of two, which is exact, where advancing to each
// event's own time would round once an event. The rounding left is that of
// addition. A few values are added plainly; what rounding loses when those sums
// are added up is kept (Knuth's TwoSum). So the sum is good to about 1e-14 of
// Σ |v_i| 2^(-(t-t_i)/h), whatever the order, the signs and the number of events.
type HalfLifeSum struct {
	halfLife *HalfLife
	landmark int64   // in half-lives since 1970
	sum      float64 // as of the landmark
	lost     float64 // what rounding lost from sum: sum + lost rounds to sum
}

// NewHalfLifeSum returns an empty sum.
func NewHalfLifeSum(h *HalfLife) *HalfLifeSum {
	return &HalfLifeSum{halfLife: h, landmark: noLandmark}
}

// Add adds a value at a time in Unix milliseconds. NaN, infinities and values
// beyond ±2^960, with which no sum could be kept, are left out.
func (s *HalfLifeSum) Add(time int64, value float64) {
	t, v := [1]int64{time}, [1]float64{value}
	s.AddValues(t[:], v[:])
}

// AddValues adds values at their times, leaving out what Add leaves out.
func (s *HalfLifeSum) AddValues(times []int64, values []float64) {
	values = values[:len(times)]
	for len(times) > sumBlock {
		s.addBlock(times[:sumBlock], values[:sumBlock])
		times, values = times[sumBlock:], values[sumBlock:]
	}
	s.addBlock(times, values)
	s.settle(s.sum, s.lost)
}

// addNear is the fast path for whole columns: a block of usable values that come
// within a second after its first one, and within the landmark's half-life. What
// they count relative to the first one is looked up by the millisecond. It adds all
// or, returning false, nothing.
func (s *HalfLifeSum) addNear(times []int64, values []float64) bool {
	h := s.halfLife
	start, length := s.span()
	first := uint64(times[0] - start)
	if first >= length {
		return false
	}
	part, soon := 0.0, h.soon[:min(length-first, soonSteps)]
	values = values[:len(times)]
	for i, t := range times {
		v, after := values[i], uint64(t-times[0])
		if after >= uint64(len(soon)) || math.Float64bits(v)<<1 > decayLimitBits<<1 {
			return false
		}
		part += float64(v * soon[after])
	}
	s.include(part * h.power(int64(first)))
	return true
}

// addBlock adds few enough values to add them plainly.
func (s *HalfLifeSum) addBlock(times []int64, values []float64) {
	if len(times) == sumBlock && s.addNear(times, values) {
		return
	}
	h := s.halfLife
	start, length := s.span()
	part := 0.0
	values = values[:len(times)]
	for i, t := range times {
		v := values[i]
		rest := uint64(t - start)
		if rest < length && math.Float64bits(v)<<1 <= decayLimitBits<<1 {
			// Fast path: a usable value within the landmark's half-life.
			part += float64(v * h.power(int64(rest)))
		} else if usable(v) {
			part = s.addFar(part, t, v)
			start, length = s.span()
		}
	}
	s.include(part)
}

// addFar adds a value of another half-life to a part of a sum, and returns the
// part as of the landmark, which a later value moves.
func (s *HalfLifeSum) addFar(part float64, time int64, value float64) float64 {
	h := s.halfLife
	whole, rest := h.split(min(max(time, -decayTimeLimit), decayTimeLimit))
	if whole > s.landmark {
		s.include(part)
		part = 0
		s.advance(whole)
	}
	return part + scaleDown(value*h.power(rest), s.landmark-whole)
}

// include adds the sum of a few values as of the landmark.
func (s *HalfLifeSum) include(part float64) {
	sum, lost := twoSum(s.sum, part)
	s.sum, s.lost = sum, s.lost+lost
}

// span is the time from the landmark to the next one. It is empty when nothing
// was added yet.
func (s *HalfLifeSum) span() (start int64, length uint64) {
	if s.landmark == noLandmark {
		return 0, 0
	}
	return s.landmark * s.halfLife.milliseconds, uint64(s.halfLife.milliseconds)
}

// advance moves the landmark forward.
func (s *HalfLifeSum) advance(landmark int64) {
	if s.landmark != noLandmark {
		s.sum = scaleDown(s.sum, landmark-s.landmark)
		s.lost = scaleDown(s.lost, landmark-s.landmark)
	}
	s.landmark = landmark
}

// scaleDown halves x so many times; twice as often as any number can be halved
// makes it zero.
func scaleDown(x float64, halvings int64) float64 {
	if halvings == 0 {
		return x
	}
	return math.Ldexp(x, -int(min(halvings, 5000)))
}

// settle makes (sum, lost) the state. Adding zero turns -0 into 0.
func (s *HalfLifeSum) settle(sum, lost float64) {
	s.sum, s.lost = twoSum(sum, lost)
	s.sum, s.lost = s.sum+0, s.lost+0
}

// twoSum is the rounded sum of a and b, and exactly what rounding lost from it.
func twoSum(a, b float64) (sum, lost float64) {
	sum = a + b
	back := sum - a
	return sum, (a - (sum - back)) + (b - back)
}

// At returns the sum as of a time in Unix milliseconds, which may be before the
// latest event as well. It is never infinite: a sum too large for a number is
// the greatest number.
func (s *HalfLifeSum) At(time int64) float64 {
	if s.landmark == noLandmark {
		return 0
	}
	h := s.halfLife
	whole, rest := h.split(min(max(time, -decayTimeLimit), decayTimeLimit))
	total := (s.sum + s.lost) * h.power(h.milliseconds-rest)
	total = math.Ldexp(total, int(min(max(s.landmark-whole-1, -5000), 5000)))
	return min(max(total, -math.MaxFloat64), math.MaxFloat64)
}

// Merge makes s the sum of both streams of events. Sums of different half-lives
// are refused with ErrMismatch. It does not change other, nor keep anything of it.
func (s *HalfLifeSum) Merge(other *HalfLifeSum) error {
	if s.halfLife.milliseconds != other.halfLife.milliseconds {
		return fmt.Errorf("%w: decay: merge of half-life %d ms with %d ms", ErrMismatch, s.halfLife.milliseconds, other.halfLife.milliseconds)
	}
	if other.landmark == noLandmark {
		return nil
	}
	o := *other
	if o.landmark > s.landmark {
		s.advance(o.landmark)
	} else {
		o.advance(s.landmark)
	}
	sum, lost := twoSum(s.sum, o.sum)
	s.settle(sum, (s.lost+o.lost)+lost)
	return nil
}

// Size is the memory held, in bytes, without the shared parameter.
func (s *HalfLifeSum) Size() int { return 32 }

// Clone returns a copy that shares nothing with s but its parameter.
func (s *HalfLifeSum) Clone() *HalfLifeSum {
	c := *s
	return &c
}

const halfLifeVersion = 1

// AppendBinary appends the canonical encoding of s to dst: equal states have
// equal bytes. See FORMAT.md.
func (s *HalfLifeSum) AppendBinary(dst []byte) []byte {
	dst = append(dst, halfLifeVersion)
	dst = binary.AppendUvarint(dst, uint64(s.halfLife.milliseconds))
	if s.landmark == noLandmark {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.AppendVarint(dst, s.landmark)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.sum))
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.lost))
}

// DecodeHalfLifeSum reads the encoding at the front of b, which must have the
// given half-life, and returns what follows it. Errors wrap ErrCorrupt or
// ErrMismatch.
func DecodeHalfLifeSum(b []byte, h *HalfLife) (s *HalfLifeSum, rest []byte, err error) {
	in := &input{what: "decay by half-life", rest: b}
	in.version(halfLifeVersion)
	if ms := in.uvarint("half-life"); in.err == nil && ms != uint64(h.milliseconds) {
		in.mismatch("half-life %d ms, want %d ms", ms, h.milliseconds)
	}
	s = NewHalfLifeSum(h)
	switch filled := in.octet("filled"); filled {
	case 0:
	case 1:
		x := in.uvarint("landmark")
		s.landmark = int64(x>>1) ^ -int64(x&1)
		if least, _ := h.split(-decayTimeLimit); s.landmark < least || s.landmark > decayTimeLimit/h.milliseconds {
			in.corrupt("landmark %d is out of range", s.landmark)
		}
		s.sum, s.lost = in.rounded()
	default:
		in.corrupt("filled is %d, neither 0 nor 1", filled)
	}
	if in.err != nil {
		return nil, nil, in.err
	}
	return s, in.rest, nil
}

// rounded reads a sum and what rounding lost from it.
func (in *input) rounded() (sum, lost float64) {
	a, b := in.word("sum"), in.word("lost")
	const negativeZero = 1 << 63
	sum, lost = math.Float64frombits(a), math.Float64frombits(b)
	if !(math.Abs(sum) <= 0x1p1010) || sum+lost != sum || a == negativeZero || b == negativeZero {
		in.corrupt("sum %v with %v lost is not a state", sum, lost)
	}
	return sum, lost
}
