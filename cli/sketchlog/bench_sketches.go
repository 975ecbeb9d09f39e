package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sketchlog/bench"
)

// benchSketches measures this program's sketches, without a server.
func benchSketches(r *remote) *cobra.Command {
	c := bench.SketchesConfig{}
	cmd := &cobra.Command{
		Use: "sketches", Short: "Time an event takes in each sketch, in all six, and in other libraries", Args: usage(cobra.NoArgs),
		Long: `Measure the sketches in this process, on one core: each alone, the six together on
one key, on 1,000 and on 100,000 keys, and the same work by widely used libraries.
Figures are medians of the thread's processor time; wall time stands beside them.
The last line is one object of JSON.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.Validate(); err != nil {
				return asUsage(err)
			}
			progress := func(string) {}
			if w := progressTo(cmd); w != nil {
				progress = func(what string) { fmt.Fprintf(w, "\r\033[K%s", what) }
			}
			result, err := bench.Sketches(c, progress)
			if err != nil {
				return err
			}
			progress("")
			if r.output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), result)
			}
			return result.Table(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Events, "events", 2_000_000, "events of each stream")
	f.IntVar(&c.Runs, "runs", 5, "passes over each stream; their median counts")
	f.IntVar(&c.Items, "items", 1_000_000, "distinct items to draw from")
	f.Uint64Var(&c.Seed, "seed", 1, "which events: the same seed makes the same streams")
	return cmd
}
