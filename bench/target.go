package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
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

	child *exec.Cmd
	data  string
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

// Launch starts `binary serve` on a fresh directory and a free port. Close
// ends it and removes the directory.
func Launch(ctx context.Context, binary string, flags ...string) (*Target, error) {
	data, err := os.MkdirTemp("", "sketchlog-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	t := &Target{data: data}
	if err := t.start(ctx, binary, flags); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: starting %s: %w", binary, err), t.Close())
	}
	return t, nil
}

func (t *Target) start(ctx context.Context, binary string, flags []string) error {
	args := append([]string{"serve", "--data", t.data, "--listen", "127.0.0.1:0"}, flags...)
	t.child = exec.Command(binary, args...)
	t.child.Stderr = os.Stderr
	t.child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := t.child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := t.child.Start(); err != nil {
		t.child = nil
		return err
	}
	line := make(chan string, 1)
	go func() { // ends when the child closes its standard output
		r := bufio.NewReader(out)
		text, _ := r.ReadString('\n')
		line <- text
		io.Copy(io.Discard, r)
	}()
	select {
	case text := <-line:
		_, address, ok := strings.Cut(strings.TrimSpace(text), "listening on http://")
		if !ok {
			return fmt.Errorf("it printed %q instead of its address", text)
		}
		fresh := newTarget(address, "")
		t.address, t.http = fresh.address, fresh.http
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("it printed no address within 30 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops a child and removes what it stored.
func (t *Target) Close() error {
	var errs []error
	if t.child != nil {
		errs = append(errs, t.child.Process.Signal(syscall.SIGTERM))
		kill := time.AfterFunc(15*time.Second, func() { t.child.Process.Kill() })
		err := t.child.Wait()
		kill.Stop()
		errs = append(errs, err)
	}
	if t.data != "" {
		errs = append(errs, os.RemoveAll(t.data))
	}
	return errors.Join(errs...)
}

// Usage is what a child has used so far; zeros for any other target.
type Usage struct {
	CPU     time.Duration
	PeakRSS int64 // bytes
}

// Usage reads the child's accounts.
func (t *Target) Usage() (Usage, error) {
	if t.child == nil {
		return Usage{}, nil
	}
	dir := "/proc/" + strconv.Itoa(t.child.Process.Pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("bench: %w", err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Usage{}, fmt.Errorf("bench: %w", err)
	}
	return parseUsage(string(stat), string(status))
}

// parseUsage takes processor time from proc's stat (fields 14 and 15, in ticks
// of 10 ms on Linux) and the peak of resident memory from its status.
func parseUsage(stat, status string) (Usage, error) {
	var u Usage
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return u, fmt.Errorf("bench: cannot read processor time from %q", stat)
	}
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("bench: processor time: %w", err)
		}
		u.CPU += time.Duration(ticks) * 10 * time.Millisecond
	}
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return u, fmt.Errorf("bench: peak memory: %w", err)
			}
			u.PeakRSS = kib << 10
		}
	}
	return u, nil
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

// put creates or changes a stream or a view.
func (t *Target) put(path string, definition any) error {
	body, err := json.Marshal(definition)
	if err != nil {
		return err
	}
	return t.call(fasthttp.MethodPut, path, "application/json", body, nil)
}
