package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/store"
)

// backfillFlags are the flags of backfill as they were typed.
type backfillFlags struct {
	since, until, events string
	resources, channels  []string
	canary               int
	dryRun, yes, asJSON  bool
	imports              bool
}

func (c *cli) backfillCommand() *cobra.Command {
	var f backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill --since D",
		Short: "Read a past range and bring Brevo up to date with it",
		Long: "Says first what it would do (samples of the range tell), asks on a terminal, then reads\n" +
			"the range, digests all of it and only then delivers. It may be cut short at any moment:\n" +
			"run it again, or start the daemon, and it goes on. Live traffic always goes first.\n\n" +
			"D is a date in the connector's time zone (2026-11-01), a moment (2026-11-01T08:00:00Z)\n" +
			"or an age (30d, 12h). Twilio keeps TaskRouter events for 30 days.\n\n" +
			"Events start automations in Brevo. --events says which of the past are sent: recent\n" +
			"(younger than events.max_age), all, or none.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.since == "" {
				return usage(errors.New("--since is missing: how far back?"))
			}
			return c.backfill(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "beginning of the range")
	flags.StringVar(&f.until, "until", "", "end of the range, not part of it (default now)")
	flags.StringSliceVar(&f.resources, "resources", nil, "what to read: tasks, conversations (default both)")
	flags.StringSliceVar(&f.channels, "channels", nil, "only customers who came by one of these channels")
	flags.StringVar(&f.events, "events", "recent", "which past events are sent: recent, all or none")
	flags.IntVar(&f.canary, "canary", 0, "stop after the first `N` contacts, to look at them; run without it to go on")
	flags.BoolVar(&f.imports, "import", false, "agree to Brevo's import for contacts that it does not have (brevo.bulk_import)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what it would do and change nothing")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.asJSON, "json", false, "print plan and result as JSON")
	flags.Lookup("canary").NoOptDefVal = "100"
	return cmd
}

func (c *cli) backfill(ctx context.Context, f backfillFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	requests, err := f.requests(cfg, c.connector, time.Now())
	if err != nil {
		return usage(err)
	}
	for _, r := range requests {
		if err := c.backfillOne(ctx, cfg, r, f); err != nil {
			return err
		}
	}
	return nil
}

