package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
)

// AccuracyResult is what `bench accuracy` reports.
type AccuracyResult struct {
	Kind     string                     `json:"bench"`
	Events   int64                      `json:"events"`
	Keys     int                        `json:"keys"`
	Sketches map[string]*SketchAccuracy `json:"sketches"` // by kind
}

// SketchAccuracy is the error of one kind of sketch. What an error is relative
// to is said by Of.
type SketchAccuracy struct {
	Of            string   `json:"error_of"`
	Answers       int      `json:"answers"`
	Mean          float64  `json:"mean_error"`
	Max           float64  `json:"max_error"`
	IntervalsHeld float64  `json:"intervals_held"`
	Exact         float64  `json:"exact"`                     // share of answers that say they are
	Wrong         int      `json:"exact_wrong"`               // of these, answers that are not
	Recall        *float64 `json:"recall,omitempty"`          // hotlist: share of the listed that belong into the true top
	Denied        *int     `json:"false_negatives,omitempty"` // bloom

	held, exact        int
	topAsked, topFound int
	denied             int
	byKey              []point // mean error against the rank of the key
	keyErrors, keyN    float64
}

// errorsOf says what the errors of each kind are relative to.
var errorsOf = map[string]string{
	"hll": "the exact number", "decay": "the exact sum", "countmin": "the key's events", "hotlist": "the item's exact count",
	"bloom": "items that were never there: the share taken for seen", "reservoir": "1: a share estimated from the sample",
}

func (r *AccuracyResult) sketch(kind string) *SketchAccuracy {
	s := r.Sketches[kind]
	if s == nil {
		s = &SketchAccuracy{Of: errorsOf[kind]}
		r.Sketches[kind] = s
	}
	return s
}

// add books one answer; its error is relative to base.
func (s *SketchAccuracy) add(estimate, low, high, truth, base float64, exact bool) {
	s.Answers++
	err := math.Abs(estimate-truth) / max(base, math.SmallestNonzeroFloat64)
	if estimate == truth {
		err = 0
	}
	s.Mean += err
	s.keyErrors, s.keyN = s.keyErrors+err, s.keyN+1
	s.Max = max(s.Max, err)
	if low <= truth && truth <= high {
		s.held++
	}
	if exact {
		s.exact++
		if err > rounding {
			s.Wrong++
		}
	}
}

// endKey closes the errors of one key.
func (s *SketchAccuracy) endKey(rank uint32) {
	if s.keyN > 0 {
		s.byKey = append(s.byKey, point{float64(rank), s.keyErrors / s.keyN})
	}
	s.keyErrors, s.keyN = 0, 0
}

func (s *SketchAccuracy) finish() {
	n := max(float64(s.Answers), 1)
	s.Mean, s.IntervalsHeld, s.Exact = s.Mean/n, float64(s.held)/n, float64(s.exact)/n
	if s.topAsked > 0 {
		recall := float64(s.topFound) / float64(s.topAsked)
		s.Recall = &recall
	}
	if s.Of == errorsOf["bloom"] {
		s.Denied = &s.denied
	}
}

// Table writes the result for people.
func (r *AccuracyResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "sketch\tanswers\texact\tmean error\tmax error\tintervals held\t  relative to\n")
	for _, kind := range slices.Sorted(maps.Keys(r.Sketches)) {
		s := r.Sketches[kind]
		fmt.Fprintf(t, "%s\t%d\t%.1f%%\t%.3g\t%.3g\t%.1f%%\t  %s\n", kind, s.Answers, 100*s.Exact, s.Mean, s.Max, 100*s.IntervalsHeld, s.Of)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Sketches)) {
		s := r.Sketches[kind]
		if s.Recall != nil {
			fmt.Fprintf(w, "%s: %.1f%% of the listed items belong into the true top list\n", kind, 100**s.Recall)
		}
		if s.Denied != nil {
			fmt.Fprintf(w, "%s: %d items that were there were denied\n", kind, *s.Denied)
		}
		if s.Wrong > 0 {
			fmt.Fprintf(w, "%s: %d answers say that they are exact and are not\n", kind, s.Wrong)
		}
	}
	_, err := fmt.Fprintf(w, "over %d events, %d keys from the most frequent to the rarest\n", r.Events, r.Keys)
	return err
}

// kthCount is the count of the k-th most frequent item; 0 if there are fewer.
func kthCount(counts map[uint32]int64, k int) int64 {
	if len(counts) < k {
		return 0
	}
	all := slices.Sorted(maps.Values(counts))
	return all[len(all)-k]
}

// normal95 is the quantile of the normal distribution for 95% both-sided.
const normal95 = 1.959964

// wilson is the 95% interval of a share of which hits of n were seen (Wilson 1927).
func wilson(hits, n int) (low, high float64) {
	p, size, z := float64(hits)/float64(n), float64(n), normal95
	centre := (p + z*z/(2*size)) / (1 + z*z/size)
	half := z / (1 + z*z/size) * math.Sqrt(p*(1-p)/size+z*z/(4*size*size))
	return max(centre-half, 0), min(centre+half, 1)
}

// binomialAtMost is a number that a binomial count of n with probability p
// exceeds with less than 2.5%: the least c with P(X <= c) >= 0.975.
func binomialAtMost(n int, p float64) float64 {
	if p <= 0 {
		return 0
	}
	if p >= 1 {
		return float64(n)
	}
	term := math.Pow(1-p, float64(n)) // P(X = 0)
	sum := term
	for c := 0; c < n; c++ {
		if sum >= 0.975 {
			return float64(c)
		}
		term *= float64(n-c) / float64(c+1) * p / (1 - p)
		sum += term
	}
	return float64(n)
}
