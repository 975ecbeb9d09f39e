package server

// The table of errors, and that every fault is listed and bounded.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sketchlog/ingest"
	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/view"
	"sketchlog/query"
)

func TestProblemOfErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		slug   string
		retry  bool
	}{
		{ingest.ErrUnknownStream, 404, "unknown-stream", false},
		{view.ErrUnknownStream, 404, "unknown-stream", false},
		{eventlog.ErrUnknown, 404, "unknown-stream", false},
		{view.ErrUnknownView, 404, "unknown-view", false},
		{query.ErrUnknownSketch, 404, "unknown-sketch", false},
		{query.ErrUnanswerable, 422, "unanswerable", false},
		{query.ErrMissing, 503, "missing-partitions", true},
		{query.ErrInvalid, 400, "invalid-question", false},
		{ingest.ErrInvalid, 400, "invalid-definition", false},
		{view.ErrInvalid, 400, "invalid-definition", false},
		{ingest.ErrConflict, 409, "conflict", false},
		{view.ErrConflict, 409, "conflict", false},
		{ingest.ErrStale, 409, "stale-number", false},
		{ingest.ErrBusy, 429, "overloaded", true},
		{&ingest.BehindError{Stream: "s"}, 503, "overloaded", true},
		{&ingest.BusyError{RetryAfter: 3 * time.Second}, 429, "overloaded", true},
		{ingest.ErrClosing, 503, "closing", true},
		{ingest.ErrTooLarge, 413, "too-large", false},
		{eventlog.ErrFull, 503, "log-full", true},
		{eventlog.ErrUnavailable, 503, "log-unavailable", true},
		{eventlog.ErrClosed, 503, "closing", true},
		{eventlog.ErrTooLarge, 413, "too-large", false},
		{event.ErrTooLarge, 413, "too-large", false},
		{event.ErrBody, 400, "bad-events", false},
		{event.ErrEncoding, 400, "bad-encoding", false},
		{context.DeadlineExceeded, 503, "timeout", true},
		{context.Canceled, 503, "interrupted", true},
		{errors.New("disk on fire"), 500, "internal", false},
	} {
		p := problemOf(fmt.Errorf("operation: %w", c.err))
		if p.Status != c.status || p.Type != c.slug || (p.retryAfter > 0) != c.retry || p.Detail == "" || p.Title == "" {
			t.Errorf("%v: %+v", c.err, p)
		}
		if c.status == 500 && (p.cause == nil || strings.Contains(p.Detail, "fire")) {
			t.Errorf("%v: the cause belongs into the log and not into the answer: %+v", c.err, p)
		}
	}
}

func TestProblemListsEveryFault(t *testing.T) {
	a, b, c := errors.New("a is wrong"), errors.New("b is wrong"), errors.New("c is wrong")
	marked := func(err error) error { return fmt.Errorf("%w: %w", ingest.ErrInvalid, err) }
	for name, err := range map[string]error{
		"sentinel and join":  fmt.Errorf("%w: %w", ingest.ErrInvalid, errors.Join(a, b, c)),
		"join with sentinel": errors.Join(ingest.ErrInvalid, a, b, c),
		"wrapped":            fmt.Errorf("put stream: %w", fmt.Errorf("%w: %w", ingest.ErrInvalid, errors.Join(a, b, c))),
		"nested joins":       errors.Join(marked(a), errors.Join(marked(b), marked(c))),
		"each marked":        errors.Join(marked(a), marked(b), marked(c)),
	} {
		p := problemOf(err)
		text, failed := json.Marshal(p.Errors)
		must(t, failed)
		if want := `[{"detail":"a is wrong"},{"detail":"b is wrong"},{"detail":"c is wrong"}]`; string(text) != want {
			t.Errorf("%s: errors are %s", name, text)
		}
		if p.Type != "invalid-definition" || strings.Contains(p.Detail, "\n") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := problemOf(fmt.Errorf("%w: %w", ingest.ErrInvalid, errors.Join(a))); p.Errors != nil {
		t.Errorf("one fault is listed beside the detail that says the same: %+v", p)
	}
	within := fmt.Errorf("%w: %w", ingest.ErrInvalid, errors.Join(a, fmt.Errorf("sketch x: %w", errors.Join(b, c))))
	if p := problemOf(within); len(p.Errors) != 2 || p.Errors[1] != (plainFault{"sketch x: b is wrong; c is wrong"}) {
		t.Errorf("a fault loses the text that says where it belongs: %+v", p.Errors)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var many []error
	for i := range 10 * maxProblems {
		many = append(many, fmt.Errorf("fault %d: %s", i, strings.Repeat("ü", maxDetail)))
	}
	p := problemOf(fmt.Errorf("%w: %w", ingest.ErrInvalid, errors.Join(many...)))
	if len(p.Errors) != maxProblems || len(p.Detail) > maxDetail+8 || !utf8.ValidString(p.Detail) {
		t.Fatalf("%d errors, detail of %d bytes", len(p.Errors), len(p.Detail))
	}
	if p := problemOf(fmt.Errorf("%w: \xff", ingest.ErrInvalid)); !json.Valid(p.appendTo(nil)) || !utf8.ValidString(p.Detail) {
		t.Fatalf("%q", p.Detail)
	}
}
