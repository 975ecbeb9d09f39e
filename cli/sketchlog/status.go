package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sketchlog/server/client"
)

func statusCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what the server holds and how far its views are", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) { return c.Status(cmd.Context()) }, statusTable)
		},
	}
}

func statusTable(w io.Writer, raw []byte) error {
	var s struct {
		Version string `json:"version"`
		Streams []struct {
			Name       string `json:"name"`
			Partitions int    `json:"partitions"`
			Events     uint64 `json:"events"`
			Bytes      uint64 `json:"bytes"`
		} `json:"streams"`
		Views []struct {
			Name   string  `json:"name"`
			Stream string  `json:"stream"`
			Keys   int     `json:"keys"`
			Panes  int     `json:"panes"`
			Bytes  uint64  `json:"bytes"`
			Rate   float64 `json:"rate"`
			Owed   uint64  `json:"owed"`
			Lost   uint64  `json:"lost"`
		} `json:"views"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("reading the status: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tPARTITIONS\tEVENTS\tSIZE")
	for _, one := range s.Streams {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", printable(one.Name), one.Partitions, one.Events, size(one.Bytes))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "VIEW\tSTREAM\tKEYS\tPANES\tSIZE\tOWED\tLOST")
	for _, one := range s.Views {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%d\t%d\n", printable(one.Name), printable(one.Stream), one.Keys, one.Panes, size(one.Bytes), one.Owed, one.Lost)
	}
	return t.Flush()
}
