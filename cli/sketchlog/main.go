// Command sketchlog is the whole product in one binary: the server, and the
// commands that talk to one.
//
// main.go      the root command, exit codes
// serve.go     a server: flags and configuration file
// node.go      the components of a server, wired, started and stopped
// demo.go      a server with a sample stream, answers beside exact ones
// the others   one file a command; all of them speak HTTP through server/client
//
// Flags are declared here only; libraries take config structs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// errUsage marks what the caller wrote wrongly: exit code 2.
var errUsage = errors.New("wrong usage")

// Exit codes, as the README lists them.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
)

func main() {
	signal.Ignore(syscall.SIGXFSZ) // a limit on the size of files (ulimit -f) is an error of a write, not the end
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage):
		note(stderr, "sketchlog: %s\nUsage: %s\nMore:  %s --help", printableLines(err.Error()), cmd.UseLine(), cmd.CommandPath())
		return exitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		note(stderr, "sketchlog: interrupted")
	default:
		note(stderr, "sketchlog: %s", printableLines(err.Error()))
	}
	return exitRefused
}

func newRoot() *cobra.Command {
	var remote remote
	root := &cobra.Command{
		Use:           "sketchlog",
		Short:         "Approximate analytics over event streams: always fresh, eventually exact, never silently wrong",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	remote.declare(root.PersistentFlags())
	root.AddCommand(
		serveCommand(), demoCommand(),
		streamCommand(&remote), viewCommand(&remote),
		produceCommand(&remote), consumeCommand(&remote),
		queryCommand(&remote), keysCommand(&remote), seriesCommand(&remote), watchCommand(&remote),
		statusCommand(&remote), benchCommand(&remote),
	)
	return root
}

// usage makes the faults that a positional-argument check finds usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return asUsage(errors.New(strings.NewReplacer("arg(s)", "words", "accepts", "it takes").Replace(err.Error())))
		}
		return nil
	}
}

func asUsage(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }

func usagef(format string, args ...any) error { return asUsage(fmt.Errorf(format, args...)) }
