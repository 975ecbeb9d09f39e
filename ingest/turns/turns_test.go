package turns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTurnsAreTakenInOrderAndNeverByTooMany(t *testing.T) {
	const most, workers, rounds = 3, 20, 200
	q := New(most)
	var at, greatest, healed atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for range rounds {
				if worker%4 == 0 {
					if !q.Try() {
						continue
					}
					healed.Add(1)
				} else if err := q.Take(t.Context(), Records); err != nil {
					t.Error(err)
					return
				}
				n := at.Add(1)
				for m := greatest.Load(); n > m && !greatest.CompareAndSwap(m, n); m = greatest.Load() {
				}
				at.Add(-1)
				q.Done()
			}
		})
	}
	wg.Wait()
	if greatest.Load() > most || q.free != most || len(q.lines[Records]) != 0 {
		t.Errorf("%d at work at once; %d turns are free and %d wait", greatest.Load(), q.free, len(q.lines[Records]))
	}
}

func TestWhatIsNewGoesBeforeWhatIsOwed(t *testing.T) {
	q := New(1)
	if !q.Try() || q.Try() {
		t.Fatal("one turn is given twice, or never")
	}
	var order []int
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if err := q.Take(t.Context(), Records); err != nil {
				t.Error(err)
			}
			order = append(order, i) // the turn guards it
			q.Done()
		})
		for waiting := 0; waiting <= i; time.Sleep(time.Millisecond) {
			q.mu.Lock()
			waiting = len(q.lines[Records])
			q.mu.Unlock()
		}
	}
	q.Done()
	wg.Wait()
	if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 2 || !q.Try() {
		t.Errorf("turns were taken in the order %v", order)
	}
}

// Intake waits in line, and after its patience takes every other turn. That of a few requests
// is longer than that of many.
func TestIntakeIsPatientForSoLong(t *testing.T) {
	line := func(requests int) []Class {
		return append(slices.Repeat([]Class{Records}, 4), slices.Repeat([]Class{Intake}, requests)...)
	}
	for _, c := range []struct {
		name     string
		requests int
		waited   time.Duration
		want     []Class
	}{
		{"many in line", few + 1, patience - time.Millisecond, line(few + 1)},
		{"many, overdue", few + 2, patience, []Class{Records, Intake, Records, Intake, // and now they are a few
			Records, Records, Intake, Intake, Intake, Intake}},
		{"a few in line", few, fewPatience - time.Millisecond, line(few)},
		{"a few, overdue", 2, fewPatience, []Class{Records, Intake, Records, Intake, Records, Records}},
	} {
		q := New(1)
		now := time.Unix(1, 0)
		q.clock = func() time.Time { return now }
		q.Try()
		var waiting []chan struct{}
		classes := line(c.requests)
		for _, class := range classes {
			now = now.Add(time.Microsecond)
			waiting = append(waiting, q.join(class))
		}
		now = now.Add(c.waited)
		var order []Class
		for len(order) < len(classes) {
			q.Done()
			for i, turn := range waiting {
				select {
				case <-turn:
					order, waiting[i] = append(order, classes[i]), nil
				default:
				}
			}
		}
		if !slices.Equal(order, c.want) {
			t.Errorf("%s: turns were taken in the order %v, want %v", c.name, order, c.want)
		}
	}
}

func TestWhoGivesUpWaitingKeepsNoTurn(t *testing.T) {
	q := New(1)
	q.Try()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 50 {
		wg.Go(func() {
			switch err := q.Take(ctx, Records); {
			case err == nil:
				q.Done()
			case errors.Is(err, context.Canceled):
				failed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < 50; time.Sleep(time.Millisecond) {
		q.mu.Lock()
		waiting = len(q.lines[Records])
		q.mu.Unlock()
	}
	wg.Go(cancel)
	q.Done()
	wg.Wait()
	if q.free != 1 || len(q.lines[Records]) != 0 {
		t.Errorf("%d turns are free and %d wait after %d gave up", q.free, len(q.lines[Records]), failed.Load())
	}
}

func BenchmarkTurn(b *testing.B) {
	q := New(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Take(b.Context(), Records); err != nil {
			b.Fatal(err)
		}
		end := GiveWay()
		end()
		q.Done()
	}
}
