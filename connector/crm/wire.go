package crm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

const (
	// share is the part of the hour's calls of which one must be left before a note is
	// written, lookupShare before one is looked up.
	share       = 0.25
	lookupShare = 0.4
	// typesFor is how long the types of tasks are remembered.
	typesFor = 24 * time.Hour
	// found is how many of a contact's newest notes or tasks are looked through.
	found = 50
	// clockSkew is how much Brevo's clock may be behind ours.
	clockSkew = 10 * time.Minute
)

// wire makes the calls.
type wire struct {
	brevo *brevo.Destination
	clock func() time.Time

	types   map[string]string // ids of task types by title in lower case
	typesAt time.Time
}

// noTypeError says that the account has no such type of task.
type noTypeError struct{ title string }

// Error implements error.
func (e *noTypeError) Error() string {
	return fmt.Sprintf("the Brevo account has no type of task %q; see crm in the configuration", e.title)
}

// noneLeft is the answer where the hour has no call left.
func noneLeft(wait time.Duration) error {
	return &failure.Error{Op: "write to the CRM", Reason: failure.RateLimited, RetryAfter: wait, Err: errors.New("its share of the hour's calls is used up")}
}

// prepare makes the call of a case; for a task it may have to ask for the types.
func (w *wire) prepare(ctx context.Context, what content, c store.Case) (brevo.Ask, error) {
	if what.Kind == noteKind {
		return post("/crm/notes", map[string]any{"text": what.Text, "contactIds": []int64{c.ContactID}}), nil
	}
	id, err := w.typeID(ctx, what.Type)
	task := map[string]any{
		"name": what.Text, "taskTypeId": id, "date": what.Date.UTC().Format("2006-01-02T15:04:05.000Z"), "contactsIds": []int64{c.ContactID},
	}
	if what.AssignTo != "" {
		task["assignToId"] = what.AssignTo
	}
	return post("/crm/tasks", task), err
}

func post(path string, body map[string]any) brevo.Ask {
	text, err := json.Marshal(body)
	if err != nil {
		panic("crm: " + err.Error()) // texts and numbers
	}
	return brevo.Ask{Op: "POST " + path, Method: http.MethodPost, Path: path, Body: text, Writes: true, Share: 1}
}

// send makes a prepared call, and returns the id of what was made, where it was told.
func (w *wire) send(ctx context.Context, a brevo.Ask) (string, error) {
	got, err := w.brevo.Do(ctx, a)
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(got.Body, &made) // without an id it is made all the same
	return made.ID, nil
}

// typeID is the id of a type of task.
func (w *wire) typeID(ctx context.Context, title string) (string, error) {
	key := strings.ToLower(title)
	if id := w.types[key]; id != "" && w.clock().Sub(w.typesAt) < typesFor {
		return id, nil
	}
	if len(w.types) > 0 && w.clock().Sub(w.typesAt) < noTypeFor {
		return "", &noTypeError{title}
	}
	got, err := w.brevo.Do(ctx, brevo.Ask{Op: "GET /crm/tasktypes", Method: http.MethodGet, Path: "/crm/tasktypes", Share: share})
	if err != nil {
		return "", err
	}
	types := typesOf(got.Body)
	if len(types) == 0 {
		return "", notAsDocumented("GET /crm/tasktypes", got)
	}
	w.types, w.typesAt = types, w.clock()
	if w.types[key] == "" {
		return "", &noTypeError{title}
	}
	return w.types[key], nil
}

// typesOf reads types of tasks. The reference shows one object where it says that all are
// returned, so that a list, a list in items and one alone are taken.
func typesOf(body []byte) map[string]string {
	type kind struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	var list []kind
	var one struct {
		kind
		Items []kind `json:"items"`
	}
	if json.Unmarshal(body, &list) != nil && json.Unmarshal(body, &one) == nil {
		list = append(one.Items, one.kind)
	}
	types := map[string]string{}
	for _, k := range list {
		if k.ID != "" && k.Title != "" {
			types[strings.ToLower(k.Title)] = k.ID
		}
	}
	return types
}

// written is a note or task of a contact. What a task shows beside its name is not
// documented.
type written struct {
	ID        string     `json:"id"`
	Text      string     `json:"text"`
	Name      string     `json:"name"`
	CreatedAt *time.Time `json:"createdAt"`
}

// find looks for a case among the newest of its contact's notes or tasks, those left out
// that are known to be another case. It returns the id, "" where it is not there.
func (w *wire) find(ctx context.Context, what content, c store.Case, ours []string) (string, error) {
	rows, err := w.fetch(ctx, what.Kind, c.ContactID)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		early := r.CreatedAt != nil && r.CreatedAt.Before(c.TriedAt.Add(-clockSkew))
		if plain(cmp.Or(r.Text, r.Name)) == plain(what.Text) && !early && !slices.Contains(ours, r.ID) {
			return cmp.Or(r.ID, "unknown"), nil
		}
	}
	return "", nil
}

// fetch reads the newest notes or tasks of a contact.
func (w *wire) fetch(ctx context.Context, kind string, contact int64) ([]written, error) {
	query := url.Values{"sort": {"desc"}, "limit": {fmt.Sprint(found)}}
	path := "/crm/notes"
	if kind == noteKind {
		query.Set("entity", "contacts")
		query.Set("entityIds", fmt.Sprint(contact))
	} else {
		path = "/crm/tasks"
		query.Set("filter[contacts]", fmt.Sprint(contact))
	}
	got, err := w.brevo.Do(ctx, brevo.Ask{Op: "GET " + path, Method: http.MethodGet, Path: path + "?" + query.Encode(), Share: lookupShare})
	if err != nil {
		return nil, err
	}
	rows, ok := rowsOf(got.Body)
	if !ok {
		return nil, notAsDocumented("GET "+path, got)
	}
	return rows, nil
}

func notAsDocumented(op string, got brevo.Reply) error {
	return &failure.Error{Op: op, Reason: failure.Transient, Status: got.Status, Err: errors.New("the answer is not as documented")}
}

// rowsOf reads notes, which are a list, or tasks, which are in items. An answer without
// either says nothing: least of all that something is not there.
func rowsOf(body []byte) (rows []written, ok bool) {
	if json.Unmarshal(body, &rows) == nil {
		return rows, true
	}
	var page struct {
		Items *[]written `json:"items"`
	}
	if json.Unmarshal(body, &page) != nil || page.Items == nil {
		return nil, false
	}
	return *page.Items, true
}

// tags are what an editor may have put around a text.
var tags = regexp.MustCompile(`(?i)</?(?:p|br|div|span|b|i|u|em|strong|ul|ol|li|a)(?:\s[^<>]*)?/?>`)

// plain is a text without what an editor may have changed of it.
func plain(s string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(html.UnescapeString(s), " ")), " ")
}
