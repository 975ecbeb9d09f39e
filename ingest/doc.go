// Package ingest takes events in: it keeps the definitions of streams, places the events of a request on the partitions of
// its stream, gathers what comes for one partition into batches (group commit), and appends them to the log.
//
//	request ─▶ Streams.Append ─▶ judge (was this number seen?) ─▶ place (rows → partitions) ─▶ budget (room, or ErrBusy)
//	                                                                     │ rows are copied, by column
//	                     partition 0: appender: open batch ─▶ sealed ─▶ Tail.Append ─▶ log
//	                     partition 1: appender: …                            │
//	             ◀── Receipt: an offset per partition ◀──────────────────────┘
//
// The life of a Streams value: Open recovers everything, Run keeps it and drains it, Close ends it.
//
// What it promises:
//
//   - An acknowledged event (acks 1 or all) is in the log.
//   - A numbered request counts once, whatever was retried: its placement is a function of the producer's name, the number,
//     the rows and the partition count that was in force when it was placed first, so a repeat finds each of its parts where
//     the first attempt put it, and appends only those that are missing.
//   - Memory is bounded: what waits to be appended is charged to a budget, and past it requests are refused with ErrBusy.
package ingest
