package view

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTurnsAreTakenInOrderAndNeverByTooMany(t *testing.T) {
	const most, workers, rounds = 3, 20, 200
	turns := newTurns(most)
	var at, greatest, healed atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for range rounds {
				if worker%4 == 0 {
					if !turns.try() {
						continue
					}
					healed.Add(1)
				} else if err := turns.take(t.Context()); err != nil {
					t.Error(err)
					return
				}
				n := at.Add(1)
				for m := greatest.Load(); n > m && !greatest.CompareAndSwap(m, n); m = greatest.Load() {
				}
				at.Add(-1)
				turns.done()
			}
		})
	}
	wg.Wait()
	if greatest.Load() > most || turns.free != most || len(turns.line) != 0 {
		t.Errorf("%d at work at once; %d turns are free and %d wait", greatest.Load(), turns.free, len(turns.line))
	}
}

func TestWhatIsNewGoesBeforeWhatIsOwed(t *testing.T) {
	turns := newTurns(1)
	if !turns.try() || turns.try() {
		t.Fatal("one turn is given twice, or never")
	}
	var order []int
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if err := turns.take(t.Context()); err != nil {
				t.Error(err)
			}
			order = append(order, i) // the turn guards it
			turns.done()
		})
		for waiting := 0; waiting <= i; time.Sleep(time.Millisecond) {
			turns.mu.Lock()
			waiting = len(turns.line)
			turns.mu.Unlock()
		}
	}
	turns.done()
	wg.Wait()
	if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 2 || !turns.try() {
		t.Errorf("turns were taken in the order %v", order)
	}
}

func TestWhoGivesUpWaitingKeepsNoTurn(t *testing.T) {
	turns := newTurns(1)
	turns.try()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 50 {
		wg.Go(func() {
			switch err := turns.take(ctx); {
			case err == nil:
				turns.done()
			case errors.Is(err, context.Canceled):
				failed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < 50; time.Sleep(time.Millisecond) {
		turns.mu.Lock()
		waiting = len(turns.line)
		turns.mu.Unlock()
	}
	wg.Go(cancel)
	turns.done()
	wg.Wait()
	if turns.free != 1 || len(turns.line) != 0 {
		t.Errorf("%d turns are free and %d wait after %d gave up", turns.free, len(turns.line), failed.Load())
	}
}
