package brevo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	// OpImport is the call that hands contacts over as a whole.
	OpImport    = "POST /contacts/import"
	opProcess   = "GET /processes/{processId}"
	opProcesses = "GET /processes"
	// ImportBytes is how long the rows of one import may be together: the 8 MB that
	// Brevo recommends, less some room for what stands around them (facts/brevo.md 1.5).
	ImportBytes = 8_000_000 - 10_000
	// importProcess is what Brevo calls an import among its processes.
	importProcess = "IMPORTUSER"
	// processPage is the most processes that one answer has (facts/brevo.md 1.5).
	processPage = 50
)

// ImportRow is a contact that is not in Brevo yet, as a row of an import says it.
type ImportRow struct {
	Email string
	// Phones are the numbers in the row that identify a contact beside the email, in the
	// form of HeldContact.Phones.
	Phones []string
	// Lists are the ids of the lists to be on, in order: an import has the same for all
	// of its rows.
	Lists []int64
	// Leave are the lists that the contact is not to be on, as record.Held names them.
	Leave []string
	// Sent names what the row says, as record.Outcome does.
	Sent []string
	// JSON is the row.
	JSON []byte
}

// ImportRow says a contact as a row of an import, and whether it can be said so:
// whole, with an email, and with a list, because there is no import without. The email
// alone identifies a contact in Brevo, so that no row can merge two; with phones the
// customer's own number may stand beside it, and then a row can (facts/brevo.md 1.5).
// It takes a call only where too little is known of the account.
func (d *Destination) ImportRow(ctx context.Context, c *record.Contact, phones bool) (ImportRow, bool, error) {
	if !c.Create || len(c.Merge) > 0 || c.Email == "" {
		return ImportRow{}, false, nil
	}
	names := attributeNames(c)
	acc, err := d.known(ctx, func(a *account) bool { return a.has(names, slices.Concat(c.Lists, c.Leave)) })
	if err != nil {
		return ImportRow{}, false, err
	}
	want := newDesired(c, acc)
	row := ImportRow{Email: strings.ToLower(want.text(email))}
	values := map[string]any{}
	if row.Email == "" || len(want.lists) == 0 || !row.identify(want, values, c.Phone, phones) || !row.describe(want, values) {
		return ImportRow{}, false, nil
	}
	for _, m := range want.leave {
		row.Leave = append(row.Leave, strconv.FormatInt(m.id, 10))
	}
	row.JSON, err = json.Marshal(struct {
		Email      string         `json:"email"`
		Attributes map[string]any `json:"attributes,omitempty"`
	}{want.text(email), values})
	if err != nil {
		return ImportRow{}, false, unencodable(OpImport, err)
	}
	return row, true, nil
}

// identify puts the phones into the row, or says that it cannot have them: an import
// merges contacts, so that only the number counts by which the customer is known.
func (r *ImportRow) identify(want *desired, values map[string]any, own string, phones bool) bool {
	r.Sent = append(r.Sent, email)
	for _, name := range identifierNames() {
		number := want.text(name)
		switch {
		case number == "" || name == email:
		case !phones || !isPhone(name) || digits(number) != digits(own):
			return false
		default:
			values[name] = number
			r.Phones, r.Sent = append(r.Phones, phoneKey(name, number)), append(r.Sent, name)
		}
	}
	return true
}

// describe puts attributes and lists into the row, or says that it cannot have them:
// nobody documents what an import makes of a list of choices.
func (r *ImportRow) describe(want *desired, values map[string]any) bool {
	for _, a := range want.attributes {
		switch a.value.(type) {
		case []any:
			return false
		case string, bool, float64, int64:
		default:
			return false
		}
		if a.value != "" {
			values[a.name] = a.value
			r.Sent = append(r.Sent, a.name)
		}
	}
	for _, m := range want.lists {
		r.Lists, r.Sent = append(r.Lists, m.id), append(r.Sent, "list "+m.ref)
	}
	slices.Sort(r.Lists)
	return true
}

// phoneKey names a number as an identifier.
func phoneKey(name, number string) string { return name + " " + digits(number) }

// Phones are the numbers by which the contact is identified, in the form in which rows
// of an import have them.
func (c HeldContact) Phones() []string {
	var out []string
	for _, name := range identifierNames() {
		if number := c.Held.Identifiers[name]; isPhone(name) && digits(number) != "" {
			out = append(out, phoneKey(name, number))
		}
	}
	return out
}

