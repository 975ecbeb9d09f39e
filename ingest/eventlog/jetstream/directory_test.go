package jetstream

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
)

func TestDirectoryMarker(t *testing.T) {
	for _, c := range []struct {
		marker string
		opens  bool
	}{{"", true}, {format + " standalone\n", true}, {format + " clustered\n", false}, {"sketchlog log 2 standalone\n", false}, {"something else", false}} {
		dir := t.TempDir()
		if c.marker != "" {
			if err := os.WriteFile(filepath.Join(dir, markerName), []byte(c.marker), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		d, err := openDirectory(dir, modeStandalone)
		if c.opens != (err == nil) || err != nil && !errors.Is(err, ErrDirectory) {
			t.Errorf("marker %q: %v", c.marker, err)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
		// A refusal gives the lock back and leaves the marker as it was.
		if b, err := os.ReadFile(filepath.Join(dir, markerName)); err != nil || c.marker != "" && string(b) != c.marker {
			t.Errorf("marker %q became %q, %v", c.marker, b, err)
		}
		if c.opens {
			if d, err = openDirectory(dir, modeStandalone); err != nil {
				t.Errorf("marker %q, again: %v", c.marker, err)
			}
			if _, err := openDirectory(dir, modeStandalone); !errors.Is(err, ErrLocked) {
				t.Errorf("a second lock: %v", err)
			}
			if err := d.close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSpace(t *testing.T) {
	now, free, asked := time.Unix(1000, 0), uint64(100), 0
	var fault error
	s := newSpace("/data", 50, func() time.Time { return now })
	s.free = func(string) (uint64, error) { asked++; return free, fault }
	step := func(what string, want error) {
		t.Helper()
		if err := s.check(0); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	step("plenty", nil)
	if err := s.check(49); err != nil || asked != 1 { // of the 50 that may be taken
		t.Errorf("room for 49 bytes: %v, asked %d times", err, asked)
	}
	asked, s.left = 1, 1000
	free = 49
	step("within the interval", nil)
	now = now.Add(lookEvery)
	step("too little", eventlog.ErrFull)
	step("still", eventlog.ErrFull)
	if asked != 2 {
		t.Errorf("the file system was asked %d times", asked)
	}
	free, now = 50, now.Add(lookEvery)
	step("enough again", nil)
	free = 49
	if err := s.check(1); !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("one byte more than was free: %v", err)
	}
	fault, now = os.ErrPermission, now.Add(lookEvery)
	step("unknown", eventlog.ErrFull)
	if err := (*space)(nil).check(0); err != nil {
		t.Error(err)
	}
}

func TestFullDiskRefuses(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir()})
	p := stream(t, l, eventlog.Retention{})
	l.space.free = func(string) (uint64, error) { return 1, nil }
	l.space.looked = time.Time{}
	if _, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll); !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("append to a full disk: %v", err)
	}
	if err := l.Ready(t.Context()); !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("readiness on a full disk: %v", err)
	}
	l.space.free = freeBytes
	l.space.looked = time.Time{}
	if got, err := p.Append(t.Context(), "", []byte("x"), eventlog.AcksAll); err != nil || got != 1 {
		t.Errorf("append after space was freed gave %d, %v", got, err)
	}
}

func TestStoreLimitIsFull(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir(), Limit: 1 << 20})
	p := stream(t, l, eventlog.Retention{})
	var err error
	for i := 0; i < 40 && err == nil; i++ {
		_, err = p.Append(t.Context(), "", make([]byte, 64<<10), eventlog.AcksAll)
	}
	if !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("2.5 MiB into a store of 1 MiB: %v", err)
	}
}
