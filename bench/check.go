package bench

// Answers that are asked while a run is under way, and judged after it against
// what was exact at the position of the log that each of them names.

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// observation is one figure of an answer, of which the exact value can be had.
type observation struct {
	sample    int // number of the sample of the timeline it belongs to
	question  string
	key       int // index in the checker's keys
	item      uint32
	offset    uint64 // of the key's partition
	estimate  float64
	low, high float64
	contains  string // the answer, of that question; it has no estimate
	falseRate float64
	exact     bool
}

// verdict is an observation beside the truth.
type verdict struct {
	observation
	truth float64
	held  bool
	err   float64 // relative to the truth
}

// checker asks about a few keys in turn and remembers the answers. It is for one
// goroutine at a time.
type checker struct {
	target *Target
	source *Source
	view   string
	keys   []uint32
	items  []uint32
	parts  int
	sumAt  int64

	turn      int
	histogram *hdrhistogram.Histogram // how long answers took
	seen      []observation
}

// checkedKeys and checkedItems are how many keys a run asks about, and items of each.
const (
	checkedKeys  = 16
	checkedItems = 4
)

func newChecker(t *Target, s *Source, view string, partitions int, sumAt int64) *checker {
	return &checker{
		target: t, source: s, view: view, parts: partitions, sumAt: sumAt,
		// A key that hardly ever comes is answered exactly and teaches little.
		histogram: newHistogram(),
		keys:      spread(checkedKeys, min(s.Keys, 200)), items: spread(checkedItems, min(s.Items, 100)),
	}
}

// sample asks every question about the next key in turn. What the server puts
// off is left out.
func (c *checker) sample(ctx context.Context, number int) error {
	key := c.turn % len(c.keys)
	c.turn++
	if err := c.about(ctx, number, key); !busy(err) {
		return err
	}
	return nil
}

