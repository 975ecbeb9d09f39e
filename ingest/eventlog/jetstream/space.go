package jetstream

// This file watches the free space of the disk. A full disk wedges a JetStream
// stream until the server is started again (mend.go), so appends are refused before.

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"sketchlog/ingest/eventlog"
)

// lookEvery bounds how often the file system is asked. In that time the fastest
// disks seen (0.5 GB/s) take half of the default reserve. Appends that may take more
// than was free look sooner.
const lookEvery = 250 * time.Millisecond

// leastRoom is what must be free to open the log and to change definitions, so that
// nothing is made by half. It is far below the reserve: to lower the retention of a
// stream, or to delete one, is how a full disk may be mended.
const leastRoom = 4 << 20

// space knows whether the disk of a directory has room.
type space struct {
	dir     string
	reserve uint64
	clock   func() time.Time
	free    func(dir string) (uint64, error)

	mu     sync.Mutex
	looked time.Time
	left   uint64 // bytes that may be taken until the next look
	fault  error  // of the last look
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

// check returns ErrFull while less than the reserve is free, before that many bytes
// are taken. A nil space has room.
func (s *space) check(bytes int) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, n := s.clock(), uint64(bytes)
	recent := !s.looked.IsZero() && now.Sub(s.looked) < lookEvery && !now.Before(s.looked)
	if !recent || s.fault == nil && n > s.left {
		s.look(now)
	}
	s.left -= min(n, s.left)
	return s.fault
}

// look asks the file system. s.mu is held.
func (s *space) look(now time.Time) {
	s.looked, s.left, s.fault = now, 0, nil
	free, err := s.free(s.dir)
	switch {
	case err != nil:
		s.fault = s.unknown(err)
	case free < s.reserve:
		s.fault = fmt.Errorf("%w: the disk of %s has %d MiB free and %d MiB are kept in reserve; free some space, or lower the retention of streams",
			eventlog.ErrFull, s.dir, free>>20, s.reserve>>20)
	default:
		s.left = free - s.reserve
	}
}

// least returns ErrFull unless there is room for the little that opening the log
// and changing definitions write. A nil space has room.
func (s *space) least() error {
	if s == nil {
		return nil
	}
	free, err := s.free(s.dir)
	switch {
	case err != nil:
		return s.unknown(err)
	case free < min(leastRoom, s.reserve):
		return fmt.Errorf("%w: the disk of %s has %d KiB free, and %d KiB are needed; free some space", eventlog.ErrFull, s.dir, free>>10, min(leastRoom, s.reserve)>>10)
	}
	return nil
}

func (s *space) unknown(err error) error {
	return fmt.Errorf("free space of %s is unknown: %w: %w", s.dir, err, eventlog.ErrFull)
}
