package connector

import (
	"context"
	"fmt"
	"time"

	"flexbrevo/connector/store"
	"flexbrevo/connector/webhook"
)

// SenderStatus is what is known of one webhook sender.
type SenderStatus struct {
	FirstAt  *time.Time `json:"firstAt"`
	LastAt   *time.Time `json:"lastAt"`
	Accepted int        `json:"accepted"`
	Refused  int        `json:"refused"`
	// QuietSince is set while the sender is quiet for longer than it would try again
	// although tasks end; polling tells of those.
	QuietSince *time.Time `json:"quietSince"`
}

// retryWindow says for how long a sender goes on trying, so that nothing heard for
// longer means that something is broken. Who is not among them says nothing by
// being quiet: no task's end makes a conversation's webhook or a survey.
func retryWindow(sender string) (time.Duration, bool) {
	switch webhook.Sender(sender) {
	case webhook.EventStreams, webhook.Kinesis:
		return 4 * time.Hour, true // facts/twilio.md 6.3
	case webhook.TaskRouter:
		return 15 * time.Minute, true // one try within 15 s, facts/twilio.md 1.6; some room for a burst of failures
	case webhook.Flex:
		return 24 * time.Hour, true // agents close their browsers; the plugin sends when they are back
	}
	return 0, false
}

// readSenders adds the senders to a status, and a problem for each quiet one.
func readSenders(ctx context.Context, s store.Store, c *ConnectorStatus, now time.Time) error {
	senders, err := s.LoadSenders(ctx, c.Name)
	if err != nil {
		return err
	}
	c.Webhooks = map[string]SenderStatus{}
	for _, one := range senders {
		st := SenderStatus{FirstAt: timeOrNil(one.FirstAt), LastAt: timeOrNil(one.LastAt), Accepted: one.Accepted, Refused: one.Refused}
		window, expected := retryWindow(one.Name)
		if expected && !one.SilentSince.IsZero() && now.Sub(one.SilentSince) > window {
			st.QuietSince = timeOrNil(one.LastAt)
			did, see := "posted", "`flexbrevo webhook doctor` and the URL at Twilio"
			if one.Name == string(webhook.Kinesis) {
				did, see = "brought", "`flexbrevo test` and the sink at Twilio"
			}
			c.Problems = append(c.Problems, fmt.Sprintf(
				"%s has %s nothing since %s although tasks end: see %s; polling reads what is missing",
				one.Name, did, one.LastAt.UTC().Format(time.RFC3339), see))
		}
		c.Webhooks[one.Name] = st
	}
	return nil
}

// livePosts adds what nothing confirmed of the plugin's posts.
func (f *flow) livePosts(c *ConnectorStatus) {
	c.PluginPosts = f.posts.get()
	if n := c.PluginPosts.Unconfirmed; n > 0 {
		c.Problems = append(c.Problems, fmt.Sprintf(
			"%d posts of the Flex plugin in the last day were not confirmed by Twilio: no end of such a task is known", n))
	}
}
