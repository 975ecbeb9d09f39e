//go:build !linux

package turns

// hold and letGo do something on Linux alone.
func hold()  {}
func letGo() {}
