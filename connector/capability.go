package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/twilio"
)

// Verdict says how a capability stands.
type Verdict string

// The verdicts. A warning is something to look at that stops nothing.
const (
	Works   Verdict = "ok"
	Warns   Verdict = "warning"
	Fails   Verdict = "failed"
	Skipped Verdict = "skipped" // not asked, because what it needs failed
)

// Capability is one thing that must work, and what to do where it does not.
type Capability struct {
	Connector string  `json:"connector,omitempty"`
	Name      string  `json:"name"`
	Verdict   Verdict `json:"verdict"`
	Detail    string  `json:"detail,omitempty"`
	Remedy    string  `json:"remedy,omitempty"`
	// Question is set where it is an answer to what Brevo's documentation leaves open.
	Question string `json:"question,omitempty"`
	// Err is the cause of a failure; it carries a failure.Reason where a remote
	// refused or could not be reached.
	Err error `json:"-"`
}

// probeTimeout bounds the answer to each question.
const probeTimeout = 25 * time.Second

// Test asks for every capability once, and changes nothing on any side. The store
// is the caller's to test: a service has been handed one that opened.
func (s *Service) Test(ctx context.Context) []Capability {
	tested := make([][]Capability, len(s.flows))
	var asking sync.WaitGroup
	for i, f := range s.flows {
		asking.Go(func() { tested[i] = slices.Concat(f.testTwilio(ctx), f.testBrevo(ctx), f.testParts(ctx)) })
	}
	address := s.testAddress(ctx)
	asking.Wait()
	var out []Capability
	for i, f := range s.flows {
		for _, c := range tested[i] {
			c.Connector = f.cfg.Name
			out = append(out, c)
		}
	}
	return append(out, address)
}

// probe asks one question.
func probe(ctx context.Context, name string, ask func(ctx context.Context) (detail string, err error)) Capability {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %s", probeTimeout))
	defer cancel()
	detail, err := ask(ctx)
	if err == nil {
		return Capability{Name: name, Verdict: Works, Detail: detail}
	}
	return failed(name, err)
}

func failed(name string, err error) Capability {
	c := Capability{Name: name, Verdict: Fails, Detail: err.Error(), Err: err}
	if fail := failure.As(err); fail != nil {
		plain := *fail
		c.Remedy, plain.Remedy = fail.Remedy, ""
		c.Detail = plain.Error()
	}
	if c.Remedy == "" {
		c.Remedy = remedyFor(failure.ReasonOf(err))
	}
	return c
}

// remedyFor is what helps where the side itself had no better advice.
func remedyFor(r failure.Reason) string {
	switch r {
	case failure.Unauthorized:
		return "The credential is refused: set it again with `flexbrevo secrets set`, or in the environment."
	case failure.Forbidden:
		return "The credential lacks a permission, or the plan a feature."
	case failure.RateLimited:
		return "The account's calls are used up for the moment: try again in a few minutes."
	case failure.Transient, failure.Unknown, failure.Interrupted:
		return "It could not be reached: check the network, HTTPS_PROXY, NO_PROXY and tls.ca_file, and try again."
	}
	return "Check the settings that this line names."
}

// twilioCapabilities are asked after the first one, which finds what they need.
var twilioCapabilities = [...]struct {
	name string
	ask  func(*flow, context.Context, twilio.Discovery) (string, error)
}{
	{"Conversations API", (*flow).testConversations},
	{"TaskRouter workspace", (*flow).testWorkspace},
	{"agent list", (*flow).testAgents},
	{"queue configuration", (*flow).testQueues},
	{"event history", (*flow).testEvents},
}

func (f *flow) testTwilio(ctx context.Context) []Capability {
	var found twilio.Discovery
	first := probe(ctx, "Flex API", func(ctx context.Context) (string, error) {
		var err error
		found, err = f.source.Discover(ctx)
		return "chat service " + found.ChatServiceSID, err
	})
	out := []Capability{first}
	for _, c := range twilioCapabilities {
		if first.Verdict != Works {
			out = append(out, Capability{Name: c.name, Verdict: Skipped, Detail: "not asked: the Flex API comes first"})
			continue
		}
		out = append(out, probe(ctx, c.name, func(ctx context.Context) (string, error) { return c.ask(f, ctx, found) }))
	}
	return append(out, probe(ctx, "webhook signature key", f.testSigning))
}

