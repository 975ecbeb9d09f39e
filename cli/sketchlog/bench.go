package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sketchlog/bench"
)

// benchFlags are what the bench commands have in common.
type benchFlags struct {
	workload    string
	events      int
	format      string
	acks        string
	connections int
	batch       int
	partitions  int
	keys, items int
	rate        float64
	seed        uint64
}

func benchCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure a server: events a second, and how long answers take",
		Long: `Measure a server. Without --addr (or $SKETCHLOG_ADDR) each run starts a server of
its own on an empty directory, and reports its memory and processor time too.`,
		Args: usage(cobra.NoArgs), RunE: needsSubcommand,
	}
	cmd.AddCommand(benchIngest(r), benchQuery(r))
	return cmd
}

func (b *benchFlags) declare(f *pflag.FlagSet) {
	f.StringVar(&b.workload, "workload", "", "w: five million events of 1,000 keys and a million items over an hour")
	f.IntVar(&b.events, "events", 1_000_000, "events to send")
	f.StringVar(&b.format, "format", "ndjson", "ndjson or msgpack")
	f.StringVar(&b.acks, "acks", "all", "0, 1 or all")
	f.IntVar(&b.connections, "connections", 4, "connections that send at the same time")
	f.IntVar(&b.batch, "batch", 5000, "events a request")
	f.IntVar(&b.partitions, "partitions", 4, "partitions of the stream")
	f.IntVar(&b.keys, "keys", 1000, "distinct keys (zipf 1.1)")
	f.IntVar(&b.items, "items", 1_000_000, "distinct items (zipf 1.05)")
	f.Uint64Var(&b.seed, "seed", 1, "which events: the same seed makes the same stream")
}

// config makes the run; the stream's name keeps runs on one server apart.
func (b *benchFlags) config(flags *pflag.FlagSet, progress io.Writer) (bench.IngestConfig, error) {
	now := time.Now()
	w := bench.W(now)
	w.Seed = b.seed
	switch b.workload {
	case "w":
		for _, fixed := range []string{"events", "keys", "items"} {
			if flags.Changed(fixed) {
				return bench.IngestConfig{}, usagef("--workload w says how many %s there are; leave out --%s", fixed, fixed)
			}
		}
	case "":
		w.Events, w.Keys, w.Items = b.events, b.keys, b.items
	default:
		return bench.IngestConfig{}, usagef("--workload %q is not known; there is w", b.workload)
	}
	c := bench.IngestConfig{
		Workload: w, Format: b.format, Acks: b.acks, Connections: b.connections, Batch: b.batch, Partitions: b.partitions,
		Rate: b.rate, Name: fmt.Sprintf("bench_%d", now.UnixMilli()),
	}
	if progress != nil {
		c.Progress = func(done, of int) { fmt.Fprintf(progress, "\r%d of %d events", done, of) }
	}
	if err := c.Validate(); err != nil {
		return c, asUsage(err)
	}
	return c, nil
}

// target is the server at --addr when one is named, else a new one.
func target(ctx context.Context, cmd *cobra.Command, r *remote) (*bench.Target, error) {
	if cmd.Flags().Changed("addr") || os.Getenv("SKETCHLOG_ADDR") != "" {
		return bench.Connect(r.address, r.token)
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
func measure[R tabled](cmd *cobra.Command, r *remote, run func(context.Context, *bench.Target) (R, error)) (err error) {
	t, err := target(cmd.Context(), cmd, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	result, err := run(cmd.Context(), t)
	if err != nil {
		return err
	}
	if isTerminal(cmd.ErrOrStderr()) {
		fmt.Fprint(cmd.ErrOrStderr(), "\r")
	}
	if r.output == outputJSON {
		return writeJSON(cmd.OutOrStdout(), result)
	}
	return result.Table(cmd.OutOrStdout())
}

// progressTo is where a command may show progress; nil: nowhere.
func progressTo(cmd *cobra.Command) io.Writer {
	if w := cmd.ErrOrStderr(); isTerminal(w) {
		return w
	}
	return nil
}

func benchIngest(r *remote) *cobra.Command {
	var b benchFlags
	cmd := &cobra.Command{
		Use: "ingest", Short: "Events a second over HTTP until they can be queried", Args: usage(cobra.NoArgs),
		Long: `Make a stream with two views of six sketches each (by key: panes of a minute, and
all time), send events, and wait until both views have every one of them.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := b.config(cmd.Flags(), progressTo(cmd))
			if err != nil {
				return err
			}
			return measure(cmd, r, func(ctx context.Context, t *bench.Target) (*bench.IngestResult, error) {
				return bench.Ingest(ctx, t, c)
			})
		},
	}
	b.declare(cmd.Flags())
	cmd.Flags().Float64Var(&b.rate, "rate", 0, "events a second offered; 0: as fast as they are taken")
	return cmd
}

func benchQuery(r *remote) *cobra.Command {
	var b benchFlags
	q := bench.QueryConfig{}
	cmd := &cobra.Command{
		Use: "query", Short: "How long answers take, at a steady rate of questions", Args: usage(cobra.NoArgs),
		Long: `Load events as bench ingest does, then ask every kind of question in turn. The loop
is open: a question's latency counts from the moment when it was due.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if q.Load, err = b.config(cmd.Flags(), progressTo(cmd)); err != nil {
				return err
			}
			q.Seed = b.seed
			if err := q.Validate(); err != nil {
				return asUsage(err)
			}
			return measure(cmd, r, func(ctx context.Context, t *bench.Target) (*bench.QueryResult, error) {
				return bench.Query(ctx, t, q)
			})
		},
	}
	b.declare(cmd.Flags())
	cmd.Flags().Float64Var(&q.Rate, "rate", 1000, "questions a second")
	cmd.Flags().DurationVar(&q.Duration, "duration", 10*time.Second, "how long to ask")
	q.Connections = 8
	return cmd
}
