// Package query answers questions about views: it plans which panes a
// question needs, gathers them from every partition, merges them and states
// how far the answer can be trusted.
//
//	question.go   what can be asked, and its checks
//	params.go     a question from URL parameters
//	body.go       a question from JSON
//	engine.go     the engine: plan, gather, reply
//	plan.go       a question settled against its view
//	gather.go     the panes of every partition, merged
//	prefix.go     what the older panes of a key merge to, remembered
//	reply.go      from a merged pane to the answer of each question
//	answer.go     the answer and its JSON
//	series.go     an answer for each step of a span
//	keys.go       the keys of a view
//
// The write path and this package meet at panes only: a question never waits
// for a worker longer than it takes to apply one slice of a batch.
package query
