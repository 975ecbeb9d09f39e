package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sketchlog/bench"
)

func benchCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure a server: throughput, latency, overload, recovery, accuracy",
		Long: `Measure a server. Without --addr (or $SKETCHLOG_ADDR) each run starts a server of
its own on an empty directory, and reports its memory and processor time too.`,
		Example: `  sketchlog bench ingest --workload w --plot ingest.svg
  sketchlog bench mixed --rate 300000 --questions 500 --duration 30s
  sketchlog bench overload --times 3 --plot overload.svg
  sketchlog bench compare before.json after.json`,
		Args: usage(cobra.NoArgs), RunE: needsSubcommand,
	}
	cmd.AddCommand(benchAsk(), benchIngest(r), benchQuery(r), benchMixed(r), benchOverload(r), benchRecovery(r), benchAccuracy(r),
		benchScale(r), benchSketches(r), benchStages(r), benchCompare(r), benchSuite())
	return cmd
}

// benchFlags are what the bench commands have in common.
type benchFlags struct {
	workload string
	load     bench.LoadConfig
	plot     string
	save     string
}

// benchDefaults are what differs between the commands.
type benchDefaults struct {
	events      int
	connections int
	duration    time.Duration
	timed       bool // it lasts for a duration, whatever the number of events
}

func (b *benchFlags) declare(f *pflag.FlagSet, d benchDefaults) {
	c, w := &b.load, &b.load.Workload
	*w = bench.W(time.Now())
	f.StringVar(&b.workload, "workload", "", "w: five million events of 1,000 keys and a million items over an hour")
	if !d.timed {
		f.IntVar(&w.Events, "events", d.events, "events to send")
	}
	if d.timed || d.duration > 0 {
		f.DurationVar(&c.Duration, "duration", d.duration, "how long to send")
	}
	f.IntVar(&w.Keys, "keys", w.Keys, "distinct keys")
	f.Float64Var(&w.KeySkew, "key-skew", w.KeySkew, "exponent of the zipf law of keys; 0: all alike")
	f.IntVar(&w.Items, "items", w.Items, "distinct items")
	f.Float64Var(&w.ItemSkew, "item-skew", w.ItemSkew, "exponent of the zipf law of items; 0: all alike")
	f.IntVar(&w.Bytes, "event-bytes", 0, "least size of an event as sent; a field of random letters fills it up")
	f.Float64Var(&w.Late, "late", 0, "share of events that are late, by up to --lateness")
	f.DurationVar(&w.Lateness, "lateness", 0, "lateness that the stream allows")
	f.Uint64Var(&w.Seed, "seed", 1, "which events: the same seed makes the same stream")
	f.StringVar(&c.Format, "format", bench.NDJSON, "ndjson or msgpack")
	f.StringVar(&c.Acks, "acks", "all", "0, 1 or all")
	f.IntVar(&c.Connections, "connections", d.connections, "connections that send at the same time")
	f.IntVar(&c.Batch, "batch", 5000, "events a request")
	f.IntVar(&c.Partitions, "partitions", 4, "partitions of the stream")
	f.IntVar(&c.Views, "views", 0, "so many views for all time, all alike; 0: one for all time, one with a pane a minute")
	f.DurationVar(&c.WarmUp, "warm-up", 0, "load on a stream of its own before anything is measured")
	f.StringVar(&b.save, "save", "", "file to write the result to as JSON, besides showing it")
}

func (b *benchFlags) declarePlot(f *pflag.FlagSet) {
	f.StringVar(&b.plot, "plot", "", "file to draw the result into as SVG")
}

// config makes the load; the stream's name keeps runs on one server apart.
func (b *benchFlags) config(cmd *cobra.Command) (bench.LoadConfig, error) {
	c, flags := b.load, cmd.Flags()
	switch b.workload {
	case "w":
		for _, fixed := range []string{"events", "keys", "key-skew", "items", "item-skew"} {
			if flags.Changed(fixed) {
				return c, usagef("--workload w says which events there are; leave out --%s", fixed)
			}
		}
		c.Workload.Events = bench.W(time.Now()).Events
	case "":
	default:
		return c, usagef("--workload %q is not known; there is w", b.workload)
	}
	if c.Workload.Late > 0 && c.Workload.Lateness <= 0 {
		return c, usagef("--late says that events are late; say by how much with --lateness")
	}
	if flags.Changed("events") && c.Duration > 0 {
		return c, usagef("--events and --duration exclude each other")
	}
	c.Name = fmt.Sprintf("bench_%d", time.Now().UnixMilli())
	c.Progress = progressOn(cmd)
	if err := c.Validate(); err != nil {
		return c, asUsage(err)
	}
	return c, nil
}

// progressOn overwrites one line of standard error, if that is a terminal.
func progressOn(cmd *cobra.Command) bench.Progress {
	w := progressTo(cmd)
	if w == nil {
		return nil
	}
	var mu sync.Mutex
	var shown time.Time
	return func(phase string, done, of int64) {
		mu.Lock()
		defer mu.Unlock()
		if of > 0 && time.Since(shown) < 100*time.Millisecond {
			return
		}
		shown = time.Now()
		fmt.Fprint(w, "\r\x1b[K", phase)
		if of > 0 {
			fmt.Fprintf(w, ": %d of %d (%d%%)", done, of, 100*done/of)
		}
	}
}

func endProgress(cmd *cobra.Command) {
	if w := progressTo(cmd); w != nil {
		fmt.Fprint(w, "\r\x1b[K")
	}
}

// progressTo is where a command may show progress; nil: nowhere.
func progressTo(cmd *cobra.Command) io.Writer {
	if w := cmd.ErrOrStderr(); isTerminal(w) {
		return w
	}
	return nil
}

// target is the server at --addr when one is named, else a new one.
func target(ctx context.Context, cmd *cobra.Command, r *remote) (*bench.Target, error) {
	if cmd.Flags().Changed("addr") || os.Getenv("SKETCHLOG_ADDR") != "" {
		t, err := bench.Connect(r.address, r.token)
		if err != nil {
			return nil, asUsage(err)
		}
		return t, nil
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return bench.Launch(ctx, binary)
}

// tabled is a result for people.
type tabled interface{ Table(io.Writer) error }

// measure runs one measurement against its target and shows the result.
func measure[R tabled](cmd *cobra.Command, r *remote, b *benchFlags, run func(context.Context, *bench.Target) (R, error)) (err error) {
	cores() // so that there is a processor for answers while requests are made
	t, err := target(cmd.Context(), cmd, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	result, err := run(cmd.Context(), t)
	endProgress(cmd)
	if err != nil {
		return err
	}
	return b.show(cmd, r, result)
}

// show prints a result, and writes the files that were asked for.
func (b *benchFlags) show(cmd *cobra.Command, r *remote, result tabled) error {
	var errs []error
	if b.save != "" {
		errs = append(errs, writeFile(b.save, func(w io.Writer) error { return writeJSON(w, result) }))
	}
	if p, ok := result.(bench.Plotted); ok && b.plot != "" {
		errs = append(errs, writeFile(b.plot, p.Plot))
	}
	if r.output == outputJSON {
		return errors.Join(append(errs, writeJSON(cmd.OutOrStdout(), result))...)
	}
	return errors.Join(append(errs, result.Table(cmd.OutOrStdout()))...)
}

// writeFile writes a whole file or none of it.
func writeFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
