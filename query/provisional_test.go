package query

// Questions while views have sampled, or passed over, parts of the log: every kind of
// answer against the dumb model, through the whole read path.

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sketchlog/ingest/view"
	"sketchlog/shedding"
)

// mixes are rates that follow one another, a stretch of ten records each.
var mixes = map[string][]shedding.Rate{
	"half":    {1},
	"quarter": {2},
	"mixed":   {shedding.Full, 1, 4},
	"passed":  {shedding.Full, 2, shedding.Nothing},
}

// At every mix of rates intervals of 95% hold the truth of the whole log, nothing
// that was there is denied, and answers say what they lack. Once the views have
// healed their answers are those of views that never shed.
func TestAnswersWhileViewsShed(t *testing.T) {
	for name, rates := range mixes {
		t.Run(name, func(t *testing.T) {
			held := tally{}
			for seed := range uint64(4) {
				answersWhileShedding(t, rates, seed, held)
			}
			for question, c := range held {
				share := float64(c[0]) / float64(c[1])
				t.Logf("%s: %d of %d intervals hold", question, c[0], c[1])
				// 93% less three standard deviations of so few questions.
				if share < 0.93-3*math.Sqrt(0.93*0.07/float64(c[1])) {
					t.Errorf("%s: only %.3f of %d intervals hold", question, share, c[1])
				}
			}
		})
	}
}

func answersWhileShedding(t *testing.T, rates []shedding.Rate, seed uint64, held tally) {
	var healing atomic.Bool
	n := &node{t: t, dir: t.TempDir()}
	n.decide = func(s *view.Shard, _ shedding.Decision) shedding.Decision {
		if healing.Load() {
			return shedding.Decision{Heal: 1}
		}
		return shedding.Decision{Rate: rates[s.Position().Offset/10%uint64(len(rates))]}
	}
	n.begin()
	n.stream("s", `{"partitions": 2, "time": "time"}`)
	shedding := modelledViews[:3] // panes by count need the order of the log and never shed
	for _, v := range shedding {
		n.view(v.name, v.definition)
	}
	facts := draw(seed+40, 6000).apart(seed)
	for chunk := range slices.Chunk(facts.lines(), 100) {
		n.send("s", chunk...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n.live(ctx, "s")
	r := rand.New(rand.NewPCG(seed, 5))
	for _, v := range shedding {
		for _, key := range append(v.someKeys(), nil) {
			checkSampled(t, n, facts.key(v.by, quoted(key)), v, key, held)
		}
	}
	healing.Store(true)
	n.settle("s")
	for range 100 {
		checkAgainst(t, n, facts, shedding[r.IntN(len(shedding))], r, tally{})
	}
}

// apart gives every key and seed items of its own: whether an item is sampled is a
// function of the item, so that intervals of keys that share items fail together.
func (m model) apart(seed uint64) model {
	for _, f := range m {
		item := f.fields["item"]
		owner := fmt.Sprint(" of ", f.fields["g"], " in ", seed)
		if k, err := strconv.Atoi(item); err == nil {
			f.fields["item"] = fmt.Sprint(uint64(k)<<32 | uint64(crc32.ChecksumIEEE([]byte(owner)))) // some are numbers
		} else if name, isText := strings.CutPrefix(item, `"i`); isText {
			f.fields["item"] = fmt.Sprintf("%q", "i"+strings.TrimSuffix(name, `"`)+owner)
		}
	}
	return m
}

// someKeys are keys with enough events to be sampled.
func (v modelled) someKeys() [][]string {
	switch len(v.by) {
	case 1:
		return [][]string{{`"a"`}, {"b"}, {"1"}}
	case 2:
		return [][]string{{`"a"`, "x"}, {`"a"`, "2"}}
	}
	return nil
}

// checkSampled asks every question about a key of a view that owes events.
func checkSampled(t *testing.T, n *node, m model, v modelled, key []string, held tally) {
	t.Helper()
	ask := func(question, sketch string, p url.Values) *Answer {
		t.Helper()
		p["key"], p["sketch"] = key, []string{sketch}
		if sketch == "" {
			p.Del("sketch")
		}
		a := n.ask(v.name, question, p.Encode())
		if a.Coverage.Owed == 0 || a.Coverage.Applied >= 1 || a.Exact || a.Final {
			t.Errorf("%s of %s %v: an answer from a sample says it is whole: %s", question, v.name, key, indented(t, a))
		}
		return a
	}
	interval := func(question string, a *Answer, truth float64) {
		t.Helper()
		slack := Number(1e-9 * math.Abs(truth))
		held.note(question, *a.Low-slack <= Number(truth) && Number(truth) <= *a.High+slack)
	}
	sums, _ := m.weights([]string{"item"}, "")
	interval(Count, ask(Count, "", url.Values{}), float64(len(m)))
	interval(Distinct, ask(Distinct, "items", url.Values{}), float64(len(sums)))
	at := m.greatest() + 30*minute
	decayed, _ := m.decayed("x", float64(20*minute), at)
	interval(Sum, ask(Sum, "", url.Values{"at": {fmt.Sprint(at)}}), decayed)

	items := []string{"1", "true", "nobody"}
	for _, item := range slices.Sorted(maps.Keys(sums)) {
		if len(items) < 12 {
			items = append(items, item)
		}
	}
	for _, sketch := range []string{"often", "heavy", "hot", "weighty"} {
		weight := ""
		if sketch == "heavy" || sketch == "weighty" {
			weight = "w"
		}
		weights, _ := m.weights([]string{"item"}, weight)
		holds := func(question string, i Item) {
			want := Number(weights[string(i.Item)])
			held.note(question, *i.Low <= want && want <= *i.High)
		}
		for _, i := range *ask(Frequency, sketch, url.Values{"item": items}).Items {
			holds(Frequency+" by "+sketch, i)
		}
		if sketch == "hot" || sketch == "weighty" {
			for _, i := range *ask(TopK, sketch, url.Values{"k": {"10"}}).Items {
				holds(TopK+" by "+sketch, i)
			}
		}
	}
	for _, i := range *ask(Contains, "", url.Values{"item": items}).Items {
		if sums[string(i.Item)] > 0 && i.Answer == "no" {
			t.Errorf("%s %v: %s was there and is denied", v.name, key, i.Item)
		}
	}
	population := 0.0
	for _, n := range sums {
		population += n
	}
	a := ask(Sample, "", url.Values{"n": {"50"}})
	interval(Sample, a, population)
	for _, i := range *a.Items {
		if sums[string(i.Item)]--; sums[string(i.Item)] < 0 {
			t.Errorf("%s %v: %s is sampled more often than it was there", v.name, key, i.Item)
		}
	}
}
