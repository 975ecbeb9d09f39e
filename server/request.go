package server

// What handlers read of a request. Every string here is a copy: fasthttp takes
// the request's memory back when the handler returns.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// maxParameters bounds the parameters of one request.
const maxParameters = 4096

// request is one request on its way through a handler.
type request struct {
	ctx    *fasthttp.RequestCtx
	server *Server
	route  int    // index into the router's routes, or unrouted
	name   string // the stream or view of the path
}

// context is the time that the request may take. It outlives the beginning of
// a shutdown, so that what was begun can finish.
func (r *request) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.server.requests, r.server.limits.Request)
}

// header is one of the request's header fields.
func (r *request) header(name string) string { return string(r.ctx.Request.Header.Peek(name)) }

// parameters are those of the URL, without namespace, which is checked here.
// Names that are not in known are refused; nil known leaves that to the caller.
func (r *request) parameters(known ...string) (url.Values, error) {
	raw := string(r.ctx.URI().QueryString())
	if raw == "" {
		return url.Values{}, nil
	}
	if strings.Count(raw, "&") >= maxParameters {
		return nil, errParameters([]string{fmt.Sprintf("there are more than %d parameters; send many items by POST", maxParameters)})
	}
	p, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errParameters([]string{fmt.Sprintf("the URL's parameters cannot be read: %v", err)})
	}
	for _, namespace := range p["namespace"] {
		if namespace != "default" {
			return nil, kind{"forbidden", "Namespace not allowed", fasthttp.StatusForbidden, 0}.because(
				fmt.Sprintf("namespace %q is not open to this request; the only one is default", abridged(namespace)))
		}
	}
	delete(p, "namespace")
	if known == nil {
		return p, nil
	}
	var faults []string
	for name, values := range p {
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, fmt.Sprintf("there is no parameter %q here; known are %s", abridged(name), strings.Join(known, ", ")))
		case len(values) > 1:
			faults = append(faults, fmt.Sprintf("%s is given %d times; give it once", name, len(values)))
		}
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return nil, errParameters(faults)
	}
	return p, nil
}

// noParameters refuses any parameter.
func (r *request) noParameters() error {
	p, err := r.parameters()
	if err != nil {
		return err
	}
	for name := range p {
		return errParameters([]string{fmt.Sprintf("this path takes no parameters, and %q is one", abridged(name))})
	}
	return nil
}

// accepts reports whether the request's Accept header names a media type, and
// does not rule it out.
func (r *request) accepts(mediaType string) bool {
	for _, value := range r.ctx.Request.Header.PeekAll("Accept") {
		for one := range bytes.SplitSeq(value, []byte{','}) {
			name, parameters, _ := strings.Cut(string(one), ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) && !refused(parameters) {
				return true
			}
		}
	}
	return false
}

// refused reports a weight of zero among the parameters of a media type.
func refused(parameters string) bool {
	for one := range strings.SplitSeq(parameters, ";") {
		name, weight, _ := strings.Cut(strings.TrimSpace(one), "=")
		if strings.EqualFold(name, "q") && strings.Trim(weight, "0.") == "" {
			return true
		}
	}
	return false
}

// definition reads a body that defines something. The caller owns it.
func (r *request) definition() ([]byte, error) {
	if err := r.unencoded(); err != nil {
		return nil, err
	}
	return r.read(nil, r.server.limits.Definition)
}

// questions reads a body of questions. They may be large, so they take room
// from the budget of bodies until done is called.
func (r *request) questions() (body []byte, done func(), err error) {
	if err := r.unencoded(); err != nil {
		return nil, nil, err
	}
	w, err := r.server.room(r, r.server.limits.Question, false)
	if err != nil {
		return nil, nil, err
	}
	if body, err = r.read(nil, r.server.limits.Question); err != nil {
		w.release()
		return nil, nil, err
	}
	return body, w.release, nil
}

// unencoded refuses a Content-Encoding where none is understood.
func (r *request) unencoded() error {
	if e := r.header("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return errMediaType("Content-Encoding %q is not taken here; send the body as it is", abridged(e))
	}
	return nil
}

// read appends the body to dst, at most limit bytes of it.
func (r *request) read(dst []byte, limit int) ([]byte, error) {
	tooLarge := func() error { return errTooLarge("the body exceeds %d bytes; send less at a time", limit) }
	length := r.ctx.Request.Header.ContentLength() // negative: chunked, or none
	if length > limit {
		return dst, tooLarge()
	}
	stream := r.ctx.RequestBodyStream()
	if stream == nil {
		return dst, nil
	}
	if length > 0 {
		dst = slices.Grow(dst, length+1)
	}
	begin := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, 32<<10)
		}
		// One byte more than the limit is enough to know.
		n, err := stream.Read(dst[len(dst):min(cap(dst), begin+limit+1)])
		dst = dst[:len(dst)+n]
		if len(dst)-begin > limit {
			return dst, tooLarge()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return dst, errBadRequest("the body ended early or is broken: %v", err)
		}
	}
	// fasthttp reports a connection that closes inside of a body as its end.
	if length >= 0 && len(dst)-begin != length {
		return dst, errBadRequest("the body ended after %d of %d bytes", len(dst)-begin, length)
	}
	return dst, nil
}

// drain reads what is left of the body, within bounds. Without it a client
// that is still sending sees its connection reset instead of the answer.
func (r *request) drain() {
	stream := r.ctx.RequestBodyStream()
	if stream == nil {
		return
	}
	_, err := io.CopyN(io.Discard, stream, int64(2*r.server.limits.Body))
	if err == nil { // more was left than is worth reading
		r.ctx.SetConnectionClose()
	}
}
