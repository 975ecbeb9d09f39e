package ingest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sketchlog/ingest/event"
)

// row is an event as tests write it.
type row map[string]event.Value

// batchOf builds a batch; event times are the row numbers.
func batchOf(t testing.TB, rows ...row) *event.Batch {
	t.Helper()
	batch := new(event.Batch)
	b := event.NewBuilder(batch)
	for i, r := range rows {
		b.Begin()
		names := make([]string, 0, len(r))
		for name := range r {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			switch v := r[name]; v.Kind {
			case event.Null:
				b.Null([]byte(name))
			case event.False, event.True:
				b.Bool([]byte(name), v.Kind == event.True)
			case event.Int:
				b.Int([]byte(name), int64(v.Bits))
			case event.Float:
				f, _ := v.Number()
				b.Float([]byte(name), f)
			case event.String:
				b.String([]byte(name), []byte(v.Text))
			}
		}
		if err := b.End(int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	return batch
}

// numberedRows makes n events with a unique id and a key of some kind.
func numberedRows(n int, seed uint64) []row {
	random := rand.New(rand.NewPCG(seed, 1))
	rows := make([]row, n)
	for i := range rows {
		r := row{"id": event.IntValue(int64(i))}
		switch random.IntN(6) {
		case 0:
			r["key"] = event.Value{}
		case 1:
			r["key"] = event.BoolValue(random.IntN(2) == 0)
		case 2:
			r["key"] = event.IntValue(random.Int64N(50) - 25)
		case 3:
			r["key"] = event.FloatValue(random.Float64())
		case 4:
			r["key"] = event.StringValue(fmt.Sprint("k", random.IntN(50)))
		}
		rows[i] = r
	}
	return rows
}

// dumbPartition is what the placement of a row means, row by row.
func dumbPartition(v event.Value, index, n int, start uint64) int {
	switch v.Kind {
	case event.Null:
		return int((start%uint64(n) + uint64(index)) % uint64(n))
	case event.String:
		return Partition([]byte(v.Text), n)
	}
	return Partition([]byte(v.String()), n)
}

func TestPlaceAgreesWithTheDumbOne(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 256} {
		for _, key := range []string{"", "key", "absent"} {
			rows := numberedRows(500, uint64(n))
			batch := batchOf(t, rows...)
			start := roundRobinStart("p", uint64(n)) >> 1 // the dumb sum must not wrap
			p := place(batch, key, n, start)
			want := make([][]int32, n)
			for i, r := range rows {
				at := dumbPartition(r[key], i, n, start)
				want[at] = append(want[at], int32(i))
			}
			for i := range want {
				if !slices.Equal(p.rows[i], want[i]) {
					t.Fatalf("n %d, key %q, partition %d: got %v, want %v", n, key, i, p.rows[i], want[i])
				}
			}
			p.release()
		}
	}
}

func TestEqualItemsAreOnOnePartition(t *testing.T) {
	one := batchOf(t, row{"key": event.IntValue(1)}, row{"key": event.FloatValue(1)})
	p := place(one, "key", 64, 0)
	defer p.release()
	if got := len(p.rows[Partition([]byte("1"), 64)]); got != 2 {
		t.Fatalf("1 and 1.0 are on different partitions: %v", p.rows)
	}
}

func TestRoundRobinIsBalanced(t *testing.T) {
	batch := batchOf(t, numberedRows(1000, 3)...)
	p := place(batch, "", 7, 5)
	defer p.release()
	for i, rows := range p.rows {
		if len(rows) < 142 || len(rows) > 143 {
			t.Errorf("partition %d got %d of 1000 events", i, len(rows))
		}
	}
}

func TestCutKeepsEveryRowOnceAndInOrder(t *testing.T) {
	rows := numberedRows(300, 9)
	for i := range rows {
		rows[i]["text"] = event.StringValue(strings.Repeat("x", i))
	}
	batch := batchOf(t, rows...)
	p := place(batch, "key", 3, 0)
	defer p.release()
	chunks, err := p.cut(batch, 2000)
	if err != nil {
		t.Fatal(err)
	}
	got := make([][]int32, 3)
	next := make([]int, 3)
	for _, c := range chunks {
		if c.number != next[c.partition] {
			t.Fatalf("chunk %d of partition %d follows chunk %d", c.number, c.partition, next[c.partition]-1)
		}
		next[c.partition]++
		if c.size > 2000 || len(c.rows) == 0 {
			t.Fatalf("a chunk of %d rows and %d bytes", len(c.rows), c.size)
		}
		one := new(event.Batch)
		one.AppendRows(batch, c.rows)
		one.Segments = []event.Segment{{Rows: len(c.rows), Partitions: 3}}
		if encoded := len(one.AppendBinary(nil)); encoded > c.size+1000 {
			t.Errorf("a chunk measured as %d bytes has %d in the log", c.size, encoded)
		}
		got[c.partition] = append(got[c.partition], c.rows...)
	}
	for i := range got {
		if !slices.Equal(got[i], p.rows[i]) {
			t.Errorf("partition %d: chunks hold %v, placed were %v", i, got[i], p.rows[i])
		}
	}
	if _, err := p.cut(batch, 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a row over the limit: %v", err)
	}
}

// Chunks are found again by a repeat whose decoder laid the same events out differently.
func TestCutDependsOnValuesOnly(t *testing.T) {
	rows := numberedRows(200, 4)
	for i := range rows {
		rows[i]["text"] = event.StringValue(strings.Repeat("y", 30))
	}
	batch := batchOf(t, rows...)
	batch.Segments = []event.Segment{{Rows: 200, Partitions: 1}}
	decoded, err := event.DecodeBatch(batch.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	ends := func(b *event.Batch) (ends []int) {
		p := place(b, "", 2, 0)
		defer p.release()
		chunks, err := p.cut(b, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			ends = append(ends, c.partition, c.number, len(c.rows))
		}
		return ends
	}
	if a, b := ends(batch), ends(decoded); !slices.Equal(a, b) {
		t.Errorf("cut %v as built and %v as decoded", a, b)
	}
}

func TestSegmentNamesCannotCollide(t *testing.T) {
	if segmentName("p", 0) != "p" || segmentName("", 3) != "" {
		t.Error("the first chunk goes by the producer's name, and no name stays none")
	}
	if err := checkName("producer", segmentName("p", 1)); err == nil {
		t.Error("a producer could be called like a chunk")
	}
}

// BenchmarkPlace places and cuts requests: with keys of every kind, and with strings, as most keys are.
func BenchmarkPlace(b *testing.B) {
	texts := numberedRows(5000, 1)
	for i := range texts {
		texts[i]["key"] = event.StringValue(fmt.Sprint("k", i*7919%1000))
	}
	for name, rows := range map[string][]row{"any": numberedRows(5000, 1), "strings": texts} {
		b.Run(name, func(b *testing.B) {
			batch := batchOf(b, rows...)
			b.ReportAllocs()
			for b.Loop() {
				p := place(batch, "key", 4, 0)
				if _, err := p.cut(batch, recordBytes); err != nil {
					b.Fatal(err)
				}
				p.release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*5000), "ns/event")
		})
	}
}
