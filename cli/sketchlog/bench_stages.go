package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sketchlog/bench"
)

func benchStages(r *remote) *cobra.Command {
	var b benchFlags
	cmd := &cobra.Command{
		Use: "stages [FILE]", Short: "What go test -bench printed about each stage, as a result to compare", Args: usage(cobra.MaximumNArgs(1)),
		Long: `Read the output of go test -bench from a file or standard input and write it as a
result that bench compare takes. Of several runs of a benchmark the median counts.`,
		Example: "  go test -run '^$' -bench Decode -count 3 ./ingest/event | sketchlog bench stages --save stages.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			var from io.Reader = cmd.InOrStdin()
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("bench stages: %w", err)
				}
				defer f.Close()
				from = f
			}
			result, err := bench.ReadStages(from)
			if err != nil {
				return err
			}
			return b.show(cmd, r, result)
		},
	}
	cmd.Flags().StringVar(&b.save, "save", "", "file to write the result to as JSON, besides showing it")
	return cmd
}
