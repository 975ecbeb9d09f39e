package logtest

// This file holds the laws of streams, of the catalog and of opening and closing.

import (
	"bytes"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
)

func ensure(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	fill(t, p, 1, 20, 1000)
	ctx := contextOf(t)
	again := eventlog.Settings{Partitions: 3, Retention: eventlog.Retention{Bytes: 30_000, Age: time.Hour}}
	for range 2 {
		if err := s.Log.Ensure(ctx, "s", again); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		if _, err := s.Log.Partition(ctx, "s", n); err != nil {
			t.Fatal(err)
		}
	}
	b := boundsOf(t, p) // 10,000 bytes a partition
	if b.Last != 20 || b.First < 10 || b.First > 15 {
		t.Fatalf("after the retention shrank: %+v", b)
	}
	expect(t, read(t, p, 1, 0), b.First, 20, 1000)
	if err := s.Log.Ensure(ctx, "s", eventlog.Settings{Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	fill(t, p, 21, 40, 1000)
	expect(t, read(t, p, 1, 0), b.First, 40, 1000)
	if err := s.Log.Ensure(ctx, "s", eventlog.Settings{Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log.Partition(ctx, "s", 2); err != nil {
		t.Errorf("a partition was removed by Ensure: %v", err)
	}
}

func settings(t *testing.T, s Subject) {
	for name, c := range map[string]eventlog.Settings{
		"a.b": {Partitions: 1}, "": {Partitions: 1}, "a b": {Partitions: 1}, "ok": {}, "ok2": {Partitions: -1},
		"ok3": {Partitions: 1, Replicas: -1}, "ok4": {Partitions: 1, Retention: eventlog.Retention{Age: -1}}, "ok5": {Partitions: 1, Retention: eventlog.Retention{Bytes: -1}},
	} {
		if err := s.Log.Ensure(contextOf(t), name, c); err == nil {
			t.Errorf("stream %q with %+v was made", name, c)
		}
	}
}

func unknown(t *testing.T, s Subject) {
	partition(t, s.Log, eventlog.Retention{})
	ctx := contextOf(t)
	for _, c := range []struct {
		stream string
		number int
	}{{"none", 0}, {"s", 1}, {"s", -1}, {"", 0}, {"a.b", 0}, {"*", 0}} {
		_, err := s.Log.Partition(ctx, c.stream, c.number)
		wantError(t, "partition of "+c.stream, err, eventlog.ErrUnknown)
		_, err = s.Log.Leader(ctx, c.stream, c.number)
		wantError(t, "leader of "+c.stream, err, eventlog.ErrUnknown)
	}
	wantError(t, "delete", s.Log.Delete(ctx, "none"), eventlog.ErrUnknown)
	wantError(t, "delete", s.Log.Delete(ctx, "*"), eventlog.ErrUnknown)
}

func names(t *testing.T, s Subject) {
	ctx := contextOf(t)
	all := []string{"a", "a_1", "A", "a-1", "a_1_0"}
	for i, name := range all {
		if err := s.Log.Ensure(ctx, name, eventlog.Settings{Partitions: 2}); err != nil {
			t.Fatal(name, err)
		}
		p, err := s.Log.Partition(ctx, name, 1)
		if err != nil {
			t.Fatal(name, err)
		}
		fill(t, p, 1, uint64(i+1), 10)
	}
	if err := s.Log.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	for i, name := range all[1:] {
		p, err := s.Log.Partition(ctx, name, 1)
		if err != nil {
			t.Fatal(name, err)
		}
		expect(t, read(t, p, 1, 0), 1, uint64(i+2), 10)
	}
}

func deletion(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	fill(t, p, 1, 3, 10)
	ctx := contextOf(t)
	if err := s.Log.Delete(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Log.Partition(ctx, "s", 0)
	wantError(t, "partition", err, eventlog.ErrUnknown)
	_, err = p.Append(ctx, "x", []byte("x"), eventlog.AcksAll)
	wantError(t, "append", err, eventlog.ErrUnknown)
	_, err = p.Bounds(ctx)
	wantError(t, "bounds", err, eventlog.ErrUnknown)
	for _, err := range p.Read(ctx, 1, 0) {
		wantError(t, "read", err, eventlog.ErrUnknown)
	}
	again := partition(t, s.Log, eventlog.Retention{})
	if b := boundsOf(t, again); b.First != 1 || b.Last != 0 {
		t.Errorf("a stream made again has %+v", b)
	}
}

func catalog(t *testing.T, s Subject) {
	c, ctx := s.Log.Catalog(), contextOf(t)
	if all, err := c.List(ctx, "view"); err != nil || len(all) != 0 {
		t.Errorf("an empty catalog lists %v, %v", all, err)
	}
	_, err := c.Get(ctx, "view", "a")
	wantError(t, "get", err, eventlog.ErrUnknown)
	put := func(kind, name, value string) {
		t.Helper()
		b := []byte(value)
		if err := c.Put(ctx, kind, name, b); err != nil {
			t.Fatal(err)
		}
		clear(b)
	}
	put("view", "a", "1")
	put("view", "a", "2")
	put("view", "b_-9", "")
	put("views", "a", "other")
	put("stream", "a", "3")
	if v, err := c.Get(ctx, "view", "a"); err != nil || string(v) != "2" {
		t.Errorf("get gave %q, %v", v, err)
	}
	if all, err := c.List(ctx, "view"); err != nil || len(all) != 2 || string(all["a"]) != "2" || len(all["b_-9"]) != 0 {
		t.Errorf("list gave %q, %v", all, err)
	}
	for range 2 {
		if err := c.Delete(ctx, "view", "a"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	_, err = c.Get(ctx, "view", "a")
	wantError(t, "get after delete", err, eventlog.ErrUnknown)
	if all, err := c.List(ctx, "view"); err != nil || len(all) != 1 {
		t.Errorf("list after delete gave %q, %v", all, err)
	}
	big := bytes.Repeat([]byte("x"), eventlog.MaxDefinition)
	put("view", "big", string(big))
	if v, err := c.Get(ctx, "view", "big"); err != nil || !bytes.Equal(v, big) {
		t.Errorf("a large definition came back as %d bytes, %v", len(v), err)
	}
	wantError(t, "put", c.Put(ctx, "view", "c", append(big, 'x')), eventlog.ErrTooLarge)
	for _, bad := range []string{"", "a.b", "*", ">", "a b"} {
		if c.Put(ctx, "view", bad, nil) == nil || c.Put(ctx, bad, "a", nil) == nil {
			t.Errorf("the name %q was taken", bad)
		}
	}
}

func leader(t *testing.T, s Subject) {
	partition(t, s.Log, eventlog.Retention{})
	if name, err := s.Log.Leader(contextOf(t), "s", 0); err != nil || name == "" {
		t.Errorf("leader is %q, %v", name, err)
	}
	if err := s.Log.Ready(contextOf(t)); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

func closing(t *testing.T, s Subject) {
	p := partition(t, s.Log, eventlog.Retention{})
	fill(t, p, 1, 1, 10)
	ctx := contextOf(t)
	for range 2 {
		if err := s.Log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := p.Append(ctx, "x", []byte("x"), eventlog.AcksAll)
	wantError(t, "append", err, eventlog.ErrClosed)
	_, err = p.Bounds(ctx)
	wantError(t, "bounds", err, eventlog.ErrClosed)
	for _, err := range p.Read(ctx, 1, 0) {
		wantError(t, "read", err, eventlog.ErrClosed)
	}
	_, err = s.Log.Partition(ctx, "s", 0)
	wantError(t, "partition", err, eventlog.ErrClosed)
	wantError(t, "ensure", s.Log.Ensure(ctx, "s", eventlog.Settings{Partitions: 1}), eventlog.ErrClosed)
	wantError(t, "ready", s.Log.Ready(ctx), eventlog.ErrClosed)
	_, err = s.Log.Catalog().Get(ctx, "view", "a")
	wantError(t, "catalog", err, eventlog.ErrClosed)
}

func reopen(t *testing.T, s Subject) {
	if s.Reopen == nil {
		return // a log that forgets
	}
	p := partition(t, s.Log, eventlog.Retention{Bytes: 1 << 20})
	fill(t, p, 1, 30, 1000)
	if err := p.Trim(contextOf(t), 5); err != nil {
		t.Fatal(err)
	}
	if err := s.Log.Catalog().Put(contextOf(t), "view", "a", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	l := s.Reopen()
	p, err := l.Partition(contextOf(t), "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, read(t, p, 1, 0), 5, 30, 1000)
	if got, err := p.Append(contextOf(t), "fill-30", content(30, 1000), eventlog.AcksAll); err != nil || got != 30 {
		t.Errorf("an id from before the reopening gave %d, %v, want 30", got, err)
	}
	fill(t, p, 31, 32, 1000)
	expect(t, read(t, p, 1, 0), 5, 32, 1000)
	if v, err := l.Catalog().Get(contextOf(t), "view", "a"); err != nil || string(v) != "kept" {
		t.Errorf("the catalog has %q, %v", v, err)
	}
}
