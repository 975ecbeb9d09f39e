package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"sketchlog/ingest/view"
)

// settings are what serve can be told, by flag or by configuration file; a
// flag wins over the file.
type settings struct {
	Data   string `yaml:"data"`
	Listen string `yaml:"listen"`
	NATS   string `yaml:"nats"`
	Memory string `yaml:"memory"`
	Pprof  string `yaml:"pprof"`
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
			if _, err := parseMemory(s.Memory, view.TotalMemory()); err != nil {
				return asUsage(err)
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
	f.StringVar(&given.Memory, "memory", "50%", "memory for the whole process: a share of what the machine or its control group has, or a size such as 512MiB")
	f.StringVar(&given.Pprof, "pprof", "", "address of this machine, such as 127.0.0.1:6060, to answer Go's profiler on; none without it")
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
	}{{"data", file.Data, &s.Data}, {"listen", file.Listen, &s.Listen}, {"nats", file.NATS, &s.NATS}, {"memory", file.Memory, &s.Memory}, {"pprof", file.Pprof, &s.Pprof}} {
		if one.file != "" && !set.Changed(one.flag) {
			*one.into = one.file
		}
	}
	return s, nil
}

// leastMemory is the least that views can work with.
const leastMemory = 16 << 20

// units of sizes.
var units = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"%", 0}, {"B", 1}}

// parseMemory reads a size in bytes: "512MiB", "2GB", or a share of a total: "25%".
func parseMemory(text string, total int64) (int64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n > 0) {
			break
		}
		if u.name == "%" {
			if n > 100 {
				break
			}
			u.bytes = float64(total) / 100
		}
		bytes := n * u.bytes
		if bytes > 1<<50 {
			break
		}
		if bytes < leastMemory {
			return 0, fmt.Errorf("memory is %s, which is %.0f bytes: views need 16MiB at least", text, bytes)
		}
		return int64(bytes), nil
	}
	return 0, fmt.Errorf("memory is %q: write a size such as 512MiB or 2GiB, or a share up to 100%% such as 25%%", text)
}
