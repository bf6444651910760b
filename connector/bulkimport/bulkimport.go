// Package bulkimport brings the contacts of a first load to Brevo by its import, many
// thousand by one call, where the operator agreed to that.
//
// An import is asynchronous, tells little and merges contacts (facts/brevo.md 1.5 and
// 1.7). So it is used for nothing but contacts that Brevo does not have, it is told to
// leave those alone that it has, and its word counts for nothing: afterwards the
// contacts are read, those that are there are linked to their customers, and the outbox
// delivers as ever. What is there as it should be then costs no call; what is not is
// written singly. That makes an import harmless to repeat and harmless to lose: a row
// that came is left alone the second time, one that did not come is written.
package bulkimport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/part"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// Name is the part's.
const Name = "bulk_import"

// role is held by whoever imports to an account: Brevo wants one import at a time.
const role = "import"

// Part imports for one connector.
type Part struct {
	site   part.Site
	phones bool
	least  int
	wait   time.Duration
}

var _ part.Loader = (*Part)(nil)

// New is a part.Maker: nil where brevo.bulk_import is never.
func New(site part.Site) (part.Part, error) {
	c := site.Config.Brevo
	if c.BulkImport != config.ImportBackfill {
		return nil, nil
	}
	return &Part{site: site, phones: c.BulkRows == config.RowsAll, least: c.BulkLeast, wait: c.BulkWait}, nil
}

// Name implements part.Part.
func (p *Part) Name() string { return Name }

// Terms implements part.Loader.
func (p *Part) Terms() string {
	var b strings.Builder
	fmt.Fprintf(&b, "import: where %d contacts or more that Brevo does not have go on the same lists, they may be made by its import\n", p.least)
	b.WriteString("  An import MERGES contacts: where what a row identifies belongs to two contacts, one is deleted with its\n")
	b.WriteString("  campaign history, and nothing brings it back.\n")
	if p.phones {
		b.WriteString("  Rows have phones beside the email (bulk_rows: all). A phone that Brevo has when its contacts are read stays\n")
		b.WriteString("  out; one that somebody gives to a contact between that and the import merges the two.\n")
	} else {
		b.WriteString("  Rows have the email alone (bulk_rows: email), by which none can merge two. Customers with a phone, a number of\n")
		b.WriteString("  yours or no email are written one by one.\n")
	}
	b.WriteString("  A contact that is deleted in Brevo while the import runs may be made again.\n")
	return b.String()
}

// Run implements part.Part: it finishes what a process left that died.
func (p *Part) Run(ctx context.Context) error {
	for schedule.Pause(ctx, time.Minute) {
		if err := p.finishLeft(ctx, func(string) {}); err != nil && !errors.Is(err, store.ErrLeaseHeld) {
			return err
		}
	}
	return nil
}

// Pass implements part.Part. There is nothing to do: what an unfinished import holds
// back is delivered once its time is up, or when its backfill goes on.
func (p *Part) Pass(context.Context) error { return nil }

// finishLeft finishes the account's imports that nobody works on.
func (p *Part) finishLeft(ctx context.Context, told func(string)) error {
	left, err := p.site.Store.LoadImportsUnderWay(ctx, p.site.Account)
	if err != nil || len(left) == 0 {
		return err
	}
	return p.site.OnceOfAccount(ctx, role, func(ctx context.Context, lease store.Lease) error {
		l := p.begin(lease, told)
		return l.giveUp(ctx, l.recover(ctx))
	})
}

// statesShown is how many imports State looks back.
const statesShown = 1000

// State implements part.Part.
func (p *Part) State(ctx context.Context) (part.State, error) {
	s := part.State{Name: Name, Counts: map[string]int64{}}
	imports, err := p.site.Store.LoadImports(ctx, p.site.Config.Name, statesShown)
	if err != nil {
		return s, err
	}
	for n, i := range imports {
		s.Counts["imports_"+string(i.State)]++
		s.Counts["contacts_handed"] += int64(i.Contacts)
		s.Counts["contacts_found"] += int64(i.Found)
		for name, count := range i.Reports {
			s.Counts["reported_"+name] += int64(max(0, count))
		}
		if text := notice(i); n == 0 && text != "" {
			s.Notices = append(s.Notices, text)
		}
	}
	return s, nil
}

// notice says what an operator should know of an import.
func notice(i store.Import) string {
	rest := "; the others were written one by one"
	switch i.State {
	case store.ImportHanded, store.ImportAccepted:
		return fmt.Sprintf("Brevo works on an import of %d contacts since %s; they wait for it", i.Contacts, i.HandedAt.Format(time.RFC3339))
	case store.ImportFailed:
		return fmt.Sprintf("the last import came to no good end; %d of its %d contacts were there%s", i.Found, i.Contacts, rest)
	case store.ImportOverdue:
		return fmt.Sprintf("the last import did not end within brevo.bulk_wait; %d of its %d contacts were there%s", i.Found, i.Contacts, rest)
	case store.ImportRefused:
		return "Brevo did not take the last import; its contacts are written one by one"
	}
	return ""
}
