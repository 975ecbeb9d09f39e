package server

// The router finds a route by path segments, exactly: no patterns, no
// precedence rules, no redirects. It works on the path as it was sent, because
// fasthttp's decoded and cleaned path can no longer tell "a%2Fb" from "a/b".

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxSegments is the most segments that any path has.
const maxSegments = 8

// handler answers one request; an error becomes a problem.
type handler func(*Server, *request) error

// route is one method of one path. Segments in braces take a name.
type route struct {
	method  string
	pattern string
	handle  handler
}

// router is a tree of path segments.
type router struct {
	root   node
	routes []route
}

type node struct {
	literal map[string]*node
	name    string // of the segment that capture takes
	capture *node
	methods map[string]int // index into routes
}

// newRouter builds the tree. A path that is given twice, or names one segment
// in two ways, is a mistake in the table and said so.
func newRouter(routes []route) (*router, error) {
	r := &router{routes: routes}
	for i, one := range routes {
		n := &r.root
		for segment := range strings.SplitSeq(strings.TrimPrefix(one.pattern, "/"), "/") {
			next, err := n.child(segment)
			if err != nil {
				return nil, fmt.Errorf("route %s: %w", one.pattern, err)
			}
			n = next
		}
		if n.methods == nil {
			n.methods = make(map[string]int)
		}
		if _, twice := n.methods[one.method]; twice {
			return nil, fmt.Errorf("route %s %s is given twice", one.method, one.pattern)
		}
		n.methods[one.method] = i
	}
	return r, nil
}

func (n *node) child(segment string) (*node, error) {
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		name = strings.TrimSuffix(name, "}")
		if n.capture == nil {
			n.capture, n.name = &node{}, name
		}
		if n.name != name {
			return nil, fmt.Errorf("segment is named both %q and %q", n.name, name)
		}
		return n.capture, nil
	}
	if n.literal == nil {
		n.literal = make(map[string]*node)
	}
	if n.literal[segment] == nil {
		n.literal[segment] = &node{}
	}
	return n.literal[segment], nil
}

// match is what the router found.
type match struct {
	route int    // index into routes
	name  string // the segment in braces; no route has more than one
}

// find routes one request. Its errors are problems: 404 for a path that is no
// route's, 405 with the methods that there are, 400 for a name that no stream
// or view can have.
func (r *router) find(method string, path []byte) (match, error) {
	m := match{route: -1}
	if len(path) == 0 || path[0] != '/' {
		return m, errNoRoute(path)
	}
	n, what := &r.root, ""
	rest, more := path[1:], true
	for depth := 0; more; depth++ {
		if depth == maxSegments {
			return m, errNoRoute(path)
		}
		var segment []byte
		segment, rest, more = cutSegment(rest)
		if next := n.literal[string(segment)]; next != nil {
			n = next
			continue
		}
		if n.capture == nil || len(segment) == 0 {
			return m, errNoRoute(path)
		}
		name, err := url.PathUnescape(string(segment))
		if err != nil {
			return m, errNoRoute(path)
		}
		m.name, what = name, n.name
		n = n.capture
	}
	if len(n.methods) == 0 {
		return m, errNoRoute(path)
	}
	if method == "HEAD" {
		method = "GET"
	}
	at, ok := n.methods[method]
	if !ok {
		return m, errMethod(method, n.allowed())
	}
	if what != "" && !validName(m.name) {
		return m, errName(what, m.name)
	}
	m.route = at
	return m, nil
}

// cutSegment is bytes.Cut at '/', kept here because it is on every request's way.
func cutSegment(path []byte) (segment, rest []byte, more bool) {
	for i, c := range path {
		if c == '/' {
			return path[:i], path[i+1:], true
		}
	}
	return path, nil, false
}

func (n *node) allowed() []string {
	var out []string
	for method := range n.methods {
		out = append(out, method)
		if method == "GET" {
			out = append(out, "HEAD")
		}
	}
	slices.Sort(out)
	return out
}

// validName reports whether s matches [A-Za-z0-9_-]{1,64}.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
