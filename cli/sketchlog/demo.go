package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sketchlog/bench"
	"sketchlog/server/client"
)

// demoViews are the streams and views of the demo, as `view apply -f` takes them.
const demoViews = `{
  "streams": {"visits": {"partitions": 4, "key": "page", "time": "time", "lateness": "1m"}},
  "views": {
    "pages": {"stream": "visits", "by": ["page"], "pane": "10m", "keep": "7d", "from": "earliest", "sketches": {
      "visitors": {"kind": "hll", "of": "user", "error": 0.01},
      "seen":     {"kind": "bloom", "of": "user", "capacity": 50000, "error": 0.01},
      "visits":   {"kind": "countmin", "of": "user", "error": 0.0005, "confidence": 0.99},
      "regulars": {"kind": "hotlist", "of": "user", "size": 256},
      "sample":   {"kind": "reservoir", "of": "user", "size": 100},
      "traffic":  {"kind": "decay", "of": "bytes", "half_life": "30m"}}},
    "site": {"stream": "visits", "pane": "10m", "keep": "7d", "from": "earliest", "sketches": {
      "visitors": {"kind": "hll", "of": "user", "error": 0.01},
      "pages":    {"kind": "hotlist", "of": "page", "size": 100},
      "volume":   {"kind": "hotlist", "of": "page", "size": 100, "weight": "bytes"}}}}}`

// demoWorkload is six hours of visits that ended just now: few pages get most
// of them, some users come often, two in a hundred events come late.
func demoWorkload(events int, now time.Time) bench.Workload {
	return bench.Workload{
		Events: events,
		Keys:   200, KeySkew: 1.1,
		Items: 50_000, ItemSkew: 0.9,
		Values: 40_000,
		Start:  now.Add(-6 * time.Hour), Span: 6 * time.Hour,
		Late: 0.02, Lateness: 5 * time.Minute,
		Seed: 7,
	}
}

type demo struct {
	events int
	exit   bool
	node   nodeConfig
	out    io.Writer
	notes  io.Writer
}

