package server

// The table of routes. openapi.yaml describes each of them; a test compares the two.

import "sketchlog/query"

// unrouted marks a request that no route answers, for metrics.
const unrouted = -1

// answersWhileClosing lists the routes that still answer while the server
// stops: those that watch it.
var answersWhileClosing = map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true, "/v1/status": true}

func routes() []route {
	table := []route{
		{"GET", "/", page("index.html")},
		{"GET", "/dashboard.js", page("dashboard.js")},
		{"GET", "/dashboard.css", page("dashboard.css")},
		{"GET", "/openapi.yaml", (*Server).getOpenAPI},
		{"GET", "/healthz", (*Server).getHealth},
		{"GET", "/readyz", (*Server).getReady},
		{"GET", "/metrics", (*Server).getMetrics},
		{"GET", "/v1/status", (*Server).getStatus},

		{"GET", "/v1/streams", (*Server).listStreams},
		{"GET", "/v1/streams/{stream}", (*Server).getStream},
		{"PUT", "/v1/streams/{stream}", (*Server).putStream},
		{"DELETE", "/v1/streams/{stream}", (*Server).deleteStream},
		{"POST", "/v1/streams/{stream}/events", (*Server).postEvents},
		{"GET", "/v1/streams/{stream}/events", (*Server).getEvents},

		{"GET", "/v1/views", (*Server).listViews},
		{"GET", "/v1/views/{view}", (*Server).getView},
		{"PUT", "/v1/views/{view}", (*Server).putView},
		{"DELETE", "/v1/views/{view}", (*Server).deleteView},
		{"GET", "/v1/views/{view}/keys", (*Server).getKeys},
		{"GET", "/v1/views/{view}/series", (*Server).getSeries},
		{"GET", "/v1/views/{view}/watch", (*Server).getWatch},
		{"POST", "/v1/views/{view}/contains", (*Server).postContains},
		{"POST", "/v1/query", (*Server).postQuery},
	}
	for _, question := range query.Names {
		table = append(table, route{"GET", "/v1/views/{view}/" + question, ask(question)})
	}
	return table
}
