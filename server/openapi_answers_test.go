package server

// That the server answers what openapi.yaml says: the statuses, the media types and every field.

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// schemas checks values against the schemas of a document. It knows what openapi.yaml uses of JSON Schema, and is
// stricter in one thing: a field of an object whose fields are described must be one of them.
type schemas struct{ document map[string]any }

// follow gives what a reference leads to.
func (s schemas) follow(v any) map[string]any {
	m, _ := v.(map[string]any)
	reference, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	at := any(s.document)
	for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		at = at.(map[string]any)[name]
	}
	return s.follow(at)
}

// fields gathers what describes each field of an object, also in the parts of allOf.
func (s schemas) fields(schema map[string]any) map[string]any {
	out := map[string]any{}
	if properties, ok := schema["properties"].(map[string]any); ok {
		maps.Copy(out, properties)
	}
	parts, _ := schema["allOf"].([]any)
	for _, part := range parts {
		maps.Copy(out, s.fields(s.follow(part)))
	}
	return out
}

// faults names what of v the schema does not describe.
func (s schemas) faults(at string, v, described any) (out []string) {
	schema := s.follow(described)
	if !isOf(v, schema["type"]) {
		return []string{fmt.Sprintf("%s: %.60v is not %v", at, v, schema["type"])}
	}
	if choices, ok := schema["enum"].([]any); ok && !slices.Contains(choices, v) {
		out = append(out, fmt.Sprintf("%s: %v is not one of %v", at, v, choices))
	}
	if choices, ok := schema["oneOf"].([]any); ok {
		fits := func(one any) bool { return len(s.faults(at, v, one)) == 0 }
		if !slices.ContainsFunc(choices, fits) {
			out = append(out, fmt.Sprintf("%s: %.200v is none of %v", at, v, choices))
		}
	}
	switch v := v.(type) {
	case []any:
		for i, inner := range v {
			out = append(out, s.faults(fmt.Sprintf("%s[%d]", at, i), inner, schema["items"])...)
		}
	case map[string]any:
		fields := s.fields(schema)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				out = append(out, fmt.Sprintf("%s.%s is missing", at, name))
			}
		}
		for name, inner := range v {
			described, ok := fields[name]
			if !ok {
				described, ok = schema["additionalProperties"]
			}
			if ok {
				out = append(out, s.faults(at+"."+name, inner, described)...)
			} else if len(fields) > 0 {
				out = append(out, fmt.Sprintf("%s.%s is not described", at, name))
			}
		}
	}
	return out
}

// isOf says whether v is of one of the types that a schema allows; no type allows every one.
func isOf(v, types any) bool {
	list, ok := types.([]any)
	if !ok {
		list = []any{types}
	}
	return slices.ContainsFunc(list, func(kind any) bool {
		switch kind {
		case "object":
			_, ok := v.(map[string]any)
			return ok
		case "array":
			_, ok := v.([]any)
			return ok
		case "string":
			_, ok := v.(string)
			return ok
		case "boolean":
			_, ok := v.(bool)
			return ok
		case "number":
			_, ok := v.(float64)
			return ok
		case "integer":
			n, ok := v.(float64)
			return ok && n == math.Trunc(n)
		case "null":
			return v == nil
		}
		return kind == nil
	})
}

// described makes a request, and checks what comes back against the operation that answers it.
func (s schemas) described(f *fixture, status int, method, path, body string, header ...string) {
	f.t.Helper()
	a := f.call(method, path, body, header...)
	if a.status != status {
		f.t.Errorf("%s %s: %d, expected %d: %s", method, path, a.status, status, a.body)
		return
	}
	bare, _, _ := strings.Cut(path, "?")
	m, err := f.server.router.find(method, []byte(bare))
	must(f.t, err)
	item := s.document["paths"].(map[string]any)[f.server.router.routes[m.route].pattern].(map[string]any)
	responses := item[strings.ToLower(method)].(map[string]any)["responses"].(map[string]any)
	response := s.follow(responses[fmt.Sprint(status)])
	if response == nil {
		response = s.follow(responses["default"])
	}
	if response == nil {
		f.t.Errorf("%s %s: %d is not described", method, path, status)
		return
	}
	content, _ := response["content"].(map[string]any)
	if content == nil {
		return
	}
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	must(f.t, err)
	if content[media] == nil {
		f.t.Errorf("%s %s: %d comes as %s, and is described as %v", method, path, status, media, content)
		return
	}
	if media != jsonType && media != problemType {
		return
	}
	var v any
	must(f.t, json.Unmarshal(a.body, &v))
	for _, fault := range s.faults("answer", v, content[media].(map[string]any)["schema"]) {
		f.t.Errorf("%s %s: %s", method, path, fault)
	}
}

