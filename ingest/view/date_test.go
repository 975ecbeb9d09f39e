package view

// This file tests the dating of whole batches against that of single events.

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sketchlog/ingest/event"
)

// dating gives a shard of a view that is never started.
func dating(t testing.TB, text string, lateness time.Duration) *Shard {
	t.Helper()
	d, err := ParseDefinition([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := newView(&Views{streams: &testStreams{lateness: lateness}}, "v", &entry{Definition: d})
	if err != nil {
		t.Fatal(err)
	}
	return newShard(v, 0, nil, Start{})
}

const datedAt = 1_700_000_000_000

func TestDateAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	alike := 0
	for round := range 4000 {
		text := []string{
			`{"stream": "s"}`, `{"stream": "s", "pane": "1m"}`, `{"stream": "s", "pane": "1m", "keep": "5m"}`, `{"stream": "s", "pane": {"count": 7}}`,
			`{"stream": "s", "pane": "10s", "keep": "1m", "rollups": [{"pane": "1m", "keep": "5m"}, {"pane": "1h", "keep": "2h"}]}`,
			`{"stream": "s", "pane": "1m", "from": "2023-11-14T22:13:30Z"}`,
		}[r.IntN(6)]
		lateness := []time.Duration{0, time.Second, time.Minute}[r.IntN(3)]
		s := dating(t, text, lateness)
		before := tally{any: r.IntN(3) > 0, greatest: datedAt + r.Int64N(400_000) - 200_000}
		b, jitter, at := &event.Batch{}, 1+r.Int64N([]int64{1, 1000, 600_000}[r.IntN(3)]), datedAt+r.Int64N(200_000)-100_000
		for range r.IntN(40) {
			at += r.Int64N(1000)
			b.Times = append(b.Times, at-r.Int64N(jitter))
		}
		whole, each := before, before
		s.work.rows = s.work.filter.appendRows(nil, nil, b)
		if round%2 == 1 { // some rows are filtered out, or not sampled
			s.work.rows = slices.DeleteFunc(s.work.rows, func(int32) bool { return r.IntN(3) > 0 })
		}
		selected := slices.Clone(s.work.rows)
		if !s.dateAlike(b, &whole) {
			if whole != before || !slices.Equal(s.work.rows, selected) {
				t.Fatalf("round %d: a batch that is not alike has changed something", round)
			}
			continue
		}
		alike++
		w := &s.work
		got := fmt.Sprint(w.rows, w.late)
		spans := spansOf(w)
		s.dateEach(b, nil, &each)
		if want := fmt.Sprint(w.rows, w.late); got != want || whole != each || !slices.Equal(spans, spansOf(w)) {
			t.Fatalf("round %d, %s, lateness %v, before %+v, times %v:\n%v %v %+v, want\n%v %v %+v", round, text, lateness, before, b.Times, got, spans, whole, want, spansOf(w), each)
		}
	}
	if alike < 500 {
		t.Errorf("only %d batches were alike: the fast path was hardly tested", alike)
	}
}

// spansOf gives the span of every dated row.
func spansOf(w *batchWork) []spanID {
	ids := make([]spanID, len(w.spanOf))
	for i, at := range w.spanOf {
		ids[i] = w.spans[at]
	}
	return ids
}

// BenchmarkDate selects and dates the rows of a record, of which some are late or none.
func BenchmarkDate(b *testing.B) {
	const rows = 3000
	for name, lateness := range map[string]time.Duration{"late": 0, "in time": time.Minute} {
		b.Run(name, func(b *testing.B) {
			s := dating(b, `{"stream": "s", "pane": "1m", "keep": "1h"}`, lateness)
			r := rand.New(rand.NewPCG(1, 1))
			batch := &event.Batch{}
			for i := range rows {
				batch.Times = append(batch.Times, datedAt+int64(i)-r.Int64N(100))
			}
			b.ReportAllocs()
			for b.Loop() {
				s.work.rows = s.work.filter.appendRows(s.work.rows[:0], nil, batch)
				t := tally{}
				s.date(batch, nil, &t)
				if len(s.work.spanOf) != rows {
					b.Fatal("not all rows are dated")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/event")
		})
	}
}
