package logtest

// This file holds the laws of retention.

import (
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
)

func dropOldest(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{Bytes: 50_000})
	fill(t, p, 1, 100, 1000)
	b := boundsOf(t, p)
	if b.Last != 100 || b.First < 40 || b.First > 70 || b.Bytes > 50_000 {
		t.Fatalf("100 records of 1,000 bytes with 50,000 bytes retained: %+v", b)
	}
	expect(t, read(t, p, 1, 0), b.First, 100, 1000)
}

func refuse(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{Bytes: 10_000, Refuse: true})
	ctx := contextOf(t)
	var last uint64
	for o := uint64(1); ; o++ {
		if o > 20 {
			t.Fatal("20 records of 1,000 bytes fit into 10,000")
		}
		_, err := p.Append(ctx, "", content(o, 1000), eventlog.AcksAll)
		if err != nil {
			wantError(t, "append", err, eventlog.ErrFull)
			break
		}
		last = o
	}
	if b := boundsOf(t, p); b.First != 1 || b.Last != last || last < 7 {
		t.Fatalf("a full partition has %+v, last is %d", b, last)
	}
	if err := p.Trim(ctx, 5); err != nil { // room again
		t.Fatal(err)
	}
	fill(t, p, last+1, last+1, 1000)
	expect(t, read(t, p, 1, 0), 5, last+1, 1000)
}

func age(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{Age: 200 * time.Millisecond})
	fill(t, p, 1, 5, 10)
	for end := time.Now().Add(patience); boundsOf(t, p).First <= 5; {
		if time.Now().After(end) {
			t.Fatalf("records older than 200 ms are still there: %+v", boundsOf(t, p))
		}
		time.Sleep(20 * time.Millisecond)
	}
	if b := boundsOf(t, p); b.First != 6 || b.Last != 5 {
		t.Errorf("everything expired: %+v", b)
	}
	got, err := p.Append(contextOf(t), "", []byte("x"), eventlog.AcksAll)
	if err != nil || got != 6 {
		t.Errorf("append after expiry gave %d, %v, want 6", got, err)
	}
}
