package world

import (
	"fmt"
	"sort"
	"time"
)

// Conversation is a written thread of the Flex service. Two contacts may share a long-lived one.
type Conversation struct {
	ID        int
	SID       string
	Customer  int
	Channel   string
	Address   string // of the customer: phone, "whatsapp:…", chat identity, email
	Email     string // from the pre-engagement form of a web chat, kept in the attributes
	CreatedAt time.Time
	ClosedAt  time.Time // zero for never
	Talks     []Talk
}

// Talk is the messages of one contact in a conversation.
type Talk struct {
	Contact  int
	From, To time.Time
	Agent    int // index into World.Agents, or Unknown where only the customer wrote
	Messages int
}

// Message is one message of a conversation. Customer and agent take turns, the customer first.
type Message struct {
	SID       string
	Index     int // increasing, with gaps
	At        time.Time
	Agent     int // Unknown when the customer wrote it
	Author    string
	Body      string
	Member    string // SID of the participant
	Following int    // its number among the messages, without gaps
}

// Participant is someone in a conversation.
type Participant struct {
	SID      string
	Agent    int // Unknown for the customer
	JoinedAt time.Time
}

// idleAfter is how long after its last message a thread that stays open counts as inactive.
const idleAfter = time.Hour

// closedAfter is how long after its last message every second thread is closed by a timer. It is open again
// with the next message, if there is one.
const closedAfter = 2 * time.Hour

// PausedAt is when a thread was closed after one of its talks that was not its last; zero when it was not.
func (c *Conversation) PausedAt(talk int) time.Time {
	if talk+1 >= len(c.Talks) || c.ID%2 == 1 {
		return time.Time{}
	}
	if at := c.Talks[talk].To.Add(closedAfter); at.Before(c.Talks[talk+1].From.Add(-time.Hour)) {
		return at
	}
	return time.Time{}
}

// converse gives a contact its conversation: the customer's open thread where there is one, else a new one.
func (g *life) converse(c *Contact, shown Shown, from, to time.Time, agent int) {
	talk := Talk{Contact: c.ID, From: from, To: to, Agent: agent, Messages: 2 + g.random.IntN(10)}
	if agent == Unknown {
		talk.Messages = 1 + g.random.IntN(2)
	}
	key, longLived := c.Customer*2, c.Channel == ChannelSMS || c.Channel == ChannelWhatsApp
	if c.Channel == ChannelWhatsApp {
		key++
	}
	if open, ok := g.people.threads[key]; ok && longLived && c.Kind != ThreadOnly && !g.Conversations[open].lastTalk().To.After(from) {
		g.Conversations[open].Talks = append(g.Conversations[open].Talks, talk)
		c.Conversation = int(open)
		return
	}
	id := len(g.Conversations)
	conversation := Conversation{
		ID: id, SID: g.sids.of(prefixConversation, uint64(id)), Customer: c.Customer, Channel: c.Channel,
		Address: shown.Address, CreatedAt: from, Talks: []Talk{talk},
	}
	if c.Channel == ChannelWebchat {
		conversation.Email = shown.Email
	}
	switch {
	case longLived && c.Kind != ThreadOnly && chance(g.random, 35):
		g.people.threads[key] = int32(id)
	case chance(g.random, 40):
		conversation.ClosedAt = to.Add(randomDuration(g.random, 0, 2*time.Second))
	default:
		conversation.ClosedAt = to.Add(longTailed(g.random, time.Minute, 12*time.Hour))
	}
	c.Conversation = id
	g.Conversations = append(g.Conversations, conversation)
}

func (c *Conversation) lastTalk() *Talk { return &c.Talks[len(c.Talks)-1] }

