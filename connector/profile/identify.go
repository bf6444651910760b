package profile

import (
	"slices"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// identify finds who the customer is now: the newest email, phone and identity
// that a fact gave, and the newest name that is a name.
func (b *builder) identify(shared map[string]bool) {
	for _, r := range b.readings {
		if b.Email == "" && len(r.given.Emails) > 0 {
			b.Email = r.given.Emails[0]
		}
		if b.Identity == "" && len(r.given.Identities) > 0 {
			b.Identity = r.given.Identities[0]
		}
		b.phones(r.given.Phones, shared)
		b.omit(r.given.Refused...)
		if r.Undecodable {
			b.omit(record.Omission{What: "attributes", Reason: "task attributes are not a JSON object"})
		}
	}
	for _, r := range b.readings { // what was replaced still links, see Links
		b.phones(seen(r.Fact, seenPhone), shared)
	}
	b.sharedPhone()
	b.Attributes = b.contactAttributes()
	b.FriendlyName = b.name()
}

// phones takes the first that is not shared, unless an earlier one was taken.
func (b *builder) phones(phones []string, shared map[string]bool) {
	for _, p := range phones {
		if shared[p] {
			b.SharedPhones[p] = true
		} else if b.Phone == "" {
			b.Phone = p
		}
	}
}

// sharedPhone gives a customer that nothing else identifies the phone it shares,
// and notes on the others that it is not theirs.
func (b *builder) sharedPhone() {
	phones := make([]string, 0, len(b.SharedPhones))
	for p := range b.SharedPhones {
		phones = append(phones, p)
	}
	slices.Sort(phones)
	if b.Email == "" && b.Identity == "" && b.Phone == "" && len(phones) > 0 {
		b.Phone = phones[0]
		delete(b.SharedPhones, phones[0])
		phones = phones[1:]
	}
	for _, p := range phones {
		b.omit(record.Omission{What: "phone", Value: record.Mask(p), Reason: sharedPhone})
	}
}

// contactAttributes merges over the customer's contact tasks in scope; where
// there is none, over its threads. What is told of the customer alone counts with
// either.
func (b *builder) contactAttributes() map[string]any {
	var facts []*fact.Fact
	for _, t := range b.Tasks {
		facts = append(facts, t.Fact)
	}
	if len(facts) == 0 {
		for _, t := range b.Threads {
			facts = append(facts, t.Fact)
		}
	}
	for _, r := range b.readings {
		if r.Kind == fact.Customer {
			facts = append(facts, r.Fact)
		}
	}
	return fact.Newest(facts...)
}

// name looks for a person's name where tasks and threads keep one. An identifier
// of the customer is no name, also one that was not the newest.
func (b *builder) name() string {
	identities := map[string]bool{}
	for _, r := range b.readings {
		for _, i := range r.given.Identities {
			identities[i] = true
		}
	}
	for _, r := range b.readings {
		for _, s := range [...]string{
			str(r.attributes, "name"), str(r.attributes, "customerName"), str(r.attributes, "customers", "name"),
			textOf(object(r.attributes, "pre_engagement_data")["friendlyName"]),
		} {
			if name := nameOf(s, b.o.Region); name != "" && !identities[name] {
				return name
			}
		}
	}
	return ""
}

func (b *builder) omit(omissions ...record.Omission) {
	for _, o := range omissions {
		b.Omissions = appendNew(b.Omissions, o)
	}
}
