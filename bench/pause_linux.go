package bench

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// doze sleeps for a few milliseconds at most. It waits for an alarm of the kernel
// as for a socket. Sleeping in the kernel instead, by nanosleep, was as precise and
// charged answers with a millisecond: the runtime takes the processor of such a
// sleeper away only after a while, and until then nobody looks whether an answer
// has come.
func doze(d time.Duration) {
	alarm, _ := alarms.Get().(*os.File)
	if alarm == nil || !ring(alarm, d) {
		time.Sleep(d) // no alarm to be had: late by a millisecond is better than not at all
		return
	}
	alarms.Put(alarm)
}

// ring sets an alarm off after d and waits for it; false: it cannot be set.
func ring(alarm *os.File, d time.Duration) bool {
	raw, err := alarm.SyscallConn()
	if err != nil {
		return false
	}
	after := unix.ItimerSpec{Value: unix.NsecToTimespec(max(d.Nanoseconds(), 1))}
	var set error
	if err := raw.Control(func(fd uintptr) { set = unix.TimerfdSettime(int(fd), 0, &after, nil) }); err != nil || set != nil {
		return false
	}
	var rings [8]byte
	_, err = alarm.Read(rings[:])
	return err == nil
}

// alarms are timers that nobody waits for; one that is collected is closed.
var alarms = sync.Pool{New: func() any {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return (*os.File)(nil)
	}
	return os.NewFile(uintptr(fd), "alarm")
}}
