package server

// The description of the interface, and the page at /: files of the build.

import (
	_ "embed" // for openapi.yaml
	"fmt"
	"net/http"

	"sketchlog/server/web"
)

//go:embed openapi.yaml
var openAPI []byte

func (s *Server) getOpenAPI(r *request) error {
	r.common()
	r.ctx.SetStatusCode(http.StatusOK)
	r.ctx.SetContentType("application/yaml; charset=utf-8")
	r.ctx.Response.SetBodyRaw(openAPI) // never written to
	return nil
}

// policy lets the page load its own script and style and call its own server,
// and nothing else: what streams and views are called cannot become code.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves one embedded file; the file is named by the route, never by the request.
func page(name string) handler {
	return func(_ *Server, r *request) error {
		text, mediaType, err := web.File(name)
		if err != nil {
			return fmt.Errorf("page: %w", err)
		}
		r.common()
		h := &r.ctx.Response.Header
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		r.ctx.SetStatusCode(http.StatusOK)
		r.ctx.SetContentType(mediaType)
		r.ctx.Response.SetBodyRaw(text) // never written to
		return nil
	}
}
