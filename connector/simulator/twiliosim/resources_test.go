package twiliosim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestPaging(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	strict := newFixture(twiliosim.Options{World: f.w, StrictPages: true})
	cases := []struct {
		name   string
		f      fixture
		path   string
		status int
		code   int
	}{
		{"a page number without token", f, f.workspace() + "/Workers?Page=2", 400, 40153},
		{"the first page by number", f, f.workspace() + "/Workers?Page=0&PageSize=5", 200, 0},
		{"a token of nobody", f, f.workspace() + "/Events?PageToken=PAEV00000000000000000000000000000001", 400, 21481},
		{"a token that is none", f, f.workspace() + "/Workers?PageToken=17", 400, 21481},
		{"a page size above the maximum", f, f.workspace() + "/Workers?PageSize=5000", 200, 0},
		{"the same where it is refused", strict, f.workspace() + "/Workers?PageSize=5000", 400, 20001},
		{"a date that is none", f, f.workspace() + "/Events?StartDate=yesterday", 400, 20001},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := get[problem](t, c.f, c.path, c.status); got.Code != c.code {
				t.Errorf("code %d, want %d", got.Code, c.code)
			}
		})
	}
	type list struct {
		Meta    meta
		Workers []struct{ SID, Attributes string }
	}
	seen := map[string]bool{}
	for path := f.workspace() + "/Workers?PageSize=5"; path != ""; {
		p := get[list](t, f, path, http.StatusOK)
		path = ""
		if p.Meta.Next != nil {
			path = *p.Meta.Next
		}
		for _, w := range p.Workers {
			seen[w.SID] = true
		}
	}
	if len(seen) != len(f.w.Agents) {
		t.Errorf("%d workers over all pages, want %d", len(seen), len(f.w.Agents))
	}
}

func TestTasksVanish(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	var task *world.Task
	for i := range f.w.Tasks {
		if f.w.Tasks[i].End == world.EndCompleted {
			task = &f.w.Tasks[i]
			break
		}
	}
	type shown struct {
		SID        string
		Status     string  `json:"assignment_status"`
		Attributes *string `json:"attributes"`
	}
	path := f.workspace() + "/Tasks/" + task.SID
	for _, c := range []struct {
		at     time.Time
		status int
		state  string
	}{
		{task.CreatedAt.Add(-time.Second), 404, ""},
		{task.CreatedAt.Add(time.Millisecond), 200, "pending"},
		{task.EndedAt.Add(-time.Millisecond), 200, "wrapping"},
		{task.EndedAt.Add(119 * time.Second), 200, "completed"},
		{task.EndedAt.Add(2 * time.Minute), 404, ""},
	} {
		f.clock.Set(c.at)
		if got := get[shown](t, f, path, c.status); got.Status != c.state {
			t.Errorf("at %s: %q, want %q", c.at, got.Status, c.state)
		}
	}
	f.clock.Set(task.EndedAt)
	list := get[struct{ Tasks []shown }](t, f, f.workspace()+"/Tasks?AssignmentStatus=completed&AssignmentStatus=pending", http.StatusOK)
	found := false
	for _, row := range list.Tasks {
		found = found || row.SID == task.SID
		if row.Attributes != nil {
			t.Error("the task list shows attributes")
		}
	}
	if !found {
		t.Error("the completed task is not in the list")
	}
}

