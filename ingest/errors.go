package ingest

// What callers branch on: the sentinels of the package and the error that says when to come back.

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrInvalid marks a definition or request that cannot be meant as it is written. Every fault is named at once.
	ErrInvalid = errors.New("invalid")
	// ErrConflict marks a change of a stream that cannot be made while it exists.
	ErrConflict = errors.New("conflict")
	// ErrUnknownStream marks a stream that does not exist.
	ErrUnknownStream = errors.New("unknown stream")
	// ErrBusy marks a request that was refused because too much waits to be appended. Nothing of it was taken; the error is
	// a *BusyError, which says when to try again.
	ErrBusy = errors.New("too much waits to be appended")
	// ErrStale marks a numbered request whose number is lower than all that are remembered of its producer, so that nobody
	// can tell any more whether it is a repeat.
	ErrStale = errors.New("number too old")
	// ErrTooLarge marks a request with an event that fits no record of the log.
	ErrTooLarge = errors.New("event too large")
	// ErrClosing marks a request that came while the streams were being closed.
	ErrClosing = errors.New("shutting down")
)

// BusyError is ErrBusy with what a client needs to know.
type BusyError struct {
	// RetryAfter is how long it may take until there is room again.
	RetryAfter time.Duration
	// Queued and Limit are the bytes that wait and how many may.
	Queued, Limit int64
}

// Error says what is full and what to do about it.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%d bytes of events wait to be appended and %d may: try again in %v, send less at a time, or raise the limit on queued bytes",
		e.Queued, e.Limit, e.RetryAfter)
}

// Is makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }
