package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// Target is the server under test: one that runs already, or a child process
// with a data directory of its own, whose memory and processor time are then
// known.
type Target struct {
	address string // host:port
	token   string
	http    *fasthttp.HostClient

	child  *exec.Cmd // nil: not started from here
	binary string
	flags  []string
	data   string // directory of the child
}

// Connect takes a server that runs already, by its URL.
func Connect(url, token string) (*Target, error) {
	address, ok := strings.CutPrefix(strings.TrimSuffix(url, "/"), "http://")
	if !ok || address == "" || strings.Contains(address, "/") {
		return nil, fmt.Errorf("bench: address %q is not of the form http://HOST:PORT", url)
	}
	return newTarget(address, token), nil
}

func newTarget(address, token string) *Target {
	return &Target{address: address, token: token, http: &fasthttp.HostClient{
		Addr:                address,
		MaxConns:            1024,
		ReadTimeout:         2 * time.Minute,
		WriteTimeout:        2 * time.Minute,
		MaxResponseBodySize: 64 << 20,
	}}
}

// another is the same server through connections of its own, so that questions
// do not queue behind the load.
func (t *Target) another() *Target { return newTarget(t.address, t.token) }

// processors is how many may make requests for the target at once: all, or half of them
// where it is on this machine and needs the others.
func (t *Target) processors() int {
	if t.child != nil {
		return runtime.NumCPU() / 2
	}
	return runtime.NumCPU()
}

// call makes one request and decodes its JSON answer into out unless it is nil.
func (t *Target) call(method, path, contentType string, body []byte, out any) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(method)
	req.SetRequestURI("http://" + t.address + path)
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	if body != nil {
		req.Header.SetContentType(contentType)
		req.SetBodyRaw(body)
	}
	if err := t.http.Do(req, resp); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if code := resp.StatusCode(); code >= 300 {
		return &refusal{method: method, path: path, status: code, body: string(resp.Body())}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(resp.Body(), out)
}

// refusal is an answer other than 2xx.
type refusal struct {
	method, path string
	status       int
	body         string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s %s: %d %s", r.method, r.path, r.status, r.body)
}

// busy reports whether the server asked to come back later.
func busy(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.status == fasthttp.StatusTooManyRequests || r.status == fasthttp.StatusServiceUnavailable)
}

// notTaken reports whether the server refused a request for want of room, so
// that none of it is in the log.
func notTaken(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.status == fasthttp.StatusTooManyRequests ||
		r.status == fasthttp.StatusServiceUnavailable && (strings.Contains(r.body, `"overloaded"`) || strings.Contains(r.body, `"log-full"`)))
}

// outcomeUnknown reports whether a request may or may not be in the log: the
// connection broke, or the server could not tell.
func outcomeUnknown(err error) bool {
	var r *refusal
	return !errors.As(err, &r) || busy(err) && !notTaken(err)
}

// put creates or changes a stream or a view.
func (t *Target) put(path string, definition any) error {
	body, err := json.Marshal(definition)
	if err != nil {
		return err
	}
	return t.call(fasthttp.MethodPut, path, "application/json", body, nil)
}