// requests are one for each enabled connector, or for the one that was named.
func (f backfillFlags) requests(cfg *config.Config, only string, now time.Time) ([]connector.BackfillRequest, error) {
	events := store.EventsPolicy(f.events)
	switch events {
	case store.EventsRecent, store.EventsAll, store.EventsNone:
	default:
		return nil, fmt.Errorf("--events %s: want recent, all or none", f.events)
	}
	for _, r := range f.resources {
		if r != connector.ResourceTasks && r != connector.ResourceConversations {
			return nil, fmt.Errorf("--resources %s: there are %s and %s", r, connector.ResourceTasks, connector.ResourceConversations)
		}
	}
	var out []connector.BackfillRequest
	for _, k := range cfg.Connectors {
		if !k.Enabled || (only != "" && only != k.Name) {
			continue
		}
		r := connector.BackfillRequest{Connector: k.Name, Resources: f.resources, Channels: f.channels, Events: events, Canary: f.canary, Import: f.imports}
		var err error
		if r.Since, err = moment(f.since, k.Location, now); err != nil {
			return nil, fmt.Errorf("--since %s: %w", f.since, err)
		}
		if f.until != "" {
			if r.Until, err = moment(f.until, k.Location, now); err != nil {
				return nil, fmt.Errorf("--until %s: %w", f.until, err)
			}
			if !r.Until.After(r.Since) {
				return nil, errors.New("the range is empty: --until must be after --since")
			}
		}
		if !r.Since.Before(now) {
			return nil, errors.New("--since is not in the past")
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no enabled connector named %q", only)
	}
	return out, nil
}

// moment reads a date, a moment or an age. An age is taken to the full hour, so that
// the same words, said again soon after, mean the same range.
func moment(s string, zone *time.Location, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && n > 0 && fmt.Sprint(n) == days {
			return now.AddDate(0, 0, -n).UTC().Truncate(time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d).UTC().Truncate(time.Hour), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, errors.New("want a date such as 2026-11-01, a moment such as 2026-11-01T08:00:00Z, or an age such as 30d")
}

func (c *cli) backfillOne(ctx context.Context, cfg *config.Config, r connector.BackfillRequest, f backfillFlags) error {
	st, beside, err := c.backfillStore(ctx, cfg, f.dryRun)
	if err != nil {
		return err
	}
	s, done, err := c.assemble(cfg, st, c.logger(cfg))
	if err != nil {
		return err
	}
	defer done()
	plan, err := s.PlanBackfill(ctx, r)
	if err != nil {
		return err
	}
	if f.imports && plan.Terms == "" {
		return usage(fmt.Errorf("--import: connector %s has no import; brevo.bulk_import: backfill allows one", r.Connector))
	}
	if f.asJSON {
		err = c.print(plan)
	} else {
		c.sayPlan(plan)
	}
	if err != nil || f.dryRun {
		return err
	}
	if yes, err := c.agreed(ctx, f.yes); !yes {
		return err
	}
	if r.Import, err = c.agreedToImport(ctx, plan, f); err != nil {
		return err
	}
	show := c.backfillProgress(plan)
	var end connector.BackfillProgress
	if beside {
		end, err = c.followBackfill(ctx, s, st, r, show)
	} else {
		end, err = s.Backfill(ctx, r, show.told)
		if errors.Is(err, store.ErrLeaseHeld) { // another replica digests: it has the request already
			end, err = c.followBackfill(ctx, s, st, r, show)
		}
	}
	show.end()
	return c.backfillEnd(end, err, f)
}

// backfillStore opens the store as a pipeline, or beside the daemon that is one. A
// dry run takes nothing from anybody.
func (c *cli) backfillStore(ctx context.Context, cfg *config.Config, dryRun bool) (st store.Store, beside bool, err error) {
	logger := c.logger(cfg)
	if !dryRun {
		st, err = connector.OpenStore(ctx, cfg, logger, true, false)
		if !errors.Is(err, store.ErrPipelineRunning) {
			return st, false, err
		}
	}
	st, err = connector.OpenStore(ctx, cfg, logger, false, false)
	return st, true, err
}

func (c *cli) followBackfill(ctx context.Context, s *connector.Service, st store.Store, r connector.BackfillRequest, show *backfillShow) (connector.BackfillProgress, error) {
	fmt.Fprintln(c.err, "a daemon works on this store; it does the backfill, also when this command is ended")
	id, err := s.AskBackfill(ctx, r)
	if err != nil {
		return connector.BackfillProgress{}, err
	}
	return followRun(ctx, st, id, "backfill", show.told)
}

// followRun shows the progress of a run that the daemon works on, until it ends.
func followRun[P any](ctx context.Context, st store.Store, id int64, what string, told func(P)) (P, error) {
	var p P
	for {
		run, err := st.LoadRun(ctx, id)
		if err != nil {
			return p, err
		}
		if len(run.Progress) > 0 {
			if err := json.Unmarshal(run.Progress, &p); err != nil {
				return p, fmt.Errorf("read progress of run %d: %w", id, err)
			}
			told(p)
		}
		switch run.State {
		case store.RunDone:
			return p, nil
		case store.RunFailed:
			return p, fmt.Errorf("the daemon's %s failed: %s", what, run.Error)
		}
		select {
		case <-ctx.Done():
			return p, errors.New("not followed any more; the daemon goes on with it")
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// agreed asks on a terminal; elsewhere, and with --yes, nobody is asked.
func (c *cli) agreed(ctx context.Context, yes bool) (bool, error) {
	terminal := c.asked()
	if yes || terminal == nil {
		return true, nil
	}
	return c.agrees(ctx, terminal, "Go ahead?")
}

// agreedToImport asks on a terminal whether contacts may be imported. Elsewhere, and
// with --yes, only --import says so: --yes agrees to what backfills always do.
func (c *cli) agreedToImport(ctx context.Context, p connector.BackfillPlan, f backfillFlags) (bool, error) {
	terminal := c.asked()
	switch {
	case p.Terms == "" || f.imports:
		return f.imports, nil
	case f.yes || terminal == nil || f.canary > 0:
		fmt.Fprintln(c.err, "contacts are written one by one; --import agrees to the import")
		return false, nil
	}
	return c.agrees(ctx, terminal, "Use the import?")
}

func (c *cli) sayPlan(p connector.BackfillPlan) {
	w := c.out
	fmt.Fprintf(w, "%s: %s until %s (not included)\n", p.Connector, p.Since.Format(time.RFC3339), p.Until.Format(time.RFC3339))
	if p.GoesOn {
		fmt.Fprintln(w, "  an unfinished backfill of this range is gone on with; these are the numbers of all of it")
	}
	if p.LostUntil != nil {
		fmt.Fprintf(w, "  ✗ Twilio has no TaskRouter events before %s any more: that part cannot be read\n", p.LostUntil.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "  about %s records of %s tasks and %s conversations; about %s calls to Twilio, %s at its limits\n",
		thousands(p.Records), thousands(p.Tasks), thousands(p.Conversations), thousands(p.TwilioCalls), howLong(p.TwilioSeconds))
	fmt.Fprintf(w, "  at most %s contacts written, those that Brevo does not have created; about %s calls to Brevo, %s at its limits\n",
		thousands(p.Contacts), thousands(p.BrevoCalls), howLong(p.BrevoSeconds))
	fmt.Fprintf(w, "  events: about %s sent, %s too old, %s withheld (--events %s)\n",
		thousands(p.EventsSent), thousands(p.EventsTooOld), thousands(p.EventsWithheld), p.Events)
	if p.Automations {
		fmt.Fprintln(w, "  automations in Brevo that start on these events, or on being put on a list, may fire")
	} else {
		fmt.Fprintln(w, "  no event is sent and no list is joined: no automation of these can fire")
	}
	for line := range strings.Lines(p.Terms) {
		fmt.Fprint(w, "  "+line)
	}
}

func howLong(seconds float64) string {
	if seconds < 1 {
		return "under a second"
	}
	return "at least " + (time.Duration(seconds) * time.Second).String()
}

// thousands writes a number so that it can be read.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (c *cli) backfillEnd(p connector.BackfillProgress, err error, f backfillFlags) error {
	if f.asJSON {
		err = errors.Join(err, c.print(p))
	} else {
		c.sayBackfill(p)
	}
	if err == nil && p.Dead > 0 {
		return errDeadLetters
	}
	return err
}

func (c *cli) sayBackfill(p connector.BackfillProgress) {
	switch p.Stage {
	case connector.StageDone:
		fmt.Fprintf(c.out, "%s: done", p.Connector)
		if p.Verified {
			fmt.Fprintf(c.out, ", verified: Twilio listed %s events, %s are stored", thousands(p.Found["events"]), thousands(p.Kept))
		}
	case connector.StageCanary:
		fmt.Fprintf(c.out, "%s: stopped after the first contacts, look at them in Brevo; run it again without --canary to go on", p.Connector)
	default:
		fmt.Fprintf(c.out, "%s: not done; run it again, or start the daemon, and it goes on", p.Connector)
	}
	fmt.Fprintf(c.out, "\n%s contact changes and %s events put in the outbox", thousands(p.Contacts), thousands(p.Events))
	if p.Step != "" {
		fmt.Fprintf(c.out, ", %s", p.Step)
	}
	if p.LeftOut > 0 {
		fmt.Fprintf(c.out, ", %s customers of other channels left out", thousands(p.LeftOut))
	}
	fmt.Fprintln(c.out)
}
