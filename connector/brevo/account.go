package brevo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// rereadAfter is how old the knowledge of an account must be before an unknown
// name makes us read it again: somebody may just have made the attribute or list.
const rereadAfter = 5 * time.Minute

// trustedFor is how long the knowledge of an account is good at all: a type may
// change at any time, and values of the old one would be dropped in silence.
const trustedFor = time.Hour

// listPage is the most lists or folders that one page has (facts/brevo.md 3).
const listPage = 50

// account is what a Brevo account has, as it was at one moment. It is not changed
// once published.
type account struct {
	at         time.Time
	attributes map[string]definition // by upper-case name
	lists      map[int64]string      // names by id
}

// definition is an attribute as the account defines it (facts/brevo.md 2).
type definition struct {
	name     string
	category string
	// kind is text, date, float, boolean, category, multiple-choice or what else
	// Brevo calls it; text where it says nothing.
	kind    string
	options []option
}

// option is one value of a category or of a multiple-choice attribute.
type option struct {
	// send is what goes on the wire: a number or a string.
	send any
	// names are the texts that mean this option: its value and its label.
	names []string
}

// writable says whether a contact may be given a value for it.
func (d definition) writable() bool { return d.category == "normal" || d.category == "category" }

// known returns what is known of the account, reading it if nothing is, or if it
// is old or does not satisfy have. A failed second reading leaves the first for
// a while.
func (d *Destination) known(ctx context.Context, have func(*account) bool) (*account, error) {
	current := d.account.Load()
	if d.good(current, have) {
		return current, nil
	}
	select {
	case d.refresh <- struct{}{}:
		defer func() { <-d.refresh }()
	case <-ctx.Done():
		return nil, lost(ctx, "GET /contacts/attributes", read, &sendError{cause: context.Cause(ctx)})
	}
	if current = d.account.Load(); d.good(current, have) {
		return current, nil
	}
	fresh, err := d.fetchAccount(ctx)
	if err != nil {
		if current == nil {
			return nil, err
		}
		again := *current
		again.at = d.clock()
		fresh = &again
	}
	d.account.Store(fresh)
	return fresh, nil
}

// good says whether an account needs no reading.
func (d *Destination) good(a *account, have func(*account) bool) bool {
	if a == nil {
		return false
	}
	age := d.clock().Sub(a.at)
	return age < rereadAfter || age < trustedFor && have(a)
}

// fetchAccount reads attributes and lists.
func (d *Destination) fetchAccount(ctx context.Context) (*account, error) {
	a := &account{at: d.clock()}
	var err error
	if a.attributes, err = d.fetchAttributes(ctx); err != nil {
		return nil, err
	}
	a.lists, err = d.fetchNamed(ctx, "lists")
	return a, err
}

// fetchAttributes reads the account's attributes with our own call: brevo-go drops
// valueStr and multiCategoryOptions (facts/brevo.md 9), without which no choice
// can be checked.
func (d *Destination) fetchAttributes(ctx context.Context) (map[string]definition, error) {
	const op = "GET /contacts/attributes"
	got, err := d.call(ctx, op, read, http.MethodGet, "/contacts/attributes", nil)
	if err != nil {
		return nil, err
	}
	var page struct {
		Attributes []struct {
			Name, Category, Type string
			Enumeration          []struct {
				Value    int64
				ValueStr string
				Label    string
			}
			MultiCategoryOptions []string
		}
	}
	if err := json.Unmarshal(got.body, &page); err != nil {
		return nil, unreadable(op, read, got.status)
	}
	out := make(map[string]definition, len(page.Attributes))
	for _, a := range page.Attributes {
		def := definition{name: strings.ToUpper(a.Name), category: a.Category, kind: a.Type}
		switch {
		case a.Category == "category":
			def.kind = "category"
		case a.Type == "":
			def.kind = "text"
		}
		for _, e := range a.Enumeration {
			def.options = append(def.options, categoryOption(e.Value, e.ValueStr, e.Label))
		}
		for _, o := range a.MultiCategoryOptions {
			def.options = append(def.options, option{send: o, names: []string{o}})
		}
		out[def.name] = def
	}
	return out, nil
}

// categoryOption prefers valueStr: value reads 0 for what is no number
// (facts/brevo.md 2).
func categoryOption(value int64, valueStr, label string) option {
	if valueStr == "" {
		valueStr = strconv.FormatInt(value, 10)
	}
	o := option{send: valueStr, names: []string{valueStr, label}}
	if n, err := strconv.ParseInt(valueStr, 10, 64); err == nil {
		o.send = n
	}
	return o
}

// fetchNamed reads all lists or all folders: their names by id. brevo-go decodes
// them to nothing in particular, so this is our own call.
func (d *Destination) fetchNamed(ctx context.Context, what string) (map[int64]string, error) {
	op := "GET /contacts/" + what
	out := map[int64]string{}
	for offset := 0; ; offset += listPage {
		got, err := d.call(ctx, op, read, http.MethodGet, fmt.Sprintf("/contacts/%s?limit=%d&offset=%d", what, listPage, offset), nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Lists, Folders []struct {
				ID   int64
				Name string
			}
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, unreadable(op, read, got.status)
		}
		items := append(page.Lists, page.Folders...)
		for _, item := range items {
			out[item.ID] = item.Name
		}
		if len(items) < listPage {
			return out, nil
		}
	}
}

// list finds a list by id ("32") or by name. A name that two lists have means
// the older one.
func (a *account) list(ref string) (int64, bool) {
	if id, err := strconv.ParseInt(ref, 10, 64); err == nil {
		_, ok := a.lists[id]
		return id, ok
	}
	return byName(a.lists, ref)
}

// byName finds the smallest id that has a name.
func byName(names map[int64]string, name string) (found int64, ok bool) {
	for id, n := range names {
		if strings.EqualFold(n, name) && (!ok || id < found) {
			found, ok = id, true
		}
	}
	return found, ok
}

// has says whether the account has everything that a contact speaks of.
func (a *account) has(names []string, lists []string) bool {
	for _, name := range names {
		if _, ok := a.attributes[name]; !ok {
			return false
		}
	}
	for _, ref := range lists {
		if _, ok := a.list(ref); !ok {
			return false
		}
	}
	return true
}
