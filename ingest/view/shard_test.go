package view

// This file tests what a shard does with events: panes, ages, limits, tallies.

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// single is a node with one view over one partition of stream s.
func single(t *testing.T, definition string) (*node, *View) {
	t.Helper()
	streams := newTestStreams(t)
	streams.make("s", 1)
	n := start(t, t.TempDir(), streams, nil)
	return n, n.put("v", definition)
}

// at makes events of one key each, at these minutes.
func at(key string, minutes ...float64) []testEvent {
	var events []testEvent
	for _, m := range minutes {
		events = append(events, testEvent{time: int64(m * 60_000), fields: map[string]any{"k": key}})
	}
	return events
}

// show lists panes as "key@minute" and their events.
func show(t *testing.T, v *View) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for at, n := range counts(t, v) {
		out[fmt.Sprintf("%s@%v", at.key, float64(at.from)/60_000)] += n
	}
	return out
}

func TestPanesOfTime(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m"}`)
	n.streams.append("s", 0, at("a", -0.5, -1, -1.01, 0, 0.99, 1, 61.5))
	n.settle("s")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@-2`: 1, `["a"]@-1`: 2, `["a"]@0`: 2, `["a"]@1`: 1, `["a"]@61`: 1})
	s := v.Partitions()[0]
	if from, to, ok, err := s.Extent(); from != -120_000 || to != 62*60_000 || !ok || err != nil {
		t.Errorf("extent %d to %d, %v, %v", from, to, ok, err)
	}
	for _, c := range []struct {
		from, to float64
		want     uint64
	}{{0, 1, 2}, {0.5, 0.6, 2}, {0.5, 1.1, 3}, {-1, 0, 2}, {2, 61, 0}, {2, 61.1, 1}, {1, 1, 0}, {2, 1, 0}, {math.Inf(-1), 0, 3}, {1, math.Inf(1), 2}} {
		ms := func(m float64) int64 {
			if math.IsInf(m, 0) {
				return map[bool]int64{true: math.MaxInt64, false: math.MinInt64}[m > 0]
			}
			return int64(m * 60_000)
		}
		got := uint64(0)
		_, err := s.Panes(key("a"), Span{From: ms(c.from), To: ms(c.to)}, func(_ []byte, _, _ int64, p *sketches.Pane) error {
			got += p.Events()
			return nil
		})
		if got != c.want || err != nil {
			t.Errorf("from %v to %v: %d events, want %d; %v", c.from, c.to, got, c.want, err)
		}
	}
}

func TestHasOnePane(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m"}`)
	n.streams.append("s", 0, append(at("a", 0, 1), at("b", 1, 1.5)...))
	n.settle("s")
	for name, want := range map[string]bool{"a": false, "b": true, "c": false} {
		if got := v.HasOnePane(key(name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	var minutes []float64
	for i := range 20 {
		minutes = append(minutes, float64(i))
	}
	n.streams.append("s", 0, at("d", minutes...))
	n.settle("s")
	if v.HasOnePane(key("b")) {
		t.Error("a key is looked for in many spans")
	}
}

func key(values ...any) []byte {
	var vs []event.Value
	for _, v := range values {
		vs = append(vs, valueOf(v))
	}
	return event.AppendTuple(nil, vs)
}

func TestKeepDropsOldPanes(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m", "keep": "10m"}`)
	n.streams.append("s", 0, at("a", 0, 1, 5))
	n.streams.append("s", 0, at("a", 11.5)) // the pane from 0 to 1 is past, that from 1 to 2 not yet
	n.settle("s")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@1`: 1, `["a"]@5`: 1, `["a"]@11`: 1})
	n.streams.append("s", 0, at("a", 0.5, 20, 8, 9, 10)) // within the record, 8 and 9 are past as well
	n.settle("s")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@11`: 1, `["a"]@10`: 1, `["a"]@20`: 1})
	if p := position(v); p.Expired != 3 || p.Applied != 9 || p.Panes != 3 {
		t.Errorf("position %+v", p)
	}
	n.stop()
	n = start(t, n.dir(), n.streams, nil)
	v = n.view("v")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@11`: 1, `["a"]@10`: 1, `["a"]@20`: 1})
	if p := position(v); p.Expired != 3 || p.Panes != 3 || p.Keys != 1 {
		t.Errorf("position after a restart %+v", p)
	}
	// Nothing of what was dropped is left in the store.
	it, err := v.Partitions()[0].records.iterator(generationKey(v.generation))
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for valid := it.First(); valid; valid = it.Next() {
		records++
	}
	if err := it.Close(); records != 1+3+3 || err != nil { // tallies, spans, panes
		t.Errorf("%d records are left, %v", records, err)
	}
}

// The end of what is kept does not depend on how events were batched.
func TestKeepIsIndependentOfBatching(t *testing.T) {
	events := zipfEvents(9, 3000)
	for i := range events { // in disorder, up to half an hour
		events[i].time += int64(i*7919%1800) * 1000
	}
	for _, definition := range []string{
		`{"stream": "s", "by": ["key"], "pane": "1m", "keep": "5m", "from": "earliest", "sketches": {"d": {"kind": "hll", "of": "item"}}}`,
		`{"stream": "s", "by": ["key"], "pane": "1m", "keep": "5m", "from": "earliest", "rollups": [{"pane": "5m", "keep": "15m"}, {"pane": "10m", "keep": "20m"}], "sketches": {"d": {"kind": "hll", "of": "item"}}}`,
	} {
		var want map[place]uint64
		var panes map[place]float64
		for _, batch := range []int{3000, 100, 1} {
			streams := newTestStreams(t)
			streams.make("s", 1)
			n := start(t, t.TempDir(), streams, func(c *Config) {
				if batch == 100 {
					c.MemoryBytes = 1 // nothing stays in memory after a record
				}
			})
			v := n.put("v", definition)
			appendAll(streams, events, variant{partitions: 1, batch: batch})
			n.settle("s")
			got, distinct := counts(t, v), map[place]float64{}
			for at, p := range merged(t, v) {
				distinct[at] = p.Distinct(0, 0.95).Value
			}
			if want == nil {
				want, panes = got, distinct
			}
			compareMaps(t, got, want)
			compareMaps(t, distinct, panes)
			n.stop()
		}
	}
}

func TestRollups(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m", "keep": "10m", "rollups": [{"pane": "5m", "keep": "30m"}, {"pane": "15m", "keep": "0"}],
		"sketches": {"f": {"kind": "decay", "of": "n", "factor": 0.5}}}`)
	one := func(minute float64, value int) {
		n.streams.append("s", 0, []testEvent{{time: int64(minute * 60_000), fields: map[string]any{"k": "a", "n": value}}})
	}
	for m := range 20 {
		one(float64(m), m)
	}
	n.settle("s")
	// Up to 9 minutes back from minute 19, at a multiple of 5: up to minute 5.
	want := map[string]uint64{`["a"]@0`: 5}
	for m := 5; m < 20; m++ {
		want[fmt.Sprintf(`["a"]@%d`, m)] = 1
	}
	compareMaps(t, show(t, v), want)
	if from, to := v.Widen(2*60_000, 7*60_000-1); from != 0 || to != 7*60_000 {
		t.Errorf("widened to %d, %d", from/60_000, to/60_000)
	}
	_, err := v.Partitions()[0].Panes(key("a"), Span{From: 0, To: 60_000}, func(_ []byte, from, to int64, p *sketches.Pane) error {
		sum := 0.0
		for m := range 5 {
			sum = 0.5*sum + float64(m)
		}
		if got := p.Sum(0, 0).Value; got != sum || from != 0 || to != 5*60_000 {
			t.Errorf("the pane from %d to %d sums up to %v, want %v", from, to, got, sum)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	one(2, 1) // late, to the coarse pane
	one(47, 47)
	n.settle("s")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@0`: 16, `["a"]@15`: 5, `["a"]@47`: 1})
	n.stop()
	n = start(t, n.dir(), n.streams, nil)
	v = n.view("v")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@0`: 16, `["a"]@15`: 5, `["a"]@47`: 1})
}

