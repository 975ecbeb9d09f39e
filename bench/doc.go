// Package bench measures a sketchlog server from outside, over HTTP, as its
// users meet it. README.md says how to read what it reports.
//
// What is sent:
//
//	zipf.go      skewed draws in constant time
//	workload.go  streams of events made from a seed
//	encode.go    events as NDJSON or msgpack, padded to a size
//	load.go      connections that send them, flat out or at a rate
//	pause.go     waiting until a moment, precisely
//
// To whom:
//
//	target.go    a server that runs, or
//	child.go     one of the run's own, with its accounts of memory and processor
//	views.go     the stream and the views that a run makes
//	answer.go    questions and answers
//
// The runs:
//
//	ingest.go    events a second until they can be queried; the generator alone
//	query.go     how long answers take
//	mixed.go     both at the same time; ask.go: the questions by a process of their own
//	overload.go  several times the capacity, and healing
//	recovery.go  SIGKILL, start, replay
//	accuracy.go  answers of every kind of sketch beside exact ones
//	sketches.go  the sketches themselves, without a server, on streams of sketches_stream.go
//
// How they judge:
//
//	monitor.go   the timeline of a server under load
//	exact.go     exact answers at any position of the log
//	check.go     answers under load, set beside them
//	fresh.go     how far answers are behind what was acknowledged
//	equal.go     whether a healed view equals one that never shed
//	latency.go   distributions
//	compare.go   two results, figure by figure
//	result.go, *_result.go  what runs report, as tables and as JSON
//	plot.go, axis.go, plots.go  and as SVG
//
// Every run is open about what it measures: the load generator shares the
// machine with the server unless the target is elsewhere, throughput counts
// until the last event is in every view and not until it is acknowledged, and
// latency counts from the moment when a request was due.
package bench
