package main_test

import (
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

const brevoKey = "xkeysib-0123456789abcdef-e2e"

// lab is a directory with a configuration, and the two simulators that it speaks to.
type lab struct {
	t      *testing.T
	dir    string
	world  *world.World
	twilio *twiliosim.Server
	brevo  *brevosim.Server
	env    map[string]string
}

// setup says what a lab is made of; zero fields mean the defaults.
type setup struct {
	world  world.Options
	clock  func() time.Time // default: stands still at the world's present
	twilio twiliosim.Options
	brevo  brevosim.Options
	config string // a file of testdata/e2e; default connector.yaml
	shared bool   // the switchboard of odd worlds is declared to be one
	env    map[string]string
}

// today is midnight, UTC, by which all worlds are dated: what a seed makes is then the same on every day, and
// young enough to be sent.
func today() time.Time { return time.Now().UTC().Truncate(24 * time.Hour) }

// aDay is a world whose contacts have all come to their end by midnight, but for those that nobody finishes.
func aDay(seed uint64, contacts int, odd bool) world.Options {
	return world.Options{
		Seed: seed, Start: today().Add(-30 * time.Hour), End: today().Add(-6 * time.Hour),
		Contacts: contacts, Customers: max(5, contacts*2/5), Odd: odd,
	}
}

func newLab(t *testing.T, s setup) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), world: world.New(s.world)}
	s.twilio.World, s.twilio.Clock, s.twilio.Seed = l.world, s.clock, s.world.Seed
	if s.clock == nil {
		s.twilio.Clock = today
	}
	s.brevo.APIKey, s.brevo.Seed = brevoKey, s.world.Seed
	if s.brevo.Tier == "" {
		s.brevo.Tier = brevosim.TierNone
	}
	l.twilio, l.brevo = twiliosim.New(s.twilio), brevosim.New(s.brevo)
	l.brevo.AddList(32, "Support contacts")
	l.brevo.AddList(33, "CSAT respondents")
	l.env = map[string]string{
		"TWILIO_ACCOUNT_SID": l.world.AccountSID, "TWILIO_AUTH_TOKEN": l.world.AuthToken, "TWILIO_URL": serve(t, l.twilio),
		"BREVO_API_KEY": brevoKey, "BREVO_URL": serve(t, l.brevo),
	}
	maps.Copy(l.env, s.env)
	if s.config == "" {
		s.config = "connector.yaml"
	}
	text := l.configuration(s.config)
	if s.shared {
		text = strings.Replace(text, "shared_phones: []", "shared_phones: [\""+world.SharedPhone+"\"]", 1)
	}
	l.write("connector.yaml", text)
	return l
}

