package brevosim

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// contactBody is what POST and PUT of a contact may hold (facts/brevo.md 1.2, 1.3).
type contactBody struct {
	Email         string                     `json:"email"`
	ExtID         *string                    `json:"ext_id"`
	Attributes    map[string]json.RawMessage `json:"attributes"`
	ListIDs       []int64                    `json:"listIds"`
	UnlinkListIDs []int64                    `json:"unlinkListIds"`
	EmailBlocked  *bool                      `json:"emailBlacklisted"`
	SMSBlocked    *bool                      `json:"smsBlacklisted"`
	UpdateEnabled bool                       `json:"updateEnabled"`
	ForceMerge    bool                       `json:"forceMerge"`
	GetID         bool                       `json:"getId"`
}

// contactWrite is a checked body: what is to be written.
type contactWrite struct {
	contactBody
	call    *call
	set     identifiers
	cleared [kinds]bool
	changes []attributeChange
}

// createContact is POST /contacts.
func (s *Server) createContact(c *call) answer {
	w, refusal, ok := s.readContact(c)
	if !ok {
		return refusal
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	a.audit(w)
	if w.set[kindEmail] == "" && w.set[kindExtID] == "" && w.set[kindSMS] == "" {
		return refuse(http.StatusBadRequest, codeMissing, "Please provide Email, ext_id or SMS attribute value to create user")
	}
	if refusal, bad := a.unknownList(w.ListIDs); bad {
		return refusal
	}
	return s.upsert(a, w, now)
}

// upsert creates the contact, or updates the one that holds its identifiers where the body allows it.
func (s *Server) upsert(a *account, w *contactWrite, now time.Time) answer {
	holders, taken := a.holders(w.set, nil)
	switch {
	case len(holders) == 0:
		created := a.create(w, now)
		return reply(http.StatusCreated, idBody{created.id})
	case w.ForceMerge:
		return a.update(w, latest(holders), holders, now, w.GetID)
	case !w.UpdateEnabled || len(holders) > 1:
		return s.conflict(w.call.quirks, "create", taken)
	}
	return a.update(w, holders[0], nil, now, w.GetID && w.call.quirks.IDOnUpdate)
}

type idBody struct {
	ID int64 `json:"id"`
}

// latest returns the contact that was modified last, which is the one that survives a forced merge.
func latest(holders []*contact) *contact {
	return slices.MaxFunc(holders, func(a, b *contact) int { return a.modified.Compare(b.modified) })
}

// update merges the holders, if there are any, into one of them, writes into it, and answers 204, or 201 with the id
// where that is wanted.
func (a *account) update(w *contactWrite, target *contact, holders []*contact, now time.Time, withID bool) answer {
	if now.Sub(target.created) < w.call.quirks.TooEarlyFor {
		return tooEarly()
	}
	a.merge(target, holders)
	a.write(w, target, now)
	if withID {
		return reply(http.StatusCreated, idBody{target.id})
	}
	return empty(http.StatusNoContent)
}

// updateContact is PUT /contacts/{identifier}.
func (s *Server) updateContact(c *call) answer {
	w, refusal, ok := s.readContact(c)
	if !ok {
		return refusal
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	a.audit(w)
	target, refusal, ok := a.lookUp(c)
	if !ok {
		return refusal
	}
	if refusal, bad := a.unknownList(append(slices.Clone(w.ListIDs), w.UnlinkListIDs...)); bad {
		return refusal
	}
	holders, taken := a.holders(w.set, target)
	if len(taken) > 0 && !w.ForceMerge {
		return s.conflict(c.quirks, "update", taken)
	}
	if len(taken) == 0 {
		return a.update(w, target, nil, now, false)
	}
	holders = append(holders, target)
	return a.update(w, latest(holders), holders, now, false)
}

// readContact parses and checks the body of a contact write. Identifiers that Brevo would refuse are refused here;
// attribute values that it would drop are dropped.
func (s *Server) readContact(c *call) (*contactWrite, answer, bool) {
	w := &contactWrite{call: c}
	if err := json.Unmarshal(c.body, &w.contactBody); err != nil {
		return nil, malformed(), false
	}
	rules := s.rules(c.quirks)
	if rules.orphanTransactional(w.Attributes) {
		return nil, refuse(http.StatusBadRequest, codeInvalid, "Transactional attribute as primary Key is missing"), false
	}
	if err := w.identify(rules, c.quirks); err != nil {
		return nil, refuse(http.StatusBadRequest, codeInvalid, err.Error()), false
	}
	w.changes = rules.changes(w.Attributes)
	return w, answer{}, true
}

// rules returns how attribute values are judged at the moment.
func (s *Server) rules(q *Quirks) attributeRules {
	s.mu.Lock()
	defer s.mu.Unlock()
	return attributeRules{known: s.account.attributeNames, clear: q.Clear}
}

// identify collects the identifiers of the body. EXT_ID among the attributes is documented for files only and is not
// looked at; the email of a new contact stands at the top, that of an existing one among the attributes.
func (w *contactWrite) identify(rules attributeRules, q *Quirks) error {
	var err error
	if w.Email != "" {
		err = w.add(kindEmail, w.Email, q)
	}
	if w.ExtID != nil && *w.ExtID == "" {
		w.cleared[kindExtID] = true
	} else if w.ExtID != nil {
		err = errors.Join(err, w.add(kindExtID, *w.ExtID, q))
	}
	for _, k := range []kind{kindEmail, kindSMS, kindWhatsApp, kindLandline} {
		raw, present := w.Attributes[k.attribute()]
		if k == kindEmail && w.call.endpoint.method == http.MethodPost {
			continue
		}
		var value string
		switch {
		case !present:
		case rules.clears(raw):
			w.cleared[k] = true
		case isString(raw) && json.Unmarshal(raw, &value) == nil:
			err = errors.Join(err, w.add(k, value, q))
		}
	}
	return err
}

func (w *contactWrite) add(k kind, value string, q *Quirks) (err error) {
	w.set[k], err = k.normalise(value)
	if err == nil && k.phone() && q.refuses(w.set[k]) {
		err = errPhone
	}
	return err
}

// refuses reports whether a well-formed number is one that this account does not take.
func (q *Quirks) refuses(digits string) bool {
	return slices.ContainsFunc(q.RefusedPhones, func(prefix string) bool { return strings.HasPrefix(digits, prefix) })
}

// create stores a new contact.
func (a *account) create(w *contactWrite, now time.Time) *contact {
	for k, value := range w.set {
		if _, was := a.deleted[deletedKey{kind(k), value}]; was && value != "" && !w.call.quirks.Allow.Recreation {
			a.violate("contact recreated that was deleted in brevo, by %s", kind(k).attribute())
		}
	}
	data := contactData{ids: w.set}
	data.set(w.changes)
	data.block(w)
	c := a.insert(data, now)
	for _, id := range w.ListIDs {
		a.enlist(c, id)
	}
	return c
}

// write applies a body to an existing contact.
func (a *account) write(w *contactWrite, c *contact, now time.Time) {
	a.auditUpdate(w, c)
	if email := w.set[kindEmail]; email != "" && email != c.ids[kindEmail] {
		// The trap of facts/brevo.md 1.3: a new address is not the one that was blocklisted.
		c.emailBlocked = false
	}
	values := c.ids
	for k := range kinds {
		if w.set[k] != "" {
			values[k] = w.set[k]
		} else if w.cleared[k] {
			values[k] = ""
		}
	}
	a.identify(c, values)
	c.set(w.changes)
	c.block(w)
	for _, id := range w.UnlinkListIDs {
		a.delist(c, id)
	}
	for _, id := range w.ListIDs {
		a.enlist(c, id)
	}
	a.changed(c, now)
}

// block applies consent flags. False means allow: it takes a contact off the blocklist (facts/brevo.md 0).
func (c *contactData) block(w *contactWrite) {
	if w.EmailBlocked != nil {
		c.emailBlocked = *w.EmailBlocked
	}
	if w.SMSBlocked != nil {
		c.smsBlocked = *w.SMSBlocked
	}
}

// lookUp finds the contact that a path names. Without identifierType an email or a numeric id is recognised, and by
// GET a phone number too (facts/brevo.md 1.3).
func (a *account) lookUp(c *call) (*contact, answer, bool) {
	value, named := c.path("identifier"), c.query.Get("identifierType")
	get := c.endpoint.method == http.MethodGet
	found, err := a.findAs(cmp.Or(named, guessKind(value, get)), value)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeInvalid, err.Error()), false
	}
	if found == nil && named == "" && get {
		found = a.holder[kindSMS][value]
	}
	if found == nil {
		return nil, contactMissing(), false
	}
	return found, answer{}, true
}

