package main

import (
	"io"

	"github.com/spf13/cobra"

	"sketchlog/server/client"
)

func consumeCommand(r *remote) *cobra.Command {
	var partition, limit int
	var from string
	cmd := &cobra.Command{
		Use: "consume STREAM", Short: "Print events of a partition's log as NDJSON",
		Example: "  sketchlog consume web --partition 0 --from earliest --limit 3",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client()
			if err != nil {
				return err
			}
			defer c.Close()
			events, err := c.Events(cmd.Context(), args[0], client.EventsOptions{Partition: partition, From: from, Limit: limit})
			if err != nil {
				return err
			}
			defer events.Close()
			_, err = io.Copy(cmd.OutOrStdout(), events)
			return err
		},
	}
	cmd.Flags().IntVar(&partition, "partition", 0, "partition to read")
	cmd.Flags().StringVar(&from, "from", "earliest", "earliest, latest, an offset, or a time of arrival")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many events")
	return cmd
}
