package bench

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// The median of many waits must be far below the millisecond in which the
// runtime's timers wait; on a busy machine single ones may be late.
func TestWaitsArePrecise(t *testing.T) {
	var late []time.Duration
	for range 50 {
		due := time.Now().Add(3100 * time.Microsecond)
		if err := waitUntil(t.Context(), due); err != nil {
			t.Fatal(err)
		}
		late = append(late, time.Since(due))
	}
	slices.Sort(late)
	if late[0] < -time.Millisecond || late[10] > time.Millisecond {
		t.Errorf("waits end from %v to %v after their time", late[0], late[len(late)-1])
	}
}

func TestWaitsEndWithTheirContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, due := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Hour)} {
		if err := waitUntil(ctx, due); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}
