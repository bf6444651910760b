package profile

import (
	"cmp"
	"slices"
	"strings"

	"flexbrevo/connector/fact"
)

// Token is a normalised thing by which facts belong together: an email, a phone,
// a Flex identity, or the SID of an interaction, call, conversation or task.
type Token struct {
	Kind  TokenKind
	Value string
}

// TokenKind is the kind of a token; the values are those of package store.
type TokenKind string

// The kinds of token.
const (
	EmailToken    TokenKind = "email"
	PhoneToken    TokenKind = "phone"
	IdentityToken TokenKind = "identity"
	RefToken      TokenKind = "ref"
)

// Links are the tokens of one fact.
type Links struct {
	// Now are the tokens that link: the identifiers and references that the fact has
	// now, its own SID among the references, and every phone that it ever had. A
	// phone goes on linking because whoever else is seen with it must be found,
	// whatever came first: that decides whether the phone is shared.
	Now []Token
	// Seen are all emails and phones it was ever seen with. An email that was
	// replaced links no more, but still says which phones are shared.
	Seen []Token
}

// LinksOf returns the tokens of a fact. Facts of agents and queues have none.
func LinksOf(f *fact.Fact, o *Options) Links { return Read(f, o).Links }

// links are the tokens of a fact that was read.
func (r *Reading) links() Links {
	phones := seen(r.Fact, seenPhone)
	l := Links{Seen: append(tokens(EmailToken, seen(r.Fact, seenEmail)), tokens(PhoneToken, phones)...)}
	linking := slices.Clone(r.given.Phones)
	for _, p := range phones {
		linking = appendNew(linking, p)
	}
	l.Now = slices.Concat(tokens(EmailToken, r.given.Emails), tokens(PhoneToken, linking),
		tokens(IdentityToken, r.given.Identities), tokens(RefToken, refs(r.Fact, r.attributes)))
	return l
}

func tokens(kind TokenKind, values []string) []Token {
	out := make([]Token, len(values))
	for i, v := range values {
		out[i] = Token{kind, v}
	}
	return out
}

// refs are the SIDs by which facts name each other. Free text that a customer
// wrote into conversation_id groups, but does not link people.
func refs(f *fact.Fact, attributes map[string]any) []string {
	var out []string
	add := func(s string) {
		if isSID(s) {
			out = appendNew(out, s)
		}
	}
	switch f.Kind {
	case fact.Task:
		add(str(attributes, "conversations", "conversation_id"))
		add(interactionOf(f, attributes))
		add(first(str(attributes, "conversationSid"), f.Text(fact.ConversationSID)))
		add(str(attributes, "call_sid"))
	case fact.Survey:
		add(f.Text(fact.TaskSID))
		add(f.Text(fact.ConversationSID))
	}
	add(f.SID)
	return out
}

// Component is a set of facts that belong to one customer.
type Component struct {
	// Facts are positions in the slice given to Components, ascending.
	Facts []int
	// Tokens lead to this customer.
	Tokens []Token
}

// Components divides facts into customers. Facts that share an email, an
// identity, a reference, or a phone that is not shared belong together. A phone
// is shared when it is configured so, known to be so (shared), or seen with two
// emails; it joins only what nothing else identifies.
//
// It returns the components in order of their first fact, and all shared phones.
func Components(links []Links, shared map[string]bool, o *Options) ([]Component, map[string]bool) {
	shared = sharedPhones(links, shared, o)
	u := newUnion(len(links))
	owner := make(map[Token]int, 4*len(links))
	for i, l := range links {
		for _, t := range l.Now {
			if t.Kind == PhoneToken && shared[t.Value] {
				continue
			}
			if j, ok := owner[t]; ok {
				u.join(i, j)
			} else {
				owner[t] = i
			}
		}
	}
	joinBySharedPhone(links, shared, u)
	return collect(links, shared, u), shared
}

func sharedPhones(links []Links, known map[string]bool, o *Options) map[string]bool {
	shared := map[string]bool{}
	for p := range known {
		shared[p] = true
	}
	for _, p := range o.SharedPhones {
		shared[p] = true
	}
	withEmail := map[string]string{}
	for _, l := range links {
		for _, p := range l.Seen {
			if p.Kind != PhoneToken {
				continue
			}
			for _, e := range l.Seen {
				if e.Kind != EmailToken {
					continue
				}
				if other, ok := withEmail[p.Value]; ok && other != e.Value {
					shared[p.Value] = true
				}
				withEmail[p.Value] = e.Value
			}
		}
	}
	return shared
}

// joinBySharedPhone joins what has no email, no identity and no phone of its own
// by its (alphabetically first) shared phone: the switchboard's own customer.
func joinBySharedPhone(links []Links, shared map[string]bool, u union) {
	identified := map[int]bool{}
	phone := map[int]string{}
	for i, l := range links {
		root := u.find(i)
		for _, t := range l.Now {
			switch {
			case t.Kind == RefToken:
			case t.Kind == PhoneToken && shared[t.Value]:
				if p, ok := phone[root]; !ok || t.Value < p {
					phone[root] = t.Value
				}
			default:
				identified[root] = true
			}
		}
	}
	owner := map[string]int{}
	for i := range links {
		root := u.find(i)
		p, ok := phone[root]
		if !ok || identified[root] {
			continue
		}
		if other, ok := owner[p]; ok {
			u.join(root, other)
		} else {
			owner[p] = root
		}
	}
}

func collect(links []Links, shared map[string]bool, u union) []Component {
	index := map[int]int{}
	var out []Component
	for i := range links {
		root := u.find(i)
		c, ok := index[root]
		if !ok {
			c = len(out)
			index[root] = c
			out = append(out, Component{})
		}
		out[c].Facts = append(out[c].Facts, i)
	}
	for c := range out {
		out[c].Tokens = tokensOf(links, out[c].Facts, shared)
	}
	return out
}

// tokensOf are the tokens that lead to a component: all that link, and its shared
// phone where nothing else identifies it.
func tokensOf(links []Links, facts []int, shared map[string]bool) []Token {
	var out []Token
	identified := false
	phone := ""
	for _, i := range facts {
		for _, t := range links[i].Now {
			switch {
			case t.Kind == PhoneToken && shared[t.Value]:
				if phone == "" || t.Value < phone {
					phone = t.Value
				}
				continue
			case t.Kind != RefToken:
				identified = true
			}
			out = append(out, t)
		}
	}
	if !identified && phone != "" {
		out = append(out, Token{PhoneToken, phone})
	}
	slices.SortFunc(out, func(a, b Token) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Value, b.Value))
	})
	return slices.Compact(out)
}

// union is a disjoint-set forest whose roots are the smallest members, so that
// the result does not depend on the order of joins.
type union []int

func newUnion(n int) union {
	u := make(union, n)
	for i := range u {
		u[i] = i
	}
	return u
}

func (u union) find(i int) int {
	for u[i] != i {
		u[i] = u[u[i]]
		i = u[i]
	}
	return i
}

func (u union) join(i, j int) {
	i, j = u.find(i), u.find(j)
	if i > j {
		i, j = j, i
	}
	u[j] = i
}
