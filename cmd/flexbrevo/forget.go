package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"flexbrevo/connector"
	"flexbrevo/connector/store"
)

type forgetFlags struct {
	inBrevo, later, yes, asJSON bool
}

func (c *cli) forgetCommand() *cobra.Command {
	var f forgetFlags
	cmd := &cobra.Command{
		Use:   "forget EMAIL|PHONE",
		Short: "Let a person go for good: everything kept of them here, on request in Brevo too",
		Long: "Erases the customer that an email or a phone leads to, with all that was merged into them:\n" +
			"records, facts, deliveries, dead letters and omissions. Then the database's files are written\n" +
			"anew, so that no byte is left in them; while that lasts nothing else can be written. What\n" +
			"happened before the erasure stays away, also in replays, backfills and late webhooks; whoever\n" +
			"comes again later is somebody new.\n\n" +
			"It needs forget.key (FLEXBREVO_FORGET_KEY). Beside a running daemon it asks the daemon.\n\n" + exitHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("%s takes one email or phone, got %d arguments", cmd.CommandPath(), len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.forget(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.inBrevo, "in-brevo", false, "delete the contact in Brevo too, with its history there")
	flags.BoolVar(&f.later, "no-compact", false, "do not write the database's files anew: quicker, but bytes may be left in free pages")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.asJSON, "json", false, "print the reports as JSON")
	return cmd
}

func (c *cli) forget(ctx context.Context, who string, f forgetFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	st, beside, err := c.backfillStore(ctx, cfg, false)
	if err != nil {
		return err
	}
	s, done, err := c.assemble(cfg, st, c.logger(cfg))
	if err != nil {
		return err
	}
	defer done()
	requests, err := forgetRequests(s, who, f)
	if err != nil {
		return err
	}
	if err := c.confirmForget(ctx, f); err != nil {
		return err
	}
	reports := []connector.ForgetReport{}
	for _, r := range requests {
		report, e := c.forgetOne(ctx, s, st, r, beside)
		if report.Connector != "" {
			reports = append(reports, report)
		}
		err = errors.Join(err, e)
	}
	if f.asJSON {
		return errors.Join(err, c.print(reports))
	}
	for _, r := range reports {
		c.sayForgotten(r, err == nil)
	}
	return err
}

// forgetRequests are one for each connector that runs. All are checked before the
// first is done.
func forgetRequests(s *connector.Service, who string, f forgetFlags) ([]connector.ForgetRequest, error) {
	var out []connector.ForgetRequest
	for _, name := range s.ConnectorNames() {
		r := connector.ForgetRequest{Connector: name, Who: who, InBrevo: f.inBrevo, Later: f.later}
		err := s.CheckForget(r)
		if errors.Is(err, connector.ErrNoForgetKey) {
			return nil, err
		}
		if err != nil {
			return nil, usage(err)
		}
		out = append(out, r)
	}
	return out, nil
}

// confirmForget asks on a terminal; elsewhere only --yes will do.
func (c *cli) confirmForget(ctx context.Context, f forgetFlags) error {
	if f.yes {
		return nil
	}
	terminal := c.asked()
	if terminal == nil {
		return usage(errors.New("forget needs --yes where nobody can be asked"))
	}
	where := "here"
	if f.inBrevo {
		where = "here and in Brevo"
	}
	yes, err := c.agrees(ctx, terminal, "Erase everything of this person "+where+"? It cannot be undone.")
	if err == nil && !yes {
		err = errors.New("nothing was changed")
	}
	return err
}

// forgetOne forgets in one connector, or has the daemon do it that works on the store.
func (c *cli) forgetOne(ctx context.Context, s *connector.Service, st store.Store, r connector.ForgetRequest, beside bool) (connector.ForgetReport, error) {
	if !beside {
		report, err := s.Forget(ctx, r)
		if !errors.Is(err, store.ErrLeaseHeld) { // else another replica digests
			return report, err
		}
	}
	fmt.Fprintln(c.err, "a daemon works on this store; it does the erasure, also when this command is ended")
	id, err := s.AskForget(ctx, r)
	if err != nil {
		return connector.ForgetReport{}, err
	}
	return followRun(ctx, st, id, "erasure", func(connector.ForgetReport) {})
}

func (c *cli) sayForgotten(r connector.ForgetReport, whole bool) {
	w := c.out
	switch {
	case r.Known:
		fmt.Fprintf(w, "%s: %d customers with %d facts erased; %d deliveries, %d omissions, %d records, %d refused requests\n",
			r.Connector, r.Customers, r.Facts, r.Deliveries, r.Omissions, r.Records, r.Refusals)
	case whole:
		fmt.Fprintf(w, "%s: nobody is known by this here; %d records that mention it were emptied, and it stays away\n", r.Connector, r.Records)
	}
	if r.InBrevo > 0 {
		fmt.Fprintf(w, "  deleted in Brevo: %d contacts\n", r.InBrevo)
	}
	if r.Compacted {
		fmt.Fprintln(w, "  the database's files were written anew")
	} else {
		fmt.Fprintln(w, "  the database's files were not written anew: bytes may be left in free pages")
	}
	fmt.Fprintln(w, "  not reached from here:")
	for _, place := range r.Elsewhere {
		fmt.Fprintf(w, "  - %s\n", place)
	}
}
