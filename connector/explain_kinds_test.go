package connector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const kindsConfig = `connectors:
  twilio_flex:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    timezone: Europe/Paris
    channels: [voice, sms, whatsapp, webchat]
    lists: {support_contacts: "Support"}
    field_mapping:
      attributes.email: email
      attributes.phone: SMS
      friendly_name: {to: FIRSTNAME, overwrite: false}
      last_conversation_date: LAST_SUPPORT_DATE
      total_conversations: CONVERSATIONS
      avg_wait_time: {to: WAIT, type: float}
      customer_tier: {to: VIP_TIER, when: customer_tier != "gold"}
      account_id: ACCOUNT_ID
      last_csat_score: CSAT
      preferred_channel: CHANNEL_OF_CHOICE
      attributes.conversations.outcome: OUTCOME
    event_mapping:
      task.completed: SUPPORT_RESOLVED
      task.abandoned: SUPPORT_ABANDONED
      survey.completed: CSAT_SUBMITTED
      conversation.ended: CONVERSATION_ENDED
    events: {max_age: 10h}
brevo: {api_key: key, base_url: "${BREVO}", tier: none, provision: false}
store: {url: "sqlite://${STORE}"}
forget: {key: "a key of thirty-two characters or more"}
`

// The moments of the story: three passes, the beginning of a backfill, and a pass that
// Brevo asks to have patience.
var (
	firstPass  = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	secondPass = firstPass.Add(4 * time.Hour)
	lastPass   = firstPass.Add(8 * time.Hour)
	pastRead   = firstPass.Add(10 * time.Hour)
)

// centre is a simulated contact centre, and a Brevo that is unkind to some.
type centre struct {
	t      *testing.T
	cfg    *config.Config
	store  store.Store
	world  *world.World
	twilio *twiliosim.Server
	brevo  *brevosim.Server
	// taken are people who stand for a kind already.
	taken map[int]bool

	mu sync.Mutex
	at time.Time
	// refused is part of the body of writes that Brevo finds invalid, busy says that it
	// asks for patience.
	refused string
	busy    bool
	// silent says that Twilio lists no conversations.
	silent bool
}

