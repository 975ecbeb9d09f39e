package view

// This file tests answers while a view owes events. The statistics of sampling
// are tested where they are made; this holds what shards feed them.

import (
	"fmt"
	"math"
	"testing"

	"sketchlog/ingest/event"
	"sketchlog/shedding"
	"sketchlog/sketches"
)

// mixtureOf gathers all that is known of a key (nil: of all keys).
func mixtureOf(t *testing.T, v *View, key []byte, span Span) *sketches.Mixture {
	t.Helper()
	m := v.Layout().NewMixture()
	all := v.Layout().All()
	for _, s := range v.Partitions() {
		p, err := s.Read(key, span, Visitor{
			Pane:        func(_ []byte, _, _ int64, p *sketches.Pane) error { return m.Merge(p, all) },
			Provisional: func(_ []byte, _, _ int64, p *sketches.Provisional) error { return m.MergeProvisional(p, all) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range p.Deferred {
			if d.Rate == shedding.Nothing {
				m.OweUnknown(d.Events)
			} else {
				m.Owe(int(d.Rate), d.Events)
			}
		}
	}
	return m
}

// A third of the log is applied, a third sampled at 1/4 and a third at 1/16: the
// intervals of 95% hold the truth nearly always, and all of it exactly once
// everything has healed.
func TestIntervalsHoldWhileEventsAreOwed(t *testing.T) {
	const seeds, keys = 8, 12
	asked, held := map[string]int{}, map[string]int{}
	check := func(what string, e sketches.Estimate, truth float64) {
		asked[what]++
		if e.Low <= truth && truth <= e.High {
			held[what]++
		}
	}
	for seed := range uint64(seeds) {
		streams := newTestStreams(t)
		streams.make("s", 1)
		n := start(t, t.TempDir(), streams, func(c *Config) {
			c.Override = func(s *Shard, _ shedding.Decision) shedding.Decision {
				return shedding.Decision{Rate: []shedding.Rate{shedding.Full, 2, 4}[s.tally.offset/10%3]}
			}
		})
		v := n.put("v", `{"stream": "s", "by": ["key"], "sketches": {
			"distinct": {"kind": "hll", "of": "item", "error": 0.01}, "often": {"kind": "countmin", "of": "item"}, "recent": {"kind": "decay", "of": "n", "half_life": "1h"}}}`)
		events := zipfEvents(seed+100, 6000)
		appendAll(streams, events, variant{partitions: 1, batch: 100})
		n.live("s")
		counts, items, distinct := map[string]float64{}, map[string]float64{}, map[string]bool{}
		for _, e := range events {
			item := e.fields["item"].(string)
			if k, ok := e.fields["key"].(string); ok {
				counts[k]++
			}
			items[item]++
			distinct[item] = true
		}
		all := Span{All: true}
		for k := range keys {
			name := fmt.Sprint("k", k)
			check("count", mixtureOf(t, v, key(name), all).Events(0.95), counts[name])
		}
		m := mixtureOf(t, v, nil, all)
		check("distinct", m.Distinct(0, 0.95), float64(len(distinct)))
		for _, i := range []int{0, 1, 2, 10, 100, 1000} {
			item := fmt.Sprint("item-", i)
			hash := event.HashItem(event.AppendItem(nil, event.StringValue(item)))
			check("frequency", m.Frequency(1, hash, 0.95), items[item])
		}
		n.stop()
		n = start(t, n.dir(), streams, atOnce)
		n.settle("s")
		m = mixtureOf(t, n.view("v"), nil, all)
		if e := m.Events(0.95); m.Sampled() || !e.Exact || e.Value != float64(len(events)) {
			t.Errorf("after healing there are %+v events", e)
		}
	}
	for what, n := range asked {
		// 93% less three standard deviations of so few questions.
		share := float64(held[what]) / float64(n)
		if least := 0.93 - 3*math.Sqrt(0.93*0.07/float64(n)); share < least {
			t.Errorf("%s: %d of %d intervals held", what, held[what], n)
		}
	}
}

// Readers come in the middle of records that are sampled: what they see of one is never
// taken for all of it, and every event is counted once.
func TestReadersAmidRecordsThatAreSampled(t *testing.T) {
	const records, rows = 20, 4000
	streams := newTestStreams(t)
	streams.make("s", 1)
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := benchmarkShard(t, store, streams, `{"stream": "s", "by": ["key"], "sketches": {"d": {"kind": "hll", "of": "item"}}}`)
	appendAll(streams, zipfEvents(5, records*rows), variant{partitions: 1, batch: rows})
	done := make(chan error, 1)
	go func() {
		reader := s.tail.Reader(0)
		defer reader.Close()
		for i := range records {
			e, err := reader.Next(t.Context())
			if err == nil {
				err = s.apply(e, shedding.Rate(1+i/8))
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	amid := 0
	for ended := false; !ended; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
		}
		m := s.view.Layout().NewMixture()
		p, err := s.Read(nil, Span{All: true}, Visitor{Provisional: func(_ []byte, _, _ int64, p *sketches.Provisional) error {
			return m.MergeProvisional(p, s.view.Layout().All())
		}})
		if err != nil {
			t.Fatal(err)
		}
		owed := uint64(0)
		for _, d := range p.Deferred {
			owed += d.Events
			if d.Rate == shedding.Nothing {
				m.OweUnknown(d.Events)
			} else {
				m.Owe(int(d.Rate), d.Events)
			}
		}
		if p.Owed != records*rows || owed < p.Owed || ended && owed > p.Owed {
			t.Fatalf("%d are owed, %d by rate, of %d", p.Owed, owed, records*rows)
		}
		if owed > p.Owed {
			amid++
		}
		if e := m.Events(1 - 1e-9); e.Low > records*rows || e.High < records*rows {
			t.Fatalf("amid %v, after offset %d: there are %+v events of %d", owed > p.Owed, p.Offset, e, records*rows)
		}
	}
	if amid == 0 {
		t.Error("no reader came in the middle of a record")
	}
}
