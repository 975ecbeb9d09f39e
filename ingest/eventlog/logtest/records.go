package logtest

// This file holds the laws of records: what was appended is read.

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
)

func roundTrip(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	before := time.Now().Add(-time.Minute).UnixMilli()
	fill(t, p, 1, 20, 100)
	got := read(t, p, 1, 0)
	expect(t, got, 1, 20, 100)
	for i, r := range got {
		if r.Time < before || i > 0 && r.Time < got[i-1].Time {
			t.Errorf("record %d arrived at %d, the one before at %d", r.Offset, r.Time, got[max(0, i-1)].Time)
		}
	}
}

func ranges(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	if got := read(t, p, 1, 0); len(got) != 0 {
		t.Fatalf("an empty partition yields %d records", len(got))
	}
	fill(t, p, 1, 10, 10)
	for _, c := range []struct{ first, last, from, to uint64 }{
		{1, 1, 1, 1}, {3, 7, 3, 7}, {10, 10, 10, 10}, {8, 0, 8, 10}, {0, 0, 1, 10}, {5, 99, 5, 10}, {11, 0, 11, 10}, {7, 3, 7, 6}, {99, 100, 99, 98},
	} {
		expect(t, read(t, p, c.first, c.last), c.from, c.to, 10)
	}
	for r, err := range p.Read(contextOf(t), 1, 0) { // a reader may stop early
		if err != nil || r.Offset != 1 {
			t.Fatal(r, err)
		}
		break
	}
	for r, err := range p.Read(contextOf(t), 1, 0) { // and append while reading
		if err != nil {
			t.Fatal(err)
		}
		if r.Offset == 1 {
			fill(t, p, 11, 12, 10)
		}
		if r.Offset > 10 {
			t.Fatal("a read went on past the end as it stood")
		}
	}
}

func largeRange(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	const records, size = 30, 600_000
	fill(t, p, 1, records, size)
	expect(t, read(t, p, 1, 0), 1, records, size)
	expect(t, read(t, p, 5, 28), 5, 28, size)
}

func bounds(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	if b := boundsOf(t, p); b.First != 1 || b.Last != 0 || b.Bytes != 0 {
		t.Errorf("an empty partition has %+v", b)
	}
	fill(t, p, 1, 3, 1000)
	if b := boundsOf(t, p); b.First != 1 || b.Last != 3 || b.Bytes < 3000 || b.Bytes > 5000 {
		t.Errorf("three records of 1,000 bytes: %+v", b)
	}
}

func ids(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	ctx := contextOf(t)
	for _, c := range []struct {
		id   string
		want uint64
	}{{"a", 1}, {"a", 1}, {"b", 2}, {"a", 1}, {"b", 2}, {"", 3}, {"", 4}} {
		got, err := p.Append(ctx, c.id, []byte("x"), eventlog.AcksAll)
		if err != nil || got != c.want {
			t.Errorf("append with id %q gave %d, %v, want %d", c.id, got, err, c.want)
		}
	}
	if b := boundsOf(t, p); b.Last != 4 {
		t.Errorf("%d records, want 4", b.Last)
	}
}

func ownership(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	ctx := contextOf(t)
	buffer := make([]byte, 0, 4096)
	for o := uint64(1); o <= 20; o++ {
		buffer = append(buffer[:0], content(o, 100)...)
		if _, err := p.Append(ctx, fmt.Sprint(o), buffer, eventlog.Acks(o%3)); err != nil {
			t.Fatal(err)
		}
		clear(buffer)
	}
	expect(t, read(t, p, 1, 0), 1, 20, 100)
}

func tooLarge(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	_, err := p.Append(contextOf(t), "big", make([]byte, 9<<20), eventlog.AcksAll)
	wantError(t, "9 MiB", err, eventlog.ErrTooLarge)
	fill(t, p, 1, 1, 4<<20)
	expect(t, read(t, p, 1, 0), 1, 1, 4<<20)
}