func (c *checker) about(ctx context.Context, number, key int) error {
	name := KeyName(c.keys[key])
	for _, q := range []string{"count", "distinct", "frequency", "topk", "contains", "sum"} {
		p := url.Values{"key": {name}}
		switch q {
		case "frequency", "contains":
			for _, i := range c.items {
				p.Add("item", ItemName(i))
			}
		case "topk":
			p.Set("k", "5")
		case "sum":
			p.Set("at", strconv.FormatInt(c.sumAt, 10))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		a, err := c.target.ask(c.view, q, p)
		record(c.histogram, time.Since(began))
		if err != nil {
			return err
		}
		if err := c.note(number, q, key, a); err != nil {
			return fmt.Errorf("%s of %s: %w", q, name, err)
		}
	}
	return nil
}

// note remembers the figures of an answer.
func (c *checker) note(number int, q string, key int, a *answer) error {
	o := observation{
		sample: number, question: q, key: key, exact: a.Exact,
		offset: a.Offsets[strconv.Itoa(partitionOf(c.keys[key], c.parts))],
	}
	var out []observation
	switch q {
	case "count", "distinct", "sum":
		o.estimate = a.estimate()
		o.low, o.high = a.interval()
		out = append(out, o)
	default:
		items, err := a.items()
		if err != nil {
			return err
		}
		for _, i := range items {
			rank, ok := rankOf(i.Item, "i")
			if !ok {
				return fmt.Errorf("the answer names an item %q that was never sent", i.Item)
			}
			o.item, o.contains, o.falseRate = rank, i.Answer, i.Rate
			o.estimate = valueOf(i.Estimate, math.NaN())
			o.low, o.high = i.interval()
			out = append(out, o)
		}
	}
	c.seen = append(c.seen, out...)
	return nil
}

// judge makes the acknowledged requests again, partition by partition and in
// the order of the log, and sets each observation beside the truth at its
// offset. It also returns the truth at the end, by key.
func (c *checker) judge(receipts []receipt) ([]verdict, []exactKey, error) {
	final := make([]exactKey, len(c.keys))
	byPart := make([][]verdict, c.parts)
	var g errgroup.Group
	g.SetLimit(2)
	for p := range c.parts {
		g.Go(func() error {
			byPart[p] = c.judgePartition(p, byPartition(receipts, p), final)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return slices.Concat(byPart...), final, nil
}

func (c *checker) judgePartition(partition int, receipts []receipt, final []exactKey) []verdict {
	var own []int // indices of keys
	var ranks []uint32
	local := map[int]int{}
	for i, k := range c.keys {
		if partitionOf(k, c.parts) == partition {
			local[i] = len(own)
			own, ranks = append(own, i), append(ranks, k)
		}
	}
	if len(own) == 0 {
		return nil
	}
	var seen []observation
	for _, o := range c.seen {
		if _, ok := local[o.key]; ok {
			seen = append(seen, o)
		}
	}
	slices.SortStableFunc(seen, func(a, b observation) int { return cmp.Compare(a.offset, b.offset) })
	x := newExact(c.source, ranks, c.sumAt)
	out := make([]verdict, 0, len(seen))
	next := 0
	for _, o := range seen {
		for ; next < len(receipts) && receipts[next].offsets[partition] <= o.offset; next++ {
			x.add(c.source.Live(receipts[next].first, receipts[next].last, receipts[next].at))
		}
		out = append(out, o.against(&x.state[local[o.key]]))
	}
	for ; next < len(receipts); next++ {
		x.add(c.source.Live(receipts[next].first, receipts[next].last, receipts[next].at))
	}
	for i, key := range own {
		final[key] = x.state[i] // each key has one partition, so no two goroutines write the same element
	}
	return out
}

// rounding is how far floating-point sums of the same values in another order
// may differ, relative to them.
const rounding = 1e-9

// against sets an observation beside the truth.
func (o observation) against(k *exactKey) verdict {
	v := verdict{observation: o}
	switch o.question {
	case "count":
		v.truth = float64(k.events)
	case "distinct":
		v.truth = float64(k.distinct)
	case "sum":
		v.truth = k.sum
	default:
		v.truth = float64(k.counts.of(o.item))
	}
	if o.question == "contains" {
		v.held = o.contains != "no" || v.truth == 0
		return v
	}
	slack := 0.0
	if o.question == "sum" {
		slack = rounding * math.Abs(v.truth)
	}
	v.held = o.low-slack <= v.truth && v.truth <= o.high+slack
	v.err = math.Abs(o.estimate-v.truth) / max(math.Abs(v.truth), 1)
	return v
}

// summary is what verdicts amount to.
type summary struct {
	Answers int     `json:"answers"`
	Mean    float64 `json:"mean_error"`
	Max     float64 `json:"max_error"`
	Held    float64 `json:"intervals_held"` // share; 1 if there were no answers
	Exact   float64 `json:"exact"`          // share of answers that say they are
}

// summarise adds verdicts up by question.
func summarise(verdicts []verdict) (all summary, by map[string]summary) {
	by = map[string]summary{}
	held, exact := map[string]int{}, map[string]int{}
	for _, v := range verdicts {
		for _, name := range []string{"", v.question} {
			s := by[name]
			s.Answers++
			s.Mean += v.err
			s.Max = max(s.Max, v.err)
			if v.held {
				held[name]++
			}
			if v.exact {
				exact[name]++
			}
			by[name] = s
		}
	}
	for name, s := range by {
		n := float64(s.Answers)
		s.Mean, s.Held, s.Exact = s.Mean/n, float64(held[name])/n, float64(exact[name])/n
		by[name] = s
	}
	all = by[""]
	if all.Answers == 0 {
		all.Held = 1
	}
	delete(by, "")
	return all, by
}

// intoTimeline books verdicts in the samples that asked for them.
func intoTimeline(timeline []Sample, verdicts []verdict) {
	errors := make([]int, len(timeline)) // answers with an estimate
	for _, v := range verdicts {
		if v.sample < 0 || v.sample >= len(timeline) {
			continue
		}
		s := &timeline[v.sample]
		s.Asked++
		if v.held {
			s.Held++
		}
		if v.question != "contains" {
			s.Error += v.err
			errors[v.sample]++
		}
	}
	for i := range timeline {
		if errors[i] > 0 {
			timeline[i].Error /= float64(errors[i])
		}
	}
}
