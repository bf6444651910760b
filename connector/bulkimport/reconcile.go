package bulkimport

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

const (
	// readings is how often it is looked for contacts that should be there, and between
	// how long is waited: reads lag behind writes.
	readings = 3
	between  = 3 * time.Second
)

// reconcile finds out which contacts of an import are there, links them to their
// customers and ends the import: what is there is delivered without a call if it is as
// it should be, the rest as ever. It returns how many are there. An import that is
// said to be done and of which nothing is there was lost.
func (l *loading) reconcile(ctx context.Context, imp store.Import, state store.ImportState, reports map[string]string) (int, error) {
	imp.Reports = l.counts(ctx, reports)
	rows, err := l.rowsOf(ctx, imp.ID)
	if err != nil {
		return 0, err
	}
	l.told(fmt.Sprintf("looks for %d imported contacts", len(rows)))
	if err := l.find(ctx, imp, rows, state == store.ImportDone); err != nil {
		if ctx.Err() != nil || failure.As(err) == nil || failure.ReasonOf(err) == failure.Unauthorized {
			return 0, l.orCause(ctx, err)
		}
		l.logger.Warn("imported contacts cannot be read; each is looked for when it is written", "reason", failure.ReasonOf(err), "err", err)
	}
	there := 0
	for _, r := range rows {
		if r.found {
			there++
		}
	}
	if imp.State = state; imp.ProcessID == 0 && there == 0 {
		imp.State = store.ImportLost
	}
	found, err := l.site.Store.EndImport(ctx, l.lease, imp, brevo.OpImport, l.site.Clock())
	if err != nil {
		return 0, err
	}
	if imp.State != store.ImportLost {
		l.ended, l.handed, l.found = l.ended+1, l.handed+imp.Contacts, l.found+max(found, there)
	}
	l.logger.Info("import reconciled", "contacts", imp.Contacts, "found", found, "state", imp.State)
	for name, n := range imp.Reports {
		l.logger.Warn("import reported rows", "report", name, "count", n)
	}
	return max(found, there), nil
}

// sent is a contact of an import that is looked for.
type sent struct {
	leave []string
	found bool
}

// rowsOf loads the contacts of an import that wait, by email.
func (l *loading) rowsOf(ctx context.Context, id int64) (map[string]*sent, error) {
	rows := map[string]*sent{}
	for after := int64(0); ; {
		page, err := l.site.Store.LoadImported(ctx, id, after, candidates)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			after = d.ID
			r := &sent{found: d.Held.ID != 0}
			if one, ok, err := l.site.Brevo.ImportRow(ctx, d.Contact, true); err == nil && ok {
				r.leave = one.Leave
			}
			rows[strings.ToLower(d.Contact.Email)] = r
		}
		if len(page) < candidates {
			return rows, nil
		}
	}
}

// find reads what changed in Brevo and links what it finds of the rows, again where an
// import should have brought them and reading may lag.
func (l *loading) find(ctx context.Context, imp store.Import, rows map[string]*sent, patient bool) error {
	invalid := max(0, imp.Reports["invalid_emails"])
	for reading := 1; ; reading++ {
		err := l.scan(ctx, imp.Connector, l.since(), func(_ brevo.HeldContact, e *store.DirectoryEntry) {
			if r := rows[e.Email]; r != nil {
				r.found = true
				r.leftOut(e)
			}
		})
		if err != nil {
			return err
		}
		missing := 0
		for _, r := range rows {
			if !r.found {
				missing++
			}
		}
		if !patient || missing <= invalid || missing == len(rows) && imp.ProcessID == 0 || reading == readings {
			return nil
		}
		if err := l.holdFor(ctx, imp.ID, between); err != nil {
			return err
		}
	}
}

// leftOut notes the lists that a contact was not put on though a rule takes it off
// them: it need not be taken off.
func (r *sent) leftOut(e *store.DirectoryEntry) {
	for _, list := range r.leave {
		if !slices.Contains(e.Held.Lists, list) && !slices.Contains(e.Held.Left, list) {
			e.Held.Left = append(e.Held.Left, list)
		}
	}
}
