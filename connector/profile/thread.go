package profile

import (
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// Thread is one Conversations thread as rules and metrics see it.
type Thread struct {
	Fact       *fact.Fact
	SID        string
	Attributes map[string]any
	Channel    string
	InScope    bool
	CreatedAt  time.Time
	ClosedAt   time.Time // zero while it is not known to be closed
	// Messages are those that were read, in order; of a thread out of scope none.
	Messages []*Message
	// groups are the contacts that were held in it, in order of their start.
	groups []*Group
}

func newThread(r *Reading, o *Options) *Thread {
	t := &Thread{
		Fact: r.Fact, SID: r.SID, Attributes: r.attributes,
		CreatedAt: r.Time(fact.Created), ClosedAt: r.Time(fact.Closed),
	}
	t.Channel = threadChannel(r.Fact, t.Attributes)
	t.InScope = o.inScope(t.Channel)
	return t
}

// threadChannel reads the channel from the customer's binding. A thread without
// one is web chat: its visitor has only an identity (facts/twilio.md 2.3).
func threadChannel(f *fact.Fact, attributes map[string]any) string {
	if c := str(attributes, "channelType"); c != "" {
		return NormalChannel(c)
	}
	channel := ""
	for name, p := range f.Parts {
		if !strings.HasPrefix(name, fact.Participant) {
			continue
		}
		if c := NormalChannel(first(p.Text(fact.AddressType), addressChannel(p.Text(fact.Address)))); c != "" && c > channel {
			channel = c
		}
	}
	return first(channel, "webchat")
}

// Answer is one survey answer, from whatever place.
type Answer struct {
	Fact    *fact.Fact
	Score   float64 // as metrics and events show it
	Scale   float64 // 0 when not known
	Comment string
	At      time.Time
	Task    *Task // the contact task it is about; nil when not known
	// Channel is the joined task's, else the answer's own.
	Channel string
	InScope bool
}
