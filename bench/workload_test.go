package bench

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

func small() Workload {
	w := W(time.Unix(1_700_000_000, 0))
	w.Events, w.Items = 10_000, 1000
	w.Late, w.Lateness = 0.1, time.Minute
	return w
}

func sourceOf(t testing.TB, w Workload) *Source {
	t.Helper()
	s, err := NewSource(w)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func collect(g *Generator) []Event {
	var out []Event
	for {
		e, ok := g.Next()
		if !ok {
			return out
		}
		out = append(out, e)
	}
}

func TestRangesAreAFunctionOfTheirFirstEvent(t *testing.T) {
	s := sourceOf(t, small())
	a, b := collect(s.Range(100, 600)), collect(s.Range(100, 600))
	if len(a) != 500 {
		t.Fatalf("a range of 500 events gave %d", len(a))
	}
	start, end := s.Start.Add(-s.Lateness).UnixMilli(), s.Start.Add(s.Span).UnixMilli()
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("event %d differs between two runs: %v, %v", i, a[i], b[i])
		}
		if a[i].Time < start || a[i].Time > end || a[i].Value < 1 || a[i].Value > 100 {
			t.Fatalf("event %d is outside of its workload: %+v", i, a[i])
		}
	}
}

// Events that happen now are those of the workload but for their time.
func TestLiveRangesDifferInTimeAlone(t *testing.T) {
	s := sourceOf(t, small())
	const at = 1_800_000_000_000
	planned, live := collect(s.Range(0, 1000)), collect(s.Live(0, 1000, at))
	late := 0
	for i, e := range live {
		if e.Key != planned[i].Key || e.Item != planned[i].Item || e.Value != planned[i].Value {
			t.Fatalf("event %d: %+v is not %+v at another time", i, e, planned[i])
		}
		if e.Time > at || e.Time < at-s.Lateness.Milliseconds() {
			t.Fatalf("event %d happens at %d, neither now nor within the lateness", i, e.Time)
		}
		if e.Time != at {
			late++
		}
	}
	if late < 60 || late > 140 { // 100 ± 9.5
		t.Errorf("%d of 1,000 events are late; a tenth was asked for", late)
	}
}

// Stepping over unwanted keys must not change the events of the wanted ones.
func TestNextOfGivesTheWantedEventsOfNext(t *testing.T) {
	s := sourceOf(t, small())
	wanted := make([]int16, s.Keys)
	for k := range wanted {
		wanted[k] = -1
		if k%3 == 0 {
			wanted[k] = int16(k / 3)
		}
	}
	var want []Event
	for _, e := range collect(s.Live(500, 3000, 1_700_000_000_000)) {
		if e.Key%3 == 0 {
			want = append(want, e)
		}
	}
	g := s.Live(500, 3000, 1_700_000_000_000)
	for i := 0; ; i++ {
		e, index, ok := g.nextOf(wanted)
		if !ok {
			if i != len(want) {
				t.Fatalf("%d events are wanted, and %d came", len(want), i)
			}
			return
		}
		if e != want[i] || index != int16(e.Key/3) {
			t.Fatalf("wanted event %d is %+v at index %d; want %+v", i, e, index, want[i])
		}
	}
}

type fields struct {
	Time  int64  `json:"time" msgpack:"time"`
	Key   string `json:"key" msgpack:"key"`
	Item  string `json:"item" msgpack:"item"`
	Value int64  `json:"value" msgpack:"value"`
	Pad   string `json:"pad" msgpack:"pad"`
}

func TestBodiesCarryTheEventsInEveryFormat(t *testing.T) {
	for _, size := range []int{0, 50, 100, 1000, maxEventBytes} {
		w := small()
		w.Bytes = size
		s := sourceOf(t, w)
		events := collect(s.Range(7, 27))
		var got []fields
		lines := s.Range(7, 27).appendBody(nil, NDJSON)
		for line := range bytes.Lines(lines) {
			var f fields
			if err := json.Unmarshal(line, &f); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			if size >= 100 && len(line) != size {
				t.Fatalf("a line of %d bytes; %d were asked for", len(line), size)
			}
			got = append(got, f)
		}
		check(t, events, got)
		got = nil
		body := s.Range(7, 27).appendBody(nil, Msgpack)
		if err := msgpack.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if each := len(body) / len(events); size >= 100 && (each < size-4 || each > size+4) {
			t.Errorf("%d bytes an event; %d were asked for", each, size)
		}
		check(t, events, got)
	}
}

func check(t *testing.T, want []Event, got []fields) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events; want %d", len(got), len(want))
	}
	for i, e := range want {
		f := got[i]
		if f.Time != e.Time || f.Key != KeyName(e.Key) || f.Item != ItemName(e.Item) || f.Value != int64(e.Value) {
			t.Fatalf("event %d reads back as %+v; want %+v", i, f, e)
		}
	}
}

func TestWorkloadNamesAllFaults(t *testing.T) {
	w := small()
	w.Events, w.Keys, w.Late, w.Bytes = 0, 0, 2, -1
	_, err := NewSource(w)
	for _, name := range []string{"events", "keys", "late", "event-bytes"} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}

// The generator must outrun every server by far, or it measures itself: it is
// to reach three million events a second, 333 ns each.
func BenchmarkGenerate(b *testing.B) {
	for _, format := range []string{NDJSON, Msgpack} {
		b.Run(format, func(b *testing.B) {
			s := sourceOf(b, W(time.Unix(1_700_000_000, 0)))
			const batch = 5000
			var body []byte
			b.ReportAllocs()
			events := 0
			for b.Loop() {
				body = s.Range(events, events+batch).appendBody(body[:0], format)
				events += batch
			}
			b.SetBytes(int64(len(body)))
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
