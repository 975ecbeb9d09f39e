package turns

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadSlices are those of all threads of the process; a thread that has ended has none.
func threadSlices(t *testing.T) (all []time.Duration) {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		if a, err := unix.SchedGetAttr(id, 0); err == nil {
			all = append(all, time.Duration(a.Runtime))
		}
	}
	return all
}

func TestAPromptProcessHasShortSlices(t *testing.T) {
	Prompt()
	defer func() { rest.Store(0); setAllSlices(0) }()
	want := short
	if threadSlices(t)[0] == 0 { // the system does not know of slices
		want = 0
	}
	var together sync.WaitGroup
	for range 4 { // threads of their own, some of them made now
		together.Go(func() {
			GiveWay()()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if a, err := unix.SchedGetAttr(0, 0); err != nil || time.Duration(a.Runtime) != want {
				t.Errorf("after giving way a thread has slices of %d ns, %v; want %v", a.Runtime, err, want)
			}
		})
	}
	together.Wait()
	for _, slice := range threadSlices(t) {
		if slice != want {
			t.Errorf("a thread has slices of %v; want %v", slice, want)
		}
	}
}

func TestGivingWayChangesTheSliceOnly(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attributes := func() *unix.SchedAttr {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := attributes()
	end := GiveWay()
	during := attributes()
	end()
	after := attributes()
	// A system that does not know of slices says 0.
	if known := before.Runtime > 0; known && during.Runtime != uint64(long) || !known && during.Runtime != 0 {
		t.Errorf("the slice is %d ns, and %d ns before", during.Runtime, before.Runtime)
	}
	if during.Nice != before.Nice || during.Policy != before.Policy || *after != *before {
		t.Errorf("%+v before, %+v while giving way, %+v after", before, during, after)
	}
}
