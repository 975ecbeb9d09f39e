package turns

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// slice is for how long a thread that gives way would run if nobody else wanted to.
//
// Linux takes turns too. A thread that wakes up, of the server or of any other program,
// may interrupt one whose slice is longer than its own; where the slices are equal, as
// they are unless somebody says otherwise, it waits until the other's is over, which is
// three milliseconds and longer. So the threads that take events in ask for longer ones than
// anything else has, and those that answer questions, acknowledge requests or wait for
// the disk come first. To lower their priority instead (nice) was rejected: readers wait
// for the locks of workers, which would not run.
const slice = 20 * time.Millisecond

// usual is how the process is scheduled: its policy and priority, which a thread that
// chooses its slice must name again. It is nil where somebody has planned something else, or
// the system does not let a thread choose: a sandbox may not. Linux before 6.12 accepts it
// and takes no notice.
var usual = sync.OnceValue(func() *unix.SchedAttr {
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil || a.Policy != unix.SCHED_NORMAL && a.Policy != unix.SCHED_BATCH {
		return nil
	}
	a.Runtime = 0
	if unix.SchedSetAttr(0, a, 0) != nil {
		return nil
	}
	return a
})

// GiveWay lets anything else on the machine interrupt the goroutine, until it calls what is
// returned. Meanwhile it keeps to its thread, and must not resume a coroutine (iter.Pull), which the
// runtime forbids to such a goroutine: that is why a turn alone does not do this.
func GiveWay() (end func()) {
	runtime.LockOSThread()
	setSlice(slice)
	return takeUp
}

func takeUp() {
	setSlice(0)
	runtime.UnlockOSThread()
}

// setSlice sets that of the thread, 0 for the usual one.
func setSlice(d time.Duration) {
	if u := usual(); u != nil {
		a := *u
		a.Runtime = uint64(d)
		// It fails for a thread that was given a lower priority since, and leaves that as it is.
		_ = unix.SchedSetAttr(0, &a, 0)
	}
}
