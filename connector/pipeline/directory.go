package pipeline

import (
	"context"
	"sync"
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
	// Fetch reads the account's contacts, or with since those modified from then on, and
	// hands them over in pages; an error of keep ends it and is returned.
	Fetch func(ctx context.Context, since time.Time, keep func([]store.DirectoryEntry) error) error
}

const (
	// manyUnlinked is how many waiting customers make the directory worth reading.
	manyUnlinked = 500
	// directoryEvery is how often it is looked whether there are so many, and how often
	// what was read is refreshed while its load lasts.
	directoryEvery = 30 * time.Second
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
		if err == nil && !read {
			err = s.refresh(began)
		}
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
	if err != nil {
		return false, err
	}
	// What a process before us linked may have changed since; reading it all again
	// costs less than reading each contact before it is written.
	resumed := false
	if s.freshness.since().IsZero() && looked.IsZero() {
		unwritten, err := s.o.Directory.Store.CountUnwritten(s.ctx, s.o.Account, 4*manyUnlinked)
		if err != nil {
			return false, err
		}
		n, resumed = n+unwritten, unwritten > 0
	}
	if n < manyUnlinked || !s.circuit.admits() {
		return false, nil
	}
	s.reading.Store(s.o.Clock().UnixNano())
	seen, linked := 0, 0
	var byPhone []store.DirectoryEntry
	link := func(entries []store.DirectoryEntry, final bool) error {
		n, later, err := s.o.Directory.Store.Link(s.ctx, s.lease, s.o.Account, s.o.Directory.Connectors, entries, final)
		linked, byPhone = linked+n, append(byPhone, later...)
		return err
	}
	began := s.o.Clock()
	newest := time.Time{}
	err = s.o.Directory.Fetch(s.ctx, time.Time{}, func(entries []store.DirectoryEntry) error {
		seen += len(entries)
		newest = newestOf(newest, entries)
		if resumed {
			if _, err := s.o.Directory.Store.Refresh(s.ctx, s.lease, s.o.Account, s.o.Directory.Connectors, entries); err != nil {
				return err
			}
		}
		return link(entries, false)
	})
	if err == nil && len(byPhone) > 0 {
		err = link(byPhone, true)
	}
	if err == nil {
		s.freshness.begin(began, newest)
	}
	s.o.Logger.Info("contacts of the destination read", "account", s.o.Account, "contacts", seen, "linked", linked)
	return err == nil, err
}

// waitsForDirectory says that claiming had better wait until customers are linked.
func (s *session) waitsForDirectory() bool {
	since := s.reading.Load()
	return since != 0 && s.o.Clock().Sub(time.Unix(0, since)) < directoryPatience
}

const (
	// freshFor is how long what was read or refreshed says which values are empty:
	// people may fill them while a large load waits for its turn.
	freshFor = 75 * time.Second
	// readsLag is how far a refresh reaches back before the newest change that was
	// read, because reads lag behind writes.
	readsLag = time.Minute
)

// freshness is how old the knowledge of the directory is.
type freshness struct {
	mu sync.Mutex
	// began is when the directory was read as a whole, through until when its changes
	// were read since; zero for not in this session.
	began, through time.Time
	// newest is the newest change that was read, by the destination's clock.
	newest time.Time
}

func (f *freshness) begin(began, newest time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began, f.through, f.newest = began, began, newest
}

// since is from when on changes are to be read; zero for not at all.
func (f *freshness) since() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.newest.IsZero() {
		return time.Time{}
	}
	return f.newest.Add(-readsLag)
}

func (f *freshness) extend(through, newest time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.through = through
	if newest.After(f.newest) {
		f.newest = newest
	}
}

// stale says whether what was read at a moment may have changed since unseen.
func (f *freshness) stale(readAt, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case readAt.IsZero(), now.Sub(readAt) < freshFor:
		return false
	case readAt.Before(f.began):
		return true
	}
	return now.Sub(f.through) >= freshFor
}

func newestOf(newest time.Time, entries []store.DirectoryEntry) time.Time {
	for _, e := range entries {
		if e.ModifiedAt.After(newest) {
			newest = e.ModifiedAt
		}
	}
	return newest
}

// refresh reads what changed in the directory since it was read, until the load that
// it was read for is delivered.
func (s *session) refresh(began time.Time) error {
	since := s.freshness.since()
	if since.IsZero() {
		return nil
	}
	due, err := s.o.Store.NextDue(s.ctx, s.o.Account)
	if err != nil {
		return err
	}
	if due.IsZero() {
		s.freshness.begin(time.Time{}, time.Time{})
		return nil
	}
	if !s.circuit.admits() {
		return nil
	}
	newest, changed := time.Time{}, 0
	err = s.o.Directory.Fetch(s.ctx, since, func(entries []store.DirectoryEntry) error {
		newest = newestOf(newest, entries)
		n, err := s.o.Directory.Store.Refresh(s.ctx, s.lease, s.o.Account, s.o.Directory.Connectors, entries)
		changed += n
		return err
	})
	if err != nil {
		return err
	}
	s.freshness.extend(began, newest)
	s.o.Logger.Debug("contacts of the destination refreshed", "account", s.o.Account, "changed", changed)
	return nil
}
