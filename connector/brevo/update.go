package brevo

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// update writes what differs from what is held, by the contact's id.
func (w *writing) update(ctx context.Context) record.Outcome {
	if out, ok := w.merges(ctx); !ok {
		return out
	}
	for {
		diff := w.diff()
		if diff.blind {
			if out, ok := w.reread(ctx); !ok {
				return out
			}
			diff = w.diff()
		}
		if diff.body.empty() {
			w.want.omissions = append(w.want.omissions, diff.omissions...)
			if w.merged {
				return w.done()
			}
			return w.skip(skippedUnchanged)
		}
		raw, err := json.Marshal(diff.body)
		if err != nil {
			return w.fail(unencodable(opUpdate, err))
		}
		path := contactPath(strconv.FormatInt(w.held.ID, 10), "contact_id")
		got, err := w.call(ctx, opUpdate, write, http.MethodPut, path, raw)
		switch {
		case err == nil:
			w.want.omissions = append(w.want.omissions, diff.omissions...)
			w.accepted(diff.body)
			return w.done()
		case failure.ReasonOf(err) == failure.Gone:
			return w.deleted(ctx)
		case !w.correctUpdate(ctx, diff.body, got):
			return w.fail(err)
		}
	}
}

// reread reads the contact by its id before something is filled in that may not
// be empty any more. It returns false with the outcome when there is no going on.
func (w *writing) reread(ctx context.Context) (record.Outcome, bool) {
	holder, err := w.fetch(ctx, strconv.FormatInt(w.held.ID, 10), "contact_id")
	switch {
	case err != nil:
		return w.fail(err), false
	case holder == nil:
		return w.deleted(ctx), false
	}
	w.fresh = holder
	holder.into(&w.held, w.want.names())
	return record.Outcome{}, true
}

// difference is what an update has to say.
type difference struct {
	body      *contactBody
	omissions []record.Omission
	// blind is set when something would be filled in of which it is not known that
	// it is empty.
	blind bool
}

// diff compares what is wanted with what is held.
func (w *writing) diff() difference {
	out := difference{body: &contactBody{Attributes: map[string]any{}}}
	for _, name := range identifierNames() {
		if want, ok := w.want.identifiers[name]; ok {
			w.diffIdentifier(&out, want)
		}
	}
	for _, want := range w.want.attributes {
		w.diffAttribute(&out, want)
	}
	for _, m := range w.want.lists {
		if !begun(&w.held, m) {
			out.body.ListIDs = append(out.body.ListIDs, m.id)
		}
	}
	for _, m := range w.want.leave {
		if !hasLeft(&w.held, m.id) {
			out.body.Unlink = append(out.body.Unlink, m.id)
		}
	}
	return out
}

// diffIdentifier adds an identifier that the contact lacks. One that it has stays,
// unless the rule says otherwise; its email stays in any case, because changing
// the email of a blocklisted contact lifts the block (facts/brevo.md 1.3).
func (w *writing) diffIdentifier(out *difference, want wish) {
	held, known := w.held.Identifiers[want.name]
	switch {
	case sameIdentifier(want.name, held, want.value.(string)):
	case held == "" && want.name == email:
		w.addEmail(out, want)
	case held == "":
		out.blind = out.blind || !known
		out.body.set(want.name, want.value)
	case want.name == email:
		out.omissions = append(out.omissions, omitted(email, want.value, reasonEmailDiffers, want.rule))
	case want.overwrite == record.Always:
		out.body.set(want.name, want.value)
	default:
		out.omissions = append(out.omissions, omitted(want.name, want.value, reasonIdentifierDiffers, want.rule))
	}
}

// addEmail gives an email to a contact that has none. The contact is always read
// just before, because a blocklisted one must not get it: that might count as a
// change of its email.
func (w *writing) addEmail(out *difference, want wish) {
	switch {
	case w.fresh == nil:
		out.blind = true
	case w.fresh.blocklisted():
		w.drop([]string{email}, reasonBlocklisted)
	default:
		out.body.Attributes["EMAIL"] = want.value
	}
}

// diffAttribute adds an attribute that differs, or that is to be filled in.
func (w *writing) diffAttribute(out *difference, want wish) {
	held, known := w.held.Attributes[want.name]
	if known && sameValue(held, want.value, want.def) {
		return
	}
	if want.overwrite == record.Never {
		if want.value == "" || held != nil && held != "" {
			return
		}
		out.blind = out.blind || !known
	}
	if want.value == "" {
		out.body.Attributes[want.name] = w.d.answers.clearing()
		return
	}
	out.body.Attributes[want.name] = want.value
}
