package twilio

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestLegacyChatJoinsTasks reads the channels of an account that has some, with every
// fault, and compares with the truth; an hour later only what is new is handed over.
func TestLegacyChatJoinsTasks(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]twiliosim.Faults{"without faults": {}, "with every fault": everyFault()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, world.Options{Seed: 71, Contacts: 150}, twiliosim.Options{Seed: 71, LegacyChat: true, Faults: faults}, Options{})
			k := newKept()
			for c.clock.set(c.world.Options().Start); c.clock.now().Before(c.world.Options().End.Add(2 * time.Hour)); c.clock.pass(30 * time.Minute) {
				c.fetchStubbornly(t, k, ChatChannelsStream)
			}
			all, joined := facts(t, k), 0
			for i := range c.world.Contacts {
				contact := &c.world.Contacts[i]
				if contact.Channel != world.ChannelWebchat || len(contact.Tasks) == 0 {
					continue
				}
				task := c.world.Tasks[contact.Tasks[0]].SID
				f := all[fact.Key{Kind: fact.Task, SID: task}]
				if want := c.world.Conversations[contact.Conversation].SID; f == nil || f.Text(fact.ConversationSID) != want {
					t.Errorf("the task of %s is not joined to its chat: %v", contact.StartedAt, f)
				}
				joined++
			}
			if joined < 5 {
				t.Errorf("%d chats: the test tells nothing", joined)
			}
		})
	}
}

// TestLegacyChatIsReadRarely says how often the list is read, where there is nothing too.
func TestLegacyChatIsReadRarely(t *testing.T) {
	t.Parallel()
	clock := &clockwork{at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	asked, status := 0, http.StatusOK
	var rows []string
	h := stub{date: clock.now, answer: func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/flex-api/v1/Channels" || r.URL.Query().Get("PageSize") != "1000" {
			t.Errorf("asked for %s", r.URL)
		}
		if status != http.StatusOK {
			http.Error(w, `{"code":20404}`, status)
			return
		}
		list(w, "flex_chat_channels", 1000, "", rows...)
	}}
	k := newKept()
	fetch := func(pass time.Duration) int {
		clock.pass(pass)
		before := asked
		k.fetch(t, sourceAt(t, h, nil, Options{InitialLookback: 24 * time.Hour}, clock.now), ChatChannelsStream)
		return asked - before
	}
	channel := func(n int, created time.Time) string {
		return `{"sid":"` + sid("CH", n) + `","task_sid":"` + sid("WT", n) + `","date_created":"` + created.Format(time.RFC3339) + `"}`
	}
	for i, step := range []struct {
		status int
		rows   []string
		pass   time.Duration
		calls  int
		kept   int // channels so far
	}{
		{status: http.StatusNotFound, calls: 1},
		{status: http.StatusForbidden, pass: 23 * time.Hour, calls: 0},
		{status: http.StatusForbidden, pass: time.Hour, calls: 1},
		{status: http.StatusOK, pass: 24 * time.Hour, calls: 1, kept: 1,
			rows: []string{channel(1, clock.now().Add(47*time.Hour)), channel(2, clock.now().Add(-400*24*time.Hour)), `7`}},
		{status: http.StatusOK, pass: 59 * time.Minute, calls: 0, kept: 1},
		{status: http.StatusOK, pass: time.Minute, calls: 1, kept: 2,
			rows: []string{channel(1, clock.now().Add(47*time.Hour)), channel(3, clock.now().Add(49*time.Hour))}},
	} {
		status, rows = step.status, step.rows
		if calls := fetch(step.pass); calls != step.calls || len(k.order) != step.kept {
			t.Errorf("step %d: %d calls, %d channels; want %d, %d", i+1, calls, len(k.order), step.calls, step.kept)
		}
	}
}

// TestWebChannelErrors says what each way to fail means; no call is ever repeated.
func TestWebChannelErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		reason failure.Reason
		remedy string
	}{
		"made":                   {status: http.StatusCreated, body: `{"sid":"` + sid("CH", 1) + `"}`},
		"a flow that is none":    {status: http.StatusNotFound, body: `{"code":20404}`, reason: failure.Gone, remedy: remedyWebChannel},
		"a wrong value":          {status: http.StatusBadRequest, body: `{"code":20001}`, reason: failure.Invalid, remedy: remedyWebChannel},
		"too many requests":      {status: http.StatusTooManyRequests, body: `{"code":20429}`, reason: failure.RateLimited},
		"a proxy's page":         {status: http.StatusBadGateway, body: `<html>`, reason: failure.Unknown, remedy: remedyMayBe},
		"an answer without SID":  {status: http.StatusCreated, body: `{}`, reason: failure.Unknown, remedy: remedyMayBe},
		"a refused credential":   {status: http.StatusUnauthorized, body: `{"code":20003}`, reason: failure.Unauthorized, remedy: remedyUnauthorized},
		"a connection that ends": {status: 0, reason: failure.Unknown, remedy: remedyMayBe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			h := stub{answer: func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if r.Method != http.MethodPost || r.URL.Path != "/flex-api/v1/WebChannels" || r.PostFormValue("Identity") != "zoe" {
					t.Errorf("%s %s", r.Method, r.URL.Path)
				}
				if c.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}}
			source := sourceAt(t, h, nil, Options{}, time.Now)
			got, err := source.CreateWebChannel(t.Context(), WebChannel{FlowSID: sid("FO", 1), Identity: "zoe", CustomerName: "Zoe", ChatName: "Zoe"})
			if failure.ReasonOf(err) != c.reason || calls.Load() != 1 || (err == nil) != (got == sid("CH", 1)) {
				t.Errorf("%q, %v after %d calls", got, err, calls.Load())
			}
			if err != nil && !strings.Contains(err.Error(), c.remedy) {
				t.Errorf("no remedy in %v", err)
			}
		})
	}
}
