package client

// Sending events. A request that is numbered is sent again after any failure,
// because the server counts it once; one that is not is sent again only when
// the server said that it took nothing.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// mediaTypes of the formats of events.
var mediaTypes = map[string]string{
	"ndjson":    "application/x-ndjson",
	"json":      "application/json",
	"msgpack":   "application/msgpack",
	"csv":       "text/csv",
	"accesslog": "text/x-access-log",
}

// Retry says how often and when Produce tries again.
type Retry struct {
	Attempts int           // in all; at least 1
	First    time.Duration // wait before the second; doubles from there
	Most     time.Duration // longest wait, also of those that the server asks for
}

// DefaultRetry outlasts the election of a new leader of the log, which takes 4
// to 7 seconds: the waits add up to about 19.
func DefaultRetry() Retry {
	return Retry{Attempts: 8, First: 250 * time.Millisecond, Most: 5 * time.Second}
}

// ProduceOptions are what POST …/events takes besides its body. The zero value
// asks for the server's defaults.
type ProduceOptions struct {
	Acks     string // "0", "1", "all"
	Applied  bool   // answer once the views have the events
	Skip     bool   // leave bad events out instead of refusing the request
	Encoding string // of the body: "", "gzip", "zstd"
	// Producer and Number make the request count once however often it is sent.
	// Number must rise from request to request of one producer. "" does without.
	Producer string
	Number   uint64
}

// Receipt is what the server says of events that it took.
type Receipt struct {
	Accepted  int               `json:"accepted"`
	Rejected  int               `json:"rejected"`
	Duplicate bool              `json:"duplicate"`
	Applied   *bool             `json:"applied"` // only with ProduceOptions.Applied
	Offsets   map[string]uint64 `json:"offsets"` // per partition
	Errors    []Fault           `json:"errors"`  // with ProduceOptions.Skip

	Attempts int `json:"-"` // how often it was sent
}

// Produce sends events: body in one of the formats ndjson, json, msgpack, csv
// and accesslog. It does not keep body. Refusals are a *Problem.
func (c *Client) Produce(ctx context.Context, stream string, body []byte, format string, o ProduceOptions) (Receipt, error) {
	one, err := o.call(stream, body, format)
	if err != nil {
		return Receipt{}, err
	}
	wait := c.retry.First
	for attempt := 1; ; attempt++ {
		text, _, err := c.json(ctx, one)
		if err == nil {
			r := Receipt{Attempts: attempt}
			if err := json.Unmarshal(text, &r); err != nil {
				return r, fmt.Errorf("produce to %s: read the receipt: %w", stream, err)
			}
			return r, nil
		}
		if attempt >= c.retry.Attempts || ctx.Err() != nil || !again(err, o.Producer != "") {
			return Receipt{Attempts: attempt}, err
		}
		pause := wait
		var p *Problem
		if errors.As(err, &p) && p.RetryAfter > pause {
			pause = p.RetryAfter
		}
		if c.sleep(ctx, min(pause, c.retry.Most)) != nil {
			return Receipt{Attempts: attempt}, err // why it failed says more than that time is up
		}
		wait = min(2*wait, c.retry.Most)
	}
}

// call makes the request of a body with events.
func (o ProduceOptions) call(stream string, body []byte, format string) (call, error) {
	mediaType, ok := mediaTypes[format]
	if !ok {
		return call{}, fmt.Errorf("format %q is not one of ndjson, json, msgpack, csv, accesslog", format)
	}
	if body == nil {
		body = []byte{}
	}
	one := call{method: http.MethodPost, path: "/v1/streams/" + url.PathEscape(stream) + "/events", query: url.Values{}, header: http.Header{}, body: body}
	one.header.Set("Content-Type", mediaType)
	if o.Encoding != "" {
		one.header.Set("Content-Encoding", o.Encoding)
	}
	if o.Producer != "" {
		one.header.Set("Idempotency-Key", o.Producer+"/"+strconv.FormatUint(o.Number, 10))
	}
	if o.Acks != "" {
		one.query.Set("acks", o.Acks)
	}
	if o.Applied {
		one.query.Set("wait", "applied")
	}
	if o.Skip {
		one.query.Set("on_error", "skip")
	}
	return one, nil
}

// again reports whether a failed request may be sent again: when it is numbered
// after anything that may pass, else only when the server took nothing.
func again(err error, numbered bool) bool {
	var p *Problem
	if !errors.As(err, &p) {
		return numbered && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	switch p.Status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return numbered || p.Type == "overloaded" || p.Type == "closing" || p.Type == "log-full"
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return numbered
	}
	return false
}
