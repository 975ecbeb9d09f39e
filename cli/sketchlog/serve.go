package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// settings are what serve can be told, by flag or by configuration file; a
// flag wins over the file.
type settings struct {
	Data   string `yaml:"data"`
	Listen string `yaml:"listen"`
	NATS   string `yaml:"nats"`
}

const defaultConfig = "sketchlog.yaml"

func serveCommand() *cobra.Command {
	var given settings
	var config string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server",
		Long: `Run a server: its log, its views and its HTTP interface in one process.

It prints "listening on http://HOST:PORT" when it answers, and stops on SIGTERM
within 10 s: it refuses new work, finishes what it has and commits.`,
		Example: "  sketchlog serve --data /var/lib/sketchlog --listen 127.0.0.1:7600",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := readSettings(config, cmd.Flags().Changed("config"), given, cmd.Flags())
			if err != nil {
				return err
			}
			logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return runNode(cmd.Context(), nodeConfig{settings: s, logger: logger}, func(address string) {
				fmt.Fprintf(cmd.OutOrStdout(), "listening on http://%s\n", address)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&given.Data, "data", "./sketchlog-data", "directory of the log and the state")
	f.StringVar(&given.Listen, "listen", "127.0.0.1:7600", "address to answer on; port 0 takes a free one")
	f.StringVar(&given.NATS, "nats", "embedded", "the log: embedded, or nats://HOST:PORT of an existing server with JetStream")
	f.StringVar(&config, "config", defaultConfig, "configuration file (YAML with the names of these flags)")
	return cmd
}

// readSettings joins defaults, configuration file and flags.
func readSettings(path string, named bool, flags settings, set *pflag.FlagSet) (settings, error) {
	s := flags
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return s, nil
	case err != nil:
		return s, fmt.Errorf("configuration file: %w", err)
	}
	var file settings
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("configuration file %s: %w", path, err)
	}
	for _, one := range []struct {
		flag string
		file string
		into *string
	}{{"data", file.Data, &s.Data}, {"listen", file.Listen, &s.Listen}, {"nats", file.NATS, &s.NATS}} {
		if one.file != "" && !set.Changed(one.flag) {
			*one.into = one.file
		}
	}
	return s, nil
}
