package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/store"
)

func (c *cli) syncCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "One incremental pass of every stream, then exit",
		Long: "Pulls every stream from its checkpoint, digests and delivers until nothing is due.\n" +
			"Beside a running daemon it asks the daemon for the same and waits for it.\n" +
			"Rows that Twilio lists up to 5 minutes late are found by the next pass, up to 2 hours\n" +
			"late within the hour, up to a day late within the day.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			report, err := c.sync(cmd.Context(), cfg)
			if asJSON {
				if e := c.print(report); e != nil {
					return errors.Join(err, e)
				}
			} else if err == nil || !reflect.ValueOf(report).IsZero() {
				c.sayReport(report)
			}
			if err == nil && report.Dead > 0 {
				return errDeadLetters
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// sync makes the pass itself, or has the daemon make it that works on the store.
func (c *cli) sync(ctx context.Context, cfg *config.Config) (connector.Report, error) {
	s, done, err := c.service(ctx, cfg, c.logger(cfg))
	if errors.Is(err, store.ErrPipelineRunning) {
		return c.askDaemon(ctx, cfg)
	}
	if err != nil {
		return connector.Report{}, err
	}
	defer done()
	show := c.progress()
	defer show.end()
	return s.Sync(ctx, show.told)
}

func (c *cli) askDaemon(ctx context.Context, cfg *config.Config) (connector.Report, error) {
	logger := c.logger(cfg)
	st, err := connector.OpenStore(ctx, cfg, logger, false, false)
	if err != nil {
		return connector.Report{}, err
	}
	defer func() {
		if err := st.Close(); err != nil {
			logger.Error("store did not close well", "err", err)
		}
	}()
	fmt.Fprintln(c.err, "a daemon works on this store; it makes the pass")
	id, err := connector.Ask(ctx, st, "sync", c.connector, time.Now())
	if err != nil {
		return connector.Report{}, err
	}
	run, err := connector.Follow(ctx, st, id)
	if err != nil {
		return connector.Report{}, err
	}
	var report connector.Report
	if len(run.Progress) > 0 {
		if err := json.Unmarshal(run.Progress, &report); err != nil {
			return report, fmt.Errorf("read outcome of run %d: %w", id, err)
		}
	}
	if run.State == store.RunFailed {
		return report, fmt.Errorf("the daemon's pass failed: %s", run.Error)
	}
	return report, nil
}

func (c *cli) sayReport(r connector.Report) {
	fmt.Fprintf(c.out, "%d new records, %d digested; %d contact writes and %d events delivered, %d rightly not sent, %d given up\n",
		r.Captured, r.Digested, r.Contacts, r.Events, r.Skipped, r.Dead)
}

func (c *cli) print(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
