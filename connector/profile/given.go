package profile

import (
	"slices"
	"strconv"
	"strings"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

func itoa(i int) string { return strconv.Itoa(i) }

// Given are the identifiers that one fact gives, normalised, best first.
type Given struct {
	Emails, Phones, Identities []string
	// Refused are values that stood where an identifier belongs and are none.
	Refused []record.Omission
}

// Reasons of identity omissions.
const (
	notEmail    = "not an e-mail address"
	notPhone    = "not a phone number"
	sharedPhone = "phone shared by several customers"
)

// Identifiers reads what a fact says about who the customer is (facts/twilio.md
// 3.5): what the rules name, then the known places. The address of an inbound
// contact is where it came from, of an outbound one where it went.
func Identifiers(f *fact.Fact, o *Options) Given { return identifiers(f, fact.Newest(f), o) }

func identifiers(f *fact.Fact, attributes map[string]any, o *Options) Given {
	g := &gather{f: f, o: o}
	for _, read := range o.EmailFrom {
		g.email(read(attributes), true)
	}
	for _, read := range o.PhoneFrom {
		g.phone(read(attributes), true)
	}
	g.email(str(attributes, "email"), true)
	g.email(str(attributes, "customers", "email"), true)
	g.email(textOf(object(attributes, "pre_engagement_data")["email"]), false)
	g.phone(str(attributes, "phone"), true)
	g.phone(str(attributes, "customers", "phone"), true)
	switch f.Kind {
	case fact.Task:
		g.addresses(attributes)
		g.identity(str(attributes, "identity"))
	case fact.Conversation:
		g.participants()
	case fact.Survey:
		g.email(f.Text("email"), false)
		g.phone(f.Text("phone"), false)
	}
	return g.Given
}

type gather struct {
	Given
	f *fact.Fact
	o *Options
}

// addresses reads where the contact came from or went to.
func (g *gather) addresses(attributes map[string]any) {
	if directionOf(attributes) == outbound {
		g.address(str(attributes, "outbound_to"))
		g.address(str(attributes, "customerAddress"))
		return
	}
	g.address(str(attributes, "customerAddress"))
	if channelOf(g.f, attributes) == "voice" {
		g.phone(first(str(attributes, "from"), str(attributes, "caller")), true)
	} else if from := str(attributes, "from"); strings.HasPrefix(from, "+") || strings.HasPrefix(from, "whatsapp:+") {
		g.phone(from, true) // elsewhere "from" is often a name
	}
}

// participants reads customer addresses of a thread. A participant that has only
// an identity may be an agent, so identities are not read here: linking by one
// would join every customer of that agent.
func (g *gather) participants() {
	var names []string
	for name := range g.f.Parts {
		if strings.HasPrefix(name, fact.Participant) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		g.address(g.f.Parts[name].Text(fact.Address))
	}
}

// address is a phone, an e-mail address or a chat identity.
func (g *gather) address(s string) {
	if e, ok := g.normalEmail(s); ok {
		g.Emails = appendNew(g.Emails, e)
		return
	}
	g.identity(s)
}

func (g *gather) email(s string, must bool) {
	if s == "" {
		return
	}
	e, ok := g.normalEmail(s)
	if !ok {
		if must {
			g.refuse("email", s, notEmail)
		}
		return
	}
	g.Emails = appendNew(g.Emails, e)
}

func (g *gather) phone(s string, must bool) {
	if s == "" || isWithheld(s) {
		return
	}
	p, ok := g.normalPhone(s)
	if !ok {
		if must {
			g.refuse("phone", s, notPhone)
		}
		return
	}
	g.Phones = appendNew(g.Phones, p)
}

// identity keeps a Flex identity that is no number; a number is a phone.
func (g *gather) identity(s string) {
	s = strings.TrimSpace(clean(s))
	if s == "" || isWithheld(s) {
		return
	}
	if p, ok := g.normalPhone(s); ok {
		g.Phones = appendNew(g.Phones, p)
		return
	}
	g.Identities = appendNew(g.Identities, s)
}

// normalEmail is Email without its cost for what this fact was seen with.
func (g *gather) normalEmail(s string) (string, bool) {
	if _, noted := g.f.Parts[seenEmail+s]; noted {
		return s, true
	}
	return Email(s)
}

// normalPhone is Phone without its cost, which is most of that of a fact, for a
// number that this fact was seen with or that was just read from it.
func (g *gather) normalPhone(s string) (string, bool) {
	number, ok := bare(s)
	if !ok {
		return "", false
	}
	if slices.Contains(g.Phones, number) {
		return number, true
	}
	if _, noted := g.f.Parts[seenPhone+number]; noted {
		return number, true
	}
	return g.o.Memo.phone(number, g.o.Region)
}

func (g *gather) refuse(what, value, reason string) {
	o := record.Omission{What: what, Value: record.Mask(clean(value)), Reason: reason}
	g.Refused = appendNew(g.Refused, o)
}

// appendNew appends what is not in the list, which is short.
func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func first(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// Prefixes of parts that remember every identifier a fact was ever seen with, so
// that "a phone seen with two emails" does not depend on the order of records.
const (
	seenEmail = "email:"
	seenPhone = "phone:"
)

// Note adds to a freshly decoded fact the identifiers it was seen with. It must
// be called on what one record tells, before that is merged.
func Note(f *fact.Fact, o *Options) {
	if f.Kind == fact.Worker || f.Kind == fact.Queue {
		return
	}
	for _, part := range o.Memo.noted(f, o) {
		f.SetPart(part, fact.Part{})
	}
}

// toNote are the names of the parts that remember the identifiers of a fact.
func toNote(f *fact.Fact, o *Options) noted {
	g := Identifiers(f, o)
	parts := make(noted, 0, len(g.Emails)+len(g.Phones))
	for _, e := range g.Emails {
		parts = append(parts, seenEmail+e)
	}
	for _, p := range g.Phones {
		parts = append(parts, seenPhone+p)
	}
	return parts
}

func seen(f *fact.Fact, prefix string) []string {
	var out []string
	for name := range f.Parts {
		if s, ok := strings.CutPrefix(name, prefix); ok {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}
