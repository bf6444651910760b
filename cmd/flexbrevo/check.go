package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Load the configuration and its rules, without the network",
		Long:  "Reads the configuration, resolves the environment, compiles every rule and reports\nall mistakes at once. Nothing is started and nothing is asked.\n\n" + exitHelp,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%s is good\n", cfg.File)
			for _, k := range cfg.Connectors {
				state := ""
				if !k.Enabled {
					state = " (disabled)"
				}
				fmt.Fprintf(c.out, "  %s%s: %d field rules, %d event rules\n", k.Name, state, len(k.Rules.Fields), len(k.Rules.Events))
			}
			return nil
		},
	}
}
