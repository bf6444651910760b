package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// replayFlags are the flags of replay as they were typed.
type replayFlags struct {
	since                       string
	dryRun, yes, values, asJSON bool
}

func (c *cli) replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Compute every customer anew with today's rules, and bring Brevo up to date",
		Long: "After a change of rules a customer follows with the next thing that happens to them;\n" +
			"replay moves all. It digests again the records that are still kept, computes every\n" +
			"customer anew, and shows for each what changes before anything is sent: attributes\n" +
			"from old to new, lists, events. On a terminal it asks before it goes on.\n\n" +
			"Events that were sent, or rightly were not, are never sent again. Events that new\n" +
			"rules give are sent when they are younger than events.max_age.\n\n" +
			"Beside a daemon the daemon does it. It may be cut short at any moment: run it again,\n" +
			"or start the daemon, and it goes on.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.replay(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "only customers of whom something happened since: a date, a moment, or an age such as 30d")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would change and change nothing")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.values, "values", false, "show addresses and values in full; they are personal data")
	flags.BoolVar(&f.asJSON, "json", false, "print differences and result as JSON")
	return cmd
}

func (c *cli) replay(ctx context.Context, f replayFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	found := false
	for _, k := range cfg.Connectors {
		if !k.Enabled || (c.connector != "" && c.connector != k.Name) {
			continue
		}
		found = true
		var since time.Time
		if f.since != "" {
			if since, err = moment(f.since, k.Location, time.Now()); err != nil {
				return usage(fmt.Errorf("--since %s: %w", f.since, err))
			}
		}
		if err := c.replayOne(ctx, cfg, k.Name, since, f); err != nil {
			return err
		}
	}
	if !found {
		return usage(fmt.Errorf("no enabled connector named %q", c.connector))
	}
	return nil
}

func (c *cli) replayOne(ctx context.Context, cfg *config.Config, name string, since time.Time, f replayFlags) error {
	st, beside, err := c.backfillStore(ctx, cfg, f.dryRun)
	if err != nil {
		return err
	}
	s, done, err := c.assemble(cfg, st, c.logger(cfg))
	if err != nil {
		return err
	}
	defer done()
	r, err := s.RequestReplay(name, since)
	if err != nil {
		return err
	}
	if err := c.planReplay(ctx, s, r, f); err != nil || f.dryRun {
		return err
	}
	if yes, err := c.agreed(ctx, f.yes); !yes {
		return err
	}
	show := c.progress()
	told := func(p connector.ReplayProgress) { show.say("replay, "+p.Stage, replayDone(p)) }
	var end connector.ReplayProgress
	if !beside {
		end, err = s.Replay(ctx, r, told)
	}
	if beside || errors.Is(err, store.ErrLeaseHeld) { // another replica digests: it has the request already
		end, err = c.followReplay(ctx, s, st, r, told)
	}
	show.end()
	return c.replayEnd(end, err, f)
}

// planReplay shows what would change.
func (c *cli) planReplay(ctx context.Context, s *connector.Service, r connector.ReplayRequest, f replayFlags) error {
	show := c.progress()
	told := func(p connector.ReplayProgress) { show.say("compute, "+p.Stage, replayDone(p)) }
	out := differences{w: c.out, connector: r.Connector, values: f.values, asJSON: f.asJSON, before: show.end}
	plan, err := s.PlanReplay(ctx, r, told, out.tell)
	show.end()
	return errors.Join(err, out.end(plan))
}

func (c *cli) followReplay(ctx context.Context, s *connector.Service, st store.Store, r connector.ReplayRequest, told func(connector.ReplayProgress)) (connector.ReplayProgress, error) {
	fmt.Fprintln(c.err, "a daemon works on this store; it does the replay, also when this command is ended")
	id, err := s.AskReplay(ctx, r)
	if err != nil {
		return connector.ReplayProgress{}, err
	}
	return followRun(ctx, st, id, "replay", told)
}

func replayDone(p connector.ReplayProgress) string {
	switch p.Stage {
	case connector.StageRecords:
		return thousands(p.Records) + " records digested again"
	case connector.StageCustomers:
		return fmt.Sprintf("%s customers, %s differ", thousands(p.Customers), thousands(p.Changed))
	}
	return fmt.Sprintf("%s contacts and %s events in the outbox, %s deliveries left", thousands(p.Contacts), thousands(p.Events), thousands(p.Waiting))
}

