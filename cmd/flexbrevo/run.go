package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
)

func (c *cli) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: pull, take webhooks, deliver",
		Long: "Runs until SIGTERM or SIGINT: then it takes nothing new, finishes what it holds and\n" +
			"exits 0 within 25 seconds. A second signal exits at once; nothing is lost either way.\n" +
			"SIGHUP takes over a changed configuration, new keys included; one with mistakes, or that both\n" +
			"sides refuse, is logged and the one at hand runs on.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			s, done, err := c.service(cmd.Context(), cfg, c.logger(cfg))
			if err != nil {
				return err
			}
			defer done()
			return s.RunReloading(cmd.Context(), c.abort, c.reloads(cmd.Context()))
		},
	}
}

// reloads asks for the configuration again on each SIGHUP, until ctx ends.
func (c *cli) reloads(ctx context.Context) connector.Reloads {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	context.AfterFunc(ctx, func() { signal.Stop(signals); close(signals) })
	asked := make(chan struct{}, 1)
	go func() {
		for range signals {
			select {
			case asked <- struct{}{}:
			default: // one that waits already reads the file as it then is
			}
		}
	}()
	return connector.Reloads{Asked: asked, Load: func() (*config.Config, *slog.Logger, error) {
		cfg, err := c.load()
		if err != nil {
			return nil, nil, err
		}
		return cfg, c.logger(cfg), nil
	}}
}
