// Package server is the HTTP API: it reads requests, hands them to the
// packages that know, and writes what those answer.
//
//	server.go     configuration, life, the handler around every route
//	router.go     which route a path and method mean
//	routes.go     the routes
//	request.go    what handlers read of a request: names, parameters, bodies
//	reply.go      JSON answers
//	msgpack.go    the same answers in msgpack
//	problem.go    errors as problem details; the only place that maps them
//	streams.go    streams
//	events.go     taking events in
//	consume.go    giving events out
//	views.go      views
//	questions.go  questions, series, keys
//	watch.go      questions answered again and again
//	status.go     alive, ready, status
//	metrics.go    Prometheus: what happens in requests
//	collector.go  Prometheus: the state of streams and views
//	openapi.go    the description of all of this, and the page at /
//
// It is the only package that serves with fasthttp. fasthttp reuses the memory
// of a request as soon as its handler returns, so nothing that aliases a
// request (header, path, body) may outlive the handler: decoders copy, and
// names become strings.
package server
