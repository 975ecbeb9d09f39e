package turns

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Linux takes turns too. A thread that wakes up, of the server or of any other program,
// may interrupt one whose slice is longer than its own; where the slices are equal, as
// they are unless somebody says otherwise, it waits until the other's is over, which is
// three milliseconds and longer. So the threads that take events in ask for longer ones than
// anything else has, and those that answer questions, acknowledge requests or wait for
// the disk come first. These among themselves, and the collector of garbage, wait for one
// another no longer than a short slice once the process is Prompt. To lower priorities instead
// (nice) was rejected: readers wait for the locks of workers, which would not run.
const (
	long  = 20 * time.Millisecond  // of a thread that gives way: so long it runs if nobody else wants to
	short = 500 * time.Microsecond // of the others of a prompt process; a fifth of it was measured to be no better
)

// rest is the slice of threads that do not give way, ns; 0: what the system gives.
var rest atomic.Int64

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

// Prompt makes the threads of the process wait for one another for less time than the
// system plans. It is called once, early, by a process that is to answer at once while it works.
func Prompt() {
	rest.Store(int64(short))
	setAllSlices(short)
}

// setAllSlices sets those of all threads of the process. A thread has the slice of the one that
// made it; one that is made meanwhile is found when the threads are listed again.
func setAllSlices(d time.Duration) {
	u := usual()
	if u == nil {
		return
	}
	a := *u
	a.Runtime = uint64(d)
	for known := -1; ; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil || len(threads) == known {
			return
		}
		known = len(threads)
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				_ = unix.SchedSetAttr(id, &a, 0) // it may have ended
			}
		}
	}
}

// GiveWay lets anything else on the machine interrupt the goroutine, until it calls what is
// returned. Meanwhile it keeps to its thread, and must not resume a coroutine (iter.Pull), which the
// runtime forbids to such a goroutine: that is why a turn alone does not do this.
func GiveWay() (end func()) {
	runtime.LockOSThread()
	setSlice(long)
	return takeUp
}

func takeUp() {
	setSlice(time.Duration(rest.Load()))
	runtime.UnlockOSThread()
}

// setSlice sets that of the thread, 0 for what the system gives.
func setSlice(d time.Duration) {
	if u := usual(); u != nil {
		a := *u
		a.Runtime = uint64(d)
		// It fails for a thread that was given a lower priority since, and leaves that as it is.
		_ = unix.SchedSetAttr(0, &a, 0)
	}
}
