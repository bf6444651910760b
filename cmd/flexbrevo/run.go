package main

import (
	"github.com/spf13/cobra"
)

func (c *cli) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: pull, take webhooks, deliver",
		Long: "Runs until SIGTERM or SIGINT: then it takes nothing new, finishes what it holds and\n" +
			"exits 0 within 25 seconds. A second signal exits at once; nothing is lost either way.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			s, done, err := c.service(cmd.Context(), cfg, c.logger(cfg.Log))
			if err != nil {
				return err
			}
			defer done()
			return s.Run(cmd.Context(), c.abort)
		},
	}
}
