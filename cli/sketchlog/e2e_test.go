//go:build e2e

package main

// End-to-end tests: the built binary as real processes, real sockets, SIGKILL.
// `make e2e` runs them; they need nothing but Go.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sketchlog-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "sketchlog")
		if out, err := buildProgram(binary); err != nil {
			fmt.Fprintf(os.Stderr, "building the program under test: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// buildProgram builds the program under test as `make build` does.
func buildProgram(path string) ([]byte, error) {
	c := exec.Command("go", "build", "-o", path, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	return c.CombinedOutput()
}

// process is one `sketchlog serve` that can be killed and started again on the
// same data; its address changes with each start.
type process struct {
	t       *testing.T
	data    string
	flags   []string
	command *exec.Cmd
	url     atomic.Value // string
	stderr  *bytes.Buffer
}

func startProcess(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{t: t, data: t.TempDir(), flags: flags}
	p.start()
	t.Cleanup(func() {
		if p.command != nil {
			p.kill()
		}
	})
	return p
}

// cli runs a command against the server; its input may be empty.
func (p *process) cli(input string, args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	return command(p.t, input, append(args, "--addr", p.address())...)
}

// done runs a command that has to succeed and returns its standard output.
func (p *process) done(args ...string) string {
	p.t.Helper()
	code, out, errs := p.cli("", args...)
	if code != exitDone {
		p.t.Fatalf("%s: exit code %d, %s; the server's log: %s", strings.Join(args, " "), code, errs, p.stderr)
	}
	return out
}

// json is done with -o json, decoded into out.
func (p *process) json(out any, args ...string) {
	p.t.Helper()
	text := p.done(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(text), out); err != nil {
		p.t.Fatalf("%s: %v in %s", strings.Join(args, " "), err, text)
	}
}

// command runs the program under test.
func command(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, binary, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(input), &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatalf("%v: %v", args, err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

func (p *process) address() string { return p.url.Load().(string) }

// start runs the server and returns once it is ready.
func (p *process) start() {
	p.t.Helper()
	args := append([]string{"serve", "--data", p.data, "--listen", "127.0.0.1:0"}, p.flags...)
	p.command = exec.Command(binary, args...)
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.stderr = &bytes.Buffer{}
	p.command.Stderr = p.stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		p.command.Wait()
		p.t.Fatalf("serve printed %q instead of its address (%v); its log: %s", line, err, p.stderr)
	}
	p.url.Store(url)
	p.await("ready", func() bool {
		code, _, err := p.call("GET", "/readyz", "", nil)
		return err == nil && code == 200
	})
}

func (p *process) kill() {
	p.command.Process.Kill()
	p.command.Wait()
	p.command = nil
}

// stop asks the server to end and returns its exit code.
func (p *process) stop() int {
	p.command.Process.Signal(syscall.SIGTERM)
	p.command.Wait()
	code := p.command.ProcessState.ExitCode()
	p.command = nil
	return code
}

func (p *process) await(what string, done func() bool) {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	p.t.Fatalf("not %s within 60 s; the server's log: %s", what, p.stderr)
}

func (p *process) call(method, path, contentType string, body []byte, headers ...string) (int, []byte, error) {
	req, err := http.NewRequest(method, p.address()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// sendNumbered sends a numbered request again until it is acknowledged, whatever
// becomes of the server meanwhile; false, and the test has failed, if it is refused or
// that takes a minute.
func (p *process) sendNumbered(stream, number, body string) bool {
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		code, answer, err := p.call("POST", "/v1/streams/"+stream+"/events", "application/x-ndjson", []byte(body), "Idempotency-Key", number)
		if err == nil && code == 200 {
			return true
		}
		if err == nil && code != 503 && code != 429 || time.Now().After(end) {
			p.t.Errorf("request %s to %s: %d %s %v", number, stream, code, answer, err)
			return false
		}
	}
}

// must makes a request that has to succeed and decodes its answer into out.
func (p *process) must(method, path string, body, out any) {
	p.t.Helper()
	var raw []byte
	contentType := ""
	if body != nil {
		contentType = "application/json"
		var err error
		if raw, err = json.Marshal(body); err != nil {
			p.t.Fatal(err)
		}
	}
	code, answer, err := p.call(method, path, contentType, raw)
	if err != nil || code >= 300 {
		p.t.Fatalf("%s %s: %d %s %v; the server's log: %s", method, path, code, answer, err, p.stderr)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

// count is the exact number of events of a key in a view, once nothing is owed.
func (p *process) count(view, key string) int {
	p.t.Helper()
	path := "/v1/views/" + view + "/count"
	if key != "" {
		path += "?key=" + key
	}
	var a answer
	p.await(view+" settled", func() bool {
		p.must("GET", path, nil, &a)
		return a.Coverage.Owed == 0
	})
	if !a.Exact || a.Coverage.Lost != 0 {
		p.t.Fatalf("count of %s is not exact: %+v", view, a)
	}
	return int(*a.Estimate)
}
