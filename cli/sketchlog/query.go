package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sketchlog/query"
	"sketchlog/server/client"
)

// questionFlags are the parameters of a question, as flags. They go to the
// server as they are given: it knows best what is wrong with them.
type questionFlags struct {
	set   *pflag.FlagSet
	lists map[string]*[]string
	texts map[string]*string
}

func (q *questionFlags) declare(f *pflag.FlagSet) {
	q.set = f
	q.lists = map[string]*[]string{
		"key":  f.StringArray("key", nil, "value of a group-by field, once for each field in order; none merges all keys"),
		"item": f.StringArray("item", nil, "item to ask about (repeatable; frequency, contains)"),
	}
	q.texts = map[string]*string{
		"sketch":     f.String("sketch", "", "sketch to ask, where several fit"),
		"window":     f.String("window", "", "span back from the newest event, such as 1h"),
		"from":       f.String("from", "", "beginning of the span: RFC 3339 or Unix ms"),
		"to":         f.String("to", "", "end of the span"),
		"at":         f.String("at", "", "moment to which a decayed sum decays"),
		"k":          f.String("k", "", "how many items (topk; default 10)"),
		"n":          f.String("n", "", "how many samples (default 10)"),
		"confidence": f.String("confidence", "", "share of intervals that hold (default 0.95)"),
	}
	f.Bool("strict", false, "refuse a partial answer")
}

// values are the parameters that were given.
func (q *questionFlags) values() url.Values {
	v := url.Values{}
	for name, list := range q.lists {
		for _, one := range *list {
			v.Add(name, one)
		}
	}
	for name, text := range q.texts {
		if q.set.Changed(name) {
			v.Set(name, *text)
		}
	}
	if strict, err := q.set.GetBool("strict"); err == nil && strict {
		v.Set("strict", "true")
	}
	return v
}

func queryCommand(r *remote) *cobra.Command {
	var flags questionFlags
	cmd := &cobra.Command{
		Use: "query QUESTION VIEW", Short: "Ask a view a question: " + strings.Join(query.Names, ", "),
		Example: "  sketchlog query distinct pages --key /index.html --window 1h\n  sketchlog query contains pages --item host4.example",
		Args:    usage(questionAndView),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) {
				return c.Ask(cmd.Context(), args[1], args[0], flags.values())
			}, answerTable)
		},
	}
	flags.declare(cmd.Flags())
	return cmd
}

// questionAndView checks the words of query; an unknown question is wrong usage
// whatever else is missing.
func questionAndView(_ *cobra.Command, args []string) error {
	if len(args) > 0 && !slices.Contains(query.Names, args[0]) {
		return fmt.Errorf("%q is not a question; ask %s", args[0], strings.Join(query.Names, ", "))
	}
	if len(args) != 2 {
		return fmt.Errorf("give a question and a view; %d words are given", len(args))
	}
	return nil
}

func answerTable(w io.Writer, raw []byte) error {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return a.table(w)
}

func seriesCommand(r *remote) *cobra.Command {
	var flags questionFlags
	var question, step string
	cmd := &cobra.Command{
		Use: "series VIEW", Short: "Ask a question once for each step of a span",
		Example: "  sketchlog series pages --question distinct --step 1m --key /index.html",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := flags.values()
			v.Set("question", question)
			v.Set("step", step)
			return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) {
				return c.Series(cmd.Context(), args[0], v)
			}, seriesTable)
		},
	}
	flags.declare(cmd.Flags())
	cmd.Flags().StringVar(&question, "question", "count", "the question")
	cmd.Flags().StringVar(&step, "step", "1h", "length of a step, a whole number of panes")
	return cmd
}

func seriesTable(w io.Writer, raw []byte) error {
	var series struct {
		Points []answer `json:"points"`
	}
	if err := json.Unmarshal(raw, &series); err != nil {
		return fmt.Errorf("reading the series: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(series.Points) > 0 && series.Points[0].Items != nil {
		fmt.Fprintln(t, "FROM\tEVENTS\tITEMS")
	} else {
		fmt.Fprintln(t, "FROM\tEVENTS\tESTIMATE\tLOW\tHIGH")
	}
	for _, p := range series.Points {
		if p.Items != nil {
			items := make([]string, len(p.Items))
			for i, raw := range p.Items {
				var one answerItem
				if json.Unmarshal(raw, &one) != nil || one.Item == nil {
					one.Item = raw // a sampled item is the item itself
				}
				items[i] = plainText(one.Item)
			}
			fmt.Fprintf(t, "%s\t%d\t%s\n", p.From, p.Coverage.Events, strings.Join(items, ", "))
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", p.From, p.Coverage.Events, figure(p.Estimate), figure(p.Low), figure(p.High))
	}
	return t.Flush()
}

func keysCommand(r *remote) *cobra.Command {
	var order, prefix string
	var limit int
	cmd := &cobra.Command{
		Use: "keys VIEW", Short: "List the keys of a view", Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := url.Values{"order": {order}, "limit": {strconv.Itoa(limit)}}
			if prefix != "" {
				v.Set("prefix", prefix)
			}
			return r.ask(cmd.OutOrStdout(), func(c *client.Client) (json.RawMessage, error) {
				return c.Keys(cmd.Context(), args[0], v)
			}, keysTable)
		},
	}
	cmd.Flags().StringVar(&order, "order", "events", "events (most first) or key")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys whose first field begins so")
	return cmd
}

func keysTable(w io.Writer, raw []byte) error {
	var list struct {
		Keys []struct {
			Key    []json.RawMessage `json:"key"`
			Events uint64            `json:"events"`
			Bytes  uint64            `json:"bytes"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("reading the keys: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tEVENTS\tSIZE")
	for _, k := range list.Keys {
		fmt.Fprintf(t, "%s\t%d\t%s\n", keyText(k.Key), k.Events, size(k.Bytes))
	}
	return t.Flush()
}

func watchCommand(r *remote) *cobra.Command {
	var flags questionFlags
	var question, every string
	cmd := &cobra.Command{
		Use: "watch VIEW", Short: "Ask a question again and again until interrupted",
		Example: "  sketchlog watch pages --question topk --every 1s --window 5m",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := flags.values()
			v.Set("question", question)
			v.Set("every", every)
			c, err := r.client()
			if err != nil {
				return err
			}
			defer c.Close()
			first := true
			err = c.Watch(cmd.Context(), args[0], v, func(raw json.RawMessage) error {
				if !first && r.output == outputTable {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				first = false
				return r.show(cmd.OutOrStdout(), raw, answerTable)
			})
			if cmd.Context().Err() != nil {
				return nil // interrupted, which is how a watch ends
			}
			return err
		},
	}
	flags.declare(cmd.Flags())
	cmd.Flags().StringVar(&question, "question", "count", "the question")
	cmd.Flags().StringVar(&every, "every", "1s", "time between answers")
	return cmd
}
