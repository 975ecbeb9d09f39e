package view

// These tests let the disk under the store be full.

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fullFS is a file system that takes a few bytes more, and then is full, while full is set.
type fullFS struct {
	vfs.FS
	full    *atomic.Bool
	refused *atomic.Int64 // writes
}

func newFullFS() fullFS { return fullFS{vfs.Default, new(atomic.Bool), new(atomic.Int64)} }

func (f fullFS) check() error {
	if !f.full.Load() {
		return nil
	}
	f.refused.Add(1)
	return &os.PathError{Op: "write", Path: "the disk", Err: syscall.ENOSPC}
}

func (f fullFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return fullFile{file, f}, err
}

func (f fullFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return fullFile{file, f}, err
}

type fullFile struct {
	vfs.File
	fs fullFS
}

func (f fullFile) Write(b []byte) (int, error) {
	err := f.fs.check()
	if err == nil {
		return f.File.Write(b)
	}
	n, failed := f.File.Write(b[:len(b)/2]) // as a disk does that has room for a half
	return n, errors.Join(err, failed)
}

// fullNode is a node with a view of two partitions on a disk that can be full.
func fullNode(t *testing.T, change func(*Config)) (*node, *View, fullFS) {
	t.Helper()
	disk, dir := newFullFS(), t.TempDir()
	store, err := openStoreOn(disk, dir, DefaultStoreMemory)
	if err != nil {
		t.Fatal(err)
	}
	streams := newTestStreams(t)
	streams.make("s", 2)
	n := startOn(t, store, dir, streams, change)
	t.Cleanup(func() { disk.full.Store(false) }) // before the node is stopped
	v := n.put("v", `{"stream": "s", "by": ["key"], "pane": "1m", "from": "earliest", "sketches": {"d": {"kind": "hll", "of": "item"}}}`)
	return n, v, disk
}

// copied copies the store as it is on disk: what a crash would leave.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func (n *node) fill(seed uint64) {
	n.streams.append("s", 0, zipfEvents(seed, 500))
	n.streams.append("s", 1, zipfEvents(seed+1, 500))
}

// A full disk keeps no view from being fresh. When there is room again its
// commits come through, and whether it crashed before that or after, nothing is
// lost and nothing counts twice.
func TestAFullDiskStopsCommitsAndNothingElse(t *testing.T) {
	n, v, disk := fullNode(t, nil)
	n.fill(1)
	n.settle("s")
	disk.full.Store(true)
	for seed := uint64(10); seed < 20 || n.views.Stalled() == nil; seed += 2 {
		n.fill(seed)
		n.live("s")
	}
	if err := n.views.Stalled(); !errors.Is(err, ErrNoRoom) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the store says %v", err)
	}
	want := counts(t, v)
	if p := position(v); p.Owed > 0 || p.Applied == 0 {
		t.Fatalf("behind a full disk: %+v", p)
	}
	crashed := start(t, copied(t, n.dir()), n.streams, nil)
	crashed.settle("s")
	if got := counts(t, crashed.view("v")); !maps.Equal(got, want) {
		t.Errorf("after a crash on a full disk the panes differ:\n%v\n%v", got, want)
	}
	crashed.stop()

	disk.full.Store(false)
	n.await("the disk takes writes", func() bool { return n.views.Stalled() == nil })
	n.stop() // it commits
	n = start(t, n.dir(), n.streams, nil)
	v = n.view("v")
	if got := counts(t, v); !maps.Equal(got, want) {
		t.Errorf("after a restart with room the panes differ:\n%v\n%v", got, want)
	}
}

