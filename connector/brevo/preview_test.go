package brevo_test

import (
	"net/http"
	"reflect"
	"testing"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// TestPreviewSaysWhatDeliveringDoes compares what is foreseen with what then changes
// in the simulated account.
func TestPreviewSaysWhatDeliveringDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	plan := brevo.Plan{Attributes: []brevo.AttributeSpec{{Name: "CITY", Type: "text"}}, Lists: []string{"Fresh"}}
	preview, err := w.Preview(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	for call, n := range w.sim.Calls() {
		if call.Method != http.MethodGet {
			t.Errorf("the preview called %s %s %d times", call.Method, call.Path, n)
		}
	}
	before := record.Contact{Email: "a@example.com", Create: true, Lists: []string{"32"}, Attributes: []record.Attribute{
		{Name: "TICKETS", Value: 1.0, Type: "float", Rule: "r:1"}, {Name: "NOTE", Value: "x", Type: "text"},
	}}
	created := preview(record.Change{Contact: &before})
	want := record.Preview{Action: record.ActionCreate, Joins: []string{"32"}, Values: []record.ValueChange{
		{Name: "email", New: "a@example.com"}, {Name: "TICKETS", New: 1.0, Rule: "r:1"}, {Name: "NOTE", New: "x"},
	}}
	if !reflect.DeepEqual(created, want) {
		t.Errorf("of a new contact: %+v, want %+v", created, want)
	}
	held := w.settle(before, record.Held{}).Held
	if again := preview(record.Change{Contact: &before, Held: held}); again.Changes() || again.Action != record.ActionNone {
		t.Errorf("of an unchanged contact: %+v", again)
	}
	after := record.Contact{Email: "b@example.com", Phone: "+33612345678", Create: true, Lists: []string{"32", "Fresh"}, Attributes: []record.Attribute{
		{Name: "TICKETS", Value: 2.0, Type: "float", Rule: "r:1"}, {Name: "NOTE", Value: "x", Type: "text"},
		{Name: "CITY", Value: "Lyon", Type: "text"}, {Name: "SMS", Value: "+33612345678"},
		{Name: "ACTIVE", Value: "perhaps", Type: "boolean", Rule: "r:2"}, {Name: "LAST_SUPPORT_DATE", Value: "2026-11-20", Type: "date", Overwrite: record.Never},
	}}
	got := preview(record.Change{Contact: &after, Held: held})
	want = record.Preview{Action: record.ActionUpdate, Joins: []string{"Fresh"}, Values: []record.ValueChange{
		{Name: "SMS", New: "+33612345678", IfEmpty: true}, {Name: "TICKETS", Old: 1.0, New: 2.0, Rule: "r:1"}, {Name: "CITY", New: "Lyon"},
		{Name: "LAST_SUPPORT_DATE", New: "2026-11-20", IfEmpty: true},
	}, Omissions: got.Omissions}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("of a changed contact: %+v, want %+v", got, want)
	}
	if reasons := omissionsOf(got.Omissions); !reflect.DeepEqual(reasons, []string{"ACTIVE: not a boolean", "email: email differs from the one in Brevo"}) {
		t.Errorf("left out: %v", reasons)
	}
	if _, err := w.Provision(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	w.settle(after, held)
	c := w.only()
	for _, v := range got.Values {
		if is := c.Attributes[v.Name]; v.Name != "SMS" && is != v.New {
			t.Errorf("%s was foreseen as %v and is %v", v.Name, v.New, is)
		}
	}
	if c.SMS != "33612345678" || c.Email != "a@example.com" || len(c.ListIDs) != 2 {
		t.Errorf("contact %+v", c)
	}
}

func TestPreviewOfWhatIsNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	preview, err := w.Preview(t.Context(), brevo.Plan{DryRun: true, Attributes: []brevo.AttributeSpec{{Name: "CITY", Type: "text"}}})
	if err != nil {
		t.Fatal(err)
	}
	c := record.Contact{Email: "a@example.com", Attributes: []record.Attribute{{Name: "CITY", Value: "Lyon", Type: "text"}}}
	for name, e := range map[string]struct {
		change record.Change
		action record.Action
		left   string
	}{
		"deleted":           {record.Change{Contact: &c, Held: record.Held{ID: 4, Deleted: true}}, record.ActionNone, "contact: deleted in Brevo"},
		"existing only":     {record.Change{Contact: &c}, record.ActionJoin, "CITY: attribute unknown in Brevo"},
		"nothing but words": {record.Change{Contact: &record.Contact{Create: true, Attributes: c.Attributes}}, record.ActionNone, "CITY: attribute unknown in Brevo"},
		"email is added": {record.Change{Contact: &c, Held: record.Held{ID: 4, Identifiers: map[string]string{"SMS": "33612345678"}}}, record.ActionUpdate,
			"CITY: attribute unknown in Brevo"},
	} {
		got := preview(e.change)
		if got.Action != e.action || !reflect.DeepEqual(omissionsOf(got.Omissions), []string{e.left}) {
			t.Errorf("%s: %+v", name, got)
		}
		if name == "email is added" && (len(got.Values) != 1 || !got.Values[0].IfEmpty) {
			t.Errorf("%s: %+v", name, got.Values)
		}
	}
}

func omissionsOf(omissions []record.Omission) (out []string) {
	for _, o := range omissions {
		out = append(out, o.What+": "+o.Reason)
	}
	return out
}
