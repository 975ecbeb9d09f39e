package turns

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

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
	if known := before.Runtime > 0; known && during.Runtime != uint64(slice) || !known && during.Runtime != 0 {
		t.Errorf("the slice is %d ns, and %d ns before", during.Runtime, before.Runtime)
	}
	if during.Nice != before.Nice || during.Policy != before.Policy || *after != *before {
		t.Errorf("%+v before, %+v while giving way, %+v after", before, during, after)
	}
}
