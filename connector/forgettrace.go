package connector

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// erase removes people and blocks their way back. named are tokens they were named by,
// which may be known of nobody. With records it reads all that are kept, for
// what mentions them.
func (f *flow) erase(ctx context.Context, lease store.Lease, people []*store.Person, named []store.Token, records bool) (store.Erased, error) {
	e := &store.Erasure{Connector: f.cfg.Name, Sources: map[string]string{}}
	tr := newTraces()
	until := f.clock()
	bury := func(token store.Token) {
		e.Tombs = append(e.Tombs, f.graves.Tomb(f.cfg.Name, token, until))
		tr.token(token)
	}
	for _, token := range named {
		bury(token)
	}
	for _, p := range people {
		e.Customers = append(e.Customers, p.IDs()...)
		for _, t := range p.Tokens {
			if !t.Shared { // it is others' too
				bury(t.Token)
			}
		}
		for _, s := range p.Facts {
			f.eraseFact(e, s.Fact, bury)
			tr.fact(s.Fact)
		}
		for _, key := range p.Events {
			e.Tombs = append(e.Tombs, f.graves.Tomb(f.cfg.Name, store.Token{Kind: store.EventToken, Value: key}, until))
		}
	}
	e.Traces = tr.shown()
	if records {
		var err error
		if e.Records, err = f.mentioning(ctx, tr); err != nil {
			return store.Erased{}, err
		}
	}
	return f.store.Erase(ctx, lease, e)
}

// eraseFact adds a fact with all that it is known by.
func (f *flow) eraseFact(e *store.Erasure, x *fact.Fact, bury func(store.Token)) {
	key := x.Key()
	e.Facts = append(e.Facts, key)
	bury(store.Token{Kind: store.Ref, Value: key.SID})
	for _, source := range []string{key.SID, figures.AnswerSource(&profile.Answer{Fact: x})} {
		e.Sources[source] = f.graves.Hide(f.cfg.Name, source)
	}
	// Emails that were replaced link no more, but led to the person.
	for _, t := range profile.LinksOf(x, profileOptionsOf(f)).Seen {
		if t.Kind == profile.EmailToken {
			bury(store.Token{Kind: store.Email, Value: t.Value})
		}
	}
}

func profileOptionsOf(f *flow) *profile.Options {
	o := profileOptions(f.cfg)
	return &o
}

// scanBatch is how many records are in memory at once while they are searched.
const scanBatch = 500

// mentioning returns the records that mention somebody, and those that nobody can read
// any more, which may. One that a newer program wrote is searched by that one alone, so
// that nothing is forgotten where there are any.
func (f *flow) mentioning(ctx context.Context, tr *traces) ([]store.BuriedRecord, error) {
	var found []store.BuriedRecord
	newer := 0
	for after := int64(0); ; {
		records, err := f.store.LoadRecordsAfter(ctx, f.cfg.Name, after, scanBatch)
		switch {
		case err != nil:
			return nil, err
		case len(records) == 0 && newer > 0:
			return nil, fmt.Errorf("records cannot be read (%d): a newer flexbrevo wrote them, and only it can say whether they mention the person; forget with that one", newer)
		case len(records) == 0:
			return found, nil
		}
		for _, r := range records {
			after = r.ID
			if r.Damage != "" && r.Damage != record.DamagedBody {
				newer++
			} else if r.Damage != "" || tr.in(r) {
				found = append(found, store.BuriedRecord{ID: r.ID, Key: pipeline.HiddenKey(f.graves, f.cfg.Name, r.Key)})
			}
		}
	}
}

// traces are what gives a person away in a record, in lower case.
type traces struct {
	texts  map[string]bool
	digits map[string]bool
	sids   map[string]bool
}

func newTraces() *traces {
	return &traces{texts: map[string]bool{}, digits: map[string]bool{}, sids: map[string]bool{}}
}

// shortestIdentity is the least length of an identity that is searched for: a shorter
// one would be found in what is somebody else's.
const shortestIdentity = 6

func (t *traces) token(token store.Token) {
	value := strings.ToLower(token.Value)
	switch {
	case token.Kind == store.Phone:
		t.digits[strings.TrimPrefix(value, "+")] = true
	case token.Kind == store.Ref:
		t.sid(value)
	case token.Kind == store.Email, len(value) >= shortestIdentity:
		t.texts[value] = true
		t.texts[strings.ReplaceAll(value, "@", "%40")] = true
	}
}

// sidLength is the length of Twilio's SIDs: two letters and 32 digits.
const sidLength = 34

// sid adds what is a SID, or has one at its end as the names of parts do.
func (t *traces) sid(s string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		s = s[i+1:]
	}
	if len(s) == sidLength {
		t.sids[strings.ToLower(s)] = true
	}
}

func (t *traces) fact(f *fact.Fact) {
	t.sid(f.SID)
	for name := range f.Parts {
		if !strings.HasPrefix(name, fact.Entry) { // of a queue, which is everybody's
			t.sid(name)
		}
	}
}

// shown are the traces as a refusal may show them: whole or masked.
func (t *traces) shown() []string {
	var out []string
	for text := range t.texts {
		out = append(out, text)
		if strings.Contains(text, "@") {
			out = append(out, record.Mask(text))
		}
	}
	for digits := range t.digits {
		out = append(out, digits, record.Mask("+"+digits))
	}
	for sid := range t.sids {
		out = append(out, strings.ToUpper(sid[:2])+sid[2:])
	}
	return out
}

// in says whether a record mentions the person.
func (t *traces) in(r record.Record) bool {
	body := bytes.ToLower(append([]byte(r.Key+" "), r.Body...))
	for text := range t.texts {
		if bytes.Contains(body, []byte(text)) {
			return true
		}
	}
	for number := range t.digits {
		if holdsNumber(body, []byte(number)) {
			return true
		}
	}
	for i := 0; i+sidLength <= len(body); i++ {
		letters := body[i] >= 'a' && body[i+1] >= 'a'
		if letters && isHex(body[i+2]) && isHex(body[i+sidLength-1]) && t.sids[string(body[i:i+sidLength])] {
			return true
		}
	}
	return false
}

func isHex(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' }

// holdsNumber says whether a number is in a text and is no part of a longer one.
func holdsNumber(text, number []byte) bool {
	digit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	for from := 0; ; {
		i := bytes.Index(text[from:], number)
		if i < 0 {
			return false
		}
		i += from
		if !digit(i-1) && !digit(i+len(number)) {
			return true
		}
		from = i + 1
	}
}
