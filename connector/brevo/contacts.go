package brevo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	opCreate = "POST /contacts"
	opUpdate = "PUT /contacts/{identifier}"
	opRead   = "GET /contacts/{identifier}"
)

// Reasons of omissions that a contact's state or Brevo's answer gives.
const (
	reasonEmailDiffers      = "email differs from the one in Brevo"
	reasonIdentifierDiffers = "identifier differs from the one in Brevo"
	reasonBlocklisted       = "no email added to a blocklisted contact"
	ReasonConflict          = "conflicting identifier" // another contact holds it
	reasonRefusedPhone      = "refused phone"
	reasonRefusedEmail      = "refused email"
)

// contactBody is what goes on the wire for a contact. It has no field for a
// blocklist flag, for updateEnabled or for forceMerge, so that none can be sent
// with one; an agreed merge has a body of its own.
type contactBody struct {
	Email      string         `json:"email,omitempty"`
	ExtID      string         `json:"ext_id,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	ListIDs    []int64        `json:"listIds,omitempty"`
	Unlink     []int64        `json:"unlinkListIds,omitempty"` // of an update
}

// empty says whether there is nothing to send.
func (b *contactBody) empty() bool {
	return b.ExtID == "" && len(b.Attributes) == 0 && len(b.ListIDs) == 0 && len(b.Unlink) == 0
}

// set puts an identifier where Brevo wants it: on a create email and ext_id are
// fields, the phones are attributes (facts/brevo.md 1.1).
func (b *contactBody) set(name string, value any) {
	switch name {
	case email:
		b.Email = value.(string)
	case extID:
		b.ExtID = value.(string)
	default:
		b.Attributes[name] = value
	}
}

// writing is one attempt at one contact.
type writing struct {
	d       *Destination
	want    *desired
	held    record.Held
	contact *record.Contact
	// notOurs are contacts of other customers of ours, which are never adopted.
	notOurs []int64
	calls   int
	// op is the last writing call that was made, status its answer, sent what Brevo
	// took of all.
	op     string
	status int
	sent   []string
	// learnt are omissions that Brevo's answers gave; they are told even when the
	// attempt fails, because the next one will not find them out again.
	learnt []record.Omission
	// fresh is the contact as it was read by its id in this attempt, or nil.
	fresh *contactAnswer
	// conflicted and dropped say which corrections were made: each once. merged says
	// that two contacts were merged.
	conflicted, dropped, merged bool
	// recreate has a contact that was deleted made again.
	recreate bool
}

// deliverContact makes one attempt at a contact.
func (d *Destination) deliverContact(ctx context.Context, c record.Change) record.Outcome {
	w := &writing{d: d, held: copyHeld(c.Held), contact: c.Contact, notOurs: c.NotOurs, recreate: c.Recreate}
	if c.Held.Deleted {
		w.held = copyHeld(record.Held{})
	}
	if c.Stale {
		forgetEmpty(&w.held)
		w.held = copyHeld(w.held)
	}
	names := attributeNames(c.Contact)
	acc, err := d.known(ctx, func(a *account) bool { return a.has(names, slices.Concat(c.Contact.Lists, c.Contact.Leave)) })
	if err != nil {
		return w.fail(err)
	}
	w.wish(acc)
	if w.held.ID != 0 {
		return w.update(ctx)
	}
	return w.begin(ctx)
}

// begin writes a contact of which nothing is known.
func (w *writing) begin(ctx context.Context) record.Outcome {
	switch {
	case len(w.want.identifiers) == 0:
		return w.skip(skippedNoIdentifier)
	case w.contact.Create:
		return w.create(ctx)
	}
	return w.find(ctx)
}

// wish says what the contact should be in the terms of the account, without what
// Brevo refused before.
func (w *writing) wish(a *account) {
	w.want = newDesired(w.contact, a)
	w.addPhone()
	w.want.withoutRefused(&w.held, w.contact.Merge)
}

// attributeNames returns the upper-case names of the attributes with a value.
func attributeNames(c *record.Contact) []string {
	var out []string
	for _, a := range c.Attributes {
		name := strings.ToUpper(a.Name)
		if _, isID := identifierRule(name); !isID && a.Value != nil {
			out = append(out, name)
		}
	}
	return out
}

// addPhone makes the resolved phone the identifier of a contact that has neither
// an email nor an SMS rule, and also what an existing one is looked up by.
func (w *writing) addPhone() {
	if w.held.ID != 0 || w.want.text(sms) != "" || w.contact.Phone == "" {
		return
	}
	if w.want.text(email) == "" {
		w.want.wantIdentifier(sms, record.Attribute{Name: sms, Value: w.contact.Phone}, w.contact.Phone)
	}
}

// call makes a request and counts it if it got as far as the wire.
func (w *writing) call(ctx context.Context, op string, k kind, method, path string, body []byte) (answer, error) {
	got, err := w.d.call(ctx, op, k, method, path, body)
	var e *failure.Error
	kept := errors.As(err, &e) && e.Status == 0 && (e.Reason == failure.RateLimited || e.Reason == failure.Interrupted)
	if !kept {
		w.calls++
		if k == write {
			w.op, w.status = op, got.status
		}
	}
	return got, err
}

// create writes a contact that we know nothing of. It does not ask for an update:
// when the contact exists, Brevo refuses and we learn whose it is.
func (w *writing) create(ctx context.Context) record.Outcome {
	for {
		if w.want.text(email) == "" && w.want.text(sms) == "" && w.want.text(extID) == "" {
			return w.skip(skippedNoIdentifier)
		}
		body := w.createBody()
		raw, err := json.Marshal(body)
		if err != nil {
			return w.fail(unencodable(opCreate, err))
		}
		got, err := w.call(ctx, opCreate, write, http.MethodPost, "/contacts", raw)
		if err == nil {
			return w.created(ctx, body, got)
		}
		if again, out := w.correctCreate(ctx, body, got, err); !again {
			return out
		}
	}
}

// createBody says everything of a new contact.
func (w *writing) createBody() *contactBody {
	b := &contactBody{Attributes: map[string]any{}}
	for name, want := range w.want.identifiers {
		b.set(name, want.value)
	}
	for _, want := range w.want.attributes {
		if want.value != "" {
			b.Attributes[want.name] = want.value
		}
	}
	for _, m := range w.want.lists {
		b.ListIDs = append(b.ListIDs, m.id)
	}
	return b
}

// created takes in the answer to a create. A 204 has no id (facts/brevo.md 1.2),
// so that the contact is read by the identifier it was made with.
func (w *writing) created(ctx context.Context, body *contactBody, got answer) record.Outcome {
	var made struct{ ID int64 }
	if len(got.body) > 0 && (json.Unmarshal(got.body, &made) != nil || made.ID <= 0) {
		return w.fail(unreadable(opCreate, write, got.status))
	}
	if made.ID == 0 {
		holder, err := w.strongest(ctx)
		if err != nil {
			return w.fail(err)
		}
		if holder == nil {
			// Reads may lag behind writes. The next attempt is refused as a duplicate
			// and finds it then.
			return w.fail(&failure.Error{Op: opRead, Reason: failure.Transient, RetryAfter: tooEarly, Err: errors.New("the contact just written cannot be read yet")})
		}
		made.ID = holder.ID
	}
	w.held.ID = made.ID
	for _, want := range w.want.attributes {
		w.held.Attributes[want.name] = nil
	}
	w.accepted(body)
	for _, m := range w.want.leave {
		leaveList(&w.held, m.id) // it never was on it
	}
	return w.done()
}

// strongest reads the contact by the strongest identifier that was sent.
func (w *writing) strongest(ctx context.Context) (*contactAnswer, error) {
	for _, name := range identifierNames() {
		if v := w.want.text(name); v != "" {
			return w.fetch(ctx, v, identifierType(name))
		}
	}
	return nil, nil
}

// fetch reads a contact; nil means that Brevo has none.
func (w *writing) fetch(ctx context.Context, value, kind string) (*contactAnswer, error) {
	got, err := w.call(ctx, opRead, read, http.MethodGet, contactPath(value, kind), nil)
	if failure.ReasonOf(err) == failure.Gone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c contactAnswer
	if json.Unmarshal(got.body, &c) != nil || c.ID <= 0 {
		return nil, unreadable(opRead, read, got.status)
	}
	return &c, nil
}

// find looks for a contact that must exist already.
func (w *writing) find(ctx context.Context) record.Outcome {
	names := []string{email, sms, extID}
	if w.contact.Phone != "" && w.want.text(sms) == "" {
		w.want.wantIdentifier(sms, record.Attribute{Name: sms, Value: w.contact.Phone}, w.contact.Phone)
	}
	for _, name := range names {
		value := w.want.text(name)
		if value == "" {
			continue
		}
		holder, err := w.fetch(ctx, value, identifierType(name))
		if err != nil {
			return w.fail(err)
		}
		if holder != nil && w.ours(holder) {
			return w.adopt(holder)
		}
	}
	return w.skip(skippedAbsent)
}

// ours says whether a contact that has one of our identifiers is the customer's:
// unless it has the email of somebody else, or is another customer's of ours.
func (w *writing) ours(holder *contactAnswer) bool {
	if slices.Contains(w.notOurs, holder.ID) {
		return false
	}
	theirs, mine := holder.identifier(email), w.want.text(email)
	return theirs == "" || mine == "" || sameIdentifier(email, theirs, mine)
}

// adopt hands the contact's holder to the caller. Nothing was written.
func (w *writing) adopt(holder *contactAnswer) record.Outcome {
	holder.into(&w.held, w.want.names())
	return record.Outcome{Adopt: true, Held: w.held, Calls: w.calls, Omissions: w.learnt}
}

// accepted notes what Brevo took.
func (w *writing) accepted(b *contactBody) {
	for name := range w.want.identifiers {
		w.acceptedIdentifier(name, b)
	}
	for _, want := range w.want.attributes {
		if v, sent := b.Attributes[want.name]; sent {
			w.held.Attributes[want.name] = v
		}
	}
	for _, id := range b.ListIDs {
		joinList(&w.held, id)
	}
	for _, id := range b.Unlink {
		leaveList(&w.held, id)
	}
	w.sent = append(w.sent, w.namesIn(b)...)
}

// namesIn returns the names of what a body says, lists as the rules name them.
func (w *writing) namesIn(b *contactBody) []string {
	out := identifiersIn(b)
	for _, want := range w.want.attributes {
		if _, sent := b.Attributes[want.name]; sent {
			out = append(out, want.name)
		}
	}
	for _, ref := range refsOf(w.want.lists, b.ListIDs) {
		out = append(out, "list "+ref)
	}
	for _, ref := range refsOf(w.want.leave, b.Unlink) {
		out = append(out, "off list "+ref)
	}
	return out
}

// acceptedIdentifier notes an identifier if the body carried it.
func (w *writing) acceptedIdentifier(name string, b *contactBody) {
	var sent string
	switch name {
	case email:
		added, _ := b.Attributes["EMAIL"].(string)
		sent = b.Email + added
	case extID:
		sent = b.ExtID
	default:
		sent, _ = b.Attributes[name].(string)
	}
	if sent != "" {
		w.held.Identifiers[name] = sent
		w.admit(name)
	}
}

// done is the outcome of a write that Brevo took. A value that was to be cleared
// and is empty is held as cleared, so that it is not cleared once more.
func (w *writing) done() record.Outcome {
	for _, want := range w.want.attributes {
		if v, known := w.held.Attributes[want.name]; known && v == nil && want.value == "" {
			w.held.Attributes[want.name] = ""
		}
	}
	forgetEmpty(&w.held)
	return record.Outcome{Held: w.held, Call: w.op, Sent: w.sent, Status: w.status, Calls: w.calls, Omissions: w.omissions()}
}

// skip is the outcome when nothing is to be sent.
func (w *writing) skip(why string) record.Outcome {
	out := w.done()
	out.Skipped = why
	if why == skippedNoIdentifier && len(out.Omissions) == 0 {
		out.Omissions = []record.Omission{{What: "contact", Reason: skippedNoIdentifier}}
	}
	return out
}

// deleted is the outcome when the contact is gone from Brevo: it is not made again,
// unless that is wanted.
func (w *writing) deleted(ctx context.Context) record.Outcome {
	if w.recreate {
		return w.afresh(ctx)
	}
	w.held.Deleted = true
	out := w.skip(skippedDeleted)
	out.Omissions = append(w.learnt, record.Omission{What: "contact", Reason: skippedDeleted})
	return out
}

// afresh goes on as if nothing had been known of the contact. Lists are joined anew:
// nobody took the new contact off one.
func (w *writing) afresh(ctx context.Context) record.Outcome {
	w.held, w.fresh = copyHeld(record.Held{}), nil
	w.addPhone()
	return w.begin(ctx)
}

// omissions returns those found beforehand and those learnt.
func (w *writing) omissions() []record.Omission {
	return append(w.want.omissions, w.learnt...)
}

// fail is the outcome of an attempt that came to nothing. Unless no call was
// made, what was empty may not be so any more at the next one.
func (w *writing) fail(err error) record.Outcome {
	if w.calls > 0 {
		forgetEmpty(&w.held)
	}
	out := failed(err)
	out.Held, out.Call, out.Sent, out.Calls, out.Omissions = w.held, w.op, w.sent, w.calls, w.learnt
	return out
}

// failed is the part of an outcome that an error tells.
func failed(err error) record.Outcome {
	out := record.Outcome{Reason: failure.ReasonOf(err), Err: err}
	var e *failure.Error
	if errors.As(err, &e) {
		out.Status, out.RetryAfter = e.Status, e.RetryAfter
	}
	return out
}

// unencodable is a value that JSON has no word for; conversion lets none through.
func unencodable(op string, err error) error {
	return &failure.Error{Op: op, Reason: failure.Invalid, Err: fmt.Errorf("write as JSON: %T", err)}
}
