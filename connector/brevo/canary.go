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
	there, err := d.readCanary(ctx, id)
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
	return report, nil
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

func (d *Destination) readCanary(ctx context.Context, id int64) (*contactAnswer, error) {
	w := &writing{d: d}
	for range canaryReads {
		there, err := w.fetch(ctx, strconv.FormatInt(id, 10), "contact_id")
		if err != nil || there != nil {
			return there, err
		}
		timer := time.NewTimer(canaryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, lost(ctx, opRead, read, &sendError{cause: context.Cause(ctx)})
		}
	}
	return nil, &failure.Error{Op: opRead, Reason: failure.Transient, Err: errors.New("the canary contact cannot be read")}
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
