package jetstream

import (
	"fmt"
	"testing"

	"sketchlog/ingest/eventlog"
)

// BenchmarkAppend appends records, synced, one after the other.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{64 << 10, 256 << 10, 512 << 10} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			p := stream(b, open(b, Config{Dir: b.TempDir()}), eventlog.Retention{})
			record := make([]byte, size)
			for i := range record {
				record[i] = byte(i * i >> 7)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := p.Append(b.Context(), "", record, eventlog.AcksAll); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTailAppend encodes batches of 8,192 events and appends them, synced.
func BenchmarkTailAppend(b *testing.B) {
	tail := openTail(b, stream(b, open(b, Config{Dir: b.TempDir()}), eventlog.Retention{}), nil)
	batch := events("some text of an event", 8192)
	b.SetBytes(int64(len(batch.AppendBinary(nil))))
	for b.Loop() {
		if _, err := tail.Append(b.Context(), batch, eventlog.AcksAll); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/(float64(b.N)*8192), "ns/event")
}

// BenchmarkRead reads 128 MiB, and the last three records of it.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{64 << 10, 256 << 10} {
		p := stream(b, open(b, Config{Dir: b.TempDir()}), eventlog.Retention{})
		records := 128 << 20 / size
		for range records {
			if _, err := p.Append(b.Context(), "", make([]byte, size), eventlog.AcksAll); err != nil {
				b.Fatal(err)
			}
		}
		for _, c := range []struct {
			name  string
			first int
		}{{"all", 1}, {"last 3", records - 2}} {
			b.Run(fmt.Sprint(size>>10, "KiB ", c.name), func(b *testing.B) {
				b.SetBytes(int64(size * (records - c.first + 1)))
				for b.Loop() {
					for _, err := range p.Read(b.Context(), uint64(c.first), 0) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
