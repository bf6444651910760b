package world

import (
	"math/rand/v2"
	"time"
)

// life generates the contacts in the order of time.
type life struct {
	*World
	people  *crowd
	random  *rand.Rand
	byQueue [][]int     // agents by queue
	busy    []time.Time // by agent: until when
	shared  int         // calls from the switchboard so far
}

// plan is one kind of contact with its share of all, in per cent.
type plan struct {
	share   int
	kind    Kind
	channel string
}

func plans() []plan {
	return []plan{
		{29, Answered, ChannelVoice}, {8, Abandoned, ChannelVoice}, {5, Transfer, ChannelVoice}, {6, Outbound, ChannelVoice},
		{11, Answered, ChannelSMS}, {11, Answered, ChannelWhatsApp}, {10, Answered, ChannelWebchat}, {3, Answered, ChannelMessenger},
		{6, Answered, ChannelEmail}, {2, Transfer, ChannelWhatsApp}, {2, Transfer, ChannelWebchat}, {2, Abandoned, ChannelWebchat},
		{2, TimedOut, ChannelVoice}, {1, Expired, ChannelEmail}, {1, ThreadOnly, ChannelSMS}, {1, ThreadOnly, ChannelWebchat},
	}
}

func (w *World) live(people *crowd) {
	g := &life{World: w, people: people, busy: make([]time.Time, len(w.Agents)), byQueue: make([][]int, len(w.Queues))}
	for i := range w.Agents {
		for _, queue := range w.Agents[i].Queues {
			g.byQueue[queue] = append(g.byQueue[queue], i)
		}
	}
	count := w.options.Contacts
	w.Contacts = make([]Contact, 0, count)
	w.Tasks = make([]Task, 0, count+count/4)
	newCalendar(w.options.Start, w.options.End).walk(count, w.random(streamContacts, 0), g.contact)
}

// contact lets one contact happen. Each has a generator of its own, so that a change to how one goes
// does not change all that follow.
func (g *life) contact(i int, at time.Time) {
	g.random = g.World.random(streamContacts, uint64(i)+1)
	odd := g.oddity(i)
	p := g.plan(i, odd)
	id := len(g.Contacts)
	g.Contacts = append(g.Contacts, Contact{ID: id, Kind: p.kind, Channel: p.channel, Direction: "inbound", StartedAt: at, Conversation: -1, Odd: odd})
	c := &g.Contacts[id]
	if p.kind == Outbound {
		c.Direction = "outbound"
	}
	c.Customer = g.customer(c)
	shown := g.shown(c)
	g.happen(c, shown)
	if c.Customer != Unknown {
		g.people.seen[c.Customer]++
	}
}

func (g *life) oddity(i int) Oddity {
	if !g.options.Odd || i%12 != 5 {
		return ""
	}
	oddities := Oddities()
	return oddities[i/12%len(oddities)]
}

// plan draws what kind of contact it is. The first contacts go through all kinds once, so that a small
// world misses none.
func (g *life) plan(i int, odd Oddity) plan {
	switch odd {
	case "":
	case OddForgotten:
		return plan{kind: Forgotten, channel: ChannelVoice}
	case OddBadName:
		return plan{kind: Answered, channel: ChannelSMS}
	case OddUnknownEvents:
		return plan{kind: Answered, channel: ChannelWebchat}
	default:
		return plan{kind: Answered, channel: ChannelVoice}
	}
	all := plans()
	if i < len(all) {
		return all[i]
	}
	left := g.random.IntN(100)
	for _, p := range all {
		if left -= p.share; left < 0 {
			return p
		}
	}
	return all[0]
}

func (g *life) customer(c *Contact) int {
	switch c.Odd {
	case OddSharedPhone:
		g.shared++
		return []int{0, 1, Unknown}[(g.shared-1)%3]
	case OddWithheld:
		return Unknown
	}
	candidates := g.people.reachable(c.Channel)
	// A quarter of the contacts come from a tenth of the people, who therefore have a history.
	if chance(g.random, 25) {
		candidates = candidates[:max(1, len(candidates)/10)]
	}
	return pick(g.random, candidates)
}

