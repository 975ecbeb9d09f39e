package main

// The layering of the project as an executable table: which package stands on which level, what each may import, and
// what may lie at the top of the tree.

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	moduleName = "sketchlog"
	moduleRoot = "../.."
)

// levels is the table: imports go down only. A package belongs to the longest entry that is its path or a parent of it.
// Within one entry a parent and its children may import one another; different entries of one level may not.
var levels = map[string]int{
	"sketches":        0,
	"shedding":        0,
	"ingest/turns":    0,
	"ingest/event":    1,
	"ingest/eventlog": 2,
	"ingest/view":     3,
	"ingest":          3,
	"query":           4,
	"server":          5,
	"bench":           6,
	"cli":             7,
}

// reserved says which third-party modules only some packages may import, by prefix of the import path.
var reserved = []struct {
	prefix string
	users  []string
}{
	{"github.com/nats-io/", []string{"ingest/eventlog/jetstream"}},
	{"github.com/valyala/fasthttp", []string{"server", "bench"}},
	{"github.com/prometheus/", []string{"server"}},
	{"github.com/spf13/", []string{"cli"}},
	{"github.com/cockroachdb/pebble", []string{"ingest/view"}},
	{"github.com/expr-lang/expr", []string{"ingest/view"}},
}

// topLevel is what may lie at the top besides dot-files.
var topLevel = map[string]bool{
	"sketches": true, "ingest": true, "query": true, "shedding": true, "server": true, "cli": true, "bench": true,
	"go.mod": true, "go.sum": true, "Makefile": true, "README.md": true, "LICENSE": true,
}

// within says whether pkg is parent or lies under it.
func within(pkg, parent string) bool {
	return pkg == parent || strings.HasPrefix(pkg, parent+"/")
}

// entryOf returns the entry of the table that a package belongs to, "" if none.
func entryOf(pkg string) string {
	for pkg != "." && pkg != "" {
		if _, ok := levels[pkg]; ok {
			return pkg
		}
		pkg = path.Dir(pkg)
	}
	return ""
}

// forbidden says why package from (its path in the module) may not import imported, "" if it may. test is true for the
// files of tests, which may also import what stands on their own level.
func forbidden(from, imported string, test bool) string {
	for _, r := range reserved {
		if !strings.HasPrefix(imported, r.prefix) {
			continue
		}
		for _, user := range r.users {
			if within(from, user) {
				return ""
			}
		}
		return "only " + strings.Join(r.users, " and ") + " may import " + imported
	}
	target, ours := strings.CutPrefix(imported, moduleName+"/")
	if !ours {
		return ""
	}
	fromEntry, targetEntry := entryOf(from), entryOf(target)
	if fromEntry == "" || targetEntry == "" {
		return "it has no level"
	}
	fromLevel, targetLevel := levels[fromEntry], levels[targetEntry]
	switch {
	case targetLevel < fromLevel:
		return ""
	case fromEntry == targetEntry && (within(from, target) || within(target, from) || test):
		return ""
	case test && targetLevel == fromLevel:
		return ""
	case targetLevel == fromLevel:
		return "both are on level " + strconv.Itoa(fromLevel)
	}
	return "level " + strconv.Itoa(fromLevel) + " may not import level " + strconv.Itoa(targetLevel)
}

func TestImportsGoDownOnly(t *testing.T) {
	files := 0
	err := filepath.WalkDir(moduleRoot, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "testdata" || name != "." && name != ".." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		files++
		relative, err := filepath.Rel(moduleRoot, file)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(relative))
		if entryOf(from) == "" {
			t.Errorf("%s: package %s is not in the table of levels", relative, from)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", relative, err)
			return nil
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Errorf("%s: import %s: %v", relative, spec.Path.Value, err)
				continue
			}
			if why := forbidden(from, imported, strings.HasSuffix(name, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", relative, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files were found: is this the module?", files)
	}
}

func TestTopOfTheTree(t *testing.T) {
	entries, err := os.ReadDir(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		made := name == "bin" || name == "sketchlog-data" // by make, and not part of the tree
		if !topLevel[name] && !made && !strings.HasPrefix(name, ".") {
			t.Errorf("%s does not belong at the top of the tree", name)
		}
	}
}

// The rules must catch what they are there for.
func TestLayerRules(t *testing.T) {
	for _, c := range []struct {
		from, imported string
		test, allowed  bool
	}{
		{"sketches", "sort", false, true},
		{"sketches", "sketchlog/shedding", false, false},
		{"shedding", "sketchlog/sketches", false, false},
		{"sketches/sketchtest", "sketchlog/sketches", false, true},
		{"ingest/event", "sketchlog/sketches", false, true},
		{"ingest/event", "sketchlog/ingest/eventlog", false, false},
		{"ingest/eventlog/memlog", "sketchlog/ingest/eventlog", false, true},
		{"ingest/eventlog/memlog", "sketchlog/ingest/eventlog/jetstream", false, false},
		{"ingest/eventlog", "sketchlog/ingest/eventlog/memlog", true, true},
		{"ingest", "sketchlog/ingest/eventlog", false, true},
		{"ingest", "sketchlog/ingest/view", false, false},
		{"ingest/view", "sketchlog/ingest", false, false},
		{"ingest/view", "sketchlog/ingest", true, true},
		{"query", "sketchlog/ingest/view", false, true},
		{"query", "sketchlog/server", false, false},
		{"query", "sketchlog/server", true, false},
		{"server", "sketchlog/server/web", false, true},
		{"server/client", "sketchlog/server/web", false, false},
		{"bench", "sketchlog/server/client", false, true},
		{"server/client", "sketchlog/bench", false, false},
		{"cli/sketchlog", "sketchlog/bench", false, true},
		{"tools", "sketchlog/sketches", false, false},
		{"query", "sketchlog/internal/utils", false, false},
		{"ingest/eventlog", "github.com/nats-io/nats.go", false, false},
		{"ingest/eventlog/jetstream", "github.com/nats-io/nats.go/jetstream", false, true},
		{"server", "github.com/valyala/fasthttp", false, true},
		{"server/client", "github.com/valyala/fasthttp", false, true},
		{"query", "github.com/valyala/fasthttp", false, false},
		{"ingest/event", "github.com/valyala/fastjson", false, true},
		{"ingest", "github.com/prometheus/client_golang/prometheus", false, false},
		{"server", "github.com/spf13/cobra", false, false},
	} {
		if why := forbidden(c.from, c.imported, c.test); (why == "") != c.allowed {
			t.Errorf("%s imports %s (test: %v): allowed %v, want %v %s", c.from, c.imported, c.test, why == "", c.allowed, why)
		}
	}
}