// errEnough ends a fetch that has seen what it was for.
var errEnough = errors.New("seen enough")

// firstRecords reads a stream from its beginning until there are some records.
func (f *flow) firstRecords(ctx context.Context, stream string) (int, error) {
	n := 0
	err := f.source.Fetch(ctx, stream, record.Cursor(""), func(p record.Page) error {
		if n += len(p.Records); n > 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return n, err
}

func (f *flow) testConversations(ctx context.Context, _ twilio.Discovery) (string, error) {
	if !f.cfg.Sync.Conversations {
		return "switched off by sync.conversations", nil
	}
	n, err := f.firstRecords(ctx, twilio.ConversationsStream)
	back := f.lookback()
	if n > 0 {
		return fmt.Sprintf("read; the first sync goes %s back, `flexbrevo backfill --since` goes further", back), err
	}
	return fmt.Sprintf("none in the last %s: if some are missing, they are older; `flexbrevo backfill --since` brings them", back), err
}

func (f *flow) testWorkspace(_ context.Context, d twilio.Discovery) (string, error) {
	if d.FlexWorkspaceSID != "" && d.WorkspaceSID != d.FlexWorkspaceSID {
		return "", &failure.Error{
			Op: "compare workspaces", Reason: failure.Invalid,
			Err: fmt.Errorf("workspace_sid is %s, but Flex keeps its tasks in %s", d.WorkspaceSID, d.FlexWorkspaceSID),
			Remedy: "Set workspace_sid to the workspace of Flex, or leave it empty: it is then read from the Flex configuration. " +
				"Tasks of another workspace never show up.",
		}
	}
	return d.WorkspaceSID, nil
}

func (f *flow) testAgents(ctx context.Context, _ twilio.Discovery) (string, error) {
	n := 0
	err := f.source.Fetch(ctx, twilio.WorkersStream, record.Cursor(""), func(p record.Page) error {
		n += len(p.Records)
		return nil
	})
	return plural(n, "agent"), err
}

func (f *flow) testQueues(ctx context.Context, _ twilio.Discovery) (string, error) {
	names, err := f.queueNames(ctx)
	const shown = 6
	list := strings.Join(names[:min(shown, len(names))], ", ")
	if len(names) > shown {
		list += ", …"
	}
	return plural(len(names), "queue") + ": " + list, err
}

func (f *flow) testEvents(ctx context.Context, _ twilio.Discovery) (string, error) {
	n, err := f.firstRecords(ctx, twilio.EventsStream)
	if n > 0 {
		return fmt.Sprintf("read; Twilio keeps 30 days, the first sync goes %s back", f.lookback()), err
	}
	return fmt.Sprintf("read; nothing happened in the last %s", f.lookback()), err
}

// lookback is how far the first sync goes back, as a person writes it.
func (f *flow) lookback() string {
	return strings.TrimSuffix(strings.TrimSuffix(f.cfg.InitialLookback.String(), "0s"), "0m")
}

// testSigning proves that each auth token belongs to the account: only then are
// the signatures made with it those that Twilio makes.
func (f *flow) testSigning(ctx context.Context) (string, error) {
	tokens := f.signingTokens()
	if len(tokens) == 0 {
		return "", &failure.Error{Op: "find the auth token", Reason: failure.Invalid, Err: errors.New("there is none"),
			Remedy: "Set auth_token: an API key cannot verify webhooks. Polling works without it."}
	}
	for i, token := range tokens {
		source, err := twilio.New(twilio.Options{
			AccountSID: f.cfg.AccountSID, AuthToken: token, WorkspaceSID: f.cfg.Workspace, BaseURL: f.cfg.BaseURL,
			HTTP: f.transport, Clock: f.clock, Logger: f.logger,
		})
		if err != nil {
			return "", err
		}
		if _, err := source.Discover(ctx); err != nil {
			fail := &failure.Error{Op: fmt.Sprintf("try auth token %d of %d", i+1, len(tokens)), Reason: failure.ReasonOf(err), Err: err}
			if fail.Reason.Stops() {
				fail.Remedy = "Copy the Auth Token of this account from the Twilio console (Account, API keys & tokens); webhooks signed with another are refused."
			}
			return "", fail
		}
	}
	return plural(len(tokens), "auth token") + " of this account", nil
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (f *flow) testBrevo(ctx context.Context) []Capability {
	key := probe(ctx, "Brevo key", func(ctx context.Context) (string, error) {
		return "accepted", f.account.destination.Ping(ctx)
	})
	if key.Verdict != Works && failure.ReasonOf(key.Err) != failure.RateLimited {
		skipped := "not asked: the Brevo key comes first"
		return []Capability{key, {Name: "attributes", Verdict: Skipped, Detail: skipped}, {Name: "lists", Verdict: Skipped, Detail: skipped}}
	}
	if key.Verdict != Works { // the hourly calls are used up; what follows counts elsewhere and proves the key as well
		key.Verdict, key.Err = Warns, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %s", probeTimeout))
	defer cancel()
	plan := f.account.plan()
	plan.DryRun = true
	report, err := f.account.destination.Provision(ctx, plan)
	if err != nil {
		return []Capability{key, failed("attributes", err), failed("lists", err)}
	}
	return []Capability{key, f.planned("attributes", "attribute", report), f.planned("lists", "list", report)}
}

// planned sums what Brevo lacks of one kind.
func (f *flow) planned(name, kind string, report brevo.Report) Capability {
	there, missing, off := 0, []string{}, []string{}
	for _, step := range report.Steps {
		switch {
		case step.Kind != kind:
		case step.Action == brevo.Off:
			off = append(off, step.Name+" ("+step.Reason+")")
		case step.Action == brevo.Create:
			missing = append(missing, step.Name)
		default:
			there++
		}
	}
	c := Capability{Name: name, Verdict: Works, Detail: fmt.Sprintf("%d there", there)}
	switch {
	case len(off) > 0:
		c.Verdict, c.Detail = Fails, strings.Join(off, "; ")
		c.Remedy = "Values for these are left out and all else goes on: change the rule, or the " + kind + " in Brevo."
		c.Err = errors.New(kind + " cannot be used")
	case len(missing) > 0 && !f.account.cfg.Provision:
		c.Verdict, c.Detail = Fails, "missing: "+strings.Join(missing, ", ")
		c.Remedy = "Make them in Brevo, run `flexbrevo provision`, or set brevo.provision: true."
		c.Err = errors.New(kind + " is missing")
	case len(missing) > 0:
		c.Detail += ", made at the first run: " + strings.Join(missing, ", ")
	}
	return c
}

// testAddress asks ourselves by the way the senders come.
func (s *Service) testAddress(ctx context.Context) Capability {
	const name = "webhook address"
	public := s.o.Config.Server.PublicURL
	if public == "" {
		return Capability{Name: name, Verdict: Skipped, Detail: "server.public_url is not set: everything is polled"}
	}
	c := probe(ctx, name, func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(public, "/")+"/healthz", nil)
		if err != nil {
			return "", errors.New("server.public_url is no address")
		}
		resp, err := s.transport.RoundTrip(req)
		if err != nil {
			return "", errors.Join(context.Cause(ctx), err)
		}
		defer func() { _ = resp.Body.Close() }() // drained below as far as it matters
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
		if resp.StatusCode/100 != 2 {
			return "", fmt.Errorf("%s/healthz answers %d", strings.TrimRight(public, "/"), resp.StatusCode)
		}
		return public, nil
	})
	if c.Verdict == Fails {
		c.Verdict, c.Err = Warns, nil
		c.Remedy = "The Flex plugin and Twilio post there: start `flexbrevo run`, let server.public_url and the proxy before it lead to " +
			s.o.Config.Server.Listen + ", and see `flexbrevo webhook doctor`. Until then polling brings the same, a little later."
	}
	return c
}