// State is "active", "inactive" or "closed" at a moment, and "" before the conversation exists; changed is
// when it came to be so. What is closed may be open again later, see PausedAt.
func (c *Conversation) State(at time.Time) (state string, changed time.Time) {
	if at.Before(c.CreatedAt) {
		return "", time.Time{}
	}
	if !c.ClosedAt.IsZero() && !at.Before(c.ClosedAt) {
		return "closed", c.ClosedAt
	}
	state, changed = "active", c.CreatedAt
	for i := range c.Talks {
		if c.Talks[i].From.After(at) {
			break
		}
		state, changed = "active", c.Talks[i].From
		if idle := c.Talks[i].To.Add(idleAfter); !idle.After(at) {
			state, changed = "inactive", idle
		}
		if paused := c.PausedAt(i); !paused.IsZero() && !paused.After(at) {
			state, changed = "closed", paused
		}
	}
	return state, changed
}

// Rated returns the score, 1 to 5, that a program wrote into the attributes of every third thread with a task after
// its last contact, and when; false where there is none.
func (w *World) Rated(conversation int) (score int, at time.Time, ok bool) {
	c := &w.Conversations[conversation]
	talk := c.lastTalk()
	if c.ID%3 != 1 || len(w.Contacts[talk.Contact].Tasks) == 0 {
		return 0, time.Time{}, false
	}
	at = talk.To.Add(90 * time.Second)
	if !c.ClosedAt.IsZero() && c.ClosedAt.Before(at) {
		at = c.ClosedAt
	}
	return 1 + c.ID%5, at, true
}

// Messages returns a conversation's messages in order.
func (w *World) Messages(conversation int) []Message {
	c := &w.Conversations[conversation]
	var list []Message
	for i := range c.Talks {
		talk := &c.Talks[i]
		step := talk.To.Sub(talk.From) / time.Duration(talk.Messages+1)
		for k := range talk.Messages {
			list = append(list, w.message(c, talk, k, len(list), talk.From.Add(time.Duration(k)*step).Truncate(time.Millisecond)))
		}
	}
	return list
}

func (w *World) message(c *Conversation, talk *Talk, k, n int, at time.Time) Message {
	m := Message{
		SID: w.sids.of(prefixMessage, uint64(c.ID)<<16|uint64(n)), Index: n + n/7, Following: n, At: at,
		Agent: Unknown, Author: c.Address, Member: w.participantSID(c.ID, Unknown),
		Body: fmt.Sprintf("Message %d of a customer", n),
	}
	if k%2 == 1 && talk.Agent != Unknown {
		m.Agent, m.Author = talk.Agent, w.Agents[talk.Agent].Identity
		m.Member, m.Body = w.participantSID(c.ID, talk.Agent), fmt.Sprintf("Message %d of an agent", n)
	}
	return m
}

// Participants returns who has been in a conversation: the customer, then the agents of its talks.
func (w *World) Participants(conversation int) []Participant {
	c := &w.Conversations[conversation]
	list := []Participant{{SID: w.participantSID(c.ID, Unknown), Agent: Unknown, JoinedAt: c.CreatedAt}}
	met := map[int]bool{}
	for i := range c.Talks {
		for _, task := range w.Contacts[c.Talks[i].Contact].Tasks {
			for k := range w.Tasks[task].Reservations {
				r := &w.Tasks[task].Reservations[k]
				if !r.Accepted() || met[r.Agent] {
					continue
				}
				met[r.Agent] = true
				list = append(list, Participant{SID: w.participantSID(c.ID, r.Agent), Agent: r.Agent, JoinedAt: r.AnsweredAt})
			}
		}
	}
	return list
}

func (w *World) participantSID(conversation, agent int) string {
	return w.sids.of(prefixParticipant, uint64(conversation)<<20|uint64(agent+1))
}

// ConversationBySID finds a conversation.
func (w *World) ConversationBySID(sid string) (*Conversation, bool) {
	n, ok := w.sids.number(prefixConversation, sid)
	if !ok || n >= uint64(len(w.Conversations)) {
		return nil, false
	}
	return &w.Conversations[n], true
}

// ConversationsCreated returns the bounds lo and hi, exclusive, of the conversations created from one
// moment up to, not including, another.
func (w *World) ConversationsCreated(from, to time.Time) (lo, hi int) {
	first := func(at time.Time) int {
		return sort.Search(len(w.Conversations), func(i int) bool { return !w.Conversations[i].CreatedAt.Before(at) })
	}
	return first(from), first(to)
}
