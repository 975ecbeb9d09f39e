package jetstream

// This file guards the data directory: one process at a time, and no store
// opened in a way that would destroy it.
//
// Two servers on one store start without complaint and corrupt it, so a lock is
// taken. A standalone store that is started as a member of a cluster has its
// streams deleted after 30 seconds, so the directory is marked with its mode.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	lockName   = "LOCK"
	markerName = "FORMAT"
	format     = "sketchlog log 1"

	modeStandalone = "standalone"
)

var (
	// ErrLocked means that another process has the data directory open.
	ErrLocked = errors.New("data directory is in use")
	// ErrDirectory means that the data directory is of another format or mode.
	ErrDirectory = errors.New("data directory cannot be opened")
)

// directory is a data directory that this process has locked.
type directory struct {
	path string
	lock *os.File
}

// openDirectory makes the directory if there is none, locks it and checks its
// marker, or writes one into a new directory.
func openDirectory(path, mode string) (*directory, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(lockFault(path, err), lock.Close())
	}
	d := &directory{path: path, lock: lock}
	if err := d.mark(mode); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func lockFault(path string, err error) error {
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: another process holds the lock of %s; stop it, or choose another directory", ErrLocked, path)
	}
	return fmt.Errorf("lock data directory %s: %w", path, err)
}

func (d *directory) mark(mode string) error {
	name := filepath.Join(d.path, markerName)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return d.write(name, format+" "+mode+"\n")
	}
	if err != nil {
		return fmt.Errorf("read marker of data directory: %w", err)
	}
	got := strings.TrimSpace(string(b))
	had, ok := strings.CutPrefix(got, format+" ")
	switch {
	case !ok:
		return fmt.Errorf("%w: %s says %.60q, this version opens %q; use the version that wrote it, or another directory", ErrDirectory, name, got, format)
	case had != mode:
		return fmt.Errorf("%w: %s belongs to a %s server and would lose its streams as a %s one; choose another directory and copy the streams over", ErrDirectory, d.path, had, mode)
	}
	return nil
}

// write puts the marker in place in one step, synced, so that no crash leaves half of it.
func (d *directory) write(name, text string) error {
	f, err := os.CreateTemp(d.path, markerName+".*")
	if err != nil {
		return fmt.Errorf("write marker of data directory: %w", err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err == nil {
		err = d.sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write marker of data directory: %w", err), ignoreMissing(os.Remove(f.Name())))
	}
	return nil
}

func (d *directory) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// close gives the lock back. It may be called again, and on nil.
func (d *directory) close() error {
	if d == nil || d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close() // the lock goes with the last descriptor
}
