package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"sketchlog/bench"
)

func benchScale(r *remote) *cobra.Command {
	var b benchFlags
	var names []string
	var runs int
	cmd := &cobra.Command{
		Use: "scale", Short: "Throughput by keys, partitions, event size, views and batch size", Args: usage(cobra.NoArgs),
		Long: `Run bench ingest again and again, each time on a new server, and vary one setting of the
load at a time while the others stay as they are given: which one, how far, and what it
costs the server an event.`,
		Example: "  sketchlog bench scale --of keys,views --plot scale.svg",
		RunE: func(cmd *cobra.Command, _ []string) error {
			load, err := b.config(cmd)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("addr") || os.Getenv("SKETCHLOG_ADDR") != "" {
				return usagef("scale takes a new server for every run: leave out --addr and $SKETCHLOG_ADDR")
			}
			c := bench.ScaleConfig{Load: load, Runs: runs}
			for _, name := range names {
				d, err := bench.DimensionOf(name)
				if err != nil {
					return asUsage(err)
				}
				c.Dimensions = append(c.Dimensions, d)
			}
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			c.Launch = func(ctx context.Context) (*bench.Target, error) { return bench.Launch(ctx, binary) }
			if err := c.Validate(); err != nil {
				return asUsage(err)
			}
			result, err := bench.Scale(cmd.Context(), c)
			endProgress(cmd)
			if err != nil {
				return err
			}
			return b.show(cmd, r, result)
		},
	}
	f := cmd.Flags()
	b.declare(f, benchDefaults{events: 2_000_000, connections: 4})
	b.declarePlot(f)
	f.StringSliceVar(&names, "of", []string{"keys", "partitions", "event-bytes", "views", "batch"}, "what to vary, one after the other")
	f.IntVar(&runs, "runs", 1, "runs of every point, of which the median counts")
	return cmd
}
