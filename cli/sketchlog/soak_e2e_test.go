//go:build e2e && soak

package main

// What takes minutes: `make soak`.

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Ten million keys in 256 MiB. SOAK_EVENTS sets another number of events, and
// SOAK_FLAGS adds to the server's.
func TestTenMillionKeys(t *testing.T) {
	m := manyKeys{events: 12_000_000, keys: 10_000_000, batch: 5000}
	if n, err := strconv.Atoi(os.Getenv("SOAK_EVENTS")); err == nil && n > 0 {
		m.events = n
	}
	flags := []string{"--memory", "256MiB"}
	if address := os.Getenv("SOAK_PPROF"); address != "" {
		flags = append(flags, "--pprof", address)
	}
	if peak := m.run(t, 10*time.Minute, flags...); peak > 256<<20 {
		t.Errorf("the server took %d bytes of memory, and was given 256 MiB", peak)
	}
}
