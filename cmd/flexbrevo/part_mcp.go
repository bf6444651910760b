//go:build !no_mcp

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/mcp"
	"flexbrevo/connector/store"
)

const mcpInstructions = "flexbrevo keeps Brevo in step with a Twilio Flex contact centre. Ask status first: it says what is connected, " +
	"how far it is and what is wrong. explain answers why a contact in Brevo holds a value, or why something was not sent, and gives personal " +
	"data. Dead letters are deliveries and records that were given up on; their values are masked. plan_backfill estimates what reading a past " +
	"range would do, and changes nothing."

// mcpCommands is the command mcp.
func (c *cli) mcpCommands() []*cobra.Command {
	allow := false
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Serves status, explain, dead letters and backfill plans to an assistant (MCP)",
		Long: "Speaks the Model Context Protocol on standard input and output, for assistants that start it\n" +
			"themselves, until its input ends. It works beside a running daemon. It only reads, unless\n" +
			"--allow-changes offers three more tools: to requeue and to drop dead letters, and to start a\n" +
			"backfill. Only explain gives personal data. docs/mcp.md shows how to set it up.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			return c.mcpServer(cfg, allow).Serve(cmd.Context(), c.in, c.out)
		},
	}
	cmd.Flags().BoolVar(&allow, "allow-changes", false, "offer the tools that change something")
	return []*cobra.Command{cmd}
}

// mcpServer offers the tools that are allowed.
func (c *cli) mcpServer(cfg *config.Config, allow bool) *mcp.Server {
	s := mcp.New(versionText(), mcpInstructions)
	t := &mcpTools{cli: c, cfg: cfg}
	mcp.Add(s, mcp.Tool{Name: "status", Title: "Status",
		Description: "What is connected, how far each stream was read, what waits, what was left out, and what is wrong with what to do about it."}, t.status)
	mcp.Add(s, mcp.Tool{Name: "explain", Title: "Explain a customer",
		Description: "Everything about the customer that a task SID (WT…), a conversation SID (CH…), an email or a phone (+33…) leads to: facts; each attribute with its source and rule; each event with what Brevo answered; and why something was not sent. Gives personal data."}, t.explain)
	kinds := map[string][]string{"kind": {"contact", "event", "record"}}
	mcp.Add(s, mcp.Tool{Name: "dead_letters", Title: "Dead letters",
		Description: "Deliveries and records that were given up on, the latest first, with the reason. Values are masked.", Choices: kinds}, t.deadLetters)
	mcp.Add(s, mcp.Tool{Name: "dead_letter", Title: "One dead letter",
		Description: "What one dead letter was to send, values masked, and why it was given up."}, t.deadLetter)
	events := map[string][]string{"events": {string(store.EventsRecent), string(store.EventsAll), string(store.EventsNone)}}
	mcp.Add(s, mcp.Tool{Name: "plan_backfill", Title: "Plan of a backfill", Remote: true,
		Description: "Estimates what reading a past range would do: records, calls, hours, contacts written, events sent or too old. Reads some samples from Twilio and changes nothing.", Choices: events}, t.planBackfill)
	if !allow {
		return s
	}
	mcp.Add(s, mcp.Tool{Name: "requeue_dead_letters", Title: "Requeue dead letters", Changes: true, Remote: true,
		Description: "Tries dead letters again: those named, those that the filters choose, or all. What is delivered changes contacts in Brevo, and events may start automations.", Choices: kinds}, t.requeue)
	mcp.Add(s, mcp.Tool{Name: "drop_dead_letters", Title: "Drop dead letters", Changes: true, Destroys: true,
		Description: "Lets dead letters go for good: those named, those that the filters choose, or all. They are never sent.", Choices: kinds}, t.drop)
	mcp.Add(s, mcp.Tool{Name: "start_backfill", Title: "Start a backfill", Changes: true, Destroys: true, Remote: true,
		Description: "Leaves a backfill for the daemon, which reads the range and brings Brevo up to date with it, at once or when it is started. Plan it first. Contacts are written and events may start automations in Brevo.", Choices: events}, t.startBackfill)
	return s
}

