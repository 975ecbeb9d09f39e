package server

// Errors as RFC 9457 problem details. This is the only place that knows which
// error means which status: handlers return errors as they came.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"sketchlog/ingest"
	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/view"
	"sketchlog/query"
)

const (
	// problemType is the media type of every error.
	problemType = "application/problem+json"
	// maxProblems bounds the list of faults of one problem.
	maxProblems = 100
	// maxDetail bounds a text that may quote the request.
	maxDetail = 4 << 10
)

// Problem is an error as the client sees it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Errors lists the faults when there are several, or when a fault has a place.
	Errors []any `json:"errors,omitempty"`

	retryAfter time.Duration // Retry-After is sent when above zero
	allow      []string      // the methods of a 405
	cause      error         // for the log, when the client must not see it
}

// Error makes a Problem an error that handlers can return.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Type, p.Detail) }

// plainFault is a fault without a place.
type plainFault struct {
	Detail string `json:"detail"`
}

// kind is a class of problems.
type kind struct {
	slug   string
	title  string
	status int
	retry  time.Duration
}

// mapping is searched in order; the first sentinel that an error wraps decides.
var mapping = []struct {
	err  error
	kind kind
}{
	{ingest.ErrUnknownStream, kind{"unknown-stream", "Unknown stream", http.StatusNotFound, 0}},
	{view.ErrUnknownStream, kind{"unknown-stream", "Unknown stream", http.StatusNotFound, 0}},
	{view.ErrUnknownView, kind{"unknown-view", "Unknown view", http.StatusNotFound, 0}},
	{query.ErrUnknownSketch, kind{"unknown-sketch", "Unknown sketch", http.StatusNotFound, 0}},
	{query.ErrUnanswerable, kind{"unanswerable", "No sketch answers this question", http.StatusUnprocessableEntity, 0}},
	{query.ErrMissing, kind{"missing-partitions", "Partitions are missing", http.StatusServiceUnavailable, time.Second}},
	{query.ErrInvalid, kind{"invalid-question", "Invalid question", http.StatusBadRequest, 0}},
	{ingest.ErrConflict, kind{"conflict", "The definition cannot change in this way", http.StatusConflict, 0}},
	{view.ErrConflict, kind{"conflict", "The definition cannot change in this way", http.StatusConflict, 0}},
	{ingest.ErrInvalid, kind{"invalid-definition", "Invalid definition", http.StatusBadRequest, 0}},
	{view.ErrInvalid, kind{"invalid-definition", "Invalid definition", http.StatusBadRequest, 0}},
	{ingest.ErrStale, kind{"stale-number", "The request's number is too old", http.StatusConflict, 0}},
	{ingest.ErrBusy, kind{"overloaded", "Too many events are waiting", http.StatusTooManyRequests, time.Second}},
	{ingest.ErrBehind, kind{"overloaded", "The views are too far behind", http.StatusServiceUnavailable, time.Second}},
	{ingest.ErrClosing, kind{"closing", "The server is stopping", http.StatusServiceUnavailable, 2 * time.Second}},
	{eventlog.ErrFull, kind{"log-full", "The log is full", http.StatusServiceUnavailable, 30 * time.Second}},
	{view.ErrNoRoom, kind{"state-full", "The disk of the state is full", http.StatusServiceUnavailable, 30 * time.Second}},
	{eventlog.ErrTooLarge, kind{"too-large", "Too large", http.StatusRequestEntityTooLarge, 0}},
	{eventlog.ErrUnavailable, kind{"log-unavailable", "The log cannot be reached", http.StatusServiceUnavailable, 2 * time.Second}},
	{eventlog.ErrClosed, kind{"closing", "The server is stopping", http.StatusServiceUnavailable, 2 * time.Second}},
	{event.ErrTooLarge, kind{"too-large", "Too large", http.StatusRequestEntityTooLarge, 0}},
	{ingest.ErrTooLarge, kind{"too-large", "Too large", http.StatusRequestEntityTooLarge, 0}},
	{view.ErrClosed, kind{"closing", "The server is stopping", http.StatusServiceUnavailable, 2 * time.Second}},
	{event.ErrBody, kind{"bad-events", "Bad events", http.StatusBadRequest, 0}},
	{event.ErrEncoding, kind{"bad-encoding", "The body cannot be unpacked", http.StatusBadRequest, 0}},
	{context.DeadlineExceeded, kind{"timeout", "Not done in time", http.StatusServiceUnavailable, time.Second}},
	// Not "closing": that says that nothing was done, and here nobody knows.
	{context.Canceled, kind{"interrupted", "The server stopped meanwhile", http.StatusServiceUnavailable, 2 * time.Second}},
	// Streams are looked up before their log is; this one was deleted in between.
	{eventlog.ErrUnknown, kind{"unknown-stream", "Unknown stream", http.StatusNotFound, 0}},
}

// problemOf turns any error into what the client sees. What is in no table is
// the server's own fault: 500, with the cause for the log only.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, m := range mapping {
		if errors.Is(err, m.err) {
			p := m.kind.because(err.Error())
			var busy *ingest.BusyError
			if errors.As(err, &busy) {
				p.retryAfter = busy.RetryAfter
			}
			if leaves := faultsOf(err, m.err); len(leaves) > 1 {
				p.Errors = leaves
			}
			return p
		}
	}
	p = kind{"internal", "Internal error", http.StatusInternalServerError, 0}.because("the server failed; its log has the cause")
	p.cause = err
	return p
}

