package memlog

import (
	"errors"
	"testing"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/logtest"
)

func TestLog(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Subject {
		l := New()
		return logtest.Subject{Log: l, Reopen: func() eventlog.Log {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l.Reopen()
			return l
		}}
	})
}

// faulty returns a log with a partition of three records.
func faulty(t *testing.T) (*Log, eventlog.Partition) {
	t.Helper()
	l := New()
	if err := l.Ensure(t.Context(), "s", eventlog.Settings{Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	p, err := l.Partition(t.Context(), "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll); err != nil {
			t.Fatal(err)
		}
	}
	return l, p
}

func TestFailAppend(t *testing.T) {
	for _, stored := range []bool{false, true} {
		l, p := faulty(t)
		if err := l.FailAppend("s", 0, stored, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Append(t.Context(), "id", []byte("x"), eventlog.AcksAll); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Fatalf("error is %v", err)
		}
		b, err := p.Bounds(t.Context())
		if want := map[bool]uint64{false: 3, true: 4}[stored]; err != nil || b.Last != want {
			t.Errorf("stored %v: last is %d, %v, want %d", stored, b.Last, err, want)
		}
		if got, err := p.Append(t.Context(), "id", []byte("x"), eventlog.AcksAll); err != nil || got != 4 {
			t.Errorf("the retry gave %d, %v", got, err)
		}
	}
}

func TestHole(t *testing.T) {
	l, p := faulty(t)
	if err := l.Hole("s", 0, 2, 2); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r, err := range p.Read(t.Context(), 1, 0) {
		var gap *eventlog.Gap
		switch {
		case errors.As(err, &gap) && gap.First == 2 && gap.Last == 2:
			got = append(got, "gap")
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, string(r.Data))
		}
	}
	if len(got) != 3 || got[1] != "gap" {
		t.Errorf("read gave %v", got)
	}
}

func TestHold(t *testing.T) {
	l, p := faulty(t)
	release, err := l.Hold("s", 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll)
		done <- err
	}()
	select {
	case <-done:
		t.Fatal("the append was not held")
	default:
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCutAndFailRead(t *testing.T) {
	l, p := faulty(t)
	if err := l.Cut("s", 0, 1); err != nil {
		t.Fatal(err)
	}
	if b, err := p.Bounds(t.Context()); err != nil || b.Last != 1 {
		t.Errorf("after a cut: %+v, %v", b, err)
	}
	if err := l.FailRead("s", 0, eventlog.ErrUnavailable); err != nil {
		t.Fatal(err)
	}
	for _, err := range p.Read(t.Context(), 1, 0) {
		if !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("error is %v", err)
		}
	}
}
