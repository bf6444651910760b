package bulkimport

import (
	"context"
	"strings"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// readsLag is how far a reading of changes reaches back before the newest change that
// was read, because reads lag behind writes.
const readsLag = time.Minute

// since is from when on changes are to be read; the zero time for everything.
func (l *loading) since() time.Time {
	if l.newest.IsZero() {
		return l.newest
	}
	return l.newest.Add(-readsLag)
}

// scan reads the account's contacts, or those that changed since a moment, tells of
// each before it is used, and links the connector's waiting customers to them.
func (l *loading) scan(ctx context.Context, connector string, since time.Time, each func(brevo.HeldContact, *store.DirectoryEntry)) error {
	var attributes []string
	for _, field := range l.site.Config.Rules.Fields {
		attributes = append(attributes, field.To)
	}
	var byPhone []store.DirectoryEntry
	link := func(entries []store.DirectoryEntry, final bool) error {
		_, later, err := l.site.Store.Link(ctx, l.lease, l.site.Account, []string{connector}, entries, final)
		byPhone = append(byPhone, later...)
		return err
	}
	err := l.patiently(ctx, func() error {
		byPhone = nil
		return l.site.Brevo.FetchDirectory(ctx, since, attributes, func(page []brevo.HeldContact) error {
			entries := make([]store.DirectoryEntry, len(page))
			for i, c := range page {
				entries[i] = store.DirectoryEntry{
					Email: strings.ToLower(strings.TrimSpace(c.Held.Identifiers["email"])), Phone: c.Phone(), Held: c.Held, ModifiedAt: c.ModifiedAt,
				}
				each(c, &entries[i])
				if c.ModifiedAt.After(l.newest) {
					l.newest = c.ModifiedAt
				}
			}
			return link(entries, false)
		})
	})
	if err == nil && len(byPhone) > 0 {
		rest := byPhone
		err = link(rest, true)
	}
	return err
}

const (
	// tries is how often a call is made that another try may help, and mostPatience how
	// long is waited for the next one; whoever waits longer is better off without.
	tries        = 6
	mostPatience = 2 * time.Minute
)

// patiently makes calls again that did nothing and may succeed later.
func (l *loading) patiently(ctx context.Context, call func() error) error {
	wait := time.Second
	for try := 1; ; try++ {
		err := call()
		e := failure.As(err)
		if e == nil || ctx.Err() != nil || try == tries || e.Reason != failure.Transient && e.Reason != failure.RateLimited {
			return err
		}
		if next := max(wait, e.RetryAfter); next > mostPatience || !schedule.Pause(ctx, next) {
			return err
		}
		wait = min(2*wait, mostPatience)
	}
}
