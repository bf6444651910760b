package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"flexbrevo/connector"
)

func (c *cli) provisionCommand() *cobra.Command {
	var o connector.Provision
	asJSON := false
	cmd := &cobra.Command{
		Use:   "provision",
		Short: "Make what both sides need: Brevo attributes and lists, Twilio Event Streams",
		Long: "Makes the attributes and lists that the rules write to, and an Event Streams sink and\n" +
			"subscription that post to server.public_url. Run it while `flexbrevo run` is running and\n" +
			"reachable, so that the sink's test event can arrive. It may be run again at any time.\n\n" +
			"What others have set up is never changed; what overlaps or leads nowhere is named.\n" +
			"--remove takes down the sink and the subscription; Brevo stays as it is.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Canary && (o.DryRun || o.Remove) {
				return usage(errors.New("--canary goes with neither --dry-run nor --remove"))
			}
			cfg, err := c.load()
			if err != nil {
				return err
			}
			logger := c.logger(cfg)
			st, err := connector.OpenStore(cmd.Context(), cfg, logger, false, false)
			if err != nil {
				return err
			}
			s, done, err := c.assemble(cfg, st, logger)
			if err != nil {
				return err
			}
			defer done()
			steps, err := s.Provision(cmd.Context(), o)
			return errors.Join(err, c.saySteps(steps, asJSON))
		},
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done and change nothing")
	cmd.Flags().BoolVar(&o.Remove, "remove", false, "take down the Event Streams sink and subscription that were made")
	cmd.Flags().BoolVar(&o.Canary, "canary", false, "write a contact to Brevo, read back what it kept of it, and delete it")
	cmd.Flags().DurationVar(&o.Patience, "patience", 0, "how long to wait for the sink's test event (default 20s)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (c *cli) saySteps(steps []connector.ProvisionStep, asJSON bool) error {
	if asJSON {
		if steps == nil {
			steps = []connector.ProvisionStep{}
		}
		return c.print(steps)
	}
	if len(steps) == 0 {
		fmt.Fprintln(c.out, "nothing of ours is there")
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Action, s.Side, s.On, s.What, s.Note)
	}
	return w.Flush()
}
