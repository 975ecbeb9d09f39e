package shedding

// This file says what a sampling rate is and which events it keeps.

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rate is a sampling rate of 2^-j, written as j. A greater Rate is a coarser
// one, and the zero Rate keeps everything. Past Coarsest there is Nothing.
//
// Rates are powers of two so that rates are nested, and so that the registers
// of a HyperLogLog, which are chosen by the leading bits of the item's hash, are
// sampled as whole registers. What is hashed depends on the sketch:
//
//	sketch                                 kept when the rate keeps the hash of
//	Count-Min, hot list, decayed sum,      the event's log position: events are
//	event count                            sampled, so sums scale by 1/r
//	reservoir                              the event's log position, which also
//	                                       orders the reservoir: the k least are
//	                                       among the kept once r·n is at least k
//	HyperLogLog, Bloom filter              the item: all occurrences of an item are
//	                                       kept or none, so that the first r·m
//	                                       registers are complete, and an absent
//	                                       item that would have been kept is
//	                                       surely absent
//
// Sampling the position for HyperLogLog would count frequent items and miss rare
// ones; sampling the item for Count-Min would know some items exactly and others
// not at all.
type Rate uint8

const (
	Full     Rate = 0  // every event
	Coarsest Rate = 16 // one event in 65,536, on average
	Nothing  Rate = 17 // no event
)

// Valid tells whether r is one of Full to Coarsest or Nothing.
func (r Rate) Valid() bool { return r <= Nothing }

// Keeps tells whether the rate 2^-j keeps a hash: whether it is below 2^(64-j).
// The hash 0, which stands for no item, is the caller's to leave out.
func (r Rate) Keeps(hash uint64) bool {
	return r <= Coarsest && hash>>(64-r) == 0 // a shift by 64 gives 0
}

// AppendKept appends the indexes of the hashes that the rate keeps, in order.
// It is Keeps for a column, without a branch a row.
func (r Rate) AppendKept(dst []int32, hashes []uint64) []int32 {
	if r > Coarsest {
		return dst
	}
	at := len(dst)
	dst = append(dst, make([]int32, len(hashes))...)
	shift := 64 - r
	for i, hash := range hashes {
		dst[at] = int32(i)
		at += below(hash >> shift)
	}
	return dst[:at]
}

// below is 1 for 0, else 0. Its argument is below 2^16.
func below(high uint64) int { return int((high - 1) >> 63) }

// Value returns the rate as a share: 1 for Full, 0 for Nothing.
func (r Rate) Value() float64 {
	if r > Coarsest {
		return 0
	}
	return math.Ldexp(1, -int(r))
}

// finestSampled is the finest rate that is worth its loss: to sample a half costs as much as
// to apply everything (cost.go).
const finestSampled Rate = 2

// Coarser returns the next rate that saves anything: half the rate, but a quarter after
// Full; Nothing after Coarsest.
func (r Rate) Coarser() Rate { return max(min(r, Nothing-1)+1, finestSampled) }

// Finer returns the rate whose Coarser is r; Full stays Full.
func (r Rate) Finer() Rate {
	if r <= finestSampled {
		return Full
	}
	return r - 1
}

// String returns "1", "1/2" … "1/65536", or "0".
func (r Rate) String() string {
	switch {
	case r == Full:
		return "1"
	case r == Nothing:
		return "0"
	case r > Nothing:
		return "Rate(" + strconv.Itoa(int(r)) + ")"
	}
	return "1/" + strconv.Itoa(1<<r)
}

// ParseRate reads what String writes.
func ParseRate(text string) (Rate, error) {
	switch text {
	case "1":
		return Full, nil
	case "0":
		return Nothing, nil
	}
	if digits, ok := strings.CutPrefix(text, "1/"); ok {
		for r := Full + 1; r <= Coarsest; r++ {
			if digits == strconv.Itoa(1<<r) {
				return r, nil
			}
		}
	}
	return 0, fmt.Errorf("shedding: %q is no rate: write 1, 1/2, 1/4 and so on up to 1/65536, or 0", text)
}