func (k kind) because(detail string) *Problem {
	return &Problem{Type: k.slug, Title: k.title, Status: k.status, Detail: readable(detail), retryAfter: k.retry}
}

// readable makes one bounded line of an error's text.
func readable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\n", "; ")
	if len(text) > maxDetail {
		cut := maxDetail
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}

// faultsOf lists the parts of the joined error inside err, nil when there is
// none. A part that wraps further errors with a text of its own stays one
// fault: its text says where it belongs.
func faultsOf(err, sentinel error) []any {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if inner := errors.Unwrap(err); inner != nil {
			return faultsOf(inner, sentinel)
		}
		return nil
	}
	children := many.Unwrap()
	if !isJoin(err, children) {
		for _, child := range children {
			if faults := faultsOf(child, sentinel); faults != nil {
				return faults
			}
		}
		return nil
	}
	var faults []any
	for _, child := range children {
		nested, ok := child.(interface{ Unwrap() []error })
		switch {
		case child == sentinel:
		case ok && isJoin(child, nested.Unwrap()):
			faults = append(faults, faultsOf(child, sentinel)...)
		default:
			faults = append(faults, plainFault{Detail: readable(strings.TrimPrefix(child.Error(), sentinel.Error()+": "))})
		}
	}
	return faults[:min(len(faults), maxProblems)]
}

// isJoin tells errors.Join's result from fmt.Errorf's with several %w.
func isJoin(err error, children []error) bool {
	texts := make([]string, len(children))
	for i, child := range children {
		texts[i] = child.Error()
	}
	return err.Error() == strings.Join(texts, "\n")
}

// Problems that begin in this package.

func errNoRoute(path []byte) error {
	return kind{"unknown-path", "Unknown path", http.StatusNotFound, 0}.because(
		fmt.Sprintf("there is nothing at %q; /openapi.yaml lists what there is", abridged(string(path))))
}

func errMethod(method string, allowed []string) error {
	p := kind{"method-not-allowed", "Method not allowed", http.StatusMethodNotAllowed, 0}.because(
		fmt.Sprintf("this path does not take %s; it takes %s", abridged(method), strings.Join(allowed, ", ")))
	p.allow = allowed
	return p
}

func errName(what, name string) error {
	return kind{"invalid-name", "Invalid name", http.StatusBadRequest, 0}.because(
		fmt.Sprintf("%q cannot be the name of a %s: names are 1 to 64 letters, digits, _ and -", abridged(name), what))
}

// errParameters lists everything that is wrong with a request's parameters.
func errParameters(faults []string) error {
	p := kind{"invalid-parameters", "Invalid parameters", http.StatusBadRequest, 0}.because(strings.Join(faults, "; "))
	if len(faults) > 1 {
		for _, fault := range faults[:min(len(faults), maxProblems)] {
			p.Errors = append(p.Errors, plainFault{Detail: readable(fault)})
		}
	}
	return p
}

func errBadRequest(format string, args ...any) error {
	return kind{"bad-request", "Bad request", http.StatusBadRequest, 0}.because(fmt.Sprintf(format, args...))
}

func errMediaType(format string, args ...any) error {
	return kind{"unsupported-media-type", "Unsupported media type", http.StatusUnsupportedMediaType, 0}.because(fmt.Sprintf(format, args...))
}

func errTooLarge(format string, args ...any) error {
	return kind{"too-large", "Too large", http.StatusRequestEntityTooLarge, 0}.because(fmt.Sprintf(format, args...))
}

func errOverloaded(format string, args ...any) error {
	return kind{"overloaded", "Too much at once", http.StatusServiceUnavailable, time.Second}.because(fmt.Sprintf(format, args...))
}

func errClosing() error {
	return kind{"closing", "The server is stopping", http.StatusServiceUnavailable, 2 * time.Second}.because(
		"the server is stopping and takes no new work; try again, or another node")
}

func errInUse(stream string, views []string) error {
	return kind{"in-use", "Views read the stream", http.StatusConflict, 0}.because(
		fmt.Sprintf("stream %q is read by %s; delete these views first", stream, quoted(views)))
}

// errBadEvents refuses a request for its bad events.
func errBadEvents(r event.Result) error {
	of := "of"
	if r.Rejected >= maxProblems { // no more are listed, and reading ended with the last
		of = "of the first"
	}
	p := kind{"bad-events", "Bad events", http.StatusBadRequest, 0}.because(
		fmt.Sprintf("%d %s %d events are bad and nothing was appended; mend them, or send on_error=skip to append the others", r.Rejected, of, r.Accepted+r.Rejected))
	for _, fault := range r.Faults[:min(len(r.Faults), maxProblems)] {
		p.Errors = append(p.Errors, fault)
	}
	return p
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(out, ", ")
}

// abridged keeps what the request said from filling an answer.
func abridged(s string) string {
	const most = 80
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// appendTo writes the problem as JSON.
func (p *Problem) appendTo(dst []byte) []byte {
	text, err := json.Marshal(p)
	if err != nil {
		// Only a fault that cannot be marshalled leads here, and all of them are ours.
		return append(dst, `{"type":"internal","title":"Internal error","status":500,"detail":"the problem cannot be written as JSON"}`...)
	}
	return append(dst, text...)
}
