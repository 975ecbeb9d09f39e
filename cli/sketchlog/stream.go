package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sketchlog/server/client"
)

// streamFlags are the parts of a stream definition that create takes; what is
// not given is left to the server's defaults, or as it is.
type streamFlags struct {
	partitions, replicas   int
	key, time              string
	lateness, ahead        string
	retentionAge, whenFull string
	retentionBytes         int64
}

func streamCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{Use: "stream", Short: "Create, list, show and delete streams", Args: usage(cobra.NoArgs), RunE: needsSubcommand}
	cmd.AddCommand(streamCreate(r),
		&cobra.Command{
			Use: "list", Short: "List the streams", Args: usage(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) { return c.Streams(cmd.Context()) }, streamsTable)
			},
		},
		&cobra.Command{
			Use: "show NAME", Short: "Show a stream: its definition and its partitions", Args: usage(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) { return c.Stream(cmd.Context(), args[0]) }, indented)
			},
		},
		&cobra.Command{
			Use: "delete NAME", Short: "Delete a stream and its log (refused while views read it)", Args: usage(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := r.client()
				if err != nil {
					return err
				}
				defer c.Close()
				if err := c.DeleteStream(cmd.Context(), args[0]); err != nil {
					return err
				}
				note(cmd.ErrOrStderr(), "stream %s deleted", args[0])
				return nil
			},
		})
	return cmd
}

func streamCreate(r *remote) *cobra.Command {
	var f streamFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a stream, or change the parts of it that are given", Args: usage(cobra.ExactArgs(1)),
		Example: "  sketchlog stream create web --partitions 4 --key path --time time --retention-age 7d",
	}
	flags := cmd.Flags()
	f.declare(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		definition, err := json.Marshal(f.changed(flags))
		if err != nil {
			return err
		}
		return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) {
			answer, _, err := c.PutStream(cmd.Context(), args[0], definition)
			return answer, err
		}, indented)
	}
	return cmd
}

func (f *streamFlags) declare(flags *pflag.FlagSet) {
	flags.IntVar(&f.partitions, "partitions", 0, "number of partitions; it can grow later, not shrink")
	flags.IntVar(&f.replicas, "replicas", 0, "copies of the log")
	flags.StringVar(&f.key, "key", "", "field that chooses the partition (default: round robin)")
	flags.StringVar(&f.time, "time", "", "field with the event time (default: time of arrival)")
	flags.StringVar(&f.lateness, "lateness", "", "how far events may come out of order, such as 1m")
	flags.StringVar(&f.ahead, "ahead", "", "how far event times may lie ahead of the server's clock")
	flags.StringVar(&f.retentionAge, "retention-age", "", "keep events this long, such as 7d; 0 without limit")
	flags.Int64Var(&f.retentionBytes, "retention-bytes", 0, "keep at most so many bytes; 0 without limit")
	flags.StringVar(&f.whenFull, "when-full", "", "at the byte limit: drop-oldest or refuse")
}

// changed is the definition with only those parts that were given.
func (f *streamFlags) changed(set *pflag.FlagSet) map[string]any {
	definition, retention := map[string]any{}, map[string]any{}
	for _, one := range []struct {
		flag  string
		into  map[string]any
		name  string
		value any
	}{
		{"partitions", definition, "partitions", f.partitions},
		{"replicas", definition, "replicas", f.replicas},
		{"key", definition, "key", f.key},
		{"time", definition, "time", f.time},
		{"lateness", definition, "lateness", f.lateness},
		{"ahead", definition, "ahead", f.ahead},
		{"retention-age", retention, "age", f.retentionAge},
		{"retention-bytes", retention, "bytes", f.retentionBytes},
		{"when-full", retention, "when_full", f.whenFull},
	} {
		if set.Changed(one.flag) {
			one.into[one.name] = one.value
		}
	}
	if len(retention) > 0 {
		definition["retention"] = retention
	}
	return definition
}

func streamsTable(w io.Writer, raw []byte) error {
	var list struct {
		Streams []struct {
			Name       string `json:"name"`
			Partitions int    `json:"partitions"`
			Key        string `json:"key"`
			Time       string `json:"time"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("reading the list of streams: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tPARTITIONS\tKEY\tTIME")
	for _, s := range list.Streams {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", s.Name, s.Partitions, orDash(s.Key), orDash(s.Time))
	}
	return t.Flush()
}
