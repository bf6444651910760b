package connector

import (
	"context"
	"encoding/json"

	"flexbrevo/connector/record"
	"flexbrevo/connector/twilio"
)

// Discovered is what a connector's Flex account says of itself.
type Discovered struct {
	Connector   string
	Workspace   string // SID of the TaskRouter workspace
	ChatService string // SID of the Conversations service of Flex
	Queues      []string
}

// DiscoverTwilio asks the Flex account of each connector what it is. Its error
// carries a failure.Reason.
func (s *Service) DiscoverTwilio(ctx context.Context) ([]Discovered, error) {
	var out []Discovered
	for _, f := range s.flows {
		d, err := f.source.Discover(ctx)
		if err != nil {
			return out, err
		}
		found := Discovered{Connector: f.cfg.Name, Workspace: d.WorkspaceSID, ChatService: d.ChatServiceSID}
		if found.Queues, err = f.queueNames(ctx); err != nil {
			return out, err
		}
		out = append(out, found)
	}
	return out, nil
}

// PingBrevo asks each Brevo account whether it knows us. Its error carries a
// failure.Reason.
func (s *Service) PingBrevo(ctx context.Context) error {
	for _, name := range s.accountNames() {
		if err := s.accounts[name].destination.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *flow) queueNames(ctx context.Context) ([]string, error) {
	var names []string
	err := f.source.Fetch(ctx, twilio.QueuesStream, record.Cursor(""), func(p record.Page) error {
		for _, r := range p.Records {
			var queue struct {
				Name string `json:"friendly_name"`
			}
			if json.Unmarshal(r.Body, &queue) == nil && queue.Name != "" {
				names = append(names, queue.Name)
			}
		}
		return nil
	})
	return names, err
}
