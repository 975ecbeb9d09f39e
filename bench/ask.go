package bench

// Questions asked by a process of their own, so that the load, which keeps the generator's
// processors busy, does not add to the latencies of answers: with both in one process half of
// the slowest hundredth's was the generator's own scheduling.
//
//	parent                              child (`sketchlog bench ask`)
//	  job ── a line of JSON ──► stdin      reads it, draws its tables
//	  waits            ◄── "ready" ──────  waits
//	  begins the load; closes stdin ─────► asks
//	  result           ◄── JSON ────────── ends

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// askJob says what to ask of whom.
type askJob struct {
	Address string // host:port
	Token   string
	Asking  Asking
	Load    LoadConfig // whose keys and items are asked for
}

// asked is what came of it.
type asked struct {
	Asked, Late int64
	Histograms  []*hdrhistogram.Snapshot // by question
}

const askReady = "ready\n"

// ServeAsking does the job that it reads from in, once in ends, and writes what came of it to out.
func ServeAsking(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := serveAsking(ctx, in, out); err != nil {
		return fmt.Errorf("bench ask: %w", err)
	}
	return nil
}

func serveAsking(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	var job askJob
	if err := json.Unmarshal(line, &job); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	if err := errors.Join(job.Asking.Validate(), job.Load.Validate()); err != nil {
		return err
	}
	source, err := NewSource(job.Load.Workload)
	if err != nil {
		return err
	}
	a := newAsker(job.Asking, newTarget(job.Address, job.Token), source, job.Load)
	if _, err := io.WriteString(out, askReady); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		return fmt.Errorf("waiting for the start: %w", err)
	}
	if err := a.run(ctx, nil); err != nil {
		return err
	}
	result := asked{Asked: a.asked.Load(), Late: a.late.Load()}
	for _, h := range a.histograms {
		result.Histograms = append(result.Histograms, h.Export())
	}
	return json.NewEncoder(out).Encode(result)
}

// askApart is an asker whose questions a child process asks.
type askApart struct {
	*asker
	child *exec.Cmd
	start io.Closer // the child begins when it is closed
	out   *bufio.Reader
}

// newAskApart starts the process, which ends with ctx, and returns when it is ready.
func newAskApart(ctx context.Context, binary string, a *asker, l LoadConfig) (*askApart, error) {
	p := &askApart{asker: a, child: exec.CommandContext(ctx, binary, "bench", "ask")}
	p.child.Stderr = os.Stderr
	p.child.SysProcAttr = endsWithParent()
	in, err := p.child.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.start, p.out = in, bufio.NewReader(out)
	if err := p.child.Start(); err != nil {
		return nil, fmt.Errorf("starting the process that asks: %w", err)
	}
	err = json.NewEncoder(in).Encode(askJob{Address: a.target.address, Token: a.target.token, Asking: a.config, Load: l})
	if err == nil {
		var line string
		if line, err = p.out.ReadString('\n'); err == nil && line != askReady {
			err = fmt.Errorf("it printed %q", line)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the process that asks is not ready: %w", errors.Join(err, in.Close(), p.child.Wait()))
	}
	return p, nil
}

// run has the questions asked, and takes over what came of them. The process ends with ctx.
func (p *askApart) run(ctx context.Context, _ Progress) error {
	defer context.AfterFunc(ctx, func() { p.child.Process.Kill() })()
	var result asked
	err := p.start.Close()
	if err == nil {
		err = json.NewDecoder(p.out).Decode(&result)
	}
	if err = errors.Join(err, p.child.Wait()); err != nil {
		return fmt.Errorf("the process that asks: %w", err)
	}
	if len(result.Histograms) != len(p.histograms) {
		return fmt.Errorf("the process that asks has measured %d kinds of questions, not %d", len(result.Histograms), len(p.histograms))
	}
	p.asked.Store(result.Asked)
	p.late.Store(result.Late)
	for i, s := range result.Histograms {
		p.histograms[i] = hdrhistogram.Import(s)
	}
	return nil
}
