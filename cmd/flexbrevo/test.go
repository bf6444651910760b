package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
)

func (c *cli) testCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Try every capability and say what to do about each that fails",
		Long: "Asks Twilio, Brevo and the store for everything that a run needs, and changes nothing:\n" +
			"one line each, ✓ or ✗, and a remedy under each ✗. A ! is worth a look and no failure.\n" +
			"It works beside a running daemon. Below stands what Brevo's documentation leaves open, and what\n" +
			"runs, and `flexbrevo provision --canary`, found out about it on this account.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			tested, err := c.test(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if asJSON {
				if err := c.print(tested); err != nil {
					return err
				}
			} else {
				c.sayCapabilities(tested)
			}
			return verdict(tested)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// test asks for everything; the store's line is made here, because a store that
// does not open must not hide the other lines.
func (c *cli) test(ctx context.Context, cfg *config.Config) ([]connector.Capability, error) {
	logger := c.logger(cfg)
	s, err := connector.New(connector.Options{Config: cfg, Logger: logger, Connector: c.connector, Version: versionText(), Parts: parts()})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	tested := append(s.Test(ctx), c.testStore(ctx, cfg))
	return append(tested, c.openQuestions(ctx, cfg, s)...), nil
}

// openQuestions tells what runs before found out, as far as the store can be read.
func (c *cli) openQuestions(ctx context.Context, cfg *config.Config, s *connector.Service) []connector.Capability {
	st, err := connector.OpenStore(ctx, cfg, c.logger(cfg), false, true)
	if err != nil {
		return s.OpenQuestions(ctx, nil) // the store's own line says why
	}
	defer st.Close()
	return s.OpenQuestions(ctx, st)
}

func (c *cli) testStore(ctx context.Context, cfg *config.Config) connector.Capability {
	ctx, cancel := context.WithTimeoutCause(ctx, 15*time.Second, errors.New("no answer within 15s"))
	defer cancel()
	result := connector.Capability{Name: "store", Verdict: connector.Works, Detail: "PostgreSQL, can be written to"}
	if cfg.Store.SQLitePath != "" {
		result.Detail = cfg.Store.SQLitePath + ", can be written to"
	}
	st, err := connector.OpenStore(ctx, cfg, c.logger(cfg), false, false)
	if err == nil {
		err = errors.Join(st.Ping(ctx), st.Close())
	}
	if err != nil {
		result.Verdict, result.Detail, result.Err = connector.Fails, err.Error(), err
		result.Remedy = "Check store.url, that this user may write there, and that the disk is not full."
	}
	return result
}

func (c *cli) sayCapabilities(tested []connector.Capability) {
	several := map[string]bool{}
	for _, t := range tested {
		several[t.Connector] = true
	}
	signs := map[connector.Verdict]string{connector.Works: "✓", connector.Fails: "✗", connector.Warns: "!", connector.Skipped: "–"}
	for i, t := range tested {
		name := t.Name
		if t.Question != "" {
			if i == 0 || tested[i-1].Question == "" {
				fmt.Fprintln(c.out, "What Brevo's documentation leaves open, as the account shows it:")
			}
			fmt.Fprintf(c.out, "%s %-48s %s\n", signs[t.Verdict], name, t.Detail)
			continue
		}
		if t.Connector != "" && len(several) > 2 { // one connector, and the lines that belong to none
			name = t.Connector + ": " + name
		}
		fmt.Fprintf(c.out, "%s %-24s %s\n", signs[t.Verdict], name, t.Detail)
		if t.Remedy != "" {
			fmt.Fprintf(c.out, "    → %s\n", t.Remedy)
		}
	}
}

// verdict ends the command as the table of exit codes says; the lines have said
// the rest.
func verdict(tested []connector.Capability) error {
	errs := []error{}
	for _, t := range tested {
		if t.Verdict == connector.Fails {
			errs = append(errs, t.Err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errors.Join(append(errs, errSaid)...)
}
