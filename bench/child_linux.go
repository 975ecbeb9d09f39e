package bench

import "syscall"

// endsWithParent has a child killed when this process ends, however it does.
func endsWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
