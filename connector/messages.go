package connector

import (
	"context"
	"errors"
	"strings"

	"flexbrevo/config"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
	"flexbrevo/mapping"
)

// needsMessages says whether something needs the messages of conversations, each of which
// costs calls: an event of theirs is mapped, or a rule reads what they are summed up to.
func needsMessages(c *config.Connector) bool {
	if !c.Sync.Conversations {
		return false
	}
	return c.Rules.Reads(profile.MessageReceived) || c.Rules.Reads(profile.MessageSent) ||
		reads(c.Rules, "conversation.messages", "conversation.messages_received", "conversation.messages_sent", "conversation.first_response_time")
}

// keepsText says whether a rule reads the text of messages, which is not kept otherwise.
func keepsText(c *config.Connector) bool { return needsMessages(c) && reads(c.Rules, "event.body") }

// reads says whether a rule reads one of the paths, or something that holds it.
func reads(rules *mapping.Rules, paths ...string) bool {
	for _, read := range rules.Paths() {
		for _, path := range paths {
			if path == read || strings.HasPrefix(path, read+".") {
				return true
			}
		}
	}
	return false
}

// polledIndex is up to which index a conversation's messages were read without a gap.
func (f *flow) polledIndex(ctx context.Context, conversation string) (int, bool, error) {
	if f.store == nil {
		return 0, false, nil // the sides are only tried, see Test
	}
	known, err := f.store.LoadFact(ctx, f.cfg.Name, fact.Key{Kind: fact.Conversation, SID: conversation})
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	index, polled := known.Fact.Values[fact.PolledIndex].V.(int)
	return index, polled, nil
}
