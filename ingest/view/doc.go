// Package view keeps standing queries over streams: it reads the log, groups
// events by key and pane, and holds their sketches.
//
//	definition.go, parse.go, validate.go   what a view is; its JSON
//	where.go, filter.go                    the filter: its text, its evaluation over columns
//	plan.go                                a definition resolved into a sketch layout and columns
//	shard.go, span.go                      the state of one partition, and its panes in memory
//	worker.go, apply.go, group.go          one goroutine a partition: reads, groups, applies
//	keep.go                                retention and rollups
//	store.go, record.go, commit.go         what is on disk, and when; what leaves memory
//	panes.go                               how queries read
//	views.go, view.go, put.go, wait.go     the views of a node
//
// A view's state is a pure function of its definition and of the log positions
// that were applied. Panes, offset and tallies of a partition are committed in
// one atomic write, so after a crash a worker resumes from the offset that the
// state it finds belongs to, and every event counts once.
//
//	log ── Tail.Reader ──► worker ──► shard ◄── Panes ── query
//	                          │         │
//	                          └─ commit ┴─► Store (Pebble)
package view

import "errors"

// Errors that callers branch on with errors.Is.
var (
	// ErrInvalid is a definition that says something wrong; all its faults are
	// joined below it.
	ErrInvalid = errors.New("view: invalid definition")
	// ErrConflict is a definition that changes what cannot change.
	ErrConflict = errors.New("view: conflicting definition")
	// ErrUnknownView is a view that does not exist.
	ErrUnknownView = errors.New("view: unknown view")
	// ErrUnknownStream is a view over a stream that does not exist.
	ErrUnknownStream = errors.New("view: unknown stream")
	// ErrClosed is a change asked for after the views have stopped.
	ErrClosed = errors.New("view: closed")
)