// What changes the store and cannot wait is refused while the disk is full, and done afterwards.
func TestAFullDiskRefusesChanges(t *testing.T) {
	n, _, disk := fullNode(t, nil)
	disk.full.Store(true)
	for seed := uint64(1); n.views.Stalled() == nil; seed += 2 {
		n.fill(seed)
		n.live("s")
	}
	ctx := context.Background()
	if _, _, err := n.views.Put(ctx, "w", []byte(`{"stream": "s"}`)); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a view was made: %v", err)
	}
	if err := n.views.Delete(ctx, "v"); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a view was deleted: %v", err)
	}
	if err := n.store.SaveTail("s", 0, []byte("x")); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a checkpoint was saved: %v", err)
	}
	disk.full.Store(false)
	n.await("the disk takes writes", func() bool { return n.views.Stalled() == nil })
	n.put("w", `{"stream": "s"}`)
	if err := n.views.Delete(ctx, "v"); err != nil {
		t.Error(err)
	}
}

// Views stop in time on a full disk, and say that they could not commit.
func TestAFullDiskDoesNotKeepViewsFromStopping(t *testing.T) {
	disk, dir := newFullFS(), t.TempDir()
	store, err := openStoreOn(disk, dir, DefaultStoreMemory)
	if err != nil {
		t.Fatal(err)
	}
	streams := newTestStreams(t)
	streams.make("s", 2)
	views, err := Open(t.Context(), Config{Store: store, Streams: streams, Catalog: streams.log.Catalog(), CommitEvery: time.Millisecond, Control: quick})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- views.Run(ctx) }()
	n := &node{t: t, store: store, views: views, streams: streams, path: dir}
	n.put("v", `{"stream": "s", "by": ["key"], "from": "earliest"}`)
	disk.full.Store(true)
	for seed := uint64(1); views.Stalled() == nil; seed += 2 {
		n.fill(seed)
		n.live("s")
	}
	want := counts(t, n.view("v"))
	began := time.Now()
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, ErrNoRoom) {
		t.Errorf("Run ended with %v", err) // a commit may fit what Pebble buffers
	}
	if err := store.Close(); !errors.Is(err, ErrNoRoom) {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took > 4*stallPatience {
		t.Errorf("stopping took %v", took)
	}
	again := start(t, copied(t, dir), streams, nil)
	again.settle("s")
	if got := counts(t, again.view("v")); !maps.Equal(got, want) {
		t.Errorf("after the next start the panes differ:\n%v\n%v", got, want)
	}
	disk.full.Store(false)
	n.await("the disk takes writes", func() bool { return views.Stalled() == nil })
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// With memory for nothing more a view waits for the disk instead of taking more,
// goes on being asked, and catches up when there is room.
func TestAFullDiskBoundsMemory(t *testing.T) {
	const budget = 2 << 20
	n, v, disk := fullNode(t, func(c *Config) {
		c.MemoryBytes = budget
		c.CommitEvery = time.Hour
	})
	disk.full.Store(true)
	waits := func() bool {
		for _, s := range v.Partitions() {
			if s.Position().Offset == s.tail.Head().Offset {
				return false
			}
		}
		return n.views.Stalled() != nil
	}
	held := func() int64 { return n.views.Held() }
	for seed := uint64(1); !waits(); seed += 2 {
		n.fill(seed)
		if held() > 4*budget {
			t.Fatalf("the panes hold %d bytes of %d", held(), int64(budget))
		}
		time.Sleep(time.Millisecond)
	}
	if got := counts(t, v); len(got) == 0 {
		t.Error("the view does not answer")
	}
	disk.full.Store(false)
	n.settle("s")
	if p := position(v); p.Owed > 0 || p.Lost > 0 {
		t.Errorf("after that: %+v", p)
	}
}

// A store on a full disk does not open, and says why.
func TestAFullDiskIsSaidAtOpen(t *testing.T) {
	disk := newFullFS()
	disk.full.Store(true)
	dir := t.TempDir()
	_, err := openStoreOn(disk, dir, DefaultStoreMemory)
	if !errors.Is(err, ErrNoRoom) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it says %v", err)
	}
	disk.full.Store(false)
	time.Sleep(2 * retryWrite) // for the attempt to end before its directory goes
}
