//go:build !linux

package turns

// GiveWay lets anything else interrupt the goroutine on Linux alone.
func GiveWay() (end func()) { return func() {} }

// Prompt makes threads wait less for one another on Linux alone.
func Prompt() {}
