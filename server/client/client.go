// Package client calls the HTTP API.
//
//	client.go   how a request is made and an answer read
//	problem.go  errors that the server reports
//	produce.go  sending events, with retries
//	calls.go    the other routes
//	watch.go    answers that go on
//
// Answers come as the JSON that the server sent: what they mean is in its
// openapi.yaml, and a client that took them apart would have to be as new as
// the server. Only what callers act on is typed.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultAddress is where a server listens unless it is told otherwise.
const DefaultAddress = "http://127.0.0.1:7600"

// maxAnswer bounds what is read of one answer into memory.
const maxAnswer = 256 << 20

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base  string // without a slash at the end
	token string
	http  *http.Client
	retry Retry
	sleep func(context.Context, time.Duration) error
}

// Option changes a client.
type Option func(*Client)

// WithTransport makes the client use another transport. The default keeps
// enough connections open for 64 goroutines that produce at once.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.http.Transport = t } }

// WithRetry changes how Produce tries again.
func WithRetry(r Retry) Option { return func(c *Client) { c.retry = r } }

// New makes a client of the server at address, a URL or host:port; "" is
// DefaultAddress. token is sent as a bearer token unless it is empty.
func New(address, token string, options ...Option) (*Client, error) {
	if address == "" {
		address = DefaultAddress
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("address %q is not a URL such as %s", address, DefaultAddress)
	}
	c := &Client{base: strings.TrimRight(u.String(), "/"), token: token, retry: DefaultRetry(), sleep: sleep}
	c.http = &http.Client{
		Transport: newTransport(),
		// The API never redirects; whoever does is not the server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, option := range options {
		option(c)
	}
	return c, nil
}

// newTransport keeps connections: a producer makes thousands of requests.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute, // less than the server's, so that it is not the server who closes
		ResponseHeaderTimeout: 2 * time.Minute,
		DisableCompression:    true, // the server never compresses
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        16 << 10,
	}
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request.
type call struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
}

// do makes a request. Status codes from 400 on become a *Problem; otherwise the
// caller closes the body.
func (c *Client) do(ctx context.Context, one call) (*http.Response, error) {
	target := c.base + one.path
	if len(one.query) > 0 {
		target += "?" + one.query.Encode()
	}
	var body io.Reader
	if one.body != nil {
		body = bytes.NewReader(one.body)
	}
	request, err := http.NewRequestWithContext(ctx, one.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", one.method, one.path, err)
	}
	for name, values := range one.header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", "sketchlog")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s%s: %w", one.method, c.base, one.path, cause(err))
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}

// cause takes the URL off http.Client's errors: it is long, and said already.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// bytes makes a request and reads the whole answer.
func (c *Client) bytes(ctx context.Context, one call) ([]byte, int, error) {
	response, err := c.do(ctx, one)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: read the answer: %w", one.method, one.path, err)
	}
	if len(text) > maxAnswer {
		return nil, 0, fmt.Errorf("%s %s: the answer exceeds %d bytes; ask for less at a time", one.method, one.path, maxAnswer)
	}
	return text, response.StatusCode, nil
}

// json makes a request whose answer is JSON.
func (c *Client) json(ctx context.Context, one call) (json.RawMessage, int, error) {
	text, status, err := c.bytes(ctx, one)
	if err == nil && !json.Valid(text) {
		err = fmt.Errorf("%s %s%s: the answer is not JSON; is this a sketchlog server?", one.method, c.base, one.path)
	}
	if err != nil {
		return nil, status, err
	}
	return text, status, nil
}

// get is json for the plainest of requests.
func (c *Client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	text, _, err := c.json(ctx, call{method: http.MethodGet, path: path, query: query})
	return text, err
}

// post sends JSON.
func (c *Client) post(ctx context.Context, path string, body []byte) (json.RawMessage, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	text, _, err := c.json(ctx, call{method: http.MethodPost, path: path, header: header, body: body})
	return text, err
}

// sleep waits, or returns why it did not.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
