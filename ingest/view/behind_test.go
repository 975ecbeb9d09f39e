package view

import (
	"testing"
	"time"

	"sketchlog/shedding"
)

// idleShard is a shard of stream s that no worker runs, and its views, whose
// clock stands at *now.
func idleShard(t *testing.T, streams *testStreams, now *time.Time) (*Views, *Shard) {
	t.Helper()
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	views, err := Open(t.Context(), Config{Store: store, Streams: streams, Catalog: streams.log.Catalog(), Clock: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := views.Put(t.Context(), "v", []byte(`{"stream": "s", "by": ["k"]}`)); err != nil {
		t.Fatal(err)
	}
	v, err := views.Get("v")
	if err != nil {
		t.Fatal(err)
	}
	return views, v.Partitions()[0]
}

// A shard that is behind says since when its oldest unread record has waited,
// not how long ago anything was read: a pause must not look like a backlog.
func TestBehindCountsFromTheOldestUnreadRecord(t *testing.T) {
	now := time.Now()
	streams := newTestStreams(t)
	streams.make("s", 1)
	views, shard := idleShard(t, streams, &now)
	if age, bytes := views.Behind("s"); age != 0 || bytes != 0 {
		t.Errorf("with nothing to read: behind by %v and %d bytes", age, bytes)
	}
	first := streams.append("s", 0, at("a", 1, 2))
	arrival, known := shard.tail.ArrivalAfter(0)
	if !known {
		t.Fatal("the tail does not know when its only record arrived")
	}
	streams.append("s", 0, at("a", 3))
	now = time.UnixMilli(arrival).Add(time.Hour)
	if age, bytes := views.Behind("s"); age != time.Hour || bytes <= 0 {
		t.Errorf("an hour after the first of two unread records: behind by %v and %d bytes", age, bytes)
	}
	reader := shard.tail.Reader(0)
	defer reader.Close()
	for offset := first; offset <= first+1; offset++ {
		e, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := shard.apply(e, shedding.Full); err != nil {
			t.Fatal(err)
		}
	}
	if age, bytes := views.Behind("s"); age != 0 || bytes != 0 {
		t.Errorf("with everything read: behind by %v and %d bytes", age, bytes)
	}
	if age, _ := views.Behind("other"); age != 0 {
		t.Errorf("a stream without views is behind by %v", age)
	}
}

// A view of a stream that rejects applies everything, however late it is.
func TestViewsOfAStreamThatRejectsDoNotShed(t *testing.T) {
	for _, rejects := range []bool{false, true} {
		now := time.Now()
		streams := newTestStreams(t)
		streams.make("s", 1)
		streams.rejects = rejects
		_, shard := idleShard(t, streams, &now)
		var d shedding.Decision
		for range 50 {
			now = now.Add(100 * time.Millisecond)
			var err error
			if d, err = shard.decide(now.Add(-time.Hour).UnixMilli()); err != nil {
				t.Fatal(err)
			}
		}
		if shed := d.Rate != shedding.Full; shed == rejects {
			t.Errorf("rejects = %v: rate %v an hour behind", rejects, d.Rate)
		}
	}
}
