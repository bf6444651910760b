package pipeline

import (
	"context"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

// Directory is what the destination has already, read as a whole: where many
// customers wait of whom no contact is known, one call for a thousand contacts
// saves the search that the first write of each would need.
type Directory struct {
	Store store.Linker
	// Connectors are those that deliver to the account.
	Connectors []string
	// Fetch reads the account's contacts and hands them over in pages; an error of
	// keep ends it and is returned.
	Fetch func(ctx context.Context, keep func([]store.DirectoryEntry) error) error
}

const (
	// manyUnlinked is how many waiting customers make the directory worth reading.
	manyUnlinked = 500
	// directoryEvery is how often it is looked whether there are so many.
	directoryEvery = time.Minute
	// directoryPatience is how long deliveries wait for it; then they go on, and who
	// was not linked yet is searched for.
	directoryPatience = 2 * time.Minute
)

// directory links waiting customers to contacts that are there already, now and
// whenever many have come. ready is called when deliveries may begin.
func (s *session) directory(ready func()) {
	defer ready()
	if s.o.Directory == nil {
		return
	}
	t := time.NewTicker(directoryEvery)
	defer t.Stop()
	var looked time.Time // whoever came before then was looked for
	for {
		began := s.o.Clock()
		read, err := s.linkMany(looked)
		switch {
		case s.ctx.Err() != nil:
			return
		case err != nil && failure.As(err) == nil:
			s.fail(err)
			return
		case err != nil:
			s.o.Logger.Warn("contacts of the destination cannot be read; each customer is searched for", "account", s.o.Account, "err", err)
		case read:
			looked = began
		}
		s.reading.Store(0)
		s.Wake()
		ready()
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
	}
}

// linkMany reads the directory if many customers wait that came since looked.
func (s *session) linkMany(looked time.Time) (bool, error) {
	n, err := s.o.Directory.Store.CountUnlinked(s.ctx, s.o.Account, looked, 4*manyUnlinked)
	if err != nil || n < manyUnlinked || !s.circuit.admits() {
		return false, err
	}
	s.reading.Store(s.o.Clock().UnixNano())
	seen, linked := 0, 0
	var byPhone []store.DirectoryEntry
	link := func(entries []store.DirectoryEntry, final bool) error {
		n, later, err := s.o.Directory.Store.Link(s.ctx, s.lease, s.o.Account, s.o.Directory.Connectors, entries, final)
		linked, byPhone = linked+n, append(byPhone, later...)
		return err
	}
	err = s.o.Directory.Fetch(s.ctx, func(entries []store.DirectoryEntry) error {
		seen += len(entries)
		return link(entries, false)
	})
	if err == nil && len(byPhone) > 0 {
		err = link(byPhone, true)
	}
	s.o.Logger.Info("contacts of the destination read", "account", s.o.Account, "contacts", seen, "linked", linked)
	return err == nil, err
}

// waitsForDirectory says that claiming had better wait until customers are linked.
func (s *session) waitsForDirectory() bool {
	since := s.reading.Load()
	return since != 0 && s.o.Clock().Sub(time.Unix(0, since)) < directoryPatience
}