func TestOpenAPIDescribesAnswers(t *testing.T) {
	var s schemas
	must(t, yaml.Unmarshal(openAPI, &s.document))
	f := start(t, Limits{})
	s.described(f, 201, "PUT", "/v1/streams/edits", `{"partitions": 2, "time": "time"}`)
	s.described(f, 200, "PUT", "/v1/streams/edits", `{"lateness": "2m", "backlog": {"limit": 1000000}}`)
	s.described(f, 409, "PUT", "/v1/streams/edits", `{"partitions": 1, "time": "t"}`)
	s.described(f, 400, "PUT", "/v1/streams/edits", `{"a": 1, "b": 2}`)
	s.described(f, 413, "PUT", "/v1/streams/edits", strings.Repeat(" ", 1<<20)+"{}")
	s.described(f, 415, "PUT", "/v1/streams/edits", "{}", "Content-Encoding: gzip")
	view := `{"stream": "edits", "by": ["channel"], "where": "added >= 0", "pane": "1m", "keep": "1d", "rollups": [{"pane": "1h", "keep": "30d"}],
		"from": 1442016000000, "fresh": "3s", "priority": "high", "sketches": {
		"editors": {"kind": "hll", "of": "user"}, "rough": {"kind": "hll", "of": ["user", "page"], "precision": 10}, "seen": {"kind": "bloom", "of": "page", "capacity": 1000},
		"edits": {"kind": "countmin", "of": "page"}, "hot": {"kind": "hotlist", "of": "user", "size": 16, "weight": "added"},
		"sample": {"kind": "reservoir", "of": "*", "size": 10}, "recent": {"kind": "decay", "of": "added", "half_life": "10m"}}}`
	s.described(f, 201, "PUT", "/v1/views/wiki", view)
	s.described(f, 200, "PUT", "/v1/views/wiki", view)
	s.described(f, 201, "PUT", "/v1/views/counted", `{"stream": "edits", "pane": {"count": 10}}`)
	s.described(f, 404, "PUT", "/v1/views/other", `{"stream": "none"}`)
	s.described(f, 400, "PUT", "/v1/views/other", `{}`)
	s.described(f, 200, "POST", "/v1/streams/edits/events?wait=applied&on_error=skip", `{"time": 1442016000000, "channel": "c", "user": "u", "page": "p", "added": 1}`+"\n{\n", ndjson)
	s.described(f, 200, "POST", "/v1/streams/edits/events?wait=applied", `{"time": 1442016000000, "channel": null, "user": "u", "page": "p", "added": 0.5}`, ndjson)
	s.described(f, 400, "POST", "/v1/streams/edits/events", "{", ndjson)
	s.described(f, 403, "POST", "/v1/streams/edits/events?namespace=other", "{}", ndjson)
	s.described(f, 415, "POST", "/v1/streams/edits/events", "{}", "Content-Type: text/plain")
	for _, path := range []string{
		"/v1/streams", "/v1/streams/edits", "/v1/streams/edits/events", "/v1/views", "/v1/views/wiki", "/v1/views/counted",
		"/v1/views/wiki/count", "/v1/views/wiki/count?key=c&from=0&to=5", "/v1/views/wiki/distinct?sketch=editors", "/v1/views/wiki/frequency?item=p",
		"/v1/views/wiki/contains?item=p", "/v1/views/wiki/topk", "/v1/views/wiki/sample", "/v1/views/wiki/sum", "/v1/views/wiki/keys",
		"/v1/views/wiki/series?question=count&step=1m", "/v1/views/wiki/series?question=topk&step=1h",
		"/healthz", "/readyz", "/v1/status", "/metrics", "/openapi.yaml", "/", "/dashboard.js", "/dashboard.css",
	} {
		s.described(f, 200, "GET", path, "")
	}
	s.described(f, 200, "POST", "/v1/views/wiki/contains", `{"key": ["c"], "items": ["p", 1]}`)
	s.described(f, 400, "POST", "/v1/views/wiki/contains", `{"key": ["c"]}`)
	s.described(f, 200, "POST", "/v1/query", `[{"view": "wiki", "question": "count"}, {"view": "wiki"}, {"view": "none", "question": "count"}]`)
	s.described(f, 400, "POST", "/v1/query", `{}`)
	s.described(f, 400, "GET", "/v1/views/wiki/distinct", "")
	s.described(f, 404, "GET", "/v1/views/wiki/distinct?sketch=none", "")
	s.described(f, 422, "GET", "/v1/views/wiki/distinct?sketch=hot", "")
	s.described(f, 422, "GET", "/v1/views/counted/watch?question=sum", "")
	s.described(f, 400, "GET", "/v1/status?page=2", "")
	s.described(f, 409, "DELETE", "/v1/streams/edits", "")
	s.described(f, 204, "DELETE", "/v1/views/wiki", "")
	s.described(f, 400, "DELETE", "/v1/views/counted?force=true", "")
}