// mcpTools answers as the commands of the same names do.
type mcpTools struct {
	cli *cli
	cfg *config.Config
}

type noArguments struct{}

func (t *mcpTools) status(ctx context.Context, _ noArguments) (*connector.Status, error) {
	return t.cli.status(ctx, t.cfg)
}

type explainIn struct {
	What string `json:"what" jsonschema:"a task SID, a conversation SID, an email or a phone with country code"`
}

type explainOut struct {
	Found []connector.Explained `json:"found" jsonschema:"by connector; empty where nothing is known of it"`
}

func (t *mcpTools) explain(ctx context.Context, in explainIn) (explainOut, error) {
	st, err := connector.OpenStore(ctx, t.cfg, t.cli.logger(t.cfg), false, true)
	if err != nil {
		return explainOut{}, err
	}
	found, err := connector.Explain(ctx, t.cfg, st, t.cli.connector, in.What)
	return explainOut{found}, errors.Join(err, st.Close())
}

type deadFilterIn struct {
	Kind   string `json:"kind,omitempty" jsonschema:"only of this kind"`
	Reason string `json:"reason,omitempty" jsonschema:"only with this text in the reason"`
	Since  string `json:"since,omitempty" jsonschema:"only given up since: a date, a moment or an age such as 30d"`
	Until  string `json:"until,omitempty" jsonschema:"only given up before: a date, a moment or an age"`
}

func (in deadFilterIn) flags() deadFlags {
	return deadFlags{kind: in.Kind, reason: in.Reason, since: in.Since, until: in.Until, yes: true}
}

type deadLettersIn struct {
	deadFilterIn
	Limit int `json:"limit,omitempty" jsonschema:"at most this many of each connector; 100 unless told"`
}

type deadLettersOut struct {
	Letters []deadRow `json:"letters"`
}

func (t *mcpTools) deadLetters(ctx context.Context, in deadLettersIn) (deadLettersOut, error) {
	if in.Limit <= 0 {
		in.Limit = 100
	}
	f := in.flags()
	out := deadLettersOut{Letters: []deadRow{}}
	err := t.cli.eachConnector(ctx, true, func(st store.Store, k *config.Connector) error {
		filter, err := f.filter(k, nil, time.Now())
		if err != nil {
			return err
		}
		found, err := st.LoadDead(ctx, filter, in.Limit)
		for _, l := range found {
			out.Letters = append(out.Letters, rowOf(k.Name, l))
		}
		return err
	})
	return out, argument(err)
}

type deadLetterIn struct {
	ID string `json:"id" jsonschema:"its number, such as d12 or r7, as dead_letters gives it"`
}

func (t *mcpTools) deadLetter(ctx context.Context, in deadLetterIn) (deadRow, error) {
	var out *deadRow
	err := t.cli.eachConnector(ctx, true, func(st store.Store, k *config.Connector) error {
		filter := store.DeadFilter{Connector: k.Name}
		if err := addIDs(&filter, []string{in.ID}); err != nil {
			return err
		}
		found, err := st.LoadDead(ctx, filter, 1)
		for _, l := range found {
			row := detailed(rowOf(k.Name, l), l)
			out = &row
		}
		return err
	})
	switch {
	case err != nil:
		return deadRow{}, err
	case out == nil:
		return deadRow{}, fmt.Errorf("%s is not among the dead letters", in.ID)
	}
	return *out, nil
}

type deadChangeIn struct {
	IDs []string `json:"ids,omitempty" jsonschema:"numbers such as d12 and r7"`
	deadFilterIn
	All bool `json:"all,omitempty" jsonschema:"every one; needed where neither numbers nor a filter are given"`
}

type deadChangeOut struct {
	Changed int `json:"changed" jsonschema:"how many dead letters were changed"`
}

func (t *mcpTools) requeue(ctx context.Context, in deadChangeIn) (deadChangeOut, error) {
	return t.change(ctx, in, "requeue", store.Undertaker.RequeueDead)
}

