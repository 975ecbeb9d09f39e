package web

// That the page's files are there and fit together.

import (
	"regexp"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	for name, mediaType := range map[string]string{
		"index.html": "text/html; charset=utf-8", "dashboard.js": "text/javascript; charset=utf-8", "dashboard.css": "text/css; charset=utf-8",
	} {
		text, got, err := File(name)
		if err != nil || len(text) == 0 || got != mediaType {
			t.Errorf("%s: %d bytes of %q, %v", name, len(text), got, err)
		}
	}
	for _, name := range []string{"", "web.go", "../web.go", "/etc/passwd"} {
		if _, _, err := File(name); err == nil {
			t.Errorf("%q can be read", name)
		}
	}
}

// The script looks for elements that the page has.
func TestScriptFindsItsElements(t *testing.T) {
	page, _, err := File("index.html")
	if err != nil {
		t.Fatal(err)
	}
	script, _, err := File("dashboard.js")
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?:getElementById|fill)\("([^"]+)"`).FindAllSubmatch(script, -1)
	if len(wanted) < 5 {
		t.Fatalf("only %d elements are looked for", len(wanted))
	}
	for _, one := range wanted {
		if !strings.Contains(string(page), `id="`+string(one[1])+`"`) {
			t.Errorf("the page has no element %s", one[1])
		}
	}
}
