package server

// Which paths lead where, and that no path leads anywhere else.

import (
	"errors"
	"strings"
	"testing"
)

func TestRouter(t *testing.T) {
	r, err := newRouter(routes())
	must(t, err)
	for _, c := range []struct {
		method, path string
		pattern      string // "" expects a problem
		name         string
		status       int
	}{
		{"GET", "/", "/", "", 0},
		{"HEAD", "/healthz", "/healthz", "", 0},
		{"GET", "/v1/streams", "/v1/streams", "", 0},
		{"PUT", "/v1/streams/edits", "/v1/streams/{stream}", "edits", 0},
		{"PUT", "/v1/streams/%65dits", "/v1/streams/{stream}", "edits", 0},
		{"GET", "/v1/streams/streams", "/v1/streams/{stream}", "streams", 0},
		{"POST", "/v1/streams/e-_9/events", "/v1/streams/{stream}/events", "e-_9", 0},
		{"GET", "/v1/views/wiki/topk", "/v1/views/{view}/topk", "wiki", 0},
		{"POST", "/v1/views/wiki/contains", "/v1/views/{view}/contains", "wiki", 0},
		{"GET", "/v1/streams/", "", "", 404},
		{"GET", "//v1/streams", "", "", 404},
		{"GET", "", "", "", 404},
		{"GET", "*", "", "", 404},
		{"GET", "/v1", "", "", 404},
		{"GET", "/v1/views/wiki/nonsense", "", "", 404},
		{"GET", "/v1/streams/a/b/c/d/e/f/g/h/i", "", "", 404},
		{"GET", "/v1/../v1/streams", "", "", 404},
		{"GET", "/v1/streams/a%zz", "", "", 404},
		{"PUT", "/v1/streams/bad%20name", "", "", 400},
		{"PUT", "/v1/streams/a%2Fb", "", "", 400},
		{"GET", "/v1/views/..", "", "", 400},
		{"GET", "/v1/views/" + strings.Repeat("a", 65), "", "", 400},
		{"POST", "/v1/streams", "", "", 405},
		{"PATCH", "/v1/views/wiki", "", "", 405},
		{"GET", "/v1/query", "", "", 405},
	} {
		m, err := r.find(c.method, []byte(c.path))
		if c.pattern != "" {
			if err != nil || r.routes[m.route].pattern != c.pattern || m.name != c.name {
				t.Errorf("%s %s: route %+v, %v; expected %s of %q", c.method, c.path, m, err, c.pattern, c.name)
			}
			continue
		}
		var p *Problem
		if !errors.As(err, &p) || p.Status != c.status {
			t.Errorf("%s %s: %v, expected status %d", c.method, c.path, err, c.status)
		}
		if c.status == 405 && len(p.allow) == 0 {
			t.Errorf("%s %s: 405 without the methods there are", c.method, c.path)
		}
	}
}

func TestRouterRefusesAmbiguousTables(t *testing.T) {
	for name, table := range map[string][]route{
		"twice":     {{"GET", "/a", nil}, {"GET", "/a", nil}},
		"two names": {{"GET", "/a/{b}", nil}, {"GET", "/a/{c}/d", nil}},
	} {
		if _, err := newRouter(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRouter(f *testing.F) {
	r, err := newRouter(routes())
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/", "/v1/streams/a/events", "/v1/views/%41/count", "/%", "//", "/v1/views//count"} {
		f.Add("GET", path)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		m, err := r.find(method, []byte(path))
		if err == nil && strings.Contains(r.routes[m.route].pattern, "{") && !validName(m.name) {
			t.Fatalf("%q leads to %s with the name %q", path, r.routes[m.route].pattern, m.name)
		}
		if err != nil && problemOf(err).Status == 500 {
			t.Fatalf("%q: %v", path, err)
		}
	})
}
