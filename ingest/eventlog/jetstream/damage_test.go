package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
)

// flip damages one bit of the record with the text, in the closed store at dir,
// and returns the folder of its blocks.
func flip(t *testing.T, dir, text string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", streamName("s", 0), "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(b, []byte(text)); i >= 0 {
			b[i] ^= 1
			if err := os.WriteFile(file, b, 0o640); err != nil {
				t.Fatal(err)
			}
			return filepath.Dir(file)
		}
	}
	t.Fatalf("%q is in none of %v", text, files)
	return ""
}

// TestDamagedRecord flips a bit of a record on disk: it is a gap, and the
// records around it are read.
func TestDamagedRecord(t *testing.T) {
	const records = 8
	for _, damaged := range []uint64{1, 4, records} {
		dir := t.TempDir()
		l := open(t, Config{Dir: dir})
		p := stream(t, l, eventlog.Retention{})
		for o := range uint64(records) {
			if _, err := p.Append(t.Context(), "", fmt.Appendf(nil, "record-%d-%s", o+1, bytes.Repeat([]byte("x"), 100)), eventlog.AcksAll); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		flip(t, dir, fmt.Sprintf("record-%d-", damaged))
		l = open(t, Config{Dir: dir})
		next := uint64(1)
		for r, err := range stream(t, l, eventlog.Retention{}).Read(t.Context(), 1, 0) {
			var gap *eventlog.Gap
			switch {
			case errors.As(err, &gap):
				if gap.First != damaged || gap.Last != damaged || next != damaged {
					t.Errorf("record %d is damaged, the gap is %+v in place of %d", damaged, *gap, next)
				}
			case err != nil || r.Offset != next:
				t.Fatalf("record %d is damaged, in place of %d came %d, %v", damaged, next, r.Offset, err)
			}
			next++
		}
		if next != records+1 {
			t.Errorf("record %d is damaged, reading ended before %d", damaged, next)
		}
	}
}

// memory is a checkpoint that outlives the log.
type memory struct{ b []byte }

func (m *memory) LoadTail(string, int) ([]byte, error) { return m.b, nil }
func (m *memory) SaveTail(_ string, _ int, b []byte) error {
	m.b = append([]byte{}, b...)
	return nil
}

// TestDamageAfterCrash damages a record of a store that was not closed: it is
// scanned when it is opened, and JetStream cuts off everything from the record
// on. A tail notices, and says that these records are lost.
func TestDamageAfterCrash(t *testing.T) {
	dir, saved := t.TempDir(), &memory{}
	l := open(t, Config{Dir: dir})
	tail := openTail(t, stream(t, l, eventlog.Retention{}), saved)
	for n := range 8 {
		appendEvents(t, tail, fmt.Sprintf("needle-%d", n+1), 10)
	}
	want := tail.Head()
	if err := errors.Join(tail.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	msgs := flip(t, dir, "needle-4")
	if err := os.Remove(filepath.Join(msgs, "index.db")); err != nil { // as after a crash
		t.Fatal(err)
	}
	l = open(t, Config{Dir: dir})
	tail = openTail(t, stream(t, l, eventlog.Retention{}), saved)
	if got := tail.Head(); got != want {
		t.Errorf("head is %+v, was %+v", got, want)
	}
	appendEvents(t, tail, "after", 10)
	reader := tail.Reader(0)
	defer reader.Close()
	for next := uint64(1); next <= 9; {
		e, err := reader.Next(t.Context())
		if err != nil || e.First != next || (e.Batch == nil) != (next >= 4 && next <= 8) {
			t.Fatalf("in place of %d came %+v, %v", next, e, err)
		}
		next = e.Offset + 1
	}
}

func openTail(t testing.TB, p eventlog.Partition, saved eventlog.Checkpoints) *eventlog.Tail {
	t.Helper()
	tail, err := eventlog.OpenTail(t.Context(), eventlog.TailConfig{Stream: "s", Log: p, Checkpoints: saved})
	if err != nil {
		t.Fatal(err)
	}
	return tail
}

// events returns a batch of rows that hold the text.
func events(text string, rows int) *event.Batch {
	b := &event.Batch{}
	build := event.NewBuilder(b)
	for i := range rows {
		build.Begin()
		build.String([]byte("text"), []byte(text))
		build.Int([]byte("n"), int64(i))
		build.End(int64(i))
	}
	return b
}

func appendEvents(t testing.TB, tail *eventlog.Tail, text string, rows int) {
	t.Helper()
	if _, err := tail.Append(t.Context(), events(text, rows), eventlog.AcksAll); err != nil {
		t.Fatal(err)
	}
}
