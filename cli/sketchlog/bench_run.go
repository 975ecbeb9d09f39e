package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sketchlog/bench"
	"sketchlog/ingest/event"
)

func benchOverload(r *remote) *cobra.Command {
	var b benchFlags
	o := bench.OverloadConfig{}
	cmd := &cobra.Command{
		Use: "overload", Short: "Several times what a server can take, and how it heals", Args: usage(cobra.NoArgs),
		Long: `Find how many events a second the server takes, offer several times that for a while
in an open loop, then nothing, and sample until no event is owed any more: what was
offered, accepted and applied, how fresh answers were, and how they compare with
exact ones. Then compare the healed view with a new one over the same log.

Exit code 1 if the healed answers differ.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Load, err = b.config(cmd); err != nil {
				return err
			}
			if o.Target, err = freshness(o.Fresh); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return asUsage(err)
			}
			equal := true
			err = measure(cmd, r, &b, func(ctx context.Context, t *bench.Target) (*bench.OverloadResult, error) {
				result, err := bench.Overload(ctx, t, o)
				equal = err != nil || result.Equal
				return result, err
			})
			if err == nil && !equal {
				return fmt.Errorf("the healed view answers differently from a view that never shed")
			}
			return err
		},
	}
	f := cmd.Flags()
	b.declare(f, benchDefaults{connections: 64, duration: 20 * time.Second, timed: true})
	b.declarePlot(f)
	f.Float64Var(&o.Times, "times", 3, "how many times the capacity to offer")
	f.Float64Var(&o.Capacity, "capacity", 0, "events a second that the server takes; 0: measure it first")
	f.StringVar(&o.Fresh, "fresh", "2s", "freshness target of the views; empty: the server's own")
	f.DurationVar(&o.Healing, "healing", 5*time.Minute, "longest wait until nothing is owed")
	return cmd
}

// freshness reads the target; what the server does by itself is 2 s.
func freshness(text string) (time.Duration, error) {
	if text == "" {
		return 2 * time.Second, nil
	}
	d, err := event.ParseDuration(text)
	if err != nil {
		return 0, usagef("--fresh: %w", err)
	}
	return d, nil
}

func benchRecovery(r *remote) *cobra.Command {
	var b benchFlags
	cmd := &cobra.Command{
		Use: "recovery", Short: "SIGKILL with a full log: how soon a server answers again", Args: usage(cobra.NoArgs),
		Long: `Fill a server of its own, kill it with SIGKILL, start it again, and measure until it
is ready and until its views owe nothing; then replay the log into a new view.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := b.config(cmd)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("addr") || os.Getenv("SKETCHLOG_ADDR") != "" {
				return usagef("recovery kills the server, so it takes only one of its own: leave out --addr and $SKETCHLOG_ADDR")
			}
			config := bench.RecoveryConfig{Load: c}
			if err := config.Validate(); err != nil {
				return asUsage(err)
			}
			return measure(cmd, r, &b, func(ctx context.Context, t *bench.Target) (*bench.RecoveryResult, error) {
				return bench.Recovery(ctx, t, config)
			})
		},
	}
	b.declare(cmd.Flags(), benchDefaults{events: 10_000_000, connections: 4})
	return cmd
}

func benchAccuracy(r *remote) *cobra.Command {
	var b benchFlags
	a := bench.AccuracyConfig{}
	cmd := &cobra.Command{
		Use: "accuracy", Short: "Answers of every kind of sketch beside exact ones", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if a.Load, err = b.config(cmd); err != nil {
				return err
			}
			if err := a.Validate(); err != nil {
				return asUsage(err)
			}
			return measure(cmd, r, &b, func(ctx context.Context, t *bench.Target) (*bench.AccuracyResult, error) {
				return bench.Accuracy(ctx, t, a)
			})
		},
	}
	f := cmd.Flags()
	b.declare(f, benchDefaults{events: 1_000_000, connections: 4})
	b.declarePlot(f)
	f.IntVar(&a.Keys, "ask-keys", 200, "keys to ask about, from the most frequent to the rarest")
	f.IntVar(&a.Items, "ask-items", 50, "items of each key to ask about, and as many that it never had")
	return cmd
}

func benchCompare(r *remote) *cobra.Command {
	var b benchFlags
	var tolerance float64
	var ignore []string
	cmd := &cobra.Command{
		Use: "compare BEFORE.json AFTER.json", Short: "Two results of one kind, figure by figure", Args: usage(cobra.ExactArgs(2)),
		Long: `Show every figure of two results that were written with -o json or --save, their
ratio, and which got worse by more than the tolerance. Exit code 1 if any did.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if tolerance < 0 {
				return usagef("--tolerance must be at least 0")
			}
			c, err := bench.CompareFiles(args[0], args[1], tolerance, ignore)
			if err != nil {
				return err
			}
			if err := b.show(cmd, r, c); err != nil {
				return err
			}
			if len(c.Worse) > 0 {
				return fmt.Errorf("worse by more than %.3g%%: %s", 100*tolerance, strings.Join(c.Worse, ", "))
			}
			return nil
		},
	}
	cmd.Flags().Float64Var(&tolerance, "tolerance", 0.1, "share of a figure by which it may get worse")
	cmd.Flags().StringArrayVar(&ignore, "ignore", nil, "figures not to judge, by the end of their names (such as max); repeatable")
	cmd.Flags().StringVar(&b.save, "save", "", "file to write the comparison to as JSON, besides showing it")
	return cmd
}