func (c *cli) replayEnd(p connector.ReplayProgress, err error, f replayFlags) error {
	switch {
	case f.asJSON:
		err = errors.Join(err, c.print(p))
	case p.Stage == connector.StageDone:
		fmt.Fprintf(c.out, "%s: done; %s contacts and %s events were put in the outbox and settled\n", p.Connector, thousands(p.Contacts), thousands(p.Events))
	}
	if err == nil && p.Dead > 0 {
		return errDeadLetters
	}
	return err
}

// differences prints what a replay would change as it is found, so that a large store
// needs no more memory than a small one.
type differences struct {
	w              io.Writer
	connector      string
	values, asJSON bool
	before         func() // each line
	n              int
}

// tell prints one customer's difference.
func (o *differences) tell(d pipeline.Difference) error {
	if !o.values {
		d = d.Masked()
	}
	o.n++
	o.before()
	if o.asJSON {
		return o.tellJSON(d)
	}
	_, err := io.WriteString(o.w, sayDifference(o.connector, &d))
	return err
}

func (o *differences) tellJSON(d pipeline.Difference) error {
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	head := ",\n    "
	if o.n == 1 {
		head = o.head()
	}
	_, err = fmt.Fprintf(o.w, "%s%s", head, line)
	return err
}

func (o *differences) head() string {
	return fmt.Sprintf("{\n  \"connector\": %q,\n  \"differences\": [\n    ", o.connector)
}

// end prints the sums.
func (o *differences) end(p connector.ReplayPlan) error {
	if !o.asJSON {
		_, err := io.WriteString(o.w, sayReplayPlan(&p))
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if o.n == 0 {
		_, err = fmt.Fprintf(o.w, "%s],\n  \"plan\": %s\n}\n", strings.TrimRight(o.head(), "\n "), line)
	} else {
		_, err = fmt.Fprintf(o.w, "\n  ],\n  \"plan\": %s\n}\n", line)
	}
	return err
}

func sayDifference(connector string, d *pipeline.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: customer %d", connector, d.CustomerID)
	if d.Address != "" {
		fmt.Fprintf(&b, ", %s", d.Address)
	}
	if d.ContactID != 0 {
		fmt.Fprintf(&b, ", contact %d", d.ContactID)
	} else if d.Preview.Changes() {
		fmt.Fprintf(&b, ", %s", newContact(d.Action))
	}
	b.WriteByte('\n')
	for _, id := range d.Absorbs {
		fmt.Fprintf(&b, "  is one with customer %d\n", id)
	}
	for _, v := range d.Values {
		fmt.Fprintf(&b, "  %s: %s → %s%s%s\n", v.Name, shown(v.Old), cleared(v.New), onlyIf(v.IfEmpty), inRule(v.Rule))
	}
	for _, l := range d.Joins {
		fmt.Fprintf(&b, "  joins list %s\n", l)
	}
	for _, l := range d.Leaves {
		fmt.Fprintf(&b, "  leaves list %s\n", l)
	}
	for _, o := range d.Omissions {
		fmt.Fprintf(&b, "  left out: %s: %s%s\n", o.What, o.Reason, inRule(o.Rule))
	}
	for _, e := range d.Events {
		fmt.Fprintf(&b, "  event %s of %s (%s): %s%s\n", e.Name, stamp(e.At), e.ID, e.Becomes, inRule(e.Rule))
	}
	return b.String()
}

func newContact(a record.Action) string {
	if a == record.ActionJoin {
		return "written if Brevo has the contact"
	}
	return "a contact that Brevo is not known to have"
}

func cleared(v any) string {
	if v == "" {
		return "cleared"
	}
	return shown(v)
}

func onlyIf(empty bool) string {
	if empty {
		return " if it is empty in Brevo"
	}
	return ""
}

func inRule(rule string) string {
	if rule == "" {
		return ""
	}
	return "  [" + rule + "]"
}

func sayReplayPlan(p *connector.ReplayPlan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s records digested again, %s customers computed anew: ", p.Connector, thousands(p.Records), thousands(p.Customers))
	if p.Changed == 0 {
		b.WriteString("nothing changes\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%s change\n", thousands(p.Changed))
	if p.Created > 0 {
		fmt.Fprintf(&b, "  %s contacts that Brevo is not known to have\n", thousands(p.Created))
	}
	sayCounts(&b, "", p.Values)
	sayCounts(&b, "joins list ", p.Joins)
	sayCounts(&b, "leaves list ", p.Leaves)
	for _, name := range slices.Sorted(maps.Keys(p.Events)) {
		sayCounts(&b, "event "+name+" ", p.Events[name])
	}
	return b.String()
}

func sayCounts(b *strings.Builder, what string, counts map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "  %s%s: %s\n", what, name, thousands(counts[name]))
	}
}
