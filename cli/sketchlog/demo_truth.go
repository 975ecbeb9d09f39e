package main

import (
	"math"
	"time"
)

// truth keeps every event of the demo and answers exactly, the slow way.
type truth struct {
	visits   []visit
	greatest int64
	late     int // behind the greatest time seen by more than the stream's lateness
}

type visit struct {
	time       int64
	page, user string
	bytes      int64
}

func newTruth() *truth { return &truth{} }

func (t *truth) add(v visit) {
	if v.time < t.greatest-time.Minute.Milliseconds() {
		t.late++
	}
	t.greatest = max(t.greatest, v.time)
	t.visits = append(t.visits, v)
}

// each calls f with the visits of page ("" for all) within s.
func (t *truth) each(page string, s span, f func(visit)) {
	for _, v := range t.visits {
		if (page == "" || v.page == page) && s.holds(v.time) {
			f(v)
		}
	}
}

func (t *truth) count(page string) func(span, string) float64 {
	return func(s span, _ string) (n float64) {
		t.each(page, s, func(visit) { n++ })
		return n
	}
}

func (t *truth) distinct(page string) func(span, string) float64 {
	return func(s span, _ string) float64 {
		users := map[string]bool{}
		t.each(page, s, func(v visit) { users[v.user] = true })
		return float64(len(users))
	}
}

func (t *truth) frequency(page string) func(span, string) float64 {
	return func(s span, user string) (n float64) {
		t.each(page, s, func(v visit) {
			if v.user == user {
				n++
			}
		})
		return n
	}
}

func (t *truth) contains(page string) func(span, string) float64 { return t.frequency(page) }

func (t *truth) pages(weight func(visit) int64) func(span, string) float64 {
	return func(s span, page string) (n float64) {
		t.each(page, s, func(v visit) { n += float64(weight(v)) })
		return n
	}
}

func (t *truth) decayed(page string, halfLife time.Duration) func(span, string) float64 {
	return func(s span, _ string) (sum float64) {
		t.each(page, s, func(v visit) {
			sum += float64(v.bytes) * math.Exp2(-float64(t.greatest-v.time)/float64(halfLife.Milliseconds()))
		})
		return sum
	}
}

// topUsers are the most frequent users of a page.
func (t *truth) topUsers(page string, k int) []counted {
	counts := map[string]int64{}
	t.each(page, span{math.MinInt64, math.MaxInt64}, func(v visit) { counts[v.user]++ })
	return largest(counts, k)
}
