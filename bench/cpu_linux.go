package bench

import (
	"syscall"
	"time"
	"unsafe"
)

// threadTime is the processor time that the calling thread has used, which
// other work on the machine hardly changes. The caller has locked its thread.
// getrusage would tell the same, but on many kernels in ticks of milliseconds.
func threadTime() time.Duration {
	const clockThreadCPU = 3 // CLOCK_THREAD_CPUTIME_ID
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPU, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(ts.Nano())
}
