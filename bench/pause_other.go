//go:build !linux

package bench

import "time"

// doze sleeps for a few milliseconds at most, as precisely as the runtime does.
func doze(d time.Duration) { time.Sleep(d) }
