package server

// Answers: JSON, or the same in msgpack when the request asks for it.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	jsonType    = "application/json"
	ndjsonType  = "application/x-ndjson"
	msgpackType = "application/msgpack"
	// maxPooled bounds the buffers that are kept for reuse.
	maxPooled = 4 << 20
)

// json answers with v as encoding/json writes it.
func (r *request) json(status int, v any) error {
	buffer := r.server.buffer()
	defer r.server.release(buffer)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false) // items are data; nothing here is read as HTML
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write the answer as JSON: %w", err)
	}
	return r.text(status, buffer.Bytes())
}

// text answers with JSON text, which is copied.
func (r *request) text(status int, text []byte) error {
	r.common()
	r.ctx.SetStatusCode(status)
	if !r.accepts(msgpackType) {
		r.ctx.SetContentType(jsonType)
		r.ctx.Response.SetBody(text)
		return nil
	}
	packed, err := appendMsgpack(nil, text)
	if err != nil {
		return fmt.Errorf("write the answer as msgpack: %w", err)
	}
	r.ctx.SetContentType(msgpackType)
	r.ctx.Response.SetBodyRaw(packed)
	return nil
}

// common sets the headers that every answer has.
func (r *request) common() {
	h := &r.ctx.Response.Header
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
}

// problem answers with an error. It is JSON whatever the request accepts:
// application/problem+json has no binary sibling, and its type tells clients.
func (r *request) problem(err error) {
	p := problemOf(err)
	if p.cause != nil {
		r.server.log.Error("request failed", "method", string(r.ctx.Method()), "path", abridged(string(r.ctx.Path())), "error", p.cause)
	}
	r.drain()
	r.ctx.Response.ResetBody()
	r.common()
	r.ctx.SetStatusCode(p.Status)
	r.ctx.SetContentType(problemType)
	if p.retryAfter > 0 {
		seconds := int64((p.retryAfter + time.Second - 1) / time.Second)
		r.ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
	}
	if len(p.allow) > 0 {
		r.ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(p.allow, ", "))
	}
	r.ctx.Response.SetBodyRaw(append(p.appendTo(nil), '\n'))
}

// buffer takes an empty buffer; release gives it back.
func (s *Server) buffer() *bytes.Buffer {
	if b, ok := s.replies.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return new(bytes.Buffer)
}

func (s *Server) release(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		s.replies.Put(b)
	}
}
