package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/logtest"
)

// serverDir is the variable that makes the test binary a NATS server.
const serverDir = "SKETCHLOG_TEST_NATS_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		os.Exit(serveNATS(dir))
	}
	os.Exit(m.Run())
}

// serveNATS runs a NATS server with its store in dir, at a free port that it
// writes to dir/url, until the process is killed or its standard input ends.
func serveNATS(dir string) int {
	s, err := server.NewServer(&server.Options{
		ServerName: "external", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir,
		SyncAlways: true, MaxPayload: maxPayload, NoSigs: true, NoLog: true,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		return 1
	}
	fmt.Println(s.ClientURL())
	var end [1]byte
	_, _ = os.Stdin.Read(end[:])
	s.Shutdown()
	s.WaitForShutdown()
	return 0
}

// startNATS starts a NATS server as a process of its own.
func startNATS(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), serverDir+"="+dir)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = c.Process.Kill()
			_ = c.Wait()
			_ = in.Close()
		}
	}
	t.Cleanup(kill)
	if _, err := fmt.Fscanln(out, &url); err != nil {
		t.Fatal("the NATS server did not start: ", err)
	}
	return url, kill
}

func open(t testing.TB, c Config) *Log {
	t.Helper()
	l, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestEmbedded(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Subject {
		dir := t.TempDir()
		l := open(t, Config{Dir: dir})
		return logtest.Subject{Log: l, Reopen: func() eventlog.Log {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, Config{Dir: dir})
		}}
	})
}

func TestExternal(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Subject {
		url, _ := startNATS(t, t.TempDir())
		l := open(t, Config{URL: url})
		return logtest.Subject{Log: l, Reopen: func() eventlog.Log {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, Config{URL: url})
		}}
	})
}

// stream makes stream s of one partition.
func stream(t testing.TB, l *Log, r eventlog.Retention) eventlog.Partition {
	t.Helper()
	if err := l.Ensure(t.Context(), "s", eventlog.Settings{Partitions: 1, Retention: r}); err != nil {
		t.Fatal(err)
	}
	p, err := l.Partition(t.Context(), "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKilledServer kills an external server: appends say that it is not
// available, and what was acknowledged is there when it comes back.
func TestKilledServer(t *testing.T) {
	dir := t.TempDir()
	url, kill := startNATS(t, dir)
	l := open(t, Config{URL: url, Patience: 300 * time.Millisecond})
	p := stream(t, l, eventlog.Retention{})
	for o := uint64(1); o <= 20; o++ {
		if got, err := p.Append(t.Context(), "", fmt.Append(nil, o), eventlog.AcksAll); err != nil || got != o {
			t.Fatalf("append gave %d, %v", got, err)
		}
	}
	kill()
	if _, err := p.Append(t.Context(), "x", []byte("x"), eventlog.AcksAll); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("append to a dead server: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := l.Ready(ctx); err == nil {
		t.Error("a log on a dead server is ready")
	}
	url, _ = startNATS(t, dir)
	l = open(t, Config{URL: url})
	p, err := l.Partition(t.Context(), "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	for r, err := range p.Read(t.Context(), 1, 20) {
		if err != nil || r.Offset != next || string(r.Data) != fmt.Sprint(next) {
			t.Fatalf("offset %d came back as %d, %q, %v", next, r.Offset, r.Data, err)
		}
		next++
	}
	if next != 21 {
		t.Errorf("%d records of 20 came back", next-1)
	}
}

func TestOpenFaults(t *testing.T) {
	if _, err := Open(t.Context(), Config{URL: "nats://127.0.0.1:1"}); err == nil {
		t.Error("a log was opened where no server is")
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("a log was opened without a directory")
	}
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	_, err := Open(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory in use: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Config{Dir: dir})
}