func newCentre(t *testing.T) *centre {
	t.Helper()
	c := &centre{t: t, taken: map[int]bool{}, at: firstPass}
	c.world = world.New(world.Options{Seed: 12, Start: firstPass.Add(-30 * time.Hour), End: pastRead, Contacts: 420, Customers: 110, Odd: true})
	c.twilio = twiliosim.New(twiliosim.Options{
		World: c.world, Clock: c.now, Seed: 12, Latency: twiliosim.Latency{VeryLate: 100 * time.Minute, VeryLateShare: 0.03},
	})
	c.brevo = brevosim.New(brevosim.Options{Tier: brevosim.TierNone, Clock: c.now})
	for name, kind := range map[string]string{
		"FIRSTNAME": "text", "LAST_SUPPORT_DATE": "date", "CONVERSATIONS": "float", "WAIT": "text", "VIP_TIER": "text",
		"ACCOUNT_ID": "text", "CSAT": "float", "OUTCOME": "text", // CHANNEL_OF_CHOICE is missing, WAIT is no float
	} {
		c.brevo.AddAttribute(brevosim.Attribute{Name: name, Category: "normal", Type: kind})
	}
	c.brevo.AddList(32, "Support")
	env := map[string]string{
		"ACCOUNT": c.world.AccountSID, "TOKEN": c.world.AuthToken, "TWILIO": c.serve(http.HandlerFunc(c.deaf)), "BREVO": c.serve(http.HandlerFunc(c.unkind)),
		"STORE": filepath.Join(t.TempDir(), "flexbrevo.db"),
	}
	var err error
	c.cfg, err = config.Parse("connector.yaml", []byte(kindsConfig), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	if c.store, err = connector.OpenStore(t.Context(), c.cfg, slog.New(slog.DiscardHandler), true, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *centre) serve(h http.Handler) string {
	s := httptest.NewServer(h)
	c.t.Cleanup(s.Close)
	return s.URL
}

func (c *centre) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// unkind refuses what the story wants refused, and leaves the rest to the simulator.
func (c *centre) unkind(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	refused, busy := c.refused, c.busy
	c.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case busy && r.Method != http.MethodGet:
		w.Header().Set("x-sib-ratelimit-reset", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	case refused != "" && r.Method == http.MethodPost && bytes.Contains(body, []byte(refused)):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":"not_acceptable","message":"no"}`)) // the client may be gone
	default:
		c.brevo.ServeHTTP(w, r)
	}
}

// deaf is Twilio, which lists no conversations while the story wants that.
func (c *centre) deaf(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	silent := c.silent
	c.mu.Unlock()
	if silent && strings.HasSuffix(r.URL.Path, "/Conversations") {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	c.twilio.ServeHTTP(w, r)
}

func (c *centre) service() *connector.Service {
	c.t.Helper()
	s, err := connector.New(connector.Options{Config: c.cfg, Store: c.store, Logger: slog.New(slog.DiscardHandler), Clock: c.now})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// pass syncs at a moment.
func (c *centre) pass(at time.Time) {
	c.t.Helper()
	c.mu.Lock()
	c.at = at
	c.mu.Unlock()
	s := c.service()
	defer s.Close()
	if _, err := s.Sync(c.t.Context(), nil); err != nil && !errors.Is(err, connector.ErrWaiting) {
		c.t.Fatal(err)
	}
}

// recentFirst delivers what happened in a range before anything older is known.
func (c *centre) recentFirst(since, until time.Time) {
	c.t.Helper()
	c.at = until.Add(time.Minute)
	s := c.service()
	defer s.Close()
	if _, err := s.Backfill(c.t.Context(), connector.BackfillRequest{Connector: "twilio_flex", Since: since, Until: until}, nil); err != nil {
		c.t.Fatal(err)
	}
}

// readPast begins a backfill that never gets as far as delivering, because Twilio does
// not give its conversations.
func (c *centre) readPast(since, until time.Time) {
	c.t.Helper()
	c.mu.Lock()
	c.at, c.silent = until.Add(time.Minute), true
	c.mu.Unlock()
	s := c.service()
	defer s.Close()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	_, err := s.Backfill(ctx, connector.BackfillRequest{Connector: "twilio_flex", Since: since, Until: until}, func(p connector.BackfillProgress) {
		waiting, err := c.store.LoadUndigested(ctx, "twilio_flex", 1)
		if err == nil && len(waiting) == 0 && p.Problem != "" {
			cancel()
		}
	})
	if ctx.Err() == nil {
		c.t.Fatalf("the backfill ended by itself: %v", err)
	}
}

func (c *centre) settings(until time.Time) oracle.Settings {
	return oracle.Settings{
		Channels: []string{"voice", "sms", "whatsapp", "webchat"}, Zone: c.cfg.Connectors[0].Location, CSAT: true, Supported: "Support",
		Until: until, Live: true,
		Attributes: map[string]string{
			"FIRSTNAME": "friendly_name", "LAST_SUPPORT_DATE": "last_conversation_date", "CONVERSATIONS": "total_conversations",
			"WAIT": "avg_wait_time", "ACCOUNT_ID": "account_id", "CSAT": "last_csat_score", "CHANNEL_OF_CHOICE": "preferred_channel",
		},
		Events: map[string]string{
			"task.completed": "SUPPORT_RESOLVED", "task.abandoned": "SUPPORT_ABANDONED", "survey.completed": "CSAT_SUBMITTED", "conversation.ended": "CONVERSATION_ENDED",
		},
	}
}

func (c *centre) explain(what string) []pipeline.Explanation {
	c.t.Helper()
	found, err := connector.Explain(c.t.Context(), c.cfg, c.store, "", what)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(found) == 0 {
		return nil
	}
	return found[0].Customers
}

// person finds the first of the world's customers that nobody took and for whom ok
// holds, and takes them.
func (c *centre) person(what string, ok func(*world.Customer) bool) *world.Customer {
	c.t.Helper()
	for i := range c.world.Customers {
		if p := &c.world.Customers[i]; i > 1 && !c.taken[i] && ok(p) { // the first two share the switchboard
			c.taken[i] = true
			return p
		}
	}
	c.t.Fatalf("the world has nobody for: %s", what)
	return nil
}

// tasks are a person's tasks that began in a range.
func (c *centre) tasks(p *world.Customer, from, until time.Time) (out []*world.Task) {
	for i := range c.world.Tasks {
		if t := &c.world.Tasks[i]; t.Customer == p.ID && !t.CreatedAt.Before(from) && t.CreatedAt.Before(until) {
			out = append(out, t)
		}
	}
	return out
}

// plain says whether all that happened to a person was ordinary, began in a range and
// was over well before its end.
func (c *centre) plain(p *world.Customer, from, until time.Time) bool {
	mine := c.tasks(p, time.Time{}, until)
	for _, t := range mine {
		if t.Odd != "" || t.CreatedAt.Before(from) || t.EndedAt.After(until.Add(-2*time.Hour)) {
			return false
		}
	}
	return len(mine) > 0
}

func (c *centre) calls(p *world.Customer, from, until time.Time) bool {
	mine := c.tasks(p, from, until)
	return len(mine) > 0 && p.Phone != "" && !slices.ContainsFunc(mine, func(t *world.Task) bool { return t.Channel != world.ChannelVoice || t.Odd != "" })
}

// expected is the calculation's customer of an address.
func expected(e oracle.Expected, email, phone string) (oracle.Customer, bool) {
	digits := strings.TrimPrefix(phone, "+")
	for _, c := range e.Customers {
		if email != "" && c.Email == email || digits != "" && c.Phone == digits {
			return c, true
		}
	}
	return oracle.Customer{}, false
}

// kind is one kind of customer: what to ask for, and reasons that must be given.
type kind struct {
	name, question string
	says           []string
}

// TestExplainKinds asks for every kind of customer. What is said of values and events
// is compared with the independent calculation; the whole is in golden files.
func TestExplainKinds(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	var kinds []kind
	add := func(name, question string, says ...string) { kinds = append(kinds, kind{name, question, says}) }
	c.beforeTheFirstPass(add)
	c.recentFirst(firstPass.Add(-6*time.Hour), firstPass.Add(-time.Hour))
	c.pass(firstPass)
	c.betweenThePasses(add)
	c.pass(secondPass)
	c.afterTheSecondPass(add)
	asked := map[string]bool{}
	want := oracle.Calculate(c.world, c.settings(secondPass))
	for _, k := range kinds {
		c.check(k, want, asked)
	}
	c.forgotten()
	asked["forgotten"] = true
	c.mu.Lock()
	c.busy = true
	c.mu.Unlock()
	late := c.person("waiting for budget", func(p *world.Customer) bool {
		return c.calls(p, secondPass, lastPass.Add(-time.Hour)) && c.plain(p, secondPass, lastPass)
	})
	c.pass(lastPass)
	c.check(kind{"waiting_for_budget", late.Phone, []string{"waiting for the rate budget until 2026-11-21T"}}, oracle.Expected{}, asked)
	past := c.person("backfill", func(p *world.Customer) bool {
		return c.calls(p, lastPass, pastRead) && len(c.tasks(p, time.Time{}, lastPass)) == 0 && len(c.conversations(p)) == 0
	})
	c.readPast(lastPass, pastRead)
	c.check(kind{"backfill_waiting", past.Phone, []string{"a backfill is under way"}}, oracle.Expected{}, asked)
	if len(asked) < 20 {
		t.Errorf("only %d kinds", len(asked))
	}
	for _, v := range c.brevo.Violations() {
		t.Error(v)
	}
}

// forgotten lets somebody go and asks for them: that they went is all there is to say.
func (c *centre) forgotten() {
	c.t.Helper()
	p := c.person("forgotten", func(p *world.Customer) bool {
		return c.plain(p, time.Time{}, secondPass) && p.Email != "" && len(c.explain(p.Email)) == 1
	})
	s := c.service()
	defer s.Close()
	report, err := s.Forget(c.t.Context(), connector.ForgetRequest{Connector: "twilio_flex", Who: p.Email, Later: true})
	if err != nil || !report.Known {
		c.t.Fatalf("%+v, %v", report, err)
	}
	found, err := connector.Explain(c.t.Context(), c.cfg, c.store, "", p.Email)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		c.t.Fatal(err)
	}
	golden(c.t, filepath.Join("..", "testdata", "explain", "forgotten.json"), string(text)+"\n")
}

func (c *centre) conversations(p *world.Customer) (out []int) {
	for i := range c.world.Conversations {
		if c.world.Conversations[i].Customer == p.ID {
			out = append(out, i)
		}
	}
	return out
}

// beforeTheFirstPass makes Brevo hold, and refuse, what some kinds need.
func (c *centre) beforeTheFirstPass(add func(name, question string, says ...string)) {
	want := oracle.Calculate(c.world, c.settings(firstPass))
	addContact := func(contact brevosim.Contact) {
		c.t.Helper()
		if _, err := c.brevo.AddContact(contact); err != nil {
			c.t.Fatal(err)
		}
	}
	both := func(p *world.Customer) bool {
		e, ok := expected(want, p.Email, p.Phone)
		return ok && c.plain(p, time.Time{}, firstPass) && e.Email != "" && e.Phone != "" && !e.Split
	}
	conflict := c.person("conflict", both)
	addContact(brevosim.Contact{Email: "somebody.else@example.com", SMS: conflict.Phone})
	add("conflict", conflict.Email, "conflicting identifier")

	refused := c.person("refused phone", func(p *world.Customer) bool { return both(p) })
	c.brevo.SetQuirks(brevosim.Quirks{RefusedPhones: []string{strings.TrimPrefix(refused.Phone, "+")}})
	add("refused_phone", refused.Email, "refused phone")

	dead := c.person("dead letter", func(p *world.Customer) bool {
		return c.calls(p, time.Time{}, secondPass) && p.Email == "" && c.plain(p, time.Time{}, firstPass)
	})
	c.refused = strings.TrimPrefix(dead.Phone, "+")
	add("dead_letter", dead.Phone, "given up after once: Brevo refuses it as invalid", "contact dead")

	known := c.person("unchanged", func(p *world.Customer) bool {
		return c.calls(p, time.Time{}, secondPass) && p.Email == "" && p.Tier == "" && len(c.tasks(p, time.Time{}, pastRead)) == len(c.tasks(p, time.Time{}, firstPass)) &&
			c.plain(p, time.Time{}, firstPass) && !slices.ContainsFunc(c.tasks(p, time.Time{}, pastRead), func(t *world.Task) bool { return t.Outcome != "" || t.Survey })
	})
	e, _ := expected(want, "", known.Phone)
	maps.DeleteFunc(e.Attributes, func(name string, _ any) bool { return name == "CHANNEL_OF_CHOICE" || name == "WAIT" })
	addContact(brevosim.Contact{SMS: known.Phone, Attributes: e.Attributes, ListIDs: []int64{32}})
	add("unchanged", known.Phone, "unchanged: Brevo holds it already")

	named := c.person("kept by marketing", func(p *world.Customer) bool {
		e, ok := expected(want, p.Email, p.Phone)
		return ok && e.Attributes["FIRSTNAME"] != nil && c.plain(p, time.Time{}, firstPass) && p.Email != ""
	})
	addContact(brevosim.Contact{Email: named.Email, Attributes: map[string]any{"FIRSTNAME": "As marketing calls them"}})
	add("held_by_marketing", named.Email, "Brevo holds another value, which the rule does not replace")
}

// betweenThePasses is what marketing does once contacts are there.
func (c *centre) betweenThePasses(add func(name, question string, says ...string)) {
	contact := func(p *world.Customer) (int64, bool) {
		for _, k := range c.brevo.Contacts() {
			if k.Email != "" && k.Email == p.Email || k.SMS != "" && k.SMS == strings.TrimPrefix(p.Phone, "+") {
				return k.ID, true
			}
		}
		return 0, false
	}
	comesAgain := func(p *world.Customer) bool {
		_, ok := contact(p)
		return ok && c.plain(p, time.Time{}, secondPass) && len(c.tasks(p, firstPass, secondPass)) > 0 && (p.Email == "") != (p.Phone == "")
	}
	act := func(p *world.Customer, do func(id int64) error) string {
		c.t.Helper()
		id, _ := contact(p)
		if err := do(id); err != nil {
			c.t.Fatal(err)
		}
		if p.Email != "" {
			return p.Email
		}
		return p.Phone
	}
	add("deleted_in_brevo", act(c.person("deleted", comesAgain), c.brevo.DeleteContact), "deleted in Brevo; it is not made again")
	add("off_a_list", act(c.person("off a list", comesAgain), func(id int64) error { return c.brevo.RemoveFromList(id, 32) }), "what marketing took away since stays so")
}

// afterTheSecondPass picks kinds that need nothing but what happened.
func (c *centre) afterTheSecondPass(add func(name, question string, says ...string)) {
	want := oracle.Calculate(c.world, c.settings(secondPass))
	quiet := func(p *world.Customer) bool { return c.plain(p, time.Time{}, secondPass) }
	reachable := func(p *world.Customer) string {
		if p.Email != "" {
			return p.Email
		}
		return p.Phone
	}
	some := func(name string, ok func(*world.Customer) bool, says ...string) {
		add(name, reachable(c.person(name, func(p *world.Customer) bool { return quiet(p) && reachable(p) != "" && ok(p) })), says...)
	}
	has := func(p *world.Customer, ok func(*world.Task) bool) bool {
		return slices.ContainsFunc(c.tasks(p, time.Time{}, secondPass), ok)
	}
	add("shared_phone", world.SharedPhone, `"shared": true`)
	add("shared_phone_of_one", c.world.Customers[c.sharer()].Email, "phone shared by several customers")
	some("merged_identities", func(p *world.Customer) bool {
		e, ok := expected(want, p.Email, p.Phone)
		return ok && e.Email != "" && e.Phone != "" && p.Identity != "" && has(p, func(t *world.Task) bool { return t.Shown.Identity != "" })
	})
	asked := slices.IndexFunc(c.world.Tasks, func(t world.Task) bool {
		return t.Survey && t.Scored && t.ScoredAt.Sub(c.world.Tasks[t.Surveyed].EndedAt) > time.Hour && t.EndedAt.Before(secondPass.Add(-2*time.Hour)) &&
			slices.Contains(c.settings(secondPass).Channels, t.Channel) && t.Odd == "" && c.world.Tasks[t.Surveyed].Shown.Phone != ""
	})
	if asked < 0 {
		c.t.Fatal("the world has no survey that was answered hours later")
	}
	add("survey_hours_later", c.world.Tasks[c.world.Tasks[asked].Surveyed].SID, "CSAT_SUBMITTED", "a survey, and no contact")
	some("condition_false", func(p *world.Customer) bool {
		return p.Tier == "gold" && has(p, func(t *world.Task) bool { return t.Tier == "gold" })
	}, "condition false")
	some("wrong_type", func(p *world.Customer) bool {
		e, ok := expected(want, p.Email, p.Phone)
		return ok && e.Attributes["WAIT"] != nil
	}, "attribute has another type in Brevo")
	some("unknown_in_brevo", func(p *world.Customer) bool { _, ok := expected(want, p.Email, p.Phone); return ok }, "attribute unknown in Brevo")
	some("empty", func(p *world.Customer) bool {
		_, ok := expected(want, p.Email, p.Phone)
		return ok && p.AccountID == "" && p.Tier == ""
	}, "nothing to send", "empty")
	some("abandoned_call", func(p *world.Customer) bool {
		return has(p, func(t *world.Task) bool {
			return t.Channel == world.ChannelVoice && t.Reason == world.ReasonHangup && t.CreatedAt.After(firstPass.Add(-8*time.Hour))
		})
	}, "SUPPORT_ABANDONED", `"abandoned"`)
	some("too_old", func(p *world.Customer) bool {
		return has(p, func(t *world.Task) bool {
			return t.End == world.EndCompleted && t.EndedAt.Before(firstPass.Add(-12*time.Hour))
		})
	}, "too old")
	some("older_value", func(p *world.Customer) bool {
		outcomes := map[string]bool{}
		for _, t := range c.tasks(p, time.Time{}, secondPass) {
			if t.Outcome != "" && t.BlankedAt.IsZero() && !t.Survey {
				outcomes[t.Outcome] = true
			}
		}
		return len(outcomes) > 1
	}, `"older"`)
	some("out_of_order", func(p *world.Customer) bool { return c.cameOutOfOrder(reachable(p)) })
	some("filtered_channel", func(p *world.Customer) bool {
		return !has(p, func(t *world.Task) bool { return t.Channel != world.ChannelEmail }) && p.Email != "" && !slices.ContainsFunc(c.conversations(p), func(i int) bool {
			return c.world.Conversations[i].Channel != world.ChannelEmail
		})
	}, "channel email is not among channels", "nothing in the connector's scope happened")
	for name, odd := range map[string]struct {
		oddity world.Oddity
		says   string
	}{
		"withheld": {world.OddWithheld, "neither an email nor a phone is known"}, "no_address": {world.OddNoIdentity, "neither an email nor a phone is known"}, "not_json": {world.OddNotJSON, "task attributes are not a JSON object"},
		"invalid_phone": {world.OddInvalidPhone, "not a phone number"},
	} {
		i := slices.IndexFunc(c.world.Tasks, func(t world.Task) bool {
			return t.Odd == odd.oddity && !t.Survey && t.EndedAt.Before(secondPass.Add(-2*time.Hour)) && t.Channel == world.ChannelVoice
		})
		if i < 0 {
			c.t.Fatalf("the world has no task for %s", name)
		}
		add(name, c.world.Tasks[i].SID, odd.says)
	}
}

// sharer is somebody who called from the switchboard and has an email.
func (c *centre) sharer() int {
	for _, t := range c.world.Tasks {
		if t.Odd == world.OddSharedPhone && t.Shown.Email != "" && t.EndedAt.Before(secondPass.Add(-2*time.Hour)) {
			return t.Customer
		}
	}
	c.t.Fatal("the world has nobody at the switchboard with an email")
	return 0
}

// cameOutOfOrder says whether a later event of a customer was settled before an earlier
// one.
func (c *centre) cameOutOfOrder(question string) bool {
	for _, e := range c.explain(question) {
		var latest time.Time
		for _, l := range e.Events {
			if l.SettledAt == nil {
				continue
			}
			if l.SettledAt.Before(latest) {
				return true
			}
			latest = *l.SettledAt
		}
	}
	return false
}

// check compares an explanation with its reasons, with the calculation and with its
// golden file.
func (c *centre) check(k kind, want oracle.Expected, asked map[string]bool) {
	c.t.Helper()
	asked[k.name] = true
	found := c.explain(k.question)
	if len(found) == 0 {
		c.t.Errorf("%s: %s leads to nobody", k.name, k.question)
		return
	}
	for i := range found {
		c.compare(k.name, &found[i], want)
	}
	text := normal(c.t, found)
	for _, reason := range k.says {
		if !strings.Contains(text, reason) {
			c.t.Errorf("%s: it does not say %q", k.name, reason)
		}
	}
	golden(c.t, filepath.Join("..", "testdata", "explain", k.name+".json"), text)
}

// compare checks values and events against the calculation, as far as that speaks of
// the customer.
func (c *centre) compare(name string, e *pipeline.Explanation, want oracle.Expected) {
	c.t.Helper()
	customer, ok := expected(want, e.Email, e.Phone)
	if !ok || e.Phone == world.SharedPhone {
		return
	}
	for _, a := range e.Attributes {
		calculated, speaks := customer.Attributes[a.Name]
		if _, known := c.settings(secondPass).Attributes[a.Name]; !known || slices.Contains(customer.Open, a.Name) {
			continue
		}
		if speaks != (a.Value != nil) || speaks && !alike(a.Value, calculated) {
			c.t.Errorf("%s: %s is explained as %v, calculated %v", name, a.Name, a.Value, calculated)
		}
	}
	events := map[string]bool{}
	for _, l := range e.Events {
		events[l.ID] = true
	}
	for _, m := range want.Moments {
		mine := m.Email != "" && m.Email == customer.Email || m.Phone != "" && m.Phone == customer.Phone
		if mine && !events[m.ID] && !slices.ContainsFunc(m.Also, func(id string) bool { return events[id] }) {
			c.t.Errorf("%s: event %s is not explained", name, m.ID)
		}
	}
}

func alike(got, want any) bool {
	if f, ok := want.(float64); ok {
		var g float64
		_, err := fmt.Sscan(fmt.Sprint(got), &g)
		return err == nil && g-f < 0.01 && f-g < 0.01
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

var (
	contactNumber = regexp.MustCompile(`contact \d+ in Brevo`)
	contactID     = regexp.MustCompile(`"contactId": \d+`)
	otherContact  = regexp.MustCompile(`of contact \d+`)
	dueLater      = regexp.MustCompile(`2026-11-21T(19|20):[\d:.]+Z`) // an hour and some chance after the last pass
	customerID    = regexp.MustCompile(`"customerId": \d+`)
)

// normal is an explanation as JSON without what is not the same in every run: ids, who
// was one with whom on the way, and whether events went one by one.
func normal(t *testing.T, found []pipeline.Explanation) string {
	t.Helper()
	found = slices.Clone(found)
	for i := range found {
		found[i].Absorbed = nil
		found[i].Writes, found[i].Events = slices.Clone(found[i].Writes), slices.Clone(found[i].Events)
		for n := range found[i].Writes {
			if w := &found[i].Writes[n]; w.State == "waiting" { // refused by Brevo or kept back by us
				w.Call, w.Status = "", 0
			}
		}
		for n := range found[i].Events {
			if e := &found[i].Events[n]; e.State == "waiting" {
				e.Call, e.Status = "", 0
			}
		}
	}
	slices.SortFunc(found, func(a, b pipeline.Explanation) int {
		return strings.Compare(a.Email+a.Identity+a.Facts[0].SID, b.Email+b.Identity+b.Facts[0].SID)
	})
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(found); err != nil {
		t.Fatal(err)
	}
	out := contactNumber.ReplaceAllString(text.String(), "contact N in Brevo")
	out = contactID.ReplaceAllString(out, `"contactId": 1`)
	out = customerID.ReplaceAllString(out, `"customerId": 1`)
	out = otherContact.ReplaceAllString(out, "of contact N")
	out = dueLater.ReplaceAllString(out, "2026-11-21T19:00:00Z")
	return strings.ReplaceAll(out, "POST /events/batch", "POST /events")
}

// golden compares a text with a file, or rewrites the file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == text {
		return
	}
	got, lines := strings.Split(text, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			t.Errorf("%s, line %d: %s, want %s (go test -update rewrites it)", name, i+1, got[i], lines[i])
			return
		}
	}
	t.Errorf("%s: %d lines, want %d (go test -update rewrites it)", name, len(got), len(lines))
}
