package brevo

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	opDelete = "DELETE /contacts/{identifier}"
	// reasonDropped is noted where Brevo took a value and does not have it.
	reasonDropped = "value accepted and dropped by Brevo"
	// canaryReads is how often the canary is read until it is there: reads may lag.
	canaryReads, canaryPause = 5, 2 * time.Second
)

// CanaryReport is what became of the canary's values.
type CanaryReport struct {
	// Kept are the attributes that Brevo holds as they were sent.
	Kept []string `json:"kept"`
	// Omissions are those that it dropped, and those that could not be sent.
	Omissions []record.Omission `json:"omissions"`
	// Clears says what empties an attribute; empty where nothing was kept.
	Clears string `json:"clears,omitempty"`
}

// Canary writes a contact with a value for each attribute, reads it back and
// deletes it, because Brevo drops in silence what does not fit (facts/brevo.md 2).
// The contact has an ext_id of its own and neither email nor phone, so that nobody
// can be written to. An error means that this came to no end; where it is the
// deletion that failed, the error names the contact that is left.
func (d *Destination) Canary(ctx context.Context, specs []AttributeSpec) (report CanaryReport, err error) {
	acc, err := d.fetchAccount(ctx)
	if err != nil {
		return report, err
	}
	wants := canaryWishes(specs, acc, &report)
	if len(wants) == 0 {
		return report, nil
	}
	id, err := d.createCanary(ctx, wants)
	if err != nil {
		return report, err
	}
	defer func() {
		if e := d.deleteCanary(context.WithoutCancel(ctx), id); e != nil {
			err = errors.Join(err, fmt.Errorf("delete canary contact %d: %w", id, e))
		}
	}()
	there, err := d.readCanary(ctx, id, func(*contactAnswer) bool { return true })
	if err != nil {
		return report, err
	}
	for _, want := range wants {
		if sameValue(there.Attributes[want.name], want.value, want.def) {
			report.Kept = append(report.Kept, want.name)
			continue
		}
		report.Omissions = append(report.Omissions, record.Omission{What: want.name, Reason: reasonDropped, Rule: want.rule})
	}
	if len(report.Kept) > 0 {
		report.Clears, err = d.clearCanary(ctx, id, telling(report.Kept, wants))
	}
	return report, err
}

// telling is the attribute by which clearing is tried: "" may be a value of a text,
// so another type tells more.
func telling(kept []string, wants []wish) string {
	for _, want := range wants {
		if want.def.kind != "text" && slices.Contains(kept, want.name) {
			return want.name
		}
	}
	return kept[0]
}

// clearCanary finds out what empties an attribute.
func (d *Destination) clearCanary(ctx context.Context, id int64, name string) (string, error) {
	for _, try := range []struct {
		value any
		means string
	}{{"", clearsByEmpty}, {nil, clearsByNull}} {
		raw, err := json.Marshal(contactBody{Attributes: map[string]any{name: try.value}})
		if err != nil {
			return "", unencodable(opUpdate, err)
		}
		if _, err := d.call(ctx, opUpdate, write, http.MethodPut, contactPath(strconv.FormatInt(id, 10), "contact_id"), raw); err != nil && failure.ReasonOf(err) != failure.Invalid {
			return "", err
		}
		there, err := d.readCanary(ctx, id, func(c *contactAnswer) bool { return isEmpty(c.Attributes[name]) })
		if err != nil {
			return "", err
		}
		if isEmpty(there.Attributes[name]) {
			d.answers.note(QuestionClear, try.means)
			return try.means, nil
		}
	}
	d.answers.note(QuestionClear, clearsByNone)
	return clearsByNone, nil
}

// isEmpty says whether an attribute that was read has no value.
func isEmpty(v any) bool {
	list, isList := v.([]any)
	return v == nil || v == "" || isList && len(list) == 0
}

// canaryWishes makes a value for each attribute that can have one.
func canaryWishes(specs []AttributeSpec, acc *account, report *CanaryReport) []wish {
	var wants []wish
	for _, spec := range specs {
		name := strings.ToUpper(spec.Name)
		if _, identifies := identifierRule(name); identifies || slices.ContainsFunc(wants, func(w wish) bool { return w.name == name }) {
			continue
		}
		def, known := acc.attributes[name]
		value, reason := sample(def), unfit(def, known, cmp.Or(spec.Type, "text"))
		if reason == "" && value == nil {
			reason = reasonNoValues
		}
		if reason != "" {
			report.Omissions = append(report.Omissions, record.Omission{What: name, Reason: reason, Rule: spec.Rule})
			continue
		}
		wants = append(wants, wish{name: name, value: value, def: def, rule: spec.Rule})
	}
	return wants
}

// sample is a value of an attribute's type, nil where it has none.
func sample(def definition) any {
	switch def.kind {
	case "date":
		return "2026-01-31"
	case "float":
		return 1.5
	case "boolean":
		return true
	case "category":
		if len(def.options) > 0 {
			return def.options[0].send
		}
		return nil
	case "multiple-choice":
		if len(def.options) > 0 {
			return []any{def.options[0].send}
		}
		return nil
	}
	return "canary"
}

func (d *Destination) createCanary(ctx context.Context, wants []wish) (int64, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	body := contactBody{ExtID: "flexbrevo-canary-" + hex.EncodeToString(random[:]), Attributes: map[string]any{}}
	for _, want := range wants {
		body.Attributes[want.name] = want.value
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, unencodable(opCreate, err)
	}
	got, err := d.call(ctx, opCreate, write, http.MethodPost, "/contacts", raw)
	if err != nil {
		return 0, err
	}
	var made struct{ ID int64 }
	if json.Unmarshal(got.body, &made) != nil || made.ID <= 0 {
		return 0, unreadable(opCreate, write, got.status)
	}
	return made.ID, nil
}

// readCanary reads the canary until it is as it should be, or for as long as reads
// may lag; then it returns it as it was last.
func (d *Destination) readCanary(ctx context.Context, id int64, done func(*contactAnswer) bool) (*contactAnswer, error) {
	w := &writing{d: d}
	var last *contactAnswer
	for range canaryReads {
		there, err := w.fetch(ctx, strconv.FormatInt(id, 10), "contact_id")
		if err != nil {
			return nil, err
		}
		if last = there; there != nil && done(there) {
			return there, nil
		}
		timer := time.NewTimer(canaryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, lost(ctx, opRead, read, &sendError{cause: context.Cause(ctx)})
		}
	}
	if last == nil {
		return nil, &failure.Error{Op: opRead, Reason: failure.Transient, Err: errors.New("the canary contact cannot be read")}
	}
	return last, nil
}

// deleteCanary deletes the contact that createCanary made, and no other can be: its
// id came from the answer to its creation.
func (d *Destination) deleteCanary(ctx context.Context, id int64) error {
	_, err := d.call(ctx, opDelete, write, http.MethodDelete, contactPath(strconv.FormatInt(id, 10), "contact_id"), nil)
	if failure.ReasonOf(err) == failure.Gone {
		return nil
	}
	return err
}
