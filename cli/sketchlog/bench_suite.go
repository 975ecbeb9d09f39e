package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sketchlog/bench"
)

// benchSuite is the regression guard: every measurement in turn, each in a
// process of its own, so that none inherits the memory of the one before, and
// each result in a file that compare takes.
func benchSuite() *cobra.Command {
	var into string
	var quick bool
	cmd := &cobra.Command{
		Use: "suite", Short: "Every measurement in turn, each result in a file", Args: usage(cobra.NoArgs),
		Long: `Run every measurement against servers of their own, show the results, and write each
as JSON into a directory, for bench compare.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := os.MkdirAll(into, 0o755); err != nil {
				return err
			}
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			for _, run := range suite(quick) {
				fmt.Fprintf(cmd.OutOrStdout(), "\n== bench %s\n", strings.Join(run.args, " "))
				args := slices.Concat([]string{"bench"}, run.args, []string{"--save", filepath.Join(into, run.name+".json")})
				one := exec.CommandContext(cmd.Context(), binary, args...)
				one.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SKETCHLOG_ADDR=") })
				one.Stdout, one.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
				if err := one.Run(); err != nil {
					return fmt.Errorf("bench %s: %w", run.name, err)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&into, "into", filepath.Join("bin", "bench"), "directory of the results")
	cmd.Flags().BoolVar(&quick, "quick", false, "a small part of the work, to see whether it runs")
	return cmd
}

type suiteRun struct {
	name string
	args []string
}

// suite lists the runs of the regression guard.
func suite(quick bool) []suiteRun {
	work, full, part, seconds := []string{"--workload", "w"}, []string{"--events", "10000000"}, []string{"--events", "2000000"}, "20s"
	if quick {
		work, full, part, seconds = []string{"--events", "100000"}, []string{"--events", "100000"}, []string{"--events", "20000"}, "1s"
	}
	return []suiteRun{
		{"ingest-ndjson", slices.Concat([]string{"ingest", "--format", bench.NDJSON}, work)},
		{"ingest-msgpack", slices.Concat([]string{"ingest", "--format", bench.Msgpack}, work)},
		{"query", slices.Concat([]string{"query", "--duration", seconds}, work)},
		{"mixed", []string{"mixed", "--duration", seconds}},
		{"accuracy", slices.Concat([]string{"accuracy"}, work)},
		{"recovery", slices.Concat([]string{"recovery"}, full)},
		{"overload", []string{"overload", "--views", "8", "--duration", seconds}},
		{"scale", slices.Concat([]string{"scale"}, part)},
	}
}