func (t *mcpTools) drop(ctx context.Context, in deadChangeIn) (deadChangeOut, error) {
	return t.change(ctx, in, "drop", store.Undertaker.DropDead)
}

func (t *mcpTools) change(ctx context.Context, in deadChangeIn, name string, change deadChange) (deadChangeOut, error) {
	if len(in.IDs) == 0 && in.deadFilterIn == (deadFilterIn{}) && !in.All {
		return deadChangeOut{}, errors.New("which ones? name them in ids, give a filter, or all")
	}
	f := in.flags()
	var out deadChangeOut
	err := t.cli.eachConnector(ctx, false, func(st store.Store, k *config.Connector) error {
		n, err := t.cli.changeDead(ctx, st, k, in.IDs, &f, name, false, change)
		out.Changed += n
		return err
	})
	return out, argument(err)
}

type backfillIn struct {
	Since     string   `json:"since" jsonschema:"beginning: a date (2026-11-01), a moment (2026-11-01T08:00:00Z) or an age (30d, 12h)"`
	Until     string   `json:"until,omitempty" jsonschema:"end, not part of it; now unless told"`
	Resources []string `json:"resources,omitempty" jsonschema:"what to read: tasks, conversations; both unless told"`
	Channels  []string `json:"channels,omitempty" jsonschema:"only customers who came by one of these channels"`
	Events    string   `json:"events,omitempty" jsonschema:"which past events are sent; recent unless told"`
}

// requests are the arguments as the command backfill would understand them.
func (t *mcpTools) requests(in backfillIn) ([]connector.BackfillRequest, error) {
	f := backfillFlags{since: in.Since, until: in.Until, events: in.Events, resources: in.Resources, channels: in.Channels}
	if f.events == "" {
		f.events = string(store.EventsRecent)
	}
	requests, err := f.requests(t.cfg, t.cli.connector, time.Now())
	return requests, argument(err)
}

type planOut struct {
	Plans []connector.BackfillPlan `json:"plans" jsonschema:"one for each connector"`
}

func (t *mcpTools) planBackfill(ctx context.Context, in backfillIn) (planOut, error) {
	out := planOut{Plans: []connector.BackfillPlan{}}
	err := t.eachBackfill(ctx, in, func(s *connector.Service, r connector.BackfillRequest) error {
		plan, err := s.PlanBackfill(ctx, r)
		out.Plans = append(out.Plans, plan)
		return err
	})
	return out, argument(err)
}

type startedRun struct {
	Connector string `json:"connector"`
	Run       int64  `json:"run" jsonschema:"number of the run that the daemon works on; status shows how far it is"`
}

type startOut struct {
	Runs []startedRun `json:"runs"`
}

func (t *mcpTools) startBackfill(ctx context.Context, in backfillIn) (startOut, error) {
	out := startOut{Runs: []startedRun{}}
	err := t.eachBackfill(ctx, in, func(s *connector.Service, r connector.BackfillRequest) error {
		id, err := s.AskBackfill(ctx, r)
		out.Runs = append(out.Runs, startedRun{r.Connector, id})
		return err
	})
	return out, argument(err)
}

// eachBackfill assembles the service beside the daemon and does something for each
// connector that was asked for.
func (t *mcpTools) eachBackfill(ctx context.Context, in backfillIn, do func(*connector.Service, connector.BackfillRequest) error) error {
	requests, err := t.requests(in)
	if err != nil {
		return err
	}
	st, _, err := t.cli.backfillStore(ctx, t.cfg, true)
	if err != nil {
		return err
	}
	s, done, err := t.cli.assemble(t.cfg, st, t.cli.logger(t.cfg))
	if err != nil {
		return err
	}
	defer done()
	for _, r := range requests {
		if err := do(s, r); err != nil {
			return err
		}
	}
	return nil
}

// argument names an argument as a tool knows it, where the command's error names its
// flag.
func argument(err error) error {
	if err == nil || !strings.Contains(err.Error(), "--") {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), "--", ""))
}
