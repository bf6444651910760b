package brevo

import (
	"context"
	"maps"
	"slices"
	"strings"

	"flexbrevo/connector/record"
)

// Preview reads the account's attributes and lists once, and returns a function that
// says of a contact what delivering it would change, by the same comparison that
// delivering makes and without a call. The account is taken as it will be once the
// plan is carried out; nothing is made. The function may be called from several
// goroutines at once.
func (d *Destination) Preview(ctx context.Context, plan Plan) (func(record.Change) record.Preview, error) {
	acc, err := d.fetchAccount(ctx)
	if err != nil {
		return nil, err
	}
	if !plan.DryRun {
		acc = acc.with(plan)
	}
	return func(c record.Change) record.Preview { return d.preview(c, acc) }, nil
}

// with returns the account with what Provision would make of a plan. A list that is
// missing gets an id that no list has.
func (a *account) with(plan Plan) *account {
	out := &account{at: a.at, attributes: maps.Clone(a.attributes), lists: maps.Clone(a.lists)}
	for _, spec := range plan.Attributes {
		spec.Name = strings.ToUpper(spec.Name)
		if spec.Type == "" {
			spec.Type = "text"
		}
		if _, identifies := identifierRule(spec.Name); identifies || planAttribute(spec, out, len(out.attributes)).Action != Create {
			continue
		}
		def := definition{name: spec.Name, category: "normal", kind: spec.Type}
		for i, label := range spec.Values {
			if spec.Type == "category" {
				def.category = "category"
				def.options = append(def.options, categoryOption(int64(i+1), "", label))
			} else {
				def.options = append(def.options, option{send: label, names: []string{label}})
			}
		}
		out.attributes[spec.Name] = def
	}
	for i, ref := range plan.Lists {
		if _, ok := out.list(ref); !ok && !isNumber(ref) {
			out.lists[int64(-1-i)] = ref
		}
	}
	return out
}

// isNumber says whether a list is named by an id, by which none can be made.
func isNumber(ref string) bool {
	return ref != "" && strings.Trim(ref, "0123456789") == ""
}

// preview says what delivering a contact would change.
func (d *Destination) preview(c record.Change, acc *account) record.Preview {
	if c.Held.Deleted && c.Recreate {
		c.Held = record.Held{}
	}
	if c.Held.Deleted || c.Contact == nil {
		return record.Preview{Action: record.ActionNone, Omissions: []record.Omission{{What: "contact", Reason: skippedDeleted}}}
	}
	w := &writing{d: d, held: copyHeld(c.Held), contact: c.Contact}
	w.wish(acc)
	out := record.Preview{Omissions: w.want.omissions}
	switch {
	case w.held.ID != 0:
		out.Action = record.ActionUpdate
		w.previewUpdate(&out)
	case len(w.want.identifiers) == 0:
		out.Action = record.ActionNone
		return out
	default:
		out.Action = record.ActionCreate
		if !c.Contact.Create {
			out.Action = record.ActionJoin
		}
		w.previewCreate(&out)
	}
	if !out.Changes() {
		out.Action = record.ActionNone
	}
	return out
}

// previewUpdate says what differs from what is held.
func (w *writing) previewUpdate(out *record.Preview) {
	diff := w.diff()
	out.Omissions = append(out.Omissions, diff.omissions...)
	for _, name := range identifierNames() {
		want, wanted := w.want.identifiers[name]
		held, known := w.held.Identifiers[name]
		// An email is added only once the contact was read, so that the difference does not have it yet.
		adds := wanted && name == email && held == ""
		if !wanted || !adds && !slices.Contains(identifiersIn(diff.body), name) {
			continue
		}
		out.Values = append(out.Values, record.ValueChange{Name: name, Old: orNil(held), New: want.value, IfEmpty: adds || held == "" && !known, Rule: want.rule})
	}
	for _, want := range w.want.attributes {
		if _, sent := diff.body.Attributes[want.name]; !sent {
			continue
		}
		held, known := w.held.Attributes[want.name]
		out.Values = append(out.Values, record.ValueChange{
			Name: want.name, Old: held, New: want.value, IfEmpty: want.overwrite == record.Never && !known, Rule: want.rule,
		})
	}
	out.Joins, out.Leaves = refsOf(w.want.lists, diff.body.ListIDs), refsOf(w.want.leave, diff.body.Unlink)
}

// previewCreate says everything of a contact that is not known yet.
func (w *writing) previewCreate(out *record.Preview) {
	for _, name := range identifierNames() {
		if want, ok := w.want.identifiers[name]; ok {
			out.Values = append(out.Values, record.ValueChange{Name: name, New: want.value, Rule: want.rule})
		}
	}
	for _, want := range w.want.attributes {
		if want.value != "" {
			out.Values = append(out.Values, record.ValueChange{Name: want.name, New: want.value, Rule: want.rule})
		}
	}
	for _, m := range w.want.lists {
		out.Joins = append(out.Joins, m.ref)
	}
}

// refsOf returns the words that the rules use for those of the lists that are sent.
func refsOf(lists []membership, ids []int64) (refs []string) {
	for _, m := range lists {
		if slices.Contains(ids, m.id) {
			refs = append(refs, m.ref)
		}
	}
	return refs
}

// orNil is nil for a text that is empty.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
