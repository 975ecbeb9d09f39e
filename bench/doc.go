// Package bench measures a sketchlog server from outside, over HTTP, as its
// users meet it.
//
//	zipf.go      skewed draws in constant time
//	workload.go  streams of events made from a seed, as NDJSON or msgpack
//	target.go    the server under test: one that runs, or a child process
//	ingest.go    events a second until they can be queried
//	query.go     how long answers take
//	result.go    what a run reports, as a table and as JSON
//
// Every run is open about what it measures: the load generator shares the
// machine with the server unless the target is elsewhere, and throughput
// counts until the last event is in every view, not until it is acknowledged.
package bench
