package brevo_test

import (
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// importing lets an account import, and nothing else that is forbidden.
func importing(t *testing.T, q brevosim.Quirks, change ...func(*brevo.Options)) *world {
	t.Helper()
	q.Allow.Import, q.ImportTime = true, -1
	return newWorld(t, brevosim.Options{Quirks: q}, change...)
}

// listener keeps the bodies of imports.
type listener struct{ bodies []string }

// RoundTrip implements http.RoundTripper.
func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/import") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		l.bodies = append(l.bodies, string(body))
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *world) row(c *record.Contact, phones bool) (brevo.ImportRow, bool) {
	w.t.Helper()
	row, ok, err := w.ImportRow(w.t.Context(), c, phones)
	if err != nil {
		w.t.Fatal(err)
	}
	return row, ok
}

// ann is a contact without a phone.
func ann(attributes ...record.Attribute) *record.Contact {
	return &record.Contact{Email: "Ann@Example.com", Create: true, Lists: []string{"CSAT", "32"}, Attributes: attributes}
}

func TestImportRow(t *testing.T) {
	t.Parallel()
	w := importing(t, brevosim.Quirks{})
	gold := record.Attribute{Name: "VIP_TIER", Value: "gold", Type: "category"}
	row, ok := w.row(ann(number(3), gold, record.Attribute{Name: "NOTE", Value: "", Clear: true}), false)
	want := `{"email":"Ann@Example.com","attributes":{"TICKETS":3,"VIP_TIER":2}}`
	if !ok || string(row.JSON) != want || row.Email != "ann@example.com" || !slices.Equal(row.Lists, []int64{32, 33}) ||
		!slices.Equal(row.Sent, []string{"email", "TICKETS", "VIP_TIER", "list CSAT", "list 32"}) {
		t.Errorf("row %+v %s, %v", row, row.JSON, ok)
	}
	leaves := ann()
	leaves.Lists, leaves.Leave = []string{"32"}, []string{"CSAT"}
	if row, ok := w.row(leaves, false); !ok || !slices.Equal(row.Leave, []string{"33"}) {
		t.Errorf("row %+v, %v", row, ok)
	}
	own := ann(record.Attribute{Name: "SMS", Value: "+33612345678"})
	own.Phone = "+33612345678"
	if row, ok := w.row(own, true); !ok || !slices.Equal(row.Phones, []string{"SMS 33612345678"}) || !strings.Contains(string(row.JSON), `"SMS":"+33612345678"`) {
		t.Errorf("with phones: %+v, %v", row, ok)
	}
	for name, c := range map[string]func() *record.Contact{
		"nobody may be made":       func() *record.Contact { c := ann(); c.Create = false; return c },
		"no email":                 func() *record.Contact { c := ann(); c.Email = ""; return c },
		"no list":                  func() *record.Contact { c := ann(); c.Lists = nil; return c },
		"a list that is not there": func() *record.Contact { c := ann(); c.Lists = []string{"99"}; return c },
		"a merge was agreed to":    func() *record.Contact { c := ann(); c.Merge = map[string]record.Merge{"SMS": {}}; return c },
		"several choices": func() *record.Contact {
			return ann(record.Attribute{Name: "TOPICS", Value: []any{"Repair"}, Type: "multiple-choice"})
		},
		"an id of the company's": func() *record.Contact { return ann(record.Attribute{Name: "EXT_ID", Value: "7"}) },
		"a number of somebody else": func() *record.Contact {
			c := ann(record.Attribute{Name: "SMS", Value: "+33699999999"})
			c.Phone = "+33612345678"
			return c
		},
		"a number that nobody vouches": func() *record.Contact { return ann(record.Attribute{Name: "WHATSAPP", Value: "+33699999999"}) },
	} {
		if row, ok := w.row(c(), true); ok {
			t.Errorf("%s: %s", name, row.JSON)
		}
	}
	if row, ok := w.row(own, false); ok {
		t.Errorf("a phone in a row that is to have none: %s", row.JSON)
	}
}

