package twiliosim_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

// TestPushConversationsTellTheSame follows the webhooks of every conversation to the state that REST shows.
func TestPushConversationsTellTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Seed: 9})
	now := f.clock.Now()
	lo, hi := f.w.ConversationsCreated(time.Time{}, now)
	total := 0
	for ; lo < hi; lo++ {
		c := &f.w.Conversations[lo]
		state, counts := "", map[string]int{}
		for _, form := range f.ConversationWebhooks(c, now) {
			total++
			kind := form.Get("EventType")
			counts[kind]++
			switch kind {
			case "onConversationAdded":
				state = form.Get("State")
			case "onConversationStateUpdated":
				if form.Get("StateFrom") != state {
					t.Errorf("%s goes from %s while it is %s", c.SID, form.Get("StateFrom"), state)
				}
				state = form.Get("StateTo")
			}
		}
		if want, _ := c.State(now); state != want || counts["onConversationAdded"] != 1 || counts["onParticipantAdded"] == 0 {
			t.Errorf("%s: ends %s, want %s; %v", c.SID, state, want, counts)
		}
	}
	received := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || f.SignForm("http://"+r.Host+r.URL.Path, r.PostForm) != r.Header.Get(twiliosim.SignatureHeader) {
			t.Errorf("a form is not signed: %v", err)
		}
		received++
	}))
	defer server.Close()
	report, err := f.PushConversations(t.Context(), twiliosim.Push{URL: server.URL + "/x", Reorder: true})
	if err != nil || report.Events != total || report.Accepted != total || received != total || total == 0 {
		t.Errorf("report %+v, %v; %d received, want %d", report, err, received, total)
	}
}