// serve runs a simulator on loopback until the test ends.
func serve(t *testing.T, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// configuration reads a file of testdata/e2e. The seed has no key for where a stand-in listens, and the made-up
// account of the original page; these are put in, and nothing else is changed.
func (l *lab) configuration(name string) string {
	text := readFile(l.t, filepath.Join("..", "..", "testdata", "e2e", name))
	if name != "seed.yaml" {
		return text
	}
	const account = "    account_sid: \"ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\"\n"
	if !strings.Contains(text, account) {
		l.t.Fatalf("%s holds no line %q", name, account)
	}
	text = strings.Replace(text, account, "    account_sid: ${TWILIO_ACCOUNT_SID}\n    base_url: ${TWILIO_URL}\n", 1)
	return text + "brevo: {base_url: \"${BREVO_URL}\", tier: none}\nserver: {listen: \"127.0.0.1:0\", admin_listen: \"127.0.0.1:0\"}\n"
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings are those of testdata/e2e/connector.yaml for the calculation.
func settings(until time.Time) oracle.Settings {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	s := seedSettings(until)
	s.Channels, s.Zone = append(s.Channels, "messenger", "email"), paris
	s.Attributes["FIRST_SUPPORT_DATE"], s.Attributes["TASK_COUNT"] = "first_conversation_date", "total_tasks"
	s.Events["task.canceled"], s.Events["task.abandoned"] = "SUPPORT_CANCELED", "SUPPORT_ABANDONED"
	s.Events["conversation.started"] = "CONVERSATION_STARTED"
	return s
}

// seedSettings are those of testdata/e2e/seed.yaml.
func seedSettings(until time.Time) oracle.Settings {
	return oracle.Settings{
		Channels: []string{"voice", "sms", "whatsapp", "webchat"},
		CSAT:     true, Supported: "Support contacts", Respondents: "CSAT respondents", Until: until,
		Attributes: map[string]string{
			"FLEX_IDENTITY": "identity", "FIRSTNAME": "friendly_name", "LAST_SUPPORT_DATE": "last_conversation_date",
			"SUPPORT_TICKET_COUNT": "total_conversations", "AVG_WAIT_TIME": "avg_wait_time", "CSAT_SCORE": "last_csat_score",
			"PREFERRED_CHANNEL": "preferred_channel", "VIP_TIER": "customer_tier", "ACCOUNT_ID": "account_id",
		},
		Events: map[string]string{
			"task.created": "SUPPORT_REQUESTED", "task.completed": "SUPPORT_RESOLVED", "task.canceled": "SUPPORT_ABANDONED",
			"conversation.ended": "CONVERSATION_ENDED", "survey.completed": "CSAT_SUBMITTED",
		},
	}
}

// liveSettings are those of a setup that declares the switchboard and delivers while records come in.
func liveSettings(until time.Time) oracle.Settings {
	s := settings(until)
	s.Live, s.SharedPhones = true, []string{world.SharedPhone}
	return s
}

// inBrevo converts what the simulated Brevo holds for the comparison.
func (l *lab) inBrevo() ([]oracle.Contact, []oracle.Event) {
	lists := map[int64]string{}
	for _, list := range l.brevo.Lists() {
		lists[list.ID] = list.Name
	}
	var contacts []oracle.Contact
	byID := map[int64]oracle.Contact{}
	for _, c := range l.brevo.Contacts() {
		out := oracle.Contact{Email: c.Email, Phone: c.SMS, Attributes: c.Attributes}
		for _, id := range c.ListIDs {
			out.Lists = append(out.Lists, lists[id])
		}
		slices.Sort(out.Lists)
		contacts, byID[c.ID] = append(contacts, out), out
	}
	var events []oracle.Event
	for _, e := range l.brevo.Events() {
		id, _ := e.Property("source_event_id").(string)
		c := byID[e.ContactID]
		events = append(events, oracle.Event{ID: id, Name: e.Name, At: e.Date, Email: c.Email, Phone: c.Phone})
	}
	return contacts, events
}

// differences are how the simulated Brevo differs from the calculation, by promises that hold always.
func (l *lab) differences(s oracle.Settings) []string {
	contacts, events := l.inBrevo()
	lines := oracle.Compare(oracle.Calculate(l.world, s), contacts, events)
	for _, v := range l.brevo.Violations() {
		lines = append(lines, "violation: "+v)
	}
	return lines
}

// mustEqual fails the test where Brevo does not hold what the calculation says.
func (l *lab) mustEqual(s oracle.Settings) {
	l.t.Helper()
	lines := l.differences(s)
	const shown = 40
	for _, line := range lines[:min(shown, len(lines))] {
		l.t.Error(line)
	}
	if len(lines) > shown {
		l.t.Errorf("and %d further differences", len(lines)-shown)
	}
	if len(lines) > 0 {
		l.t.Logf("world: %+v", l.world.Options())
	}
}

// writes counts the calls that changed, or tried to change, the simulated Brevo.
func (l *lab) writes() (count int) {
	for call, n := range l.brevo.Calls() {
		if call.Method != http.MethodGet {
			count += n
		}
	}
	return count
}

// refused counts the calls that were answered with a status by either side.
func (l *lab) refused(status int) (count int) {
	for call, n := range l.brevo.Calls() {
		if call.Status == status {
			count += n
		}
	}
	for call, n := range l.twilio.Calls() {
		if call.Status == status {
			count += n
		}
	}
	return count
}

// playing is a clock that plays the time from begins to ends in length, and goes on as time does after that.
func playing(begins, ends time.Time, length time.Duration) func() time.Time {
	real := time.Now()
	factor := float64(ends.Sub(begins)) / float64(length)
	return func() time.Time {
		since := time.Since(real)
		if since > length {
			return ends.Add(since - length)
		}
		return begins.Add(time.Duration(math.Round(float64(since) * factor)))
	}
}