// TestImportChangesNobody says what an import may do: make contacts, whole, and
// nothing to those that are there.
func TestImportChangesNobody(t *testing.T) {
	t.Parallel()
	var heard listener
	w := importing(t, brevosim.Quirks{}, func(o *brevo.Options) { o.HTTP = &heard })
	w.add(brevosim.Contact{Email: "ann@example.com", Attributes: map[string]any{"TICKETS": 9.0}, EmailBlacklisted: true})
	ben := ann(number(4))
	ben.Email = "ben@example.com"
	first, _ := w.row(ann(number(3)), false)
	second, _ := w.row(ben, false)
	for range 2 { // again is no harm
		id, err := w.Import(t.Context(), first.Lists, []brevo.ImportRow{first, second})
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.FetchProcess(t.Context(), id)
		if err != nil || !p.Import() || !p.Ended() || !p.Completed() || len(p.Reports) != 0 {
			t.Errorf("process %+v, %v", p, err)
		}
	}
	if got := w.sim.Contacts(); len(got) != 2 || got[0].Attributes["TICKETS"] != 9.0 || !got[0].EmailBlacklisted ||
		got[1].Attributes["TICKETS"] != 4.0 || !reflect.DeepEqual(got[1].ListIDs, []int64{32, 33}) {
		t.Errorf("contacts %+v", got)
	}
	all, err := w.FetchProcesses(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != 2 || !all[0].Import() {
		t.Errorf("processes %+v, %v", all, err)
	}
	if _, err := w.FetchProcess(t.Context(), 99); failure.ReasonOf(err) != failure.Gone {
		t.Errorf("a process that is not there: %v", err)
	}
	const want = `{"listIds":[32,33],"disableNotification":true,"updateExistingContacts":false,"emptyContactsAttributes":false,"jsonBody":[` +
		`{"email":"Ann@Example.com","attributes":{"TICKETS":3}},{"email":"ben@example.com","attributes":{"TICKETS":4}}]}`
	if !slices.Equal(heard.bodies, []string{want, want}) {
		t.Errorf("on the wire: %s", heard.bodies)
	}
}

func TestImportReports(t *testing.T) {
	t.Parallel()
	w := importing(t, brevosim.Quirks{})
	bad := ann()
	bad.Email = "nonsense"
	row, ok := w.row(bad, false)
	if !ok {
		t.Fatal("no row")
	}
	id, err := w.Import(t.Context(), row.Lists, []brevo.ImportRow{row})
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.FetchProcess(t.Context(), id)
	if err != nil || len(p.Reports) != 1 || !strings.HasPrefix(p.Reports["invalid_emails"], "http") {
		t.Errorf("%+v, %v", p, err)
	}
	w.sim.SetQuirks(brevosim.Quirks{ImportTime: time.Hour, Allow: brevosim.Allow{Import: true}})
	if id, err = w.Import(t.Context(), row.Lists, []brevo.ImportRow{row}); err != nil {
		t.Fatal(err)
	}
	if p, err := w.FetchProcess(t.Context(), id); err != nil || p.Ended() {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestImportOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults brevosim.Faults
		want   failure.Reason
	}{
		"refused key":   {brevosim.Faults{BadKey: 1}, failure.Unauthorized},
		"no permission": {brevosim.Faults{Forbidden: 1}, failure.Forbidden},
		"too many":      {brevosim.Faults{TooMany: 1}, failure.RateLimited},
		"gateway":       {brevosim.Faults{BadGatewayApplied: 1}, failure.Unknown},
		"no answer":     {brevosim.Faults{DroppedApplied: 1}, failure.Unknown},
		"proxy":         {brevosim.Faults{HTMLSuccess: 1}, failure.Unknown},
		"half":          {brevosim.Faults{BrokenJSON: 1}, failure.Unknown},
		"empty":         {brevosim.Faults{EmptySuccess: 1}, failure.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := importing(t, brevosim.Quirks{})
			row, _ := w.row(ann(), false)
			c.faults.Only = []string{"POST /contacts/import"}
			w.sim.SetFaults(c.faults)
			_, err := w.Import(t.Context(), row.Lists, []brevo.ImportRow{row})
			if got := failure.ReasonOf(err); got != c.want {
				t.Errorf("%v: %v, want %v", err, got, c.want)
			}
		})
	}
	w := importing(t, brevosim.Quirks{})
	long := brevo.ImportRow{JSON: []byte(`{"email":"` + strings.Repeat("a", brevo.ImportBytes) + `"}`)}
	if _, err := w.Import(t.Context(), []int64{32}, []brevo.ImportRow{long}); failure.ReasonOf(err) != failure.Invalid {
		t.Errorf("a body that is too long: %v", err)
	}
	if n := w.sim.Calls()[brevosim.Call{Method: http.MethodPost, Path: "/contacts/import", Status: 400}]; n != 0 {
		t.Error("it was sent")
	}
}
