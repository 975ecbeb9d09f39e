package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"sketchlog/server/client"
)

// produceConfig says what produce sends and how.
type produceConfig struct {
	stream, file   string
	format         string
	batch          int
	acks, onError  string
	eventsASecond  float64
	name           string // producer's name: makes retries count once
	server         *client.Client
	acceptedTotal  int
	rejectedTotal  int
	progress       progress
	rejectedFaults []client.Fault
}

func produceCommand(r *remote) *cobra.Command {
	c := produceConfig{}
	cmd := &cobra.Command{
		Use: "produce STREAM [FILE]", Short: "Send the events of a file or of standard input",
		Long: `Send the events of FILE, or of standard input when it is - or left out, in requests
of --batch events. The requests are numbered, so that one that is sent again
after a failure counts once. Files that end in .gz or .zst are read as they are.`,
		Example: "  sketchlog produce web access.log.gz --format accesslog\n  tail -F access.log | sketchlog produce web - --format accesslog --batch 1",
		Args:    usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.stream, c.file = args[0], "-"
			if len(args) == 2 {
				c.file = args[1]
			}
			c.progress = progress{out: progressTo(cmd), began: time.Now()}
			if err := c.validate(); err != nil {
				return err
			}
			var err error
			if c.server, err = r.client(); err != nil {
				return err
			}
			defer c.server.Close()
			if err := c.run(cmd.Context(), cmd.InOrStdin()); err != nil {
				return err
			}
			return c.report(cmd, r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.format, "format", "", strings.Join(formats, ", ")+" (default: by the file's suffix, else ndjson)")
	f.IntVar(&c.batch, "batch", 5000, "events a request")
	f.StringVar(&c.acks, "acks", "all", "0, 1 or all")
	f.StringVar(&c.onError, "on-error", "reject", "reject: a bad event stops it; skip: bad events are listed and left out")
	f.Float64Var(&c.eventsASecond, "rate", 0, "at most so many events a second; 0 without limit")
	return cmd
}

func (c *produceConfig) validate() error {
	var faults []error
	if c.format != "" && !slices.Contains(formats, c.format) {
		faults = append(faults, fmt.Errorf("--format must be one of %s; it is %q", strings.Join(formats, ", "), c.format))
	}
	if c.batch < 1 || c.batch > 1_000_000 {
		faults = append(faults, fmt.Errorf("--batch must lie between 1 and 1,000,000; it is %d", c.batch))
	}
	if c.acks != "0" && c.acks != "1" && c.acks != "all" {
		faults = append(faults, fmt.Errorf("--acks must be 0, 1 or all; it is %q", c.acks))
	}
	if c.onError != "reject" && c.onError != "skip" {
		faults = append(faults, fmt.Errorf("--on-error must be reject or skip; it is %q", c.onError))
	}
	if !(c.eventsASecond >= 0) { // NaN neither
		faults = append(faults, errors.New("--rate must be at least 0"))
	}
	if err := errors.Join(faults...); err != nil {
		return asUsage(err)
	}
	return nil
}

// run sends the whole input.
func (c *produceConfig) run(ctx context.Context, stdin io.Reader) error {
	if c.format == "" {
		c.format = formatOf(c.file)
	}
	in := stdin
	if c.file != "-" {
		f, err := os.Open(c.file)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			c.progress.total = info.Size()
		}
		in = counting{f, &c.progress.read}
	}
	in, err := unpacked(c.file, in)
	if err != nil {
		return fmt.Errorf("%s: %w", c.inputName(), err)
	}
	s, err := newSplitter(c.format, in, c.batch)
	if err != nil {
		return fmt.Errorf("%s: %w", c.inputName(), err)
	}
	var name [8]byte
	if _, err := rand.Read(name[:]); err != nil {
		return fmt.Errorf("naming the producer: %w", err)
	}
	c.name = "produce-" + hex.EncodeToString(name[:])
	err = c.sendAll(ctx, s)
	c.progress.end(c.acceptedTotal, time.Now())
	if err != nil && c.acceptedTotal > 0 {
		return fmt.Errorf("%w (%d events before that are accepted)", err, c.acceptedTotal)
	}
	return err
}

func (c *produceConfig) inputName() string {
	if c.file == "-" {
		return "standard input"
	}
	return c.file
}

func (c *produceConfig) sendAll(ctx context.Context, s splitter) error {
	limit := rate.NewLimiter(rate.Inf, 0)
	if c.eventsASecond > 0 {
		limit = rate.NewLimiter(rate.Limit(c.eventsASecond), c.batch)
	}
	wire := c.format
	if wire == "json" {
		wire = "ndjson" // which is what the splitter makes of it
	}
	for number := uint64(1); ; number++ {
		body, events, err := s.next()
		if err == io.EOF { // itself: an end in the middle of an event is wrapped
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.inputName(), err)
		}
		if err := limit.WaitN(ctx, events); err != nil {
			return err
		}
		receipt, err := c.server.Produce(ctx, c.stream, body, wire, client.ProduceOptions{Acks: c.acks, Skip: c.onError == "skip", Producer: c.name, Number: number})
		if err != nil {
			return fmt.Errorf("request %d (events %d to %d of the input): %w", number, c.acceptedTotal+c.rejectedTotal, c.acceptedTotal+c.rejectedTotal+events-1, err)
		}
		for _, f := range receipt.Errors {
			if f.Index != nil {
				*f.Index += c.acceptedTotal + c.rejectedTotal // of the input, not of the request
			}
			if len(c.rejectedFaults) < 100 {
				c.rejectedFaults = append(c.rejectedFaults, f)
			}
		}
		c.acceptedTotal += receipt.Accepted
		c.rejectedTotal += receipt.Rejected
		c.progress.show(c.acceptedTotal, time.Now())
	}
}

// report says what became of the events.
func (c *produceConfig) report(cmd *cobra.Command, r *remote) error {
	for _, f := range c.rejectedFaults {
		at := "an event"
		if f.Index != nil {
			at = fmt.Sprintf("event %d", *f.Index)
		}
		note(cmd.ErrOrStderr(), "%s: %s", at, printable(f.Detail))
	}
	if more := c.rejectedTotal - len(c.rejectedFaults); more > 0 && len(c.rejectedFaults) > 0 {
		note(cmd.ErrOrStderr(), "and %d more", more)
	}
	if r.output == outputJSON {
		faults := append([]client.Fault{}, c.rejectedFaults...) // an empty list rather than null
		return writeJSON(cmd.OutOrStdout(), map[string]any{"accepted": c.acceptedTotal, "rejected": c.rejectedTotal, "errors": faults})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d events accepted, %d rejected\n", c.acceptedTotal, c.rejectedTotal)
	return err
}