// shown decides what the records of a contact will show of its customer.
func (g *life) shown(c *Contact) Shown {
	if odd, ok := g.oddShown(c); ok {
		return odd
	}
	person := &g.Customers[c.Customer]
	var s Shown
	switch c.Channel {
	case ChannelWhatsApp:
		s.Address, s.Phone = "whatsapp:"+person.Phone, person.Phone
	case ChannelWebchat:
		s.Address, s.Identity = person.Identity, person.Identity
		if person.Email != "" && chance(g.random, 60) {
			s.Email, s.LinkedIn = person.Email, LinkForm
		}
	case ChannelMessenger:
		s.Address = person.Messenger
	case ChannelEmail:
		s.Address, s.Email = person.Email, person.Email
	default:
		s.Address, s.Phone = person.Phone, person.Phone
	}
	// Who is known from earlier is recognised now and then, and the record then links both identifiers.
	if g.people.seen[c.Customer] > 0 && chance(g.random, 40) {
		s.Phone, s.Email = person.Phone, person.Email
		s.LinkedIn = pick(g.random, []string{LinkAttributes, LinkCustomers})
	}
	if c.Channel != ChannelVoice || chance(g.random, 50) {
		s.Name = person.Name
	}
	return s
}

func (g *life) oddShown(c *Contact) (Shown, bool) {
	var person Customer
	if c.Customer != Unknown {
		person = g.Customers[c.Customer]
	}
	switch c.Odd {
	case OddSharedPhone:
		return Shown{Address: SharedPhone, Phone: SharedPhone, Email: person.Email, Name: person.Name, LinkedIn: LinkAttributes}, true
	case OddWithheld:
		return Shown{Address: pick(g.random, []string{"anonymous", "client:visitor_40example", "sip:desk@sip.example.com"})}, true
	case OddNotJSON, OddEmptyAttributes, OddNoIdentity:
		return Shown{}, true
	case OddNumberName:
		return Shown{Address: person.Phone, Phone: person.Phone, Name: person.Phone}, true
	case OddBadName:
		return Shown{Address: person.Phone, Phone: person.Phone, Name: pick(g.random, []string{"Ann\x00a", "Bo\xed\xa0\xbdb", "Cl\xffara"})}, true
	case OddInvalidPhone:
		return Shown{Address: pick(g.random, []string{"+3312", "12345", "+999123456789012345"})}, true
	}
	return Shown{}, false
}

func (g *life) happen(c *Contact, shown Shown) {
	switch {
	case c.Kind == ThreadOnly:
		g.converse(c, shown, c.StartedAt, c.StartedAt.Add(longTailed(g.random, time.Minute, time.Hour)), Unknown)
	case c.Channel == ChannelVoice:
		g.call(c, shown)
	default:
		g.write(c, shown)
	}
}

// call is a contact by voice: one task, whatever happens.
func (g *life) call(c *Contact, shown Shown) {
	t := g.task(c, c.StartedAt, shown)
	switch c.Kind {
	case Abandoned:
		g.abandon(t, longTailed(g.random, 3*time.Second, 4*time.Minute), ReasonHangup)
	case TimedOut:
		g.abandon(t, 5*time.Minute, ReasonWorkflowTimeout)
	case Forgotten:
		g.answer(t)
		last(t).Outcome = ReservationOpen
		t.EndedAt, t.End, t.Reason = t.CreatedAt.Add(24*time.Hour), EndSystemDeleted, ReasonTTL
	case Transfer:
		g.answer(t)
		g.passOn(t)
		g.complete(t, ReasonConference)
	default:
		g.answer(t)
		g.talk(t, 20*time.Second, 15*time.Minute)
		g.complete(t, ReasonConference)
	}
	if t.End == EndCompleted && c.Odd == "" && c.Kind != Outbound && chance(g.random, 25) {
		g.voiceSurvey(c, t.ID)
	}
}

// write is a contact in writing: a conversation, an interaction, and one task or two.
func (g *life) write(c *Contact, shown Shown) {
	t := g.task(c, c.StartedAt.Add(randomDuration(g.random, time.Second, 4*time.Second)), shown)
	switch c.Kind {
	case Abandoned:
		g.abandon(t, longTailed(g.random, 10*time.Second, 10*time.Minute), ReasonCustomerLeft)
	case Expired:
		t.Timeout = 3600
		g.abandon(t, time.Hour, ReasonTTL)
	case Transfer:
		t = g.passOnInWriting(c, t, shown)
	default:
		g.answer(t)
		g.talk(t, time.Minute, 40*time.Minute)
		g.complete(t, ReasonCompleted)
	}
	agent := Unknown
	if _, ok := t.AcceptedAt(); ok {
		agent = last(t).Agent
	}
	g.converse(c, shown, c.StartedAt, t.EndedAt, agent)
	if t.End == EndCompleted && c.Odd == "" && !t.Scored && chance(g.random, 22) {
		g.messagingSurvey(c, t.ID)
	}
}