// Import hands contacts over that are to be made and put on lists, and returns the
// process by which Brevo works on them. It notifies nobody, carries no blocklist flag,
// changes no contact that is there already and empties nothing. The error carries a
// failure.Reason; after failure.Unknown the import may be under way.
func (d *Destination) Import(ctx context.Context, lists []int64, rows []ImportRow) (process int64, err error) {
	body, err := importBody(lists, rows)
	if err != nil {
		return 0, err
	}
	got, err := d.call(ctx, OpImport, write, http.MethodPost, "/contacts/import", body)
	if err != nil {
		return 0, err
	}
	var accepted struct{ ProcessID int64 }
	if json.Unmarshal(got.body, &accepted) != nil || accepted.ProcessID <= 0 {
		return 0, unreadable(OpImport, write, got.status)
	}
	return accepted.ProcessID, nil
}

// importBody writes the body. brevo-go cannot: it leaves out a false
// updateExistingContacts, whose default is true (facts/brevo.md 9).
func importBody(lists []int64, rows []ImportRow) ([]byte, error) {
	size := 0
	for _, r := range rows {
		size += len(r.JSON) + 1
	}
	if size > ImportBytes {
		return nil, &failure.Error{Op: OpImport, Reason: failure.Invalid, Err: errors.New("the rows are too long for one import")}
	}
	ids, err := json.Marshal(lists)
	if err != nil {
		return nil, unencodable(OpImport, err)
	}
	var b bytes.Buffer
	b.Grow(size + 256)
	b.WriteString(`{"listIds":`)
	b.Write(ids)
	b.WriteString(`,"disableNotification":true,"updateExistingContacts":false,"emptyContactsAttributes":false,"jsonBody":[`)
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.JSON)
	}
	b.WriteString(`]}`)
	return b.Bytes(), nil
}

// Process is something that Brevo does in the background (facts/brevo.md 1.5).
type Process struct {
	ID   int64
	Name string
	// Status is queued, processing, completed, failed, cancelled or another word.
	Status string
	// Reports are where files about rows are to be had, by name; empty until it is
	// completed. Somebody else than Brevo's API serves them, for a while.
	Reports map[string]string
}

// Import says whether the process is an import of contacts.
func (p Process) Import() bool { return p.Name == importProcess }

// Completed says that the process was carried out, Ended that no more comes of it. A
// word that nobody knows is taken for one of a process under way.
func (p Process) Completed() bool { return p.Status == "completed" }

// Ended says that no more comes of the process.
func (p Process) Ended() bool {
	return p.Completed() || p.Status == "failed" || p.Status == "cancelled" || p.Status == "canceled"
}

// processAnswer is a process as Brevo tells it. Before April 2026 reports were numbers.
type processAnswer struct {
	ID           int64
	Name, Status string
	Info         struct {
		Import map[string]any
	}
}

func (a processAnswer) process() Process {
	p := Process{ID: a.ID, Name: a.Name, Status: strings.ToLower(a.Status), Reports: map[string]string{}}
	for name, where := range a.Info.Import {
		if at, ok := where.(string); ok && at != "" {
			p.Reports[name] = at
		}
	}
	return p
}

// FetchProcess reads how a process stands, by one of the few calls of the hour.
// failure.Gone means that Brevo does not know it.
func (d *Destination) FetchProcess(ctx context.Context, id int64) (Process, error) {
	got, err := d.call(ctx, opProcess, read, http.MethodGet, "/processes/"+strconv.FormatInt(id, 10), nil)
	if err != nil {
		return Process{}, err
	}
	var a processAnswer
	if json.Unmarshal(got.body, &a) != nil || a.ID != id {
		return Process{}, unreadable(opProcess, read, got.status)
	}
	return a.process(), nil
}

// FetchProcesses reads the account's latest processes, newest first, by one of the few
// calls of the hour.
func (d *Destination) FetchProcesses(ctx context.Context) ([]Process, error) {
	got, err := d.call(ctx, opProcesses, read, http.MethodGet, "/processes?sort=desc&offset=0&limit="+strconv.Itoa(processPage), nil)
	if err != nil {
		return nil, err
	}
	var page struct{ Processes []processAnswer }
	if len(got.body) == 0 || json.Unmarshal(got.body, &page) != nil {
		return nil, unreadable(opProcesses, read, got.status)
	}
	var out []Process
	for _, a := range page.Processes {
		out = append(out, a.process())
	}
	return out, nil
}
