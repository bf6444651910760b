package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/store"
)

// cli is the process as the commands see it.
type cli struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	abort    <-chan struct{}

	file      string
	connector string
}

// execute runs one command and returns the exit code. Results go to out, all
// else to err.
func (c *cli) execute(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSaid) {
		say := err
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			say = errCutShort // where it was helps nobody
		}
		fmt.Fprintf(c.err, "flexbrevo: %v\n", say)
	}
	return exitCode(err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "flexbrevo",
		Short: "Keeps Brevo in step with a Twilio Flex contact centre",
		Long: "flexbrevo reads tasks, conversations, surveys, agents and queues from a Twilio Flex\n" +
			"contact centre and keeps the matching Brevo contacts, lists and events true.\n\n" +
			"New here? `flexbrevo demo` shows all of it without any account.\n\n" + exitHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("there is no command %q; see `flexbrevo --help`", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
	})
	file := "connector.yaml"
	if f, ok := c.env("FLEXBREVO_CONFIG"); ok && f != "" {
		file = f
	}
	root.PersistentFlags().StringVar(&c.file, "config", file, "configuration `file` (environment FLEXBREVO_CONFIG)")
	root.PersistentFlags().StringVar(&c.connector, "connector", "", "only the connector of this `name`")
	root.AddCommand(
		c.runCommand(),
		c.syncCommand(),
		c.backfillCommand(),
		c.replayCommand(),
		c.forgetCommand(),
		c.reconcileCommand(),
		c.figuresCommand(),
		c.deadCommand(),
		c.mergeCommand(),
		c.checkCommand(),
		c.statusCommand(),
		c.explainCommand(),
		c.demoCommand(),
		c.simulateCommand(),
		c.versionCommand(),
		c.webhookCommand(),
		c.webchannelCommand(),
		c.provisionCommand(),
		c.initCommand(),
		c.testCommand(),
		c.secretsCommand(),
		c.storeCommand(),
		c.schemaCommand(),
		c.completionCommand(),
	)
	root.AddCommand(c.mcpCommands()...)
	c.complete(root)
	for _, sub := range root.Commands() {
		if sub.Args == nil {
			sub.Args = noArgs
		}
	}
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0]))
	}
	return nil
}

// load reads the configuration and says its warnings.
func (c *cli) load() (*config.Config, error) {
	cfg, err := config.Load(c.file, c.configOptions())
	if _, missing := os.Stat(c.file); err != nil && errors.Is(missing, fs.ErrNotExist) {
		err = fmt.Errorf("there is no %s; `flexbrevo init` writes one, and --config or FLEXBREVO_CONFIG names another", c.file)
	}
	if err != nil {
		return nil, &configError{err}
	}
	var names []string
	for _, k := range cfg.Connectors {
		names = append(names, k.Name)
	}
	if c.connector != "" && !slices.Contains(names, c.connector) {
		return nil, usage(fmt.Errorf("there is no connector %q in %s; there is %s", c.connector, c.file, strings.Join(names, ", ")))
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(c.err, w.Error())
	}
	return cfg, nil
}

// configError is a configuration that cannot be used.
type configError struct{ err error }

func (e *configError) Error() string {
	var problems config.Problems
	if errors.As(e.err, &problems) {
		return fmt.Sprintf("the configuration cannot be used, nothing was started:\n%v", e.err)
	}
	return e.err.Error()
}

func (e *configError) Unwrap() error { return e.err }

// logger writes to standard error as the configuration says. Connectors may ask
// for more than the file's level, so the handler takes all and the level is set
// above it.
func (c *cli) logger(cfg *config.Config) *slog.Logger {
	l := cfg.Log
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // an unknown level was refused by config
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: newRedactor(cfg).attr}
	if l.Format == "text" {
		return slog.New(slog.NewTextHandler(c.err, o))
	}
	return slog.New(slog.NewJSONHandler(c.err, o))
}

// service opens the store as a pipeline and assembles the service. The store is
// closed by the returned function.
func (c *cli) service(ctx context.Context, cfg *config.Config, logger *slog.Logger) (*connector.Service, func(), error) {
	st, err := connector.OpenStore(ctx, cfg, logger, true, false)
	if err != nil {
		return nil, nil, err
	}
	return c.assemble(cfg, st, logger)
}

func (c *cli) assemble(cfg *config.Config, st store.Store, logger *slog.Logger) (*connector.Service, func(), error) {
	s, err := connector.New(connector.Options{
		Config: cfg, Store: st, Logger: logger, Connector: c.connector, Version: versionText(),
		Parts: parts(),
	})
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	keepSmall(cfg.Store.SQLitePath != "")
	stop := keepDropping()
	return s, func() {
		stop()
		s.Close()
		if err := st.Close(); err != nil {
			logger.Error("store did not close well", "err", err)
		}
	}, nil
}

// isTerminal says whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return now.Sub(*t).Round(time.Second).String() + " ago"
}

// eachConnector opens the store and does something for each connector that was asked
// for.
func (c *cli) eachConnector(ctx context.Context, readOnly bool, do func(store.Store, *config.Connector) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if path := cfg.Store.SQLitePath; path != "" {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no store at %s yet; start with `flexbrevo run` or `flexbrevo sync`", path)
		}
	}
	st, err := connector.OpenStore(ctx, cfg, c.logger(cfg), false, readOnly)
	if err != nil {
		return err
	}
	found := false
	for _, k := range cfg.Connectors {
		if c.connector != "" && c.connector != k.Name || err != nil {
			continue
		}
		found = true
		err = do(st, k)
	}
	if err == nil && !found {
		err = usage(fmt.Errorf("there is no connector %q", c.connector))
	}
	return errors.Join(err, st.Close())
}