func seek(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	at := func(time int64, want uint64) {
		t.Helper()
		got, err := p.Seek(contextOf(t), time)
		if err != nil || got != want {
			t.Errorf("seek %d gave %d, %v, want %d", time, got, err, want)
		}
	}
	at(0, 1)
	for o := uint64(1); o <= 6; o++ {
		fill(t, p, o, o, 10)
		for began := time.Now().UnixMilli(); time.Now().UnixMilli() < began+2; {
			time.Sleep(time.Millisecond) // so that arrivals differ
		}
	}
	all := read(t, p, 1, 0)
	for i, r := range all {
		at(r.Time, r.Offset)
		if i > 0 && r.Time > all[i-1].Time+1 {
			at(all[i-1].Time+1, r.Offset)
		}
	}
	at(0, 1)
	at(math.MinInt64, 1)
	at(math.MaxInt64, 7)
	at(all[5].Time+1, 7)
	at(all[5].Time+int64(time.Hour/time.Millisecond), 7)
	if err := p.Trim(contextOf(t), 4); err != nil {
		t.Fatal(err)
	}
	at(0, 4)
}

func concurrent(t *testing.T, s Subject) {
	ctx := contextOf(t)
	const partitions, records = 4, 25
	if err := s.Log.Ensure(ctx, "s", eventlog.Settings{Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for n := range partitions {
		work.Go(func() {
			p, err := s.Log.Partition(ctx, "s", n)
			if err != nil {
				t.Error(err)
				return
			}
			for o := uint64(1); o <= records; o++ {
				if got, err := p.Append(ctx, fmt.Sprint(n, "-", o), content(o, 50+n), eventlog.AcksAll); err != nil || got != o {
					t.Errorf("partition %d gave %d, %v, want %d", n, got, err, o)
					return
				}
			}
		})
	}
	work.Wait()
	for n := range partitions {
		p, err := s.Log.Partition(ctx, "s", n)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, read(t, p, 1, 0), 1, records, 50+n)
	}
}

func cancelled(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	fill(t, p, 1, 3, 10)
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	for _, err := range p.Read(ctx, 1, 0) {
		if err != nil {
			wantError(t, "read", err, context.Canceled)
			break
		}
		if seen++; seen > 3 {
			t.Fatal("a read does not end")
		}
		cancel()
	}
	cancel()
	_, err := p.Append(ctx, "", []byte("x"), eventlog.AcksAll)
	wantError(t, "append", err, context.Canceled)
	_, err = p.Bounds(ctx)
	wantError(t, "bounds", err, context.Canceled)
	for _, err := range p.Read(ctx, 1, 0) {
		if err == nil {
			t.Error("a read with an ended context yields a record")
		}
	}
	if _, err := p.Append(contextOf(t), "", content(4, 10), eventlog.AcksAll); err != nil {
		t.Errorf("after a cancelled append: %v", err)
	}
}

func trim(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	fill(t, p, 1, 10, 10)
	ctx := contextOf(t)
	for _, c := range []struct{ below, first, last uint64 }{{0, 1, 10}, {1, 1, 10}, {4, 4, 10}, {2, 4, 10}} {
		if err := p.Trim(ctx, c.below); err != nil {
			t.Fatal(err)
		}
		if b := boundsOf(t, p); b.First != c.first || b.Last != c.last {
			t.Errorf("trimmed below %d: %+v, want %d to %d", c.below, b, c.first, c.last)
		}
	}
	expect(t, read(t, p, 1, 0), 4, 10, 10) // a read starts at what is retained
	expect(t, read(t, p, 1, 5), 4, 5, 10)
	expect(t, read(t, p, 1, 3), 4, 3, 10)
	if err := p.Trim(ctx, 1000); err != nil { // everything, and offsets go on
		t.Fatal(err)
	}
	if b := boundsOf(t, p); b.First != 11 || b.Last != 10 {
		t.Errorf("trimmed of everything: %+v", b)
	}
	fill(t, p, 11, 12, 10)
	expect(t, read(t, p, 1, 0), 11, 12, 10)
}
