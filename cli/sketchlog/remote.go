package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sketchlog/server/client"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

// remote is the server that a command talks to, and how it shows answers.
type remote struct {
	address, token string
	output         string
}

// declare adds the flags that every command takes.
func (r *remote) declare(f *pflag.FlagSet) {
	address := "http://127.0.0.1:7600"
	if env := os.Getenv("SKETCHLOG_ADDR"); env != "" {
		address = env
	}
	f.StringVar(&r.address, "addr", address, "address of the server (or $SKETCHLOG_ADDR)")
	f.StringVar(&r.token, "token", os.Getenv("SKETCHLOG_TOKEN"), "access token (or $SKETCHLOG_TOKEN)")
	f.Lookup("token").DefValue = "" // help must not print a secret
	f.VarP(choice{&r.output, []string{outputTable, outputJSON}}, "output", "o", "table for people, json as the server answers")
	r.output = outputTable
	f.Lookup("output").DefValue = outputTable
}

// choice is a flag with few possible values.
type choice struct {
	into *string
	of   []string
}

// String is the value that is set.
func (c choice) String() string {
	if c.into == nil {
		return ""
	}
	return *c.into
}

// Type is what help calls a value of the flag.
func (c choice) Type() string { return strings.Join(c.of, "|") }

// Set takes one of the possible values.
func (c choice) Set(s string) error {
	if slices.Contains(c.of, s) {
		*c.into = s
		return nil
	}
	return fmt.Errorf("it is one of %s", strings.Join(c.of, ", "))
}

// client is the server's client; an address that is none is wrong usage.
func (r *remote) client() (*client.Client, error) {
	c, err := client.New(r.address, r.token)
	if err != nil {
		return nil, asUsage(err)
	}
	return c, nil
}

// ask makes one request and shows its answer.
func (r *remote) ask(w io.Writer, request func(*client.Client) (json.RawMessage, error), table func(io.Writer, []byte) error) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := request(c)
	if err != nil {
		return err
	}
	return r.show(w, raw, table)
}

// show writes an answer: as it came, or through table.
func (r *remote) show(w io.Writer, raw []byte, table func(io.Writer, []byte) error) error {
	if r.output == outputTable {
		return table(w, raw)
	}
	if _, err := w.Write(bytes.TrimRight(raw, "\n")); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// indented is the table of what has no better one.
func indented(w io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	_, err := fmt.Fprintln(w, printableLines(b.String()))
	return err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// needsSubcommand makes a group of commands without one of them a usage error.
func needsSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usagef("%s needs one of its commands: %s", cmd.CommandPath(), strings.Join(names, ", "))
}

// isTerminal reports whether w is a terminal, where progress may overwrite itself.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
