package connector

import (
	"context"
	"strings"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/store"
)

// directory lets the delivery to an account know the contacts that are there. The
// account's flows are added after it is made.
func (a *account) directory(s store.Linker) *pipeline.Directory {
	d := &pipeline.Directory{Store: s}
	d.Fetch = func(ctx context.Context, since time.Time, keep func([]store.DirectoryEntry) error) error {
		var names []string
		for _, spec := range a.plan().Attributes {
			names = append(names, spec.Name)
		}
		return a.destination.FetchDirectory(ctx, since, names, func(page []brevo.HeldContact) error {
			entries := make([]store.DirectoryEntry, len(page))
			for i, c := range page {
				entries[i] = entryOf(c)
			}
			return keep(entries)
		})
	}
	a.linking = d
	return d
}

// entryOf brings a contact of Brevo into the terms of tokens.
func entryOf(c brevo.HeldContact) store.DirectoryEntry {
	return store.DirectoryEntry{
		Email: strings.ToLower(strings.TrimSpace(c.Held.Identifiers["email"])), Phone: c.Phone(), Held: c.Held, ModifiedAt: c.ModifiedAt,
	}
}
