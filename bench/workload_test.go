package bench

import (
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

func TestRangesAreAFunctionOfTheirFirstEvent(t *testing.T) {
	s, err := NewSource(small())
	if err != nil {
		t.Fatal(err)
	}
	collect := func(first, last int) []Event {
		var out []Event
		for g := s.Range(first, last); ; {
			e, ok := g.Next()
			if !ok {
				return out
			}
			out = append(out, e)
		}
	}
	a, b := collect(100, 600), collect(100, 600)
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

func TestFormatsCarryTheSameEvent(t *testing.T) {
	e := Event{Time: 1_700_000_000_123, Key: 7, Item: 70_000, Value: 300}
	type fields struct {
		Time  int64  `json:"time" msgpack:"time"`
		Key   string `json:"key" msgpack:"key"`
		Item  string `json:"item" msgpack:"item"`
		Value int64  `json:"value" msgpack:"value"`
	}
	want := fields{e.Time, KeyName(e.Key), ItemName(e.Item), 300}
	var got fields
	if err := json.Unmarshal(e.AppendNDJSON(nil), &got); err != nil || got != want {
		t.Errorf("NDJSON reads back as %+v, %v; want %+v", got, err, want)
	}
	got = fields{}
	if err := msgpack.Unmarshal(e.AppendMsgpack(nil), &got); err != nil || got != want {
		t.Errorf("msgpack reads back as %+v, %v; want %+v", got, err, want)
	}
}

func BenchmarkAppendNDJSON(b *testing.B) {
	w := W(time.Unix(1_700_000_000, 0))
	s, err := NewSource(w)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	g := s.Range(0, 1<<62)
	for b.Loop() {
		e, _ := g.Next()
		buf = e.AppendNDJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
