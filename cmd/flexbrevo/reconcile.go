package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/connector"
	"flexbrevo/connector/store"
)

type reconcileFlags struct {
	since  string
	heal   bool
	asJSON bool
}

func (c *cli) reconcileCommand() *cobra.Command {
	var f reconcileFlags
	cmd := &cobra.Command{
		Use:   "reconcile --since D",
		Short: "Compare Twilio, the store and Brevo, and mend on request",
		Long: "Reads TaskRouter's events, Brevo's contacts and Brevo's events since D, compares them with what\n" +
			"is stored and expected of everybody who was active since, and lists what is missing, stale or\n" +
			"extra. With --heal it mends what is ours: what was deleted, taken off a list or added in Brevo\n" +
			"is left to those who did it, and a sent event is not changed. Says first how many calls it takes.\n\n" +
			"Prints numbers and SIDs, no private value. Differences are no failure: the exit code is 0.\n" +
			"Beside a running daemon it asks the daemon. A daemon compares by itself after a day of silence.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.reconcile(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "compare what happened since this `date`, moment or age (2026-11-01, 2026-11-01T08:00:00Z, 3d)")
	flags.BoolVar(&f.heal, "heal", false, "mend what is ours to mend")
	flags.BoolVar(&f.asJSON, "json", false, "print the reports as JSON")
	return cmd
}

func (c *cli) reconcile(ctx context.Context, f reconcileFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if f.since == "" {
		return usage(errors.New("--since is missing; want a date such as 2026-11-01, or an age such as 3d"))
	}
	var requests []connector.ReconcileRequest
	now := time.Now()
	for _, k := range cfg.Connectors {
		if !k.Enabled || (c.connector != "" && c.connector != k.Name) {
			continue
		}
		since, err := moment(f.since, k.Location, now)
		if err != nil {
			return usage(fmt.Errorf("--since %s: %w", f.since, err))
		}
		if !since.Before(now) {
			return usage(errors.New("--since is not in the past"))
		}
		requests = append(requests, connector.ReconcileRequest{Connector: k.Name, Since: since, Heal: f.heal})
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
	reports := []connector.ReconcileReport{}
	for _, r := range requests {
		report, e := c.reconcileOne(ctx, s, st, r, beside)
		reports, err = append(reports, report), errors.Join(err, e)
		if !f.asJSON && e == nil {
			err = errors.Join(err, c.sayReconciled(report, f.heal))
		}
	}
	if f.asJSON {
		return errors.Join(err, c.print(reports))
	}
	return err
}

// reconcileOne compares one connector, or has the daemon do it that works on the store.
func (c *cli) reconcileOne(ctx context.Context, s *connector.Service, st store.Store, r connector.ReconcileRequest, beside bool) (connector.ReconcileReport, error) {
	calls, err := s.PlanReconcile(ctx, r)
	if err != nil {
		return connector.ReconcileReport{}, err
	}
	fmt.Fprintf(c.err, "%s: comparing takes about %s calls to Twilio, and to Brevo at most %s for contacts and about %s for events\n",
		r.Connector, thousands(calls.Twilio), thousands(calls.Contacts), thousands(calls.Events))
	told := func(report connector.ReconcileReport) {
		if r.Heal {
			fmt.Fprintf(c.err, "%s: %s differences; mending takes at most %s calls to Brevo for contacts, one for each event, and %s for looking up\n",
				r.Connector, thousands(len(report.Findings)+report.More), thousands(report.HealPlan.Contacts), thousands(report.HealPlan.Events))
		}
	}
	if !beside {
		report, err := s.Reconcile(ctx, r, told)
		if !errors.Is(err, store.ErrLeaseHeld) { // else another replica digests
			return report, err
		}
	}
	fmt.Fprintln(c.err, "a daemon works on this store; it compares, also when this command is ended")
	id, err := s.AskReconcile(ctx, r)
	if err != nil {
		return connector.ReconcileReport{}, err
	}
	return followRun(ctx, st, id, "comparison", func(connector.ReconcileReport) {})
}

func (c *cli) sayReconciled(r connector.ReconcileReport, heal bool) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	if len(r.Findings) > 0 {
		fmt.Fprintln(w, "DIFFERS\tIN\tWHAT\tID\tCUSTOMER\tDETAIL\tMENDED")
	}
	for _, f := range r.Findings {
		mended := "no: " + f.Left
		switch {
		case f.Healed:
			mended = "yes"
		case f.Left == "" && heal:
			mended = "not yet; run it again"
		case f.Left == "":
			mended = "by --heal"
		}
		customer := "-"
		if f.Customer != 0 {
			customer = fmt.Sprint(f.Customer)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Kind, f.Where, f.What, firstOf(f.ID, "-"), customer, firstOf(f.Detail, "-"), mended)
	}
	if r.More > 0 {
		fmt.Fprintf(w, "and %s more\n", thousands(r.More))
	}
	fmt.Fprintf(w, "%s: %s records, %s customers, %s contacts and %s events compared since %s: %s differences, %s mended\n", r.Connector,
		thousands(r.Records), thousands(r.Customers), thousands(r.Contacts), thousands(r.Events), r.Since.Format(time.RFC3339),
		thousands(len(r.Findings)+r.More), thousands(r.Healed))
	return w.Flush()
}
