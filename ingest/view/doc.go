// Package view keeps standing queries over streams: it reads the log, groups
// events by key and pane, and holds their sketches.
//
//	definition.go, parse.go, validate.go   what a view is; its JSON
//	where.go, filter.go                    the filter: its text, its evaluation over columns
//	plan.go                                a definition resolved into a sketch layout and columns
//	shard.go, span.go, cells.go            the state of one partition, and its panes in memory
//	fetch.go                               panes that only the store has, brought back in the order of keys
//	worker.go, apply.go, group.go          one goroutine a partition: reads, groups, applies
//	keep.go                                retention and rollups
//	panes.go                               how queries read
//	control.go, shed.go, sample.go         how much of a record is applied; what is kept of a part
//	processors.go                          how busy the node is
//	behind.go                              how far behind the log shards are
//	heal.go, fold.go, past.go              what is owed, and how it is paid
//	store.go, record*.go                   what is on disk
//	commit.go, snapshot.go                 when and how it gets there; what leaves memory
//	memory.go                              how much memory there is
//	views.go, view.go, put.go, wait.go     the views of a node
//
// A view's state is a pure function of its definition and of the log positions
// that were applied. Panes, offset, tallies and the ledger of a partition are
// committed in one atomic write, so after a crash a worker resumes from the
// offset that the state it finds belongs to, and every event counts once.
//
//	log ── Tail.Reader ──► worker ──────► base panes ◄────── Read ── query
//	 │                       │ sheds          ▲                │
//	 │                       ├──► ledger      │ folds          │
//	 │                       └──► provisional │ panes ◄────────┘
//	 └── Tail.Reader ──► healer ──► hidden ───┘
//	                                panes
//
// What a worker cannot apply in time it samples into provisional panes, and the
// ledger owes it; what lies before a new view it owes as well. The healer, on the
// worker's goroutine, replays what is owed from the log when there is time. Views
// whose state depends on the order of the log (panes of so many events, decay by
// factor) do neither: they apply every record in order.
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
