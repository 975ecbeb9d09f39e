package jetstream

// This file watches the free space of the disk. A full disk wedges a JetStream
// stream until the server is started again, so appends are refused before.

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"sketchlog/ingest/eventlog"
)

// lookEvery bounds how often the file system is asked. In that time the fastest
// disks seen (0.5 GB/s) take half of the default reserve.
const lookEvery = 250 * time.Millisecond

// space knows whether the disk of a directory has room.
type space struct {
	dir     string
	reserve uint64
	clock   func() time.Time
	free    func(dir string) (uint64, error)

	mu     sync.Mutex
	looked time.Time
	fault  error // of the last look
}

func newSpace(dir string, reserve int64, clock func() time.Time) *space {
	return &space{dir: dir, reserve: uint64(reserve), clock: clock, free: freeBytes}
}

func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// check returns ErrFull while less than the reserve is free. A nil space has room.
func (s *space) check() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if !s.looked.IsZero() && now.Sub(s.looked) < lookEvery && !now.Before(s.looked) {
		return s.fault
	}
	s.looked, s.fault = now, nil
	free, err := s.free(s.dir)
	switch {
	case err != nil:
		s.fault = fmt.Errorf("free space of %s is unknown: %w: %w", s.dir, err, eventlog.ErrFull)
	case free < s.reserve:
		s.fault = fmt.Errorf("%w: the disk of %s has %d MiB free and %d MiB are kept in reserve; free some space, or lower the retention of streams",
			eventlog.ErrFull, s.dir, free>>20, s.reserve>>20)
	}
	return s.fault
}
