package event

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Benchmarks of batches: events of four fields, of which one is a zipf-distributed item and
// one a key of a thousand. Each iteration is one event, in batches of benchRows.

const benchRows = 4096

func benchBatch(b *testing.B) *Batch {
	b.Helper()
	r := random(1)
	zipf := rand.NewZipf(r, 1.05, 1, 1_000_000)
	batch := &Batch{}
	builder := NewBuilder(batch)
	for i := range benchRows {
		builder.Begin()
		builder.String([]byte("user"), fmt.Appendf(nil, "user%07d", zipf.Uint64()))
		builder.String([]byte("page"), fmt.Appendf(nil, "page%03d", r.IntN(1000)))
		builder.Int([]byte("added"), r.Int64N(100)+1)
		builder.Float([]byte("score"), r.Float64())
		if err := builder.End(1_700_000_000_000 + int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	return batch
}

// perEvent runs f for as many batches as b.N events take.
func perEvent(b *testing.B, f func()) {
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += benchRows {
		f()
	}
}

func BenchmarkBuilder(b *testing.B) {
	src, dst := benchBatch(b), &Batch{}
	user, page, added, score := src.Column("user"), src.Column("page"), src.Column("added"), src.Column("score")
	names := [][]byte{[]byte("user"), []byte("page"), []byte("added"), []byte("score")}
	builder := NewBuilder(dst)
	perEvent(b, func() {
		dst.Reset()
		for row := range benchRows {
			builder.Begin()
			builder.String(names[0], user.String(row))
			builder.String(names[1], page.String(row))
			builder.Int(names[2], int64(added.Bits[row]))
			builder.Float(names[3], float64(score.Bits[row]))
			if err := builder.End(src.Times[row]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkGather copies a request into batches of four partitions, as they come: into new
// memory, and into memory that is used again.
func BenchmarkGather(b *testing.B) {
	src := loadBatch(b)
	var rows [4][]int32
	r := random(2)
	for i := range src.Rows() {
		p := r.IntN(len(rows))
		rows[p] = append(rows[p], int32(i))
	}
	b.Run("new", func(b *testing.B) {
		perLoad(b, src, func() {
			for _, rows := range rows {
				dst := &Batch{}
				dst.Reserve(len(rows))
				dst.AppendRows(src, rows)
			}
		})
	})
	b.Run("used", func(b *testing.B) {
		dst := &Batch{}
		perLoad(b, src, func() {
			for _, rows := range rows {
				dst.Reset()
				dst.AppendRows(src, rows)
			}
		})
	})
}

// loadBatch is a request of the events of loadEvents.
func loadBatch(b *testing.B) *Batch {
	b.Helper()
	batch := &Batch{}
	builder := NewBuilder(batch)
	loadEvents(5000, func(time int64, key, item string, value int) {
		builder.Begin()
		builder.Int([]byte("time"), time)
		builder.String([]byte("key"), []byte(key))
		builder.String([]byte("item"), []byte(item))
		builder.Int([]byte("value"), int64(value))
		if err := builder.End(time); err != nil {
			b.Fatal(err)
		}
	})
	return batch
}

// perLoad reports the time of an event of a batch that f works on.
func perLoad(b *testing.B, batch *Batch, f func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch.Rows()), "ns/event")
}

// BenchmarkEncodeBatch includes the hashes of items that views ask for later.
func BenchmarkEncodeBatch(b *testing.B) {
	src := loadBatch(b)
	var record []byte
	perLoad(b, src, func() {
		src.cache.drop()
		record = src.AppendBinary(record[:0])
		src.Hashes([]string{"item"})
	})
	b.ReportMetric(float64(len(record))/float64(src.Rows()), "B/event")
}

func BenchmarkDecodeBatch(b *testing.B) {
	src := loadBatch(b)
	record := src.AppendBinary(nil)
	perLoad(b, src, func() {
		if _, err := DecodeBatch(record); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkHashes(b *testing.B) {
	built := benchBatch(b)
	decoded, err := DecodeBatch(built.AppendBinary(nil))
	if err != nil {
		b.Fatal(err)
	}
	for _, fields := range [][]string{{"user"}, {"page"}, {"added"}, {"user", "page"}} {
		for name, batch := range map[string]*Batch{"built": built, "decoded": decoded} {
			b.Run(fmt.Sprint(fields, " ", name), func(b *testing.B) {
				perEvent(b, func() {
					batch.cache.drop()
					batch.Hashes(fields)
				})
			})
		}
	}
}

func BenchmarkProducersNote(b *testing.B) {
	p := NewProducers()
	b.ReportAllocs()
	for i := range b.N {
		p.Note("loader", uint64(i), 4)
	}
}
