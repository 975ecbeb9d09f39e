//go:build e2e

package main

// How a server starts and stops.

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "somewhere", "else")
	path := write(t, "c.yaml", []byte("data: "+data+"\nlisten: 127.0.0.1:0\n"))
	c := exec.Command(binary, "serve", "--config", path)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Dir = dir
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "listening on http://127.0.0.1:") || strings.Contains(line, ":0\n") || strings.Contains(line, ":7600") {
		t.Errorf("serve prints %q, %v: %s", line, err, errs.String())
	}
	if _, err := os.Stat(data); err != nil {
		t.Error(err)
	}
	c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	for args, why := range map[string]string{
		"--config " + filepath.Join(dir, "none.yaml"):                                      "none.yaml",
		"--config " + write(t, "bad.yaml", []byte("dta: x\n")):                             "dta",
		"--listen nonsense --data " + filepath.Join(dir, "a"):                              "nonsense",
		"--nats nats://127.0.0.1:1 --listen 127.0.0.1:0 --data " + filepath.Join(dir, "b"): "nats",
	} {
		if code, out, errs := command(t, "", append([]string{"serve"}, strings.Fields(args)...)...); code != exitRefused || out != "" || !strings.Contains(errs, why) {
			t.Errorf("serve %s: exit code %d, %q, %q, want %q", args, code, out, errs, why)
		}
	}
}

func TestADirectoryHasOneServer(t *testing.T) {
	p := startProcess(t)
	code, out, errs := command(t, "", "serve", "--data", p.data, "--listen", "127.0.0.1:0")
	last := errs[strings.LastIndex(strings.TrimSpace(errs), "\n")+1:]
	if code != exitRefused || out != "" || !strings.Contains(last, p.data) || !strings.Contains(last, "another") {
		t.Errorf("a second server: exit code %d, %q, %q", code, out, errs)
	}
	p.done("stream", "create", "s") // the first one does not mind
}

// SIGTERM under load ends the server within 10 s with exit code 0, and
// everything that it acknowledged is there afterwards.
func TestSIGTERMUnderLoad(t *testing.T) {
	p := startProcess(t)
	p.must("PUT", "/v1/streams/s", map[string]any{"partitions": 3, "time": "time"}, nil)
	p.must("PUT", "/v1/views/v", map[string]any{"stream": "s", "by": []string{"key"}, "pane": "1m", "keep": "100000d", "from": "earliest",
		"sketches": map[string]any{"items": map[string]any{"kind": "hll", "of": "item"}}}, nil)
	total := int64(0)
	for range 3 {
		var acknowledged, uncertain atomic.Int64
		done := make(chan struct{})
		var wg sync.WaitGroup
		for producer := range 4 {
			wg.Go(func() {
				for number := 1; ; number++ {
					select {
					case <-done:
						return
					default:
					}
					body, _ := events(producer, number)
					code, _, err := p.call("POST", "/v1/streams/s/events", "application/x-ndjson", []byte(body))
					switch {
					case err == nil && code == 200:
						acknowledged.Add(perRequest)
					case err != nil || code == 503 || code == 429:
						uncertain.Add(perRequest)
						time.Sleep(time.Millisecond)
					default:
						t.Errorf("%d", code)
						return
					}
				}
			})
		}
		wg.Go(func() { // a watcher must not hold the server up
			if connection, err := net.Dial("tcp", strings.TrimPrefix(p.address(), "http://")); err == nil {
				defer connection.Close()
				fmt.Fprintf(connection, "GET /v1/views/v/watch?question=count&every=100ms HTTP/1.1\r\nHost: x\r\n\r\n")
				<-done
			}
		})
		p.await("under load", func() bool { return acknowledged.Load() > 20*perRequest })
		began := time.Now()
		code := p.stop()
		took := time.Since(began)
		close(done)
		wg.Wait()
		if code != exitDone || took > 10*time.Second {
			t.Errorf("SIGTERM: exit code %d after %v: %s", code, took, p.stderr)
		}
		p.start()
		least := total + acknowledged.Load()
		got := int64(p.count("v", ""))
		if most := least + uncertain.Load(); got < least || got > most {
			t.Errorf("%d events after a restart; %d were acknowledged, %d sent", got, least, most)
		}
		total = got
	}
}

// natsServer runs a NATS server with JetStream, of the version that is built in.
func natsServer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("building a NATS server: %v\n%s", err, out)
	}
	ports := filepath.Join(dir, "ports")
	if err := os.Mkdir(ports, 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", filepath.Join(dir, "js"), "--ports_file_dir", ports)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		if files, _ := filepath.Glob(filepath.Join(ports, "*.ports")); len(files) == 1 {
			if raw, err := os.ReadFile(files[0]); err == nil {
				if _, after, ok := strings.Cut(string(raw), `"nats://`); ok {
					address, _, _ := strings.Cut(after, `"`)
					return "nats://" + address
				}
			}
		}
	}
	t.Fatal("the NATS server does not say its port")
	return ""
}

func TestAnExistingNATSServer(t *testing.T) {
	p := startProcess(t, "--nats", natsServer(t))
	p.done("view", "apply", "-f", write(t, "views.yaml", []byte(webViews)))
	send := func(from, to int) {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, `{"time":%d,"host":"h%d","path":"/p%d","bytes":1}`+"\n", 1_700_000_000_000+int64(i)*1000, i%101, i%3)
		}
		if code, _, errs := p.cli(b.String(), "produce", "web", "--batch", "100"); code != exitDone {
			t.Fatal(errs)
		}
	}
	send(0, 1000)
	if got := p.count("pages", ""); got != 1000 {
		t.Errorf("%d events", got)
	}
	if code := p.stop(); code != exitDone {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
	p.start()
	send(1000, 1500)
	if got := p.count("pages", ""); got != 1500 {
		t.Errorf("%d events after a restart", got)
	}
	p.kill()
	p.start()
	if got := p.count("pages", ""); got != 1500 {
		t.Errorf("%d events after SIGKILL", got)
	}
}