func TestConversationsByDay(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	f := newFixture(twiliosim.Options{World: world.New(world.Options{Seed: 1, Start: start, End: start.Add(72 * time.Hour), Contacts: 900})})
	f.clock.Set(start.Add(72 * time.Hour))
	type list struct {
		Meta          meta
		Conversations []struct {
			SID     string
			State   string
			Created time.Time `json:"date_created"`
		}
	}
	base := "/conversations/v1/Services/" + f.w.ChatServiceSID + "/Conversations"
	var last time.Time
	count := 0
	for path := base + "?PageSize=500&StartDate=2026-11-19T13:45:00Z&EndDate=2026-11-19T00:00:01Z"; path != ""; {
		p := get[list](t, f, path, http.StatusOK)
		if p.Meta.Size != 100 {
			t.Errorf("page size %d, want 100", p.Meta.Size)
		}
		for _, c := range p.Conversations {
			if c.Created.Day() != 19 {
				t.Errorf("created %s, not on the day asked for", c.Created)
			}
			if !last.IsZero() && c.Created.After(last) {
				t.Error("not the newest first")
			}
			last = c.Created
			count++
		}
		path = ""
		if p.Meta.Next != nil {
			path = *p.Meta.Next
		}
	}
	lo, hi := f.w.ConversationsCreated(start.Add(24*time.Hour), start.Add(48*time.Hour))
	if count != hi-lo {
		t.Errorf("%d conversations, want %d", count, hi-lo)
	}
	for _, c := range get[list](t, f, base+"?State=closed", http.StatusOK).Conversations {
		if c.State != "closed" {
			t.Errorf("asked for closed, got %s", c.State)
		}
	}
	if got := get[list](t, f, "/conversations/v1/Conversations", http.StatusOK); len(got.Conversations) != 0 {
		t.Error("the default service shows conversations of Flex")
	}
	sid := f.w.Conversations[0].SID
	get[problem](t, f, "/conversations/v1/Conversations/"+sid, http.StatusNotFound)
	type messages struct {
		Messages []struct{ Index int }
	}
	up := get[messages](t, f, base+"/"+sid+"/Messages", http.StatusOK).Messages
	down := get[messages](t, f, base+"/"+sid+"/Messages?Order=desc", http.StatusOK).Messages
	if len(up) == 0 || len(up) != len(f.w.Messages(0)) || up[0] != down[len(down)-1] {
		t.Errorf("messages ascending %v, descending %v", up, down)
	}
}

func TestInteractionJoinsTaskAndAgent(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	f.clock.Set(f.w.Options().End.Add(24 * time.Hour))
	get[problem](t, f, "/flex-api/v1/Interactions", http.StatusNotFound)
	for i := range f.w.Contacts {
		c := &f.w.Contacts[i]
		if c.Kind != world.Transfer || c.Conversation < 0 {
			continue
		}
		type members struct {
			Participants []struct {
				Type    string
				Routing *struct {
					Task  string `json:"task_sid"`
					Agent string `json:"worker_sid"`
				} `json:"routing_properties"`
			}
		}
		path := "/flex-api/v1/Interactions/" + f.w.InteractionSID(i) + "/Channels/" + f.w.InteractionChannelSID(i) + "/Participants"
		tasks := map[string]bool{}
		for _, p := range get[members](t, f, path, http.StatusOK).Participants {
			if p.Routing != nil {
				tasks[p.Routing.Task] = true
			}
		}
		if !tasks[f.w.Tasks[c.Tasks[0]].SID] || !tasks[f.w.Tasks[c.Tasks[1]].SID] {
			t.Errorf("the participants name tasks %v", tasks)
		}
		return
	}
	t.Fatal("no conversation was passed on")
}

func TestUserTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	validate := func(token string) (out struct {
		Valid  bool
		Worker string `json:"worker_sid"`
		Roles  []string
	}) {
		body, err := json.Marshal(map[string]string{"token": token})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/iam/v1/Accounts/"+f.w.AccountSID+"/Tokens/validate", strings.NewReader(string(body)))
		r.SetBasicAuth(f.w.AccountSID, f.w.AuthToken)
		rec := httptest.NewRecorder()
		f.ServeHTTP(rec, r)
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
			t.Fatalf("%v in %s", err, rec.Body)
		}
		return out
	}
	token := f.IssueToken(f.w.Agents[0].SID, "agent", "wfo.full_access")
	if got := validate(token); !got.Valid || got.Worker != f.w.Agents[0].SID || len(got.Roles) != 2 {
		t.Errorf("good token: %+v", got)
	}
	if validate(token + "x").Valid {
		t.Error("a made-up token is valid")
	}
	f.clock.Set(f.clock.Now().Add(time.Hour))
	if validate(token).Valid {
		t.Error("an old token is valid")
	}
}

