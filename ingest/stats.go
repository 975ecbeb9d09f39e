package ingest

// Counts of what was taken in, for metrics.

import "sync/atomic"

// Stats is what happened since Open.
type Stats struct {
	Events      uint64 // appended to the log
	Requests    uint64 // taken
	Duplicates  uint64 // requests that were in the log already
	Busy        uint64 // requests refused with ErrBusy
	Refused     uint64 // requests refused with ErrBehind
	Batches     uint64 // records appended
	Failed      uint64 // records whose append failed
	Dropped     uint64 // events taken with AcksNone that did not reach the log
	QueuedBytes int64  // waiting to be appended now
}

// counters is Stats while it is being counted.
type counters struct {
	events, requests, duplicates, busy, refused, batches, failed, dropped atomic.Uint64
}

// Stats returns the counts as they are.
func (s *Streams) Stats() Stats {
	c := &s.counters
	return Stats{
		Events:      c.events.Load(),
		Requests:    c.requests.Load(),
		Duplicates:  c.duplicates.Load(),
		Busy:        c.busy.Load(),
		Refused:     c.refused.Load(),
		Batches:     c.batches.Load(),
		Failed:      c.failed.Load(),
		Dropped:     c.dropped.Load(),
		QueuedBytes: s.room.held.Load(),
	}
}

// Dropped returns how many events that were taken with AcksNone did not reach the log.
func (s *Streams) Dropped() uint64 { return s.counters.dropped.Load() }
