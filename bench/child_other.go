//go:build !linux

package bench

import "syscall"

// endsWithParent is nothing where the system cannot tie a child to this process: Close
// ends it.
func endsWithParent() *syscall.SysProcAttr { return nil }
