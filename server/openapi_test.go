package server

// That openapi.yaml and the table of routes describe the same.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	var document map[string]any
	must(t, yaml.Unmarshal(openAPI, &document))
	var described, routed []string
	operations := map[string]bool{}
	for path, item := range document["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			described = append(described, strings.ToUpper(method)+" "+path)
			o := operation.(map[string]any)
			id, _ := o["operationId"].(string)
			if id == "" || operations[id] || o["summary"] == nil || o["responses"] == nil {
				t.Errorf("%s %s: operationId %q is missing or given twice, or summary or responses are missing", method, path, id)
			}
			operations[id] = true
		}
		if named := item.(map[string]any)["parameters"] != nil; named != strings.Contains(path, "{") {
			t.Errorf("%s: its name is not described", path)
		}
	}
	for _, r := range routes() {
		routed = append(routed, r.method+" "+r.pattern)
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described: %s\nrouted:    %s", strings.Join(described, ", "), strings.Join(routed, ", "))
	}
}

func TestOpenAPIReferencesExist(t *testing.T) {
	var document any
	must(t, yaml.Unmarshal(openAPI, &document))
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if name == "$ref" {
					if err := resolve(document, inner.(string)); err != nil {
						t.Error(err)
					}
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(document)
}

// resolve follows a reference of the form #/a/b/c.
func resolve(document any, reference string) error {
	at := document
	for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		m, ok := at.(map[string]any)
		if !ok || m[name] == nil {
			return fmt.Errorf("%s leads nowhere", reference)
		}
		at = m[name]
	}
	return nil
}
