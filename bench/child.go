package bench

// A server that is started for a run: its own directory, its own port, and
// accounts of its memory and processor time.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Launch starts `binary serve` on a fresh directory and a free port. Close
// ends it and removes the directory.
func Launch(ctx context.Context, binary string, flags ...string) (*Target, error) {
	data, err := os.MkdirTemp("", "sketchlog-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	t := &Target{data: data, binary: binary, flags: flags}
	if err := t.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: starting %s: %w", binary, err), t.Close())
	}
	return t, nil
}

// start runs the child on its directory; its address changes with each start.
func (t *Target) start(ctx context.Context) error {
	args := append([]string{"serve", "--data", t.data, "--listen", "127.0.0.1:0"}, t.flags...)
	t.child = exec.Command(t.binary, args...)
	t.child.Stderr = os.Stderr
	t.child.SysProcAttr = endsWithParent()
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

// errNotOwn is returned for what only a server of the run's own may suffer.
var errNotOwn = errors.New("bench: only a server that was started for the run can be killed; leave out --addr")

// kill ends the child with SIGKILL: it gets no chance to save anything.
func (t *Target) kill() error {
	if t.child == nil {
		return errNotOwn
	}
	if err := t.child.Process.Kill(); err != nil {
		return fmt.Errorf("bench: killing the server: %w", err)
	}
	if err := t.child.Wait(); err != nil && t.child.ProcessState == nil {
		return fmt.Errorf("bench: killing the server: %w", err)
	}
	t.child = nil
	return nil
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
