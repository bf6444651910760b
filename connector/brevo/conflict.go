package brevo

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// duplicate says whether a refusal means that an identifier belongs to another
// contact, and which. The code has been duplicate_parameter and invalid_parameter
// for the same thing and the message has many forms, so that the metadata counts
// most (facts/brevo.md 1.6). Which may be empty: Brevo did not say.
func (e *apiError) duplicate(status int) (which []string, yes bool) {
	if status != http.StatusBadRequest || e == nil {
		return nil, false
	}
	for _, word := range e.Metadata.Duplicates {
		if name, ok := identifierNamed(word); ok {
			which = append(which, name)
		}
	}
	message := strings.ToLower(e.Message)
	yes = len(e.Metadata.Duplicates) > 0 || e.Code == "duplicate_parameter" || strings.Contains(message, "already associate")
	if yes && len(which) == 0 {
		which = mentioned(message)
	}
	return which, yes
}

// refusedIdentifiers says which identifiers Brevo finds invalid, of those that
// were sent, and why they are left out.
func (e *apiError) refusedIdentifiers(status int, sent []string) (which []string, reason string) {
	if status != http.StatusBadRequest || e == nil {
		return nil, ""
	}
	message := strings.ToLower(e.Message)
	if !strings.Contains(message, "invalid") && !strings.Contains(message, "not valid") {
		return nil, ""
	}
	named := mentioned(message)
	switch {
	case slices.ContainsFunc(named, isPhone):
		which = intersect(sent, func(name string) bool { return slices.Contains(named, name) })
		if len(which) == 0 || slices.Equal(named, []string{sms}) {
			// "Invalid phone number" does not say which of them.
			which = intersect(sent, isPhone)
		}
		return which, reasonRefusedPhone
	case slices.Contains(named, email):
		return intersect(sent, func(name string) bool { return name == email }), reasonRefusedEmail
	}
	return nil, ""
}

// mentioned finds identifiers in a lower-case message.
func mentioned(message string) []string {
	var out []string
	for _, c := range []struct{ name, words string }{
		{email, "email"}, {whatsApp, "whatsapp"}, {landline, "landline"}, {extID, "ext_id"},
	} {
		if strings.Contains(message, c.words) {
			out = append(out, c.name)
		}
	}
	other := slices.Contains(out, whatsApp) || slices.Contains(out, landline)
	if strings.Contains(message, "sms") || strings.Contains(message, "phone") && !other {
		out = append(out, sms)
	}
	return out
}

// intersect keeps the names for which ok holds.
func intersect(names []string, ok func(string) bool) []string {
	var out []string
	for _, name := range names {
		if ok(name) {
			out = append(out, name)
		}
	}
	return out
}

// identifiersIn returns the identifiers that a body carries.
func identifiersIn(b *contactBody) []string {
	return intersect(identifierNames(), func(name string) bool {
		switch name {
		case email:
			return b.Email != "" || b.Attributes["EMAIL"] != nil
		case extID:
			return b.ExtID != ""
		}
		return b.Attributes[name] != nil
	})
}

// drop leaves identifiers out of this attempt and remembers them as refused.
func (w *writing) drop(names []string, reason string) {
	for _, name := range names {
		want, ok := w.want.identifiers[name]
		if !ok {
			continue
		}
		delete(w.want.identifiers, name)
		w.held.Refused[name] = want.value
		delete(w.held.Taken, name)
		w.learnt = append(w.learnt, omitted(name, want.value, reason, want.rule))
	}
}

// dropRefused leaves out what Brevo finds invalid, once.
func (w *writing) dropRefused(b *contactBody, got answer) bool {
	if w.dropped {
		return false
	}
	which, reason := got.api.refusedIdentifiers(got.status, identifiersIn(b))
	if len(which) == 0 {
		return false
	}
	w.dropped = true
	w.drop(which, reason)
	return true
}

// dropTaken leaves out an identifier that another contact holds and notes both
// sides; other is 0 where it could not be read.
func (w *writing) dropTaken(name string, other int64) {
	want, ok := w.want.identifiers[name]
	if !ok {
		return
	}
	delete(w.want.identifiers, name)
	w.held.Refused[name], w.held.Taken[name] = want.value, other
	w.learnt = append(w.learnt, conflicting(want, other))
}

