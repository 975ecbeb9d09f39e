package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sketchlog/bench"
)

func benchIngest(r *remote) *cobra.Command {
	var b benchFlags
	var dry bool
	cmd := &cobra.Command{
		Use: "ingest", Short: "Events a second over HTTP until they can be queried", Args: usage(cobra.NoArgs),
		Long: `Make a stream with two views of six sketches each (by key: panes of a minute, and
all time), send events, and wait until both views have every one of them. With
--duration the events are those of the moment, for so long.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := b.config(cmd)
			if err != nil {
				return err
			}
			if dry {
				result, err := bench.Generate(cmd.Context(), c)
				endProgress(cmd)
				if err != nil {
					return err
				}
				return b.show(cmd, r, result)
			}
			return measure(cmd, r, &b, func(ctx context.Context, t *bench.Target) (*bench.IngestResult, error) {
				return bench.Ingest(ctx, t, c)
			})
		},
	}
	f := cmd.Flags()
	b.declare(f, benchDefaults{events: 1_000_000, connections: 8})
	b.declarePlot(f)
	f.DurationVar(&b.load.Duration, "duration", 0, "send for so long instead of a number of events")
	f.Float64Var(&b.load.Rate, "rate", 0, "events a second offered; 0: as fast as they are taken")
	f.BoolVar(&dry, "dry-run", false, "only make the requests: what the generator itself could offer")
	return cmd
}

// asking are the flags of questions.
func asking(f *pflag.FlagSet, a *bench.Asking, name string, rate float64) {
	f.Float64Var(&a.Rate, name, rate, "questions a second, all kinds together")
	f.IntVar(&a.Connections, "question-connections", 8, "connections that ask at the same time")
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
			if q.Load, err = b.config(cmd); err != nil {
				return err
			}
			q.Load.WarmUp, q.WarmUp, q.Seed = 0, q.Load.WarmUp, q.Load.Workload.Seed
			if err := q.Validate(); err != nil {
				return asUsage(err)
			}
			return measure(cmd, r, &b, func(ctx context.Context, t *bench.Target) (*bench.QueryResult, error) {
				return bench.Query(ctx, t, q)
			})
		},
	}
	f := cmd.Flags()
	b.declare(f, benchDefaults{events: 1_000_000, connections: 4})
	b.declarePlot(f)
	f.Lookup("warm-up").Usage = "questions before those that are measured"
	f.DurationVar(&q.Duration, "duration", 10*time.Second, "how long to ask")
	asking(f, &q.Asking, "rate", 1000)
	return cmd
}

func benchMixed(r *remote) *cobra.Command {
	var b benchFlags
	m := bench.MixedConfig{}
	cmd := &cobra.Command{
		Use: "mixed", Short: "Events and questions at the same time", Args: usage(cobra.NoArgs),
		Long: `Send events of the moment and ask questions meanwhile. Every quarter of a second
the views' state is sampled and a key's answers are kept; after the run these are
judged against exact ones at the positions of the log that they name.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if m.Load, err = b.config(cmd); err != nil {
				return err
			}
			m.Ask.Duration, m.Ask.Seed = m.Load.Duration, m.Load.Workload.Seed
			if err := m.Validate(); err != nil {
				return asUsage(err)
			}
			if m.Binary, err = os.Executable(); err != nil {
				return err
			}
			return measure(cmd, r, &b, func(ctx context.Context, t *bench.Target) (*bench.MixedResult, error) {
				return bench.Mixed(ctx, t, m)
			})
		},
	}
	f := cmd.Flags()
	b.declare(f, benchDefaults{connections: 4, duration: 10 * time.Second, timed: true})
	b.declarePlot(f)
	f.Float64Var(&b.load.Rate, "rate", 0, "events a second offered; 0: as fast as they are taken")
	asking(f, &m.Ask, "questions", 200)
	return cmd
}

// benchAsk is the process that asks for bench mixed.
func benchAsk() *cobra.Command {
	return &cobra.Command{
		Use: "ask", Short: "Ask questions for bench mixed", Hidden: true, Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cores() // as for measure
			return bench.ServeAsking(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
