package connector

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/twilio"
	"flexbrevo/connector/webhook"
)

// Provision says what provisioning does.
type Provision struct {
	// DryRun plans and changes nothing.
	DryRun bool
	// Remove takes down what was made at Twilio. Attributes and lists in Brevo stay:
	// they hold what marketing works with.
	Remove bool
	// Canary writes a contact with a value for each attribute to every Brevo account,
	// reads it back and deletes it.
	Canary bool
	// Patience is how long a sink's test event may take to arrive; 0 means 20 s.
	Patience time.Duration
}

// ProvisionStep is one thing that was found, done or, in a dry run, would be.
type ProvisionStep struct {
	// Side is "brevo" or "twilio"; On the account or the connector.
	Side string `json:"side"`
	On   string `json:"on"`
	// Action is exists, create, created, update, updated, validate, validated, remove,
	// removed, off or warning.
	Action string `json:"action"`
	What   string `json:"what"`
	Note   string `json:"note,omitempty"`
}

// Provision sets both sides up, or takes down what it made at Twilio. It may be
// repeated at any time. One side's failure does not stop the other; the errors are
// joined, and the steps tell what was done.
func (s *Service) Provision(ctx context.Context, o Provision) ([]ProvisionStep, error) {
	var steps []ProvisionStep
	var errs []error
	if !o.Remove {
		accounts, err := s.ProvisionBrevo(ctx, o.DryRun, o.Canary)
		for _, p := range accounts {
			steps = append(steps, p.lines()...)
		}
		errs = append(errs, err)
	}
	for _, f := range s.flows {
		some, err := s.provisionStreams(ctx, f, o)
		steps, errs = append(steps, some...), append(errs, err)
	}
	return steps, errors.Join(errs...)
}

// lines are the steps of one Brevo account. That they were asked for outweighs
// brevo.provision, which is about what happens unasked.
func (p BrevoProvision) lines() []ProvisionStep {
	var out []ProvisionStep
	for _, step := range p.Steps {
		out = append(out, ProvisionStep{
			Side: "brevo", On: p.Account, Action: string(step.Action), What: step.Kind + " " + step.Name,
			Note: strings.TrimSpace(step.Type + " " + step.Reason),
		})
	}
	if p.Canary != nil {
		out = append(out, ProvisionStep{
			Side: "brevo", On: p.Account, Action: "exists", What: "canary contact",
			Note: strings.TrimSuffix(fmt.Sprintf("%d attributes came back as sent; it was deleted; %s", len(p.Canary.Kept), p.Canary.Clears), "; "),
		})
		for _, o := range p.Canary.Omissions {
			out = append(out, ProvisionStep{Side: "brevo", On: p.Account, Action: "warning", What: "attribute " + o.What, Note: o.Reason})
		}
	}
	return out
}

// provisionStreams sets Event Streams up for one connector.
func (s *Service) provisionStreams(ctx context.Context, f *flow, o Provision) ([]ProvisionStep, error) {
	step := func(action, what, note string) ProvisionStep {
		return ProvisionStep{Side: "twilio", On: f.cfg.Name, Action: action, What: what, Note: note}
	}
	plan := twilio.StreamsPlan{
		Destination: s.webhookURL(f, webhook.EventStreams), Name: f.cfg.Name, Conversations: f.cfg.Sync.Conversations, DryRun: o.DryRun,
	}
	sender, missing := webhook.EventStreams, "server.public_url is not set, so Twilio cannot be told where to post; polling does all"
	if e := f.cfg.EventStreams; e.Via == config.ViaKinesis {
		sender, missing = webhook.Kinesis, "event_streams.sink is not set, so Twilio cannot be told where to write: docs/kinesis.md says what it takes"
		plan.Destination = e.Sink.StreamARN
		plan.Kinesis = &twilio.KinesisAccess{RoleARN: e.Sink.RoleARN, ExternalID: e.Sink.ExternalID.Reveal()}
	}
	if plan.Destination == "" {
		return []ProvisionStep{step("warning", "Event Streams", missing)}, nil
	}
	plan.TestID = f.awaitTest(ctx, sender, o.Patience)
	do := f.source.ProvisionStreams
	if o.Remove {
		do = f.source.RemoveStreams
	}
	done, err := do(ctx, plan)
	var steps []ProvisionStep
	for _, one := range done {
		steps = append(steps, step(one.Action, one.What, one.Note))
	}
	if err != nil {
		return steps, fmt.Errorf("provision Event Streams for connector %s: %w", f.cfg.Name, err)
	}
	return append(steps, s.callback(ctx, f)...), nil
}

// callback says whose the workspace's one event callback URL is. It is never
// written: Event Streams brings the same, and somebody else may need it.
func (s *Service) callback(ctx context.Context, f *flow) []ProvisionStep {
	set, err := f.source.FetchCallback(ctx)
	if err != nil || set == "" {
		return nil // not worth failing for: nothing is going to be done about it
	}
	u, _ := url.Parse(set)
	note := "somebody else's: left alone, Event Streams does not need it"
	if set == s.webhookURL(f, webhook.TaskRouter) {
		note = "ours: events come this way too, which is harmless"
	}
	what := "workspace callback"
	if u != nil && u.Host != "" {
		what += " to " + u.Host // the path may hold a secret
	}
	return []ProvisionStep{{Side: "twilio", On: f.cfg.Name, Action: "exists", What: what, Note: note}}
}

// webhookURL is where a sender posts to for a connector; "" without a public URL.
func (s *Service) webhookURL(f *flow, sender webhook.Sender) string {
	base := strings.TrimRight(s.o.Config.Server.PublicURL, "/")
	if base == "" {
		return ""
	}
	enabled := 0
	for _, c := range s.o.Config.Connectors {
		if c.Enabled {
			enabled++
		}
	}
	if enabled > 1 {
		base += "/c/" + f.cfg.Name
	}
	return base + webhook.PathOf(sender)
}

// awaitTest waits until another test event than the last one has been taken by the
// daemon, and returns its id; "" when none comes in time.
func (f *flow) awaitTest(ctx context.Context, sender webhook.Sender, patience time.Duration) func(context.Context) (string, error) {
	if patience == 0 {
		patience = 20 * time.Second
	}
	before, _ := f.lastTest(ctx, sender) // an unreadable store shows below
	return func(ctx context.Context) (string, error) {
		until := time.Now().Add(patience)
		for time.Now().Before(until) && schedule.Pause(ctx, 250*time.Millisecond) {
			id, err := f.lastTest(ctx, sender)
			if err != nil || id != "" && id != before {
				return id, err
			}
		}
		return "", context.Cause(ctx)
	}
}

func (f *flow) lastTest(ctx context.Context, sender webhook.Sender) (string, error) {
	senders, err := f.store.LoadSenders(ctx, f.cfg.Name)
	for _, one := range senders {
		if one.Name == string(sender) {
			return one.TestID, nil
		}
	}
	return "", err
}