func TestSyncItems(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	want := f.w.SyncItems(f.clock.Now())
	type list struct {
		Meta  meta
		Items []struct {
			Key  string
			Data struct{ Disposition string }
		}
	}
	base := "/sync/v1/Services/default/Maps/" + world.SyncMap + "/Items"
	at := 0
	for path := base + "?PageSize=7"; path != ""; {
		p := get[list](t, f, path, http.StatusOK)
		for _, item := range p.Items {
			if item.Key != want[at].Key || item.Data.Disposition != f.w.Tasks[want[at].Task].Outcome {
				t.Fatalf("item %d: %+v", at, item)
			}
			at++
		}
		path = ""
		if p.Meta.Next != nil {
			path = *p.Meta.Next
		}
	}
	if at != len(want) || at < 10 {
		t.Errorf("%d items, want %d", at, len(want))
	}
	after := get[list](t, f, base+"?Bounds=exclusive&From="+want[3].Key, http.StatusOK)
	if after.Items[0].Key != want[4].Key {
		t.Errorf("after item 3 comes %s, want %s", after.Items[0].Key, want[4].Key)
	}
	get[problem](t, f, "/sync/v1/Services/default/Maps/nothing", http.StatusNotFound)
}

// send posts a form, or deletes, and returns the answer.
func (f fixture) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(f.w.AccountSID, f.w.AuthToken)
	rec := httptest.NewRecorder()
	f.ServeHTTP(rec, r)
	return rec
}

// newSink makes a webhook sink and returns its SID.
func newSink(t *testing.T, f fixture) string {
	t.Helper()
	rec := f.send(http.MethodPost, "/events/v1/Sinks", url.Values{
		"Description": {"connector"}, "SinkType": {"webhook"},
		"SinkConfiguration": {`{"destination":"https://connector.example.com/webhooks/twilio/events","method":"POST","batch_events":true}`},
	})
	var sink struct{ SID, Status string }
	if err := json.Unmarshal(rec.Body.Bytes(), &sink); err != nil || rec.Code != http.StatusCreated || sink.Status != "initialized" {
		t.Fatalf("new sink: status %d, %s, %v", rec.Code, rec.Body, err)
	}
	return sink.SID
}

func TestEventStreamsAreSetUp(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	sink := newSink(t, f)
	subscription := url.Values{"Description": {"tasks"}, "SinkSid": {sink}, "Types": {
		`{"type":"com.twilio.taskrouter.task.completed","schema_version":4}`, `{"type":"com.twilio.taskrouter.task.canceled"}`,
	}}
	for _, c := range []struct {
		name, method, path string
		form               url.Values
		status             int
	}{
		{"test", "POST", "/events/v1/Sinks/" + sink + "/Test", nil, 201},
		{"validate", "POST", "/events/v1/Sinks/" + sink + "/Validate", url.Values{"TestId": {"1"}}, 201},
		{"a sink of another kind", "POST", "/events/v1/Sinks", url.Values{"SinkType": {"kinesis"}}, 400},
		{"subscribe", "POST", "/events/v1/Subscriptions", subscription, 201},
		{"subscribe twice", "POST", "/events/v1/Subscriptions", subscription, 400},
		{"delete a sink in use", "DELETE", "/events/v1/Sinks/" + sink, nil, 400},
	} {
		if rec := f.send(c.method, c.path, c.form); rec.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, rec.Code, c.status, rec.Body)
		}
	}
	subscriptions := f.Subscriptions()
	if len(subscriptions) != 1 || len(subscriptions[0].Types) != 2 || subscriptions[0].SinkSID != sink {
		t.Fatalf("subscriptions: %+v", subscriptions)
	}
	if sinks := f.Sinks(); len(sinks) != 1 || !sinks[0].Validated || !sinks[0].Batch {
		t.Errorf("sinks: %+v", sinks)
	}
	for _, path := range []string{"/events/v1/Subscriptions/" + subscriptions[0].SID, "/events/v1/Sinks/" + sink} {
		if rec := f.send(http.MethodDelete, path, nil); rec.Code != http.StatusNoContent {
			t.Errorf("DELETE %s: %d", path, rec.Code)
		}
	}
	if len(f.Sinks())+len(f.Subscriptions()) != 0 {
		t.Error("something is left")
	}
}
