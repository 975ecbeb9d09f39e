// Package web holds the page at /: streams and views as they are, read from the
// HTTP API by a script. It is plain files without a build step, and it loads
// nothing from anywhere else.
package web

import (
	"embed"
	"fmt"
	"path"
)

//go:embed index.html dashboard.js dashboard.css
var files embed.FS

var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
}

// File returns one of the page's files and its media type. The bytes are the
// caller's.
func File(name string) (text []byte, mediaType string, err error) {
	text, err = files.ReadFile(name)
	if err != nil {
		return nil, "", fmt.Errorf("web: %w", err)
	}
	return text, mediaTypes[path.Ext(name)], nil
}
