package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"sketchlog/server/client"
)

func viewCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{Use: "view", Short: "Apply, list, show and delete views", Args: usage(cobra.NoArgs), RunE: needsSubcommand}
	cmd.AddCommand(viewApply(r),
		&cobra.Command{
			Use: "list", Short: "List the views", Args: usage(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) { return c.Views(cmd.Context()) }, viewsTable)
			},
		},
		&cobra.Command{
			Use: "show NAME", Short: "Show a view: its definition, its state, how far each partition is", Args: usage(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) { return c.View(cmd.Context(), args[0]) }, indented)
			},
		},
		&cobra.Command{
			Use: "delete NAME", Short: "Delete a view and its state; the log stays", Args: usage(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := r.client()
				if err != nil {
					return err
				}
				defer c.Close()
				if err := c.DeleteView(cmd.Context(), args[0]); err != nil {
					return err
				}
				note(cmd.ErrOrStderr(), "view %s deleted", args[0])
				return nil
			},
		})
	return cmd
}

func viewApply(r *remote) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Create or change the streams and views of a file", Args: usage(cobra.NoArgs),
		Long: `Create or change what a YAML or JSON file describes:

  streams: {NAME: definition}
  views:   {NAME: definition}

Streams come first. - reads standard input.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("-f is missing: name a YAML or JSON file, or - for standard input")
			}
			raw, err := readFile(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			return applyFile(cmd, r, raw)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "YAML or JSON file; - for standard input")
	return cmd
}

func readFile(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// applyFile puts every stream and view of a file, in the order of their names,
// and goes on after a refusal so that one run shows all of them.
func applyFile(cmd *cobra.Command, r *remote, raw []byte) error {
	var file map[string]map[string]any
	d := yaml.NewDecoder(bytes.NewReader(raw)) // JSON is YAML too
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the file is neither YAML nor JSON of the form {streams: {NAME: …}, views: {NAME: …}}: %w", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("the file has more than one YAML document; put all streams and views into one")
	}
	for part := range file {
		if part != "streams" && part != "views" {
			return fmt.Errorf("the file has a part %q; it may have streams and views", part)
		}
	}
	if len(file["streams"])+len(file["views"]) == 0 {
		return errors.New("the file names no stream and no view")
	}
	c, err := r.client()
	if err != nil {
		return err
	}
	defer c.Close()
	var errs []error
	apply := func(what, name string, definition any, put func(context.Context, string, []byte) (json.RawMessage, bool, error)) {
		var answer json.RawMessage
		body, err := json.Marshal(definition)
		if err == nil {
			answer, _, err = put(cmd.Context(), name, body)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", what, name, err))
			return
		}
		note(cmd.ErrOrStderr(), "%s %s applied", what, name)
		if err := r.show(cmd.OutOrStdout(), answer, func(io.Writer, []byte) error { return nil }); err != nil {
			errs = append(errs, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(file["streams"])) {
		apply("stream", name, file["streams"][name], c.PutStream)
	}
	for _, name := range slices.Sorted(maps.Keys(file["views"])) {
		apply("view", name, file["views"][name], c.PutView)
	}
	return errors.Join(errs...)
}

func viewsTable(w io.Writer, raw []byte) error {
	var list struct {
		Views []struct {
			Name     string                     `json:"name"`
			Stream   string                     `json:"stream"`
			By       []string                   `json:"by"`
			Pane     json.RawMessage            `json:"pane"`
			Sketches map[string]json.RawMessage `json:"sketches"`
		} `json:"views"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("reading the list of views: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VIEW\tSTREAM\tBY\tPANE\tSKETCHES")
	for _, v := range list.Views {
		pane := "all time"
		if len(v.Pane) > 0 && string(v.Pane) != "null" {
			pane = plainText(v.Pane)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(v.Name), printable(v.Stream), listText(v.By), pane, listText(slices.Sorted(maps.Keys(v.Sketches))))
	}
	return t.Flush()
}

func listText(names []string) string { return orDash(strings.Join(names, ", ")) }
