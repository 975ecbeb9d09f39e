package client

// The routes other than sending events, one method each.

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// PutStream creates or changes a stream; definition is a JSON object.
func (c *Client) PutStream(ctx context.Context, name string, definition []byte) (answer json.RawMessage, created bool, err error) {
	return c.put(ctx, "/v1/streams/"+url.PathEscape(name), definition)
}

// PutView creates or changes a view; definition is a JSON object.
func (c *Client) PutView(ctx context.Context, name string, definition []byte) (answer json.RawMessage, created bool, err error) {
	return c.put(ctx, "/v1/views/"+url.PathEscape(name), definition)
}

func (c *Client) put(ctx context.Context, path string, definition []byte) (json.RawMessage, bool, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	text, status, err := c.json(ctx, call{method: http.MethodPut, path: path, header: header, body: definition})
	return text, status == http.StatusCreated, err
}

// Streams lists the streams: {"streams": […]}.
func (c *Client) Streams(ctx context.Context) (json.RawMessage, error) {
	return c.get(ctx, "/v1/streams", nil)
}

// Stream is a stream's definition and state.
func (c *Client) Stream(ctx context.Context, name string) (json.RawMessage, error) {
	return c.get(ctx, "/v1/streams/"+url.PathEscape(name), nil)
}

// DeleteStream deletes a stream and its events.
func (c *Client) DeleteStream(ctx context.Context, name string) error {
	return c.remove(ctx, "/v1/streams/"+url.PathEscape(name))
}

// Views lists the views: {"views": […]}.
func (c *Client) Views(ctx context.Context) (json.RawMessage, error) {
	return c.get(ctx, "/v1/views", nil)
}

// View is a view's definition and state.
func (c *Client) View(ctx context.Context, name string) (json.RawMessage, error) {
	return c.get(ctx, "/v1/views/"+url.PathEscape(name), nil)
}

// DeleteView deletes a view and its state.
func (c *Client) DeleteView(ctx context.Context, name string) error {
	return c.remove(ctx, "/v1/views/"+url.PathEscape(name))
}

func (c *Client) remove(ctx context.Context, path string) error {
	_, _, err := c.bytes(ctx, call{method: http.MethodDelete, path: path})
	return err
}

// Ask answers a question about a view: distinct, frequency, contains, topk,
// sample, sum or count, with the parameters of the API.
func (c *Client) Ask(ctx context.Context, view, question string, parameters url.Values) (json.RawMessage, error) {
	return c.get(ctx, "/v1/views/"+url.PathEscape(view)+"/"+url.PathEscape(question), parameters)
}

// Contains asks about many items at once; body is {"key": […], "items": […]}.
func (c *Client) Contains(ctx context.Context, view string, body []byte) (json.RawMessage, error) {
	return c.post(ctx, "/v1/views/"+url.PathEscape(view)+"/contains", body)
}

// Query answers a JSON array of questions with an array of answers or problems.
func (c *Client) Query(ctx context.Context, questions []byte) (json.RawMessage, error) {
	return c.post(ctx, "/v1/query", questions)
}

// Keys lists the keys of a view: {"keys": […]}.
func (c *Client) Keys(ctx context.Context, view string, parameters url.Values) (json.RawMessage, error) {
	return c.get(ctx, "/v1/views/"+url.PathEscape(view)+"/keys", parameters)
}

// Series answers a question once a step: {"points": […]}.
func (c *Client) Series(ctx context.Context, view string, parameters url.Values) (json.RawMessage, error) {
	return c.get(ctx, "/v1/views/"+url.PathEscape(view)+"/series", parameters)
}

// Status is how the server is doing.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	return c.get(ctx, "/v1/status", nil)
}

// Ready returns nil when the server can answer questions and take events.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.get(ctx, "/readyz", nil)
	return err
}

// Metrics is the text that Prometheus reads.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	text, _, err := c.bytes(ctx, call{method: http.MethodGet, path: "/metrics"})
	return text, err
}

// EventsOptions say which events to read. Zero values ask for the server's
// defaults: partition 0, from the earliest, 100 events.
type EventsOptions struct {
	Partition int
	From      string // an offset, a time, earliest or latest
	Limit     int
}

// Events reads events of one partition as NDJSON. The caller closes the reader.
// A reader that ends with an error did not give all of them.
func (c *Client) Events(ctx context.Context, stream string, o EventsOptions) (io.ReadCloser, error) {
	query := url.Values{"partition": {strconv.Itoa(o.Partition)}}
	if o.From != "" {
		query.Set("from", o.From)
	}
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	response, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/streams/" + url.PathEscape(stream) + "/events", query: query})
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}
