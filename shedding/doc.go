// Package shedding is the arithmetic of falling behind honestly: how much of
// the load a view takes on at once, what it owes meanwhile, and how it gets out
// of debt. It is pure: no I/O, no clock, no goroutine, nothing of the project
// below it. A view's shard (one per view and partition) asks it and acts.
//
// # The idea
//
// A view that cannot keep up has two bad choices: to fall behind, so that its
// answers are old, or to drop events, so that they are wrong for ever. The log
// offers a third. The view samples: it applies a share r = 2^-j of the events,
// chosen by hash, so that answers stay fresh and say how wide they have become.
// The range of the log that was sampled is written down in a ledger. When there
// is capacity to spare the range is read again, applied in full, and struck.
// The log is the master copy, so nothing that was shed is lost until retention
// takes it, and then the ledger says how much that was.
//
// Three parts carry this:
//
//   - A [Rate] says which events are kept. Rates are nested: whatever a coarse
//     rate keeps, every finer one keeps too.
//   - A [Ledger] holds what one view owes in one partition, as entries: a range
//     of offsets with the rate that it was sampled at. New events that were
//     shed, old events that a new view never saw, and the whole history that a
//     new replica lacks are all entries, and all are paid in the same way.
//   - A [Controller] turns lag, backlog, cost and memory into the rate for the
//     next moment, and into the share of capacity that may go to paying debts.
//
// # How a shard goes about it
//
//	every period   Controller.Step      → Rate, Heal, Skip
//	every record   Rate Full            → apply to base panes
//	               any other            → Ledger.Defer gives the entry's number; apply what
//	                                      the rate keeps to that entry's provisional panes
//	               Skip, or Nothing     → Ledger.Owe the range, go on behind it
//	in spare time  Ledger.Next, Seal    → replay First..Last in full into hidden panes
//	               Ledger.Strike        → in one atomic write: fold the hidden panes into the
//	                                      base, drop the provisional ones, store the ledger
//	on retention   Ledger.Lose, Gap     → what cannot be paid any more is tallied
//
// The ledger is stored ([Ledger.AppendBinary]) in the same atomic write as the
// panes and the offset that it belongs to; there lies the whole of crash safety.
//
// # Files
//
//	rate.go        rates and which events they keep
//	entry.go       one debt: ranges, holes, repeats
//	ledger.go      incurring and paying: Defer, Owe, Next, Seal, Inform, Strike
//	cut.go         how long debts are cut, and short ones folded
//	lose.go        what can no longer be paid: Lose, Gap
//	tally.go       the permanent tally of losses by event time
//	coverage.go    what is owed and lost in a window
//	codec.go       the ledger as bytes; FORMAT.md is its table
//	decode.go      and back, with every bound checked
//	config.go      the controller's settings
//	controller.go  from observation to decision
//	cost.go        what an event costs at a rate, as measured
//	load.go        how many events arrive, smoothed
//	memory.go      the rate that memory allows
//	priority.go    which view sheds first when several share a node
package shedding
