package brevo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// Why an agreed merge is not made.
const (
	reasonMergeBlocklisted = "not merged: one of the contacts is on a blocklist"
	reasonMergeTurned      = "not merged: another contact than the one agreed to would be deleted"
	reasonMergeRefused     = "not merged: refused by Brevo"
)

// mergeBody asks for a merge of the contact with the one that holds the identifier
// (facts/brevo.md 1.2 and 1.3). Nothing else in this package can.
type mergeBody struct {
	ExtID      string            `json:"ext_id,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	ForceMerge bool              `json:"forceMerge"`
}

func newMergeBody(name, value string) mergeBody {
	switch name {
	case extID:
		return mergeBody{ExtID: value, ForceMerge: true}
	case email:
		name = "EMAIL"
	}
	return mergeBody{Attributes: map[string]string{name: value}, ForceMerge: true}
}

// MergePlan is what a merge of two contacts would do.
type MergePlan struct {
	// Identifier is what both claim, Value what it reads, masked.
	Identifier string `json:"identifier"`
	Value      string `json:"value"`
	// Keeps is the contact that would stay, Deletes the one that would be gone, with
	// its history. Both are zero where Obstacle says that there is nothing to merge.
	Keeps   MergeSide `json:"keeps"`
	Deletes MergeSide `json:"deletes"`
	// With is the one of the two that is not the customer's own.
	With int64 `json:"with"`
	// Obstacle says why the merge would not be made; empty where it would.
	Obstacle string `json:"obstacle,omitempty"`
}

// MergeSide is one contact of a merge, identifiers masked.
type MergeSide struct {
	ID          int64     `json:"id"`
	Email       string    `json:"email,omitempty"`
	Phone       string    `json:"phone,omitempty"`
	ModifiedAt  time.Time `json:"modifiedAt"`
	Blocklisted bool      `json:"blocklisted,omitempty"`
}

// What stands in the way of a merge before anything was agreed to.
const (
	obstacleGone  = "the customer's contact is not in Brevo any more"
	obstacleFree  = "nobody else holds the identifier any more: it is sent with the next change"
	obstacleBlock = "one of the contacts is on a blocklist: merging could lift it"
)

// PlanMerge reads the contact that is held and the one that holds an identifier
// refused to it, and says which of them a merge would keep. It changes nothing and
// takes two calls of the contacts bucket. Errors carry a failure.Reason.
func (d *Destination) PlanMerge(ctx context.Context, h record.Held, identifier string) (MergePlan, error) {
	value, _ := h.Refused[identifier].(string)
	plan := MergePlan{Identifier: identifier, Value: mask(value)}
	w := &writing{d: d, held: h}
	mine, theirs, err := w.bothSides(ctx, identifier, value)
	if err != nil {
		return plan, err
	}
	switch {
	case mine == nil:
		plan.Obstacle = obstacleGone
	case theirs == nil || theirs.ID == mine.ID:
		plan.Obstacle = obstacleFree
	case mine.blocklisted() || theirs.blocklisted():
		plan.Obstacle = obstacleBlock
	}
	if mine == nil || theirs == nil || theirs.ID == mine.ID {
		return plan, nil
	}
	keeps, deletes := survivorOf(mine, theirs)
	plan.Keeps, plan.Deletes, plan.With = sideOf(keeps), sideOf(deletes), theirs.ID
	return plan, nil
}

// survivorOf says which of two contacts a merge keeps: the one that was modified
// last (facts/brevo.md 1.2).
func survivorOf(a, b *contactAnswer) (keeps, deletes *contactAnswer) {
	if a.modified().Before(b.modified()) {
		return b, a
	}
	return a, b
}

// modified is when the contact was last changed; zero where Brevo does not say.
func (c *contactAnswer) modified() time.Time {
	t, err := time.Parse(time.RFC3339, c.ModifiedAt)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func sideOf(c *contactAnswer) MergeSide {
	return MergeSide{
		ID: c.ID, Email: record.Mask(c.identifier(email)), Phone: record.Mask(c.identifier(sms)),
		ModifiedAt: c.modified(), Blocklisted: c.blocklisted(),
	}
}

// bothSides reads the customer's contact and the holder of an identifier; nil for
// one that Brevo does not have.
func (w *writing) bothSides(ctx context.Context, name, value string) (mine, theirs *contactAnswer, err error) {
	if mine, err = w.fetch(ctx, strconv.FormatInt(w.held.ID, 10), "contact_id"); err != nil {
		return nil, nil, err
	}
	theirs, err = w.fetch(ctx, value, identifierType(name))
	return mine, theirs, err
}

// merges makes the merges that were agreed to. It returns false with the outcome
// when there is no going on.
func (w *writing) merges(ctx context.Context) (record.Outcome, bool) {
	for _, name := range identifierNames() {
		agreed, ok := w.contact.Merge[name]
		if !ok || w.want.text(name) == "" {
			continue
		}
		if out, ok := w.merge(ctx, name, agreed); !ok {
			return out, false
		}
	}
	return record.Outcome{}, true
}

// merge makes one of them, if everything is still as it was when it was agreed to.
// It may be repeated after any outcome: a merge that was made is recognised.
func (w *writing) merge(ctx context.Context, name string, agreed record.Merge) (record.Outcome, bool) {
	mine, theirs, err := w.bothSides(ctx, name, w.want.text(name))
	switch {
	case err != nil:
		return w.fail(err), false
	case mine == nil && theirs != nil && theirs.ID == agreed.With && agreed.Deletes == w.held.ID:
		w.survive(name, theirs) // made by an attempt whose answer was lost
		return record.Outcome{}, true
	case mine == nil:
		return w.deleted(ctx), false
	case theirs == nil || theirs.ID == mine.ID:
		w.admit(name)
		return record.Outcome{}, true
	case theirs.ID != agreed.With:
		w.dropTaken(name, theirs.ID)
		return record.Outcome{}, true
	}
	_, deletes := survivorOf(mine, theirs)
	switch {
	case mine.blocklisted() || theirs.blocklisted():
		w.unmerged(name, theirs.ID, reasonMergeBlocklisted)
		return record.Outcome{}, true
	case deletes.ID != agreed.Deletes:
		w.unmerged(name, theirs.ID, reasonMergeTurned)
		return record.Outcome{}, true
	}
	return w.forceMerge(ctx, name, theirs)
}

// unmerged leaves the identifier out, as without an agreement, and says why.
func (w *writing) unmerged(name string, other int64, reason string) {
	want := w.want.identifiers[name]
	w.dropTaken(name, other)
	w.learnt = append(w.learnt, omitted(name, want.value, reason, want.rule))
}

// forceMerge asks for the merge and reads which contact is left.
func (w *writing) forceMerge(ctx context.Context, name string, theirs *contactAnswer) (record.Outcome, bool) {
	before := w.held.ID
	raw, err := json.Marshal(newMergeBody(name, w.want.text(name)))
	if err != nil {
		return w.fail(unencodable(opUpdate, err)), false
	}
	_, err = w.call(ctx, opUpdate, write, http.MethodPut, contactPath(strconv.FormatInt(before, 10), "contact_id"), raw)
	switch failure.ReasonOf(err) {
	case failure.None:
	case failure.Invalid:
		w.unmerged(name, theirs.ID, reasonMergeRefused)
		return record.Outcome{}, true
	default:
		return w.fail(err), false
	}
	mine, now, err := w.bothSides(ctx, name, w.want.text(name))
	if err != nil {
		return w.fail(err), false
	}
	left := cmp.Or(mine, now)
	if left == nil || mine != nil && now != nil && mine.ID != now.ID {
		return w.fail(&failure.Error{Op: opRead, Reason: failure.Transient, RetryAfter: tooEarly, Err: errors.New("two merged contacts cannot be read as one yet")}), false
	}
	w.d.logger.Info("contacts merged", "kept", left.ID, "deleted", before+theirs.ID-left.ID, "identifier", name)
	w.survive(name, left)
	return record.Outcome{}, true
}

// survive goes on with the contact that a merge left. Lists that were begun before
// stay begun: what people take off is not put back.
func (w *writing) survive(name string, left *contactAnswer) {
	clear(w.held.Attributes)
	clear(w.held.Identifiers)
	left.into(&w.held, w.want.names())
	w.admit(name)
	w.fresh, w.merged = left, true
}
