// Package logtest is the suite that every implementation of a log passes.
//
// An implementation joins it by one test:
//
//	func TestLog(t *testing.T) {
//		logtest.Run(t, func(t *testing.T) logtest.Subject {
//			l := …
//			t.Cleanup(func() { l.Close() })
//			return logtest.Subject{Log: l, Reopen: func() eventlog.Log { … }}
//		})
//	}
package logtest

// This file runs the suite; the laws themselves are in records.go (what goes
// in comes out), retention.go and streams.go.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
)

// Subject is a log to be tested, empty.
type Subject struct {
	Log eventlog.Log
	// Reopen closes Log and opens it again with what it holds; nil for a log
	// that forgets.
	Reopen func() eventlog.Log
}

// Run runs the suite; open is called once a law.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	laws := []struct {
		name string
		law  func(t *testing.T, s Subject)
	}{
		{"offsets are consecutive and bytes come back", roundTrip},
		{"ranges", ranges},
		{"a large range", largeRange},
		{"bounds", bounds},
		{"trim", trim},
		{"an id is stored once", ids},
		{"a record is the caller's again", ownership},
		{"records too large are refused", tooLarge},
		{"seek by time", seek},
		{"partitions are appended concurrently", concurrent},
		{"a context that has ended", cancelled},
		{"retention by bytes drops the oldest", dropOldest},
		{"retention by bytes refuses", refuse},
		{"retention by age", age},
		{"ensure adapts and keeps", ensure},
		{"settings are checked", settings},
		{"unknown streams and partitions", unknown},
		{"names do not mix", names},
		{"delete", deletion},
		{"catalog", catalog},
		{"leader and readiness", leader},
		{"close", closing},
		{"reopen", reopen},
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) { l.law(t, open(t)) })
	}
}

const patience = 20 * time.Second

func contextOf(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// partition makes a stream of one partition and returns that.
func partition(t *testing.T, l eventlog.Log, r eventlog.Retention) eventlog.Partition {
	t.Helper()
	ctx := contextOf(t)
	if err := l.Ensure(ctx, "s", eventlog.Settings{Partitions: 1, Retention: r}); err != nil {
		t.Fatal(err)
	}
	p, err := l.Partition(ctx, "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// content is the record expected at an offset.
func content(offset uint64, size int) []byte {
	b := bytes.Repeat([]byte{byte(offset), byte(offset >> 8), 0, '\r', '\n'}, size/5+1)[:size]
	return append(b, fmt.Sprint("-", offset)...)
}

// fill appends records from offset first to last with content(offset, size).
func fill(t *testing.T, p eventlog.Partition, first, last uint64, size int) {
	t.Helper()
	ctx := contextOf(t)
	for o := first; o <= last; o++ {
		got, err := p.Append(ctx, fmt.Sprint("fill-", o), content(o, size), eventlog.AcksAll)
		if err != nil {
			t.Fatal(err)
		}
		if got != o {
			t.Fatalf("append gave offset %d, want %d", got, o)
		}
	}
}

// read reads a range and fails on errors.
func read(t *testing.T, p eventlog.Partition, first, last uint64) []eventlog.Record {
	t.Helper()
	var all []eventlog.Record
	for r, err := range p.Read(contextOf(t), first, last) {
		if err != nil {
			t.Fatalf("read %d to %d: %v", first, last, err)
		}
		all = append(all, r)
	}
	return all
}

// expect reads a range and compares it with content(offset, size) of first to last.
func expect(t *testing.T, got []eventlog.Record, first, last uint64, size int) {
	t.Helper()
	if want := last - first + 1; uint64(len(got)) != want {
		t.Fatalf("got %d records, want %d to %d", len(got), first, last)
	}
	for i, r := range got {
		if o := first + uint64(i); r.Offset != o || !bytes.Equal(r.Data, content(o, size)) {
			t.Fatalf("record %d has offset %d and %d bytes, want offset %d and %d bytes", i, r.Offset, len(r.Data), o, len(content(o, size)))
		}
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}

func boundsOf(t *testing.T, p eventlog.Partition) eventlog.Bounds {
	t.Helper()
	b, err := p.Bounds(contextOf(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