func demoCommand() *cobra.Command {
	d := demo{}
	cmd := &cobra.Command{
		Use: "demo", Short: "Run a server with a sample stream and print answers beside exact ones",
		Long: `Start a server on a directory of its own, make six hours of page visits, send them
over HTTP, and print each question's answer beside the exact one. The server then
stays up until interrupted, unless --exit is given.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.events < 1 {
				return usagef("--events must be at least 1; it is %d", d.events)
			}
			d.out, d.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			d.node.logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			return d.run(cmd.Context(), cmd.Flags().Changed("listen"))
		},
	}
	cmd.Flags().BoolVar(&d.exit, "exit", false, "end after the answers")
	cmd.Flags().IntVar(&d.events, "events", 300_000, "events to make")
	cmd.Flags().StringVar(&d.node.Listen, "listen", "127.0.0.1:7600", "address to answer on")
	d.node.NATS = "embedded"
	return cmd
}

// run serves and plays until the demo ends or is interrupted.
func (d *demo) run(ctx context.Context, listenGiven bool) (err error) {
	if d.node.Data, err = os.MkdirTemp("", "sketchlog-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.node.Data)) }()
	if !listenGiven && (d.exit || inUse(d.node.Listen)) {
		d.node.Listen = "127.0.0.1:0"
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	played := make(chan error, 1)
	came := false
	err = runNode(ctx, d.node, func(address string) {
		came = true
		go func() { // awaited below
			err := d.play(ctx, address)
			if d.exit || err != nil {
				stop()
			}
			played <- err
		}()
	})
	stop()
	if !came { // and err says why
		return err
	}
	if failed := <-played; !errors.Is(failed, context.Canceled) {
		err = errors.Join(failed, err)
	}
	return err
}

func inUse(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

// play loads the stream and shows what the server knows of it.
func (d *demo) play(ctx context.Context, address string) error {
	c, err := client.New("http://"+address, "")
	if err != nil {
		return err
	}
	defer c.Close()
	var definitions map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(demoViews), &definitions); err != nil {
		return err
	}
	for name, definition := range definitions["streams"] {
		if _, _, err := c.PutStream(ctx, name, definition); err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	for name, definition := range definitions["views"] {
		if _, _, err := c.PutView(ctx, name, definition); err != nil {
			return fmt.Errorf("view %s: %w", name, err)
		}
	}
	t := newTruth()
	began := time.Now()
	if err := d.load(ctx, c, t); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Fprintf(d.out, "%d events of six hours sent over HTTP and applied in %.1f s; %d of them came late.\n\n", len(t.visits), took.Seconds(), t.late)
	if err := d.show(ctx, c, t); err != nil {
		return err
	}
	d.next(address)
	return nil
}

// load sends the events in requests of 5,000 and keeps them for the exact answers.
func (d *demo) load(ctx context.Context, c *client.Client, t *truth) error {
	source, err := bench.NewSource(demoWorkload(d.events, time.Now()))
	if err != nil {
		return err
	}
	const batch = 5000
	var body []byte
	number := uint64(0)
	for g := source.Range(0, d.events); ; {
		body = body[:0]
		for range batch {
			e, ok := g.Next()
			if !ok {
				break
			}
			v := visit{time: e.Time, page: "/page/" + strconv.Itoa(int(e.Key)), user: "user-" + strconv.Itoa(int(e.Item)), bytes: int64(e.Value)}
			t.add(v)
			body = fmt.Appendf(body, `{"time":%d,"page":%q,"user":%q,"bytes":%d}`+"\n", v.time, v.page, v.user, v.bytes)
		}
		if len(body) == 0 {
			return nil
		}
		number++
		if _, err := c.Produce(ctx, "visits", body, "ndjson", client.ProduceOptions{Applied: true, Producer: "demo", Number: number}); err != nil {
			return fmt.Errorf("sending events: %w", err)
		}
		if isTerminal(d.notes) {
			fmt.Fprintf(d.notes, "\r%d of %d events", len(t.visits), d.events)
		}
	}
}

// show asks every question and prints each answer beside the exact one.
func (d *demo) show(ctx context.Context, c *client.Client, t *truth) error {
	const busy, quiet = "/page/0", "/page/180"
	top := t.topUsers(busy, 3)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUESTION\tANSWER\tINTERVAL (95%)\tEXACT ANSWER\t")
	rows := []demoRow{
		{"visits of " + busy, "pages", "count", url.Values{"key": {busy}}, t.count(busy)},
		{"distinct users of " + busy, "pages", "distinct", url.Values{"key": {busy}}, t.distinct(busy)},
		{"distinct users of " + quiet, "pages", "distinct", url.Values{"key": {quiet}}, t.distinct(quiet)},
		{"distinct users of the site", "site", "distinct", nil, t.distinct("")},
		{"distinct users in the last hour", "site", "distinct", url.Values{"window": {"1h"}}, t.distinct("")},
		{"how often " + top[0].name + " saw " + busy, "pages", "frequency", url.Values{"key": {busy}, "item": {top[0].name}}, t.frequency(busy)},
		{"did " + top[1].name + " see " + busy, "pages", "contains", url.Values{"key": {busy}, "item": {top[1].name}}, t.contains(busy)},
		{"did a stranger see " + busy, "pages", "contains", url.Values{"key": {busy}, "item": {"nobody"}}, t.contains(busy)},
		{"top users of " + busy, "pages", "topk", url.Values{"key": {busy}, "k": {"3"}}, t.frequency(busy)},
		{"pages by visits", "site", "topk", url.Values{"sketch": {"pages"}, "k": {"3"}}, t.pages(func(visit) int64 { return 1 })},
		{"pages by bytes", "site", "topk", url.Values{"sketch": {"volume"}, "k": {"3"}}, t.pages(func(v visit) int64 { return v.bytes })},
		{"bytes of " + busy + ", half-life 30m", "pages", "sum", url.Values{"key": {busy}}, t.decayed(busy, 30*time.Minute)},
		{"three users of " + busy + ", at random", "pages", "sample", url.Values{"key": {busy}, "n": {"3"}}, t.contains(busy)},
	}
	held, of := 0, 0
	for _, r := range rows {
		raw, err := c.Ask(ctx, r.view, r.question, r.parameters)
		if err != nil {
			return fmt.Errorf("%s: %w", r.title, err)
		}
		h, n, err := r.print(w, raw)
		if err != nil {
			return err
		}
		held, of = held+h, of+n
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n%d of %d exact answers lie in their interval.\n", held, of)
	return nil
}

// demoRow is one question and how to answer it exactly.
type demoRow struct {
	title, view, question string
	parameters            url.Values
	exact                 func(span span, item string) float64
}

// print writes one line for an answer, or one for each of its items, and says
// how many intervals there are and how many hold the exact answer.
func (r demoRow) print(w io.Writer, raw []byte) (held, of int, err error) {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", r.title, err)
	}
	s, err := spanOf(a)
	if err != nil {
		return 0, 0, err
	}
	if a.Items == nil {
		h := r.line(w, r.title, a.Estimate, a.Low, a.High, r.exact(s, ""))
		return h, 1, nil
	}
	for i, raw := range a.Items {
		var one answerItem
		title := r.title
		if i > 0 {
			title = ""
		}
		if r.question == "sample" {
			fmt.Fprintf(w, "%s\t%s\tof %d\t%s\t\n", title, plainText(raw), *a.Population, sawIt(r.exact(s, plainText(raw))))
			continue
		}
		if err := json.Unmarshal(raw, &one); err != nil {
			return held, of, fmt.Errorf("%s: %w", r.title, err)
		}
		exact := r.exact(s, plainText(one.Item))
		if r.question == "contains" {
			fmt.Fprintf(w, "%s\t%s\tfalse positives %s\t%s\t\n", title, one.Answer, figure(one.FalsePositiveRate), sawIt(exact))
			of++
			if one.Answer == "maybe" || exact == 0 {
				held++
			}
			continue
		}
		if r.question == "topk" {
			title = fmt.Sprintf("%s %d: %s", r.title, i+1, plainText(one.Item))
		}
		held += r.line(w, title, one.Estimate, one.Low, one.High, exact)
		of++
	}
	return held, of, nil
}

func sawIt(n float64) string {
	if n > 0 {
		return "yes"
	}
	return "no"
}

// line prints a number with its interval; 1 if the interval holds.
func (r demoRow) line(w io.Writer, title string, estimate, low, high *float64, exact float64) int {
	fmt.Fprintf(w, "%s\t%s\t%s … %s\t%s\t\n", title, figure(estimate), figure(low), figure(high), figure(&exact))
	slack := 1e-9 * exact // of floating-point sums
	if low != nil && exact < *low-slack || high != nil && exact > *high+slack {
		return 0
	}
	return 1
}

// next says where to look from here.
func (d *demo) next(address string) {
	if d.exit {
		return
	}
	fmt.Fprintf(d.out, `
The server stays up; stop it with Ctrl-C (its data goes with it).

  page       http://%[1]s/
  ask        bin/sketchlog query topk pages --key /page/3 --window 30m --addr http://%[1]s
  or         curl 'http://%[1]s/v1/views/pages/distinct?key=/page/3'
  keys       bin/sketchlog keys pages --limit 10 --addr http://%[1]s
  interface  http://%[1]s/openapi.yaml
`, address)
}

// span is the event time that an answer covers.
type span struct{ from, to int64 }

func (s span) holds(at int64) bool { return at >= s.from && at < s.to }

func spanOf(a answer) (span, error) {
	from, err := time.Parse(time.RFC3339, string(a.From))
	if err != nil {
		return span{}, fmt.Errorf("the answer's span: %w", err)
	}
	to, err := time.Parse(time.RFC3339, string(a.To))
	if err != nil {
		return span{}, fmt.Errorf("the answer's span: %w", err)
	}
	return span{from.UnixMilli(), to.UnixMilli()}, nil
}

// counted is a name and how often it came.
type counted struct {
	name string
	n    int64
}

func largest(counts map[string]int64, k int) []counted {
	all := make([]counted, 0, len(counts))
	for name, n := range counts {
		all = append(all, counted{name, n})
	}
	slices.SortFunc(all, func(a, b counted) int {
		if a.n != b.n {
			return int(b.n - a.n)
		}
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all[:min(k, len(all))]
}
