package bench

import (
	"context"
	"time"
)

// coarse is how far the runtime's timers may overshoot: on Linux they wait in
// whole milliseconds, which would be charged to answers of a tenth of that.
const coarse = 2 * time.Millisecond

// waitUntil sleeps until a moment, which may have passed: by a timer up to
// shortly before it, and for the rest by doze, which is precise to some tens of
// microseconds. Spinning would be more precise still, and take the processor
// from the server.
func waitUntil(ctx context.Context, due time.Time) error {
	if wait := time.Until(due) - coarse; wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if rest := time.Until(due); rest > 0 {
		doze(rest)
	}
	return ctx.Err()
}
