// Package oracle calculates what Brevo must hold once everything that happened in a simulated contact centre has
// gone through the connector: contacts with their attributes and lists, and events.
//
// It starts from the ground truth of a world.World, what happened and what the records show of the people, and
// never sees a record, an API or the code under test. It was written from the text of the design alone (sections
// 1, 3.1 to 3.3, and facts/twilio.md 1.8, 3.5 and 4), so that an error of the product is not repeated here, and its
// algorithms are the simplest ones, not the fast ones.
package oracle

import (
	"slices"
	"time"

	"flexbrevo/connector/simulator/world"
)

// Settings are the parts of a connector's configuration that decide what Brevo must hold.
type Settings struct {
	// Channels are in scope; none means all.
	Channels []string
	// SharedPhones are declared to link nobody, in E.164.
	SharedPhones []string
	// Zone is that of dates; nil means UTC.
	Zone *time.Location
	// ExistingOnly writes only to contacts that Brevo holds already.
	ExistingOnly bool
	// Held is what Brevo holds before.
	Held []Contact
	// CSAT is whether satisfaction scores are read.
	CSAT bool
	// Posted are the answers that survey tools posted, by the SID of the task they are about.
	Posted map[string][]Posted
	// SurveysOnly reads them from survey tasks only, and not from what agents write into a contact's task;
	// ThreadScores reads them from threads as well; ScoreFactor is what all are multiplied by, zero means one.
	SurveysOnly, ThreadScores bool
	ScoreFactor               float64
	// Attributes maps Brevo attributes to what they hold: a value of the customer by its name in the rules, one
	// of those in the function value. Identifiers are not named here.
	Attributes map[string]string
	// Events maps source event types to the names of events in Brevo.
	Events map[string]string
	// Supported and Respondents are the lists of everybody in touch and of those who answered a survey; "" is none.
	Supported, Respondents string
	// Until is the last moment that can be known.
	Until time.Time
	// Live tells that contacts were delivered while records still came in, so that what was written before a
	// record linked it stays apart (design 1, promise 2). Without it all records were known before the first write.
	Live bool
	// Settle is how long after its last task a contact with the centre may go on; zero means five seconds.
	Settle time.Duration
}

// Contact is a Brevo contact. Phone is in digits without the plus, as Brevo shows it. Attributes hold float64
// and string values; Lists are sorted.
type Contact struct {
	Email, Phone string
	Attributes   map[string]any
	Lists        []string
}

// Event is a Brevo event. Email and Phone are those of the contact it belongs to, ID is its source_event_id.
type Event struct {
	ID, Name     string
	At           time.Time
	Email, Phone string
}

// Customer is the contact that one customer must have.
type Customer struct {
	Contact
	// Split tells that the customer was known by two addresses before a record linked them. Where that is Live,
	// two contacts may be left, one of them with the profile; see Compare.
	Split bool
	// Open are the attributes whose value the design leaves open, such as a name with NUL in it.
	Open []string
}

// Moment is an event that must be there. Where its ID is empty any one that is like it otherwise will do.
type Moment struct {
	Event
	// Within is how exactly the time can be known, by the resolution of its source.
	Within time.Duration
	// Also are other identities under which it counts: where that is Live, a contact with the centre is named
	// after its earliest member that is known when the event is sent.
	Also []string
}

// Expected is what Brevo must hold: no less, no more.
type Expected struct {
	Customers []Customer
	Moments   []Moment
}

// Calculate comes to what Brevo must hold by the settings.
func Calculate(w *world.World, s Settings) Expected {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	if s.Settle == 0 {
		s.Settle = 5 * time.Second
	}
	if s.ScoreFactor == 0 {
		s.ScoreFactor = 1
	}
	var out Expected
	c := calculation{World: w, Settings: s}
	for _, person := range people(c.evidence(), s.SharedPhones) {
		h, held := c.history(person), s.held(person)
		if !person.hasAddress() || len(h.groups) == 0 || s.ExistingOnly && held < 0 {
			continue
		}
		out.Customers = append(out.Customers, c.customer(person, h, held))
		out.Moments = append(out.Moments, c.moments(person, h)...)
	}
	out.Customers = append(out.Customers, untouched(s.Held, out.Customers)...)
	return out
}

// calculation is one Calculate on its way.
type calculation struct {
	*world.World
	Settings
}

func (s *Settings) inScope(channel string) bool {
	return len(s.Channels) == 0 || slices.Contains(s.Channels, channel)
}

func (s *Settings) knows(at time.Time) bool { return !at.After(s.Until) }

// held finds the contact that Brevo holds for a person, or -1.
func (s *Settings) held(p person) int {
	return slices.IndexFunc(s.Held, func(c Contact) bool { return same(c.Email, c.Phone, p.email, digits(p.phone)) })
}

// same tells whether two contacts share an address.
func same(email, phone, otherEmail, otherPhone string) bool {
	return email != "" && email == otherEmail || phone != "" && phone == otherPhone
}

// untouched are the held contacts that no customer has.
func untouched(held []Contact, customers []Customer) []Customer {
	var rest []Customer
	for _, c := range held {
		if !slices.ContainsFunc(customers, func(k Customer) bool { return same(c.Email, c.Phone, k.Email, k.Phone) }) {
			rest = append(rest, Customer{Contact: c})
		}
	}
	return rest
}
