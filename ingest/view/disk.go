package view

// This file is what lies between the database and its disk: a write that the
// disk refuses waits until the disk takes it.
//
// Pebble takes the failure of a write for the end: a commit whose journal fails
// panics, and a flush that fails is begun again at once, without end. Neither is
// worth it when the log has every event and only room is missing. So Pebble is
// never told: its write is tried again until it succeeds, and what depends on it
// waits where waiting does no harm. A view goes on applying while its commit waits,
// and whoever cannot wait asks the disk first, or stops waiting with ErrNoRoom.
//
// A sync that fails is not tried again: what it should have written may be gone
// from the system's cache, and a second one would succeed without it.

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrNoRoom means that the disk of the state store takes no writes, so that what
// was asked for was not done; after some waiting it may be done later.
var ErrNoRoom = errors.New("the disk of the state store takes no writes")

const (
	retryWrite    = 200 * time.Millisecond // until a write that was refused is tried again
	stallPatience = 2 * time.Second        // for which those who cannot wait do wait for the disk
	tellEvery     = time.Minute            // how often it is logged at most that it takes no writes
	lateSync      = time.Second            // until Pebble hears that a sync failed
)

// disk knows whether writes of the store wait for their disk.
type disk struct {
	dir    string
	logger *slog.Logger

	mu      sync.Mutex
	waiting int           // writes that do
	cause   error         // why the first of them does
	since   time.Time     // and since when
	stalled chan struct{} // closed while any does
	told    time.Time     // when that was logged last
	telling bool          // that was for this stall
}

func newDisk(dir string, logger *slog.Logger) *disk {
	return &disk{dir: dir, logger: logger, stalled: make(chan struct{})}
}

// refused tells whether a disk refused a write that it may take later.
func refused(err error) bool {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// try does a write until the disk does not refuse it.
func (d *disk) try(write func() error) error {
	err := write()
	if !refused(err) {
		return err
	}
	d.begin(err)
	defer d.end()
	for refused(err) {
		time.Sleep(retryWrite)
		err = write()
	}
	return err
}

func (d *disk) begin(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting++; d.waiting > 1 {
		return
	}
	d.cause, d.since = cause, time.Now()
	close(d.stalled)
	if d.telling = d.since.Sub(d.told) >= tellEvery; d.telling {
		d.told = d.since
		d.logger.Error("the state store waits for its disk; views go on, and commit when it takes writes again", "dir", d.dir, "error", cause)
	}
}

func (d *disk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting--; d.waiting > 0 {
		return
	}
	d.stalled = make(chan struct{})
	if d.telling {
		d.logger.Info("the disk of the state store takes writes again", "dir", d.dir, "after", time.Since(d.since).Round(time.Millisecond))
	}
}

// fault returns nil while the disk takes writes, else ErrNoRoom with the reason.
func (d *disk) fault() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w, for %v now; free some space for %s", ErrNoRoom, d.cause, time.Since(d.since).Round(time.Second), d.dir)
}

// stall is closed when the disk takes no writes.
func (d *disk) stall() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stalled
}

// await waits until done is closed, or the disk has taken no writes for a while.
func (d *disk) await(done <-chan struct{}) error {
	for {
		select {
		case <-done:
			return nil
		case <-d.stall():
		}
		select {
		case <-done:
			return nil
		case <-time.After(stallPatience):
			if err := d.fault(); err != nil {
				return err
			}
		}
	}
}

// do does what writes, unless the disk takes no writes. After ErrNoRoom it may be
// done nevertheless, later.
func (d *disk) do(what func() error) error {
	if err := d.fault(); err != nil {
		return err
	}
	var err error
	done := make(chan struct{})
	go func() { // it ends when the disk takes its writes
		defer close(done)
		err = what()
	}()
	if err := d.await(done); err != nil {
		return err
	}
	return err
}

// patientFS is a file system whose writes wait for the disk.
type patientFS struct {
	vfs.FS
	disk *disk
}

// opened wraps a file that open opens for writing.
func (p patientFS) opened(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := p.disk.try(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return patientFile{f, p.disk}, nil
}

// Create implements vfs.FS.
func (p patientFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.opened(func() (vfs.File, error) { return p.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (p patientFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return p.opened(func() (vfs.File, error) { return p.FS.OpenReadWrite(name, c, options...) })
}

// ReuseForWrite implements vfs.FS.
func (p patientFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.opened(func() (vfs.File, error) { return p.FS.ReuseForWrite(old, name, c) })
}

// Link implements vfs.FS.
func (p patientFS) Link(old, name string) error {
	return p.disk.try(func() error { return p.FS.Link(old, name) })
}

// Rename implements vfs.FS.
func (p patientFS) Rename(old, name string) error {
	return p.disk.try(func() error { return p.FS.Rename(old, name) })
}

// MkdirAll implements vfs.FS.
func (p patientFS) MkdirAll(dir string, mode os.FileMode) error {
	return p.disk.try(func() error { return p.FS.MkdirAll(dir, mode) })
}

// Lock implements vfs.FS.
func (p patientFS) Lock(name string) (lock io.Closer, err error) {
	err = p.disk.try(func() (err error) {
		lock, err = p.FS.Lock(name)
		return err
	})
	return lock, err
}

// Unwrap implements vfs.FS.
func (p patientFS) Unwrap() vfs.FS { return p.FS }

// patientFile is a file whose writes wait for the disk.
type patientFile struct {
	vfs.File
	disk *disk
}

// Write implements vfs.File. What a refused write has written is not written again.
func (f patientFile) Write(b []byte) (n int, err error) {
	err = f.disk.try(func() error {
		m, err := f.File.Write(b[n:])
		n += m
		return err
	})
	return n, err
}

// WriteAt implements vfs.File.
func (f patientFile) WriteAt(b []byte, at int64) (n int, err error) {
	err = f.disk.try(func() error {
		m, err := f.File.WriteAt(b[n:], at+int64(n))
		n += m
		return err
	})
	return n, err
}

// Sync implements vfs.File.
func (f patientFile) Sync() error { return late(f.File.Sync()) }

// SyncData implements vfs.File.
func (f patientFile) SyncData() error { return late(f.File.SyncData()) }

// late returns the failure of a sync some time after it: Pebble begins what failed by it
// again at once, with a line in the log each time.
func late(err error) error {
	if err != nil {
		time.Sleep(lateSync)
	}
	return err
}
