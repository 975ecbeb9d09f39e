package view

import (
	"testing"
	"time"
)

func TestProcessorsInUseAreThoseOfTheLastPeriodLessHealing(t *testing.T) {
	var spent time.Duration
	const all = 2
	p := newProcessors(all)
	p.spent = func() time.Duration { return spent }
	now := time.UnixMilli(1_000_000)
	check := func(want float64) {
		t.Helper()
		if used, of := p.measure(now, 100*time.Millisecond); max(used-want, want-used) > 1e-9 || of != all {
			t.Errorf("%v of %v processors are in use; want %v of %v", used, of, want, all)
		}
	}
	check(0) // nothing to compare with
	now, spent = now.Add(100*time.Millisecond), 80*time.Millisecond
	check(0.8)
	now, spent = now.Add(50*time.Millisecond), time.Hour
	check(0.8) // too early
	now, spent = now.Add(150*time.Millisecond), 180*time.Millisecond
	p.healing.Store(int64(40 * time.Millisecond))
	check(0.3)
	now, spent = now.Add(-time.Minute), time.Second
	check(0.3) // the clock was set back
	now, spent = now.Add(time.Second), time.Hour
	check(all)
	if processTime() <= 0 {
		t.Error("the process has used no processor time")
	}
}

// Only a view below others is told, for it alone gives processors up.
func TestViewsBelowOthersAreToldOfProcessors(t *testing.T) {
	var s strains
	s.period = 100 * time.Millisecond
	now := time.UnixMilli(1_000_000)
	if s.anyAbove(now, 0) {
		t.Error("somebody is above when nobody spoke")
	}
	s.add(now, 0, 0)
	if s.anyAbove(now, 0) || !s.anyAbove(now, -1) {
		t.Error("a normal view is above low ones and not above normal ones")
	}
	if later := now.Add(150 * time.Millisecond); !s.anyAbove(later, -1) {
		t.Error("forgotten within two periods")
	}
	if later := now.Add(time.Second); s.anyAbove(later, -1) {
		t.Error("remembered for ever")
	}
}