// findAs looks a contact up by one kind of identifier.
func (a *account) findAs(kindName, value string) (*contact, error) {
	if kindName == "contact_id" {
		id, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, errContactID
		}
		return a.contacts[id], nil
	}
	k, known := kindOfPath(kindName)
	if !known {
		return nil, errKind
	}
	normal, err := k.normalise(value)
	if err != nil {
		return nil, err
	}
	return a.holder[k][normal], nil
}

// guessKind says what an identifier without a type is taken for.
func guessKind(value string, phones bool) string {
	switch {
	case strings.Contains(value, "@"):
		return kindEmail.pathType()
	case phones && strings.HasPrefix(value, "+"):
		return kindSMS.pathType()
	}
	return "contact_id"
}

// conflict refuses identifiers that another contact holds. Code, message and spelling vary from one answer to the next,
// as reports of the real ones do (facts/brevo.md 1.6).
func (s *Server) conflict(q *Quirks, verb string, taken []kind) answer {
	body := refusalBody{Code: codeDuplicate}
	if s.random.below(2) == 0 {
		body.Code = codeInvalid
	}
	names := make([]string, 0, len(taken))
	for _, k := range taken {
		spellings := k.spellings()
		names = append(names, spellings[s.random.below(len(spellings))])
	}
	lead := [...]string{"Unable to " + verb + " contact, ", ""}[s.random.below(2)]
	word := [...]string{"associated", "associate"}[s.random.below(2)]
	body.Message = lead + strings.Join(names, ", ") + " is already " + word + " with another Contact"
	if !q.BareConflicts {
		body.Metadata = &refusalMetadata{Duplicates: names}
	}
	return reply(http.StatusBadRequest, body)
}