// admit forgets that an identifier was refused.
func (w *writing) admit(name string) {
	delete(w.held.Refused, name)
	delete(w.held.Taken, name)
}

// conflicting is the omission of an identifier that another contact holds. It
// names that contact, so that the operator sees both sides.
func conflicting(want wish, other int64) record.Omission {
	o := omitted(want.name, want.value, ReasonConflict, want.rule)
	if other != 0 {
		o.Value += " of contact " + strconv.FormatInt(other, 10)
	}
	return o
}

// correctUpdate changes what an update refused as it was would send next, and
// says whether that is worth a try. An identifier of another contact is left out:
// there is no merge that nobody agreed to.
func (w *writing) correctUpdate(ctx context.Context, b *contactBody, got answer) bool {
	which, duplicate := got.api.duplicate(got.status)
	if !duplicate {
		return w.dropRefused(b, got)
	}
	w.d.answers.noteConflict(got.api)
	sent := identifiersIn(b)
	which = intersect(sent, func(name string) bool { return slices.Contains(which, name) })
	if len(which) == 0 {
		which = sent
	}
	if w.conflicted || len(which) == 0 {
		return false
	}
	w.conflicted = true
	for _, name := range which {
		w.dropTaken(name, w.holderOf(ctx, name))
	}
	return true
}

// holderOf reads which contact holds an identifier, 0 where that cannot be read:
// it is told to people, and nothing hangs on it.
func (w *writing) holderOf(ctx context.Context, name string) int64 {
	found, err := w.fetch(ctx, w.want.text(name), identifierType(name))
	if err != nil || found == nil || found.ID == w.held.ID {
		return 0
	}
	return found.ID
}

// correctCreate does the same for a create; a conflict may also end in adopting
// the contact that exists already. It returns the outcome when there is no next
// try.
func (w *writing) correctCreate(ctx context.Context, b *contactBody, got answer, refused error) (again bool, out record.Outcome) {
	which, duplicate := got.api.duplicate(got.status)
	if !duplicate {
		if w.dropRefused(b, got) {
			return true, record.Outcome{}
		}
		return false, w.fail(refused)
	}
	w.d.answers.noteConflict(got.api)
	if w.conflicted {
		return false, w.fail(unsettled())
	}
	w.conflicted = true
	holder, foreign, err := w.holder(ctx, which, identifiersIn(b))
	switch {
	case err != nil:
		return false, w.fail(err)
	case holder != nil:
		return false, w.adopt(holder)
	}
	for _, name := range identifierNames() {
		if other, ok := foreign[name]; ok {
			w.dropTaken(name, other)
		}
	}
	return true, record.Outcome{}
}

// holder finds the contact that is the customer's among those that hold the
// identifiers of a refused create, or says which identifiers are other people's,
// with their contacts, 0 for one that cannot be read.
// The email is asked for first, whatever Brevo named: its holder is ours. Where
// Brevo named nothing, all are asked for.
func (w *writing) holder(ctx context.Context, named, sent []string) (ours *contactAnswer, foreign map[string]int64, err error) {
	foreign = map[string]int64{}
	for _, name := range sent {
		isNamed := slices.Contains(named, name)
		if !isNamed && name != email && len(named) > 0 {
			continue
		}
		found, err := w.fetch(ctx, w.want.text(name), identifierType(name))
		switch {
		case err != nil:
			return nil, nil, err
		case found != nil && w.ours(found):
			return found, nil, nil
		case found != nil:
			foreign[name] = found.ID
		case isNamed && name == email:
			return nil, nil, unsettled()
		case isNamed && w.want.text(email) != "":
			// Whose it is cannot be read, but our email is free: it is left out.
			foreign[name] = 0
		}
	}
	if len(foreign) == 0 {
		return nil, nil, unsettled()
	}
	return nil, foreign, nil
}

// unsettled is a conflict whose other side cannot be read: it was made just now,
// perhaps by us, and reads lag behind writes.
func unsettled() error {
	return &failure.Error{
		Op: opCreate, Reason: failure.Transient, Status: http.StatusBadRequest, Code: "duplicate_parameter", RetryAfter: tooEarly,
		Err: errors.New("an identifier is taken, and the contact that has it cannot be read yet"),
	}
}