func TestPanesOfEvents(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": {"count": 4}, "keep": "1h", "max_keys": 2}`)
	for i := range 3 { // 10 events of a in records of 3, 3, 4 and 5 of b in one, then c in overflow
		n.streams.append("s", 0, at("a", []float64{1, 2, 3, 4}[:3+i/2]...))
	}
	n.streams.append("s", 0, append(at("b", 1, 2, 3, 4, 5), at("c", 9, 9, 9, 9, 9, 9)...))
	n.settle("s")
	got := func() map[place]uint64 { // by key and number, in the order in which they come
		out, number := map[place]uint64{}, map[string]int64{}
		_, err := v.Partitions()[0].Panes(nil, Span{All: true}, func(key []byte, _, _ int64, p *sketches.Pane) error {
			k := keyText(t, key)
			out[place{k, number[k]}] = p.Events()
			number[k]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := map[place]uint64{{`["a"]`, 0}: 4, {`["a"]`, 1}: 4, {`["a"]`, 2}: 2, {`["b"]`, 0}: 4, {`["b"]`, 1}: 1, {`[]`, 0}: 4, {`[]`, 1}: 2}
	compareMaps(t, got(), want)
	n.stop()
	n = start(t, n.dir(), n.streams, nil)
	v = n.view("v")
	n.streams.append("s", 0, append(at("a", 7, 7, 7), at("d", 9, 9, 9)...))
	n.settle("s")
	want[place{`["a"]`, 2}], want[place{`["a"]`, 3}] = 4, 1
	want[place{`[]`, 1}], want[place{`[]`, 2}] = 4, 1
	compareMaps(t, got(), want)

	// Within a span are the panes whose events are. As this view drops old panes,
	// a key with panes of its own may have had events in the overflow pane before.
	total := uint64(0)
	position, err := v.Partitions()[0].Panes(key("a"), Span{From: 6 * 60_000, To: 8 * 60_000}, func(_ []byte, from, to int64, p *sketches.Pane) error {
		total += p.Events()
		return nil
	})
	if err != nil || total != 5 || !position.Overflow {
		t.Errorf("%d events, %+v, %v", total, position, err)
	}
	position, err = v.Partitions()[0].Panes(key("d"), Span{All: true}, func(_ []byte, _, _ int64, p *sketches.Pane) error {
		t.Error("a pane of its own for a key in overflow")
		return nil
	})
	if err != nil || !position.Overflow || position.Shared != 9 {
		t.Errorf("%+v, %v", position, err)
	}

	// They age by their last event; a key begins anew when all are gone.
	n.streams.append("s", 0, at("a", 65.5, 200))
	n.streams.append("s", 0, at("b", 201))
	n.settle("s")
	compareMaps(t, got(), map[place]uint64{{`["a"]`, 0}: 3, {`["b"]`, 0}: 1})
	n.stop()
	n = start(t, n.dir(), n.streams, nil)
	v = n.view("v")
	compareMaps(t, got(), map[place]uint64{{`["a"]`, 0}: 3, {`["b"]`, 0}: 1})
}

// A record of more events than are applied under one lock.
func TestLargeRecord(t *testing.T) {
	n, v := single(t, `{"stream": "s", "sketches": {"f": {"kind": "decay", "of": "n", "factor": 0.999}}}`)
	w := n.put("w", `{"stream": "s", "by": ["k"], "pane": {"count": 3000}}`)
	events := make([]testEvent, 96*lockedEvents+5)
	want := 0.0
	for i := range events {
		events[i] = testEvent{time: int64(i), fields: map[string]any{"k": fmt.Sprintf("k%d", i%2), "n": i}}
		want = 0.999*want + float64(i)
	}
	n.streams.append("s", 0, events)
	n.settle("s")
	for at, p := range merged(t, v) {
		if got := p.Sum(0, 0).Value; p.Events() != uint64(len(events)) || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%v has %d events, sum %v, want %v", at, p.Events(), got, want)
		}
	}
	panes, total := 0, uint64(0)
	if _, err := w.Partitions()[0].Panes(nil, Span{All: true}, func(_ []byte, _, _ int64, p *sketches.Pane) error {
		panes, total = panes+1, total+p.Events()
		return nil
	}); err != nil || panes != 10 || total != uint64(len(events)) {
		t.Errorf("%d panes of %d events, %v", panes, total, err)
	}
}

func TestMaxKeys(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m", "max_keys": 2}`)
	var events []testEvent
	for _, k := range []string{"a", "b", "c", "a", "d", "c"} {
		events = append(events, at(k, 1)...)
	}
	n.streams.append("s", 0, append(events, at("c", 2)...))
	n.settle("s")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@1`: 2, `["b"]@1`: 1, `[]@1`: 3, `["c"]@2`: 1})
	for _, c := range []struct {
		key      []byte
		minute   int64
		overflow bool
		shared   uint64
	}{{key("a"), 1, false, 0}, {key("c"), 1, true, 3}, {key("x"), 1, true, 3}, {key("c"), 2, false, 0}, {nil, 1, true, 0}, {nil, 2, false, 0}} {
		p, err := v.Partitions()[0].Panes(c.key, Span{From: c.minute * 60_000, To: (c.minute + 1) * 60_000}, func([]byte, int64, int64, *sketches.Pane) error { return nil })
		if err != nil || p.Overflow != c.overflow || p.Shared != c.shared {
			t.Errorf("%q in minute %d: %+v, %v", c.key, c.minute, p, err)
		}
	}
	if p := position(v); !p.Overflow || p.Panes != 4 {
		t.Errorf("position %+v", p)
	}
	// More room is for keys that come from then on.
	n.put("v", `{"stream": "s", "by": ["k"], "pane": "1m", "max_keys": 3}`)
	n.streams.append("s", 0, append(at("e", 1), at("f", 1)...))
	n.settle("s")
	compareMaps(t, show(t, v), map[string]uint64{`["a"]@1`: 2, `["b"]@1`: 1, `["e"]@1`: 1, `[]@1`: 4, `["c"]@2`: 1})
}

func TestLateness(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "where": "k != \"x\""}`)
	n.streams.mu.Lock()
	n.streams.lateness = time.Minute
	n.streams.mu.Unlock()
	n.streams.append("s", 0, at("a", 5, 4, 3.9)) // 3.9 is behind 5 − 1
	n.streams.append("s", 0, at("a", 4, 10, 8.9))
	n.streams.append("s", 0, at("x", 20, 1)) // filtered, and yet time goes on
	n.streams.append("s", 0, at("a", 18))
	n.settle("s")
	p := position(v)
	if p.Late != 3 || p.Greatest != 20*60_000 || p.Watermark != 19*60_000 || !p.HasEvents {
		t.Errorf("position %+v", p)
	}
	for _, pane := range merged(t, v) {
		if pane.Late() != 3 || pane.Events() != 7 {
			t.Errorf("a pane of %d events, %d late", pane.Events(), pane.Late())
		}
	}
}

func TestKeysOfEveryKind(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["a", "b"]}`)
	values := []any{nil, "null", "", "1", 1, 1.0, 0.5, true, false, "a\x00b"}
	want := map[place]uint64{}
	var events []testEvent
	for i, a := range values {
		for j, b := range values {
			events = append(events, testEvent{time: int64(i), fields: map[string]any{"a": a, "b": b}})
			want[place{keyText(t, key(a, b)), allTime}]++
			_ = j
		}
	}
	n.streams.append("s", 0, events)
	n.settle("s")
	compareMaps(t, counts(t, v), want)
	if p := position(v); p.Keys != 81 || p.Panes != 81 {
		t.Errorf("position %+v", p)
	}
	got := uint64(0)
	_, err := v.Partitions()[0].Panes(key(1, nil), Span{All: true}, func(_ []byte, from, to int64, p *sketches.Pane) error {
		if from != math.MinInt64 || to != math.MaxInt64 {
			t.Errorf("a pane from %d to %d", from, to)
		}
		got += p.Events()
		return nil
	})
	if got != 2 || err != nil {
		t.Errorf("%d events, %v", got, err)
	}
}

func TestGapsAreLost(t *testing.T) {
	n, _ := single(t, `{"stream": "s"}`)
	for i := range 10 {
		n.streams.append("s", 0, at("a", float64(i), float64(i)))
	}
	n.settle("s")
	ctx := context.Background()
	partition, err := n.streams.log.Partition(ctx, "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	n.stop()
	for i := range 10 {
		n.streams.append("s", 0, at("a", float64(10+i), float64(i)))
	}
	if err := partition.Trim(ctx, 15); err != nil { // 11 to 14 are gone before they were read
		t.Fatal(err)
	}
	n.streams.close() // the next tails have nothing in memory
	n.streams.make("s", 1)
	n = start(t, n.dir(), n.streams, nil)
	n.settle("s")
	v := n.view("v")
	p := position(v)
	if p.Applied != 20+12 || p.Lost < 4 || p.Lost > 8 || p.Owed != 0 {
		t.Errorf("position %+v: want 4 records of 2 events lost, or 4 where nobody knows how many they held", p)
	}
	// For a view that begins now nothing is lost.
	v = n.put("w", `{"stream": "s", "from": "earliest"}`)
	n.settle("s")
	if p := position(v); p.Applied != 12 || p.Lost != 0 || p.Owed != 0 {
		t.Errorf("position of a new view %+v", p)
	}
	v = n.put("ordered", `{"stream": "s", "from": "earliest", "pane": {"count": 10}}`)
	n.settle("s")
	if p := position(v); p.Applied != 12 || p.Lost != 0 || p.Owed != 0 {
		t.Errorf("position of a new view that reads in order %+v", p)
	}
}

// What a view would have read first can be lost like all else, as when the server
// is down for longer than the log keeps events.
func TestTheFirstEventsCanBeLost(t *testing.T) {
	for _, definition := range []string{`{"stream": "s"}`, `{"stream": "s", "from": "earliest"}`, `{"stream": "s", "from": "earliest", "pane": {"count": 10}}`} {
		n, _ := single(t, definition)
		n.stop()
		for i := range 10 {
			n.streams.append("s", 0, at("a", float64(i), float64(i)))
		}
		partition, err := n.streams.log.Partition(t.Context(), "s", 0)
		if err == nil {
			err = partition.Trim(t.Context(), 5) // 1 to 4 are gone before they were read
		}
		if err != nil {
			t.Fatal(err)
		}
		n.streams.close() // the next tails have nothing in memory
		n.streams.make("s", 1)
		n = start(t, n.dir(), n.streams, nil)
		n.settle("s")
		if p := position(n.view("v")); p.Applied != 12 || p.Lost < 4 || p.Lost > 8 || p.Owed != 0 {
			t.Errorf("%s: position %+v: want 4 records of 2 events lost, or 4 where nobody knows how many they held", definition, p)
		}
	}
}
