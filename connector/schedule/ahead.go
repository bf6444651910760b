package schedule

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/store"
)

// sighting is what a process that waits for a role last saw of a lease that the
// database's clock left ahead of itself.
type sighting struct {
	seen store.Ahead
	// since is when it was first seen as it is, look when it is looked at again, both by
	// our own clock that counts on.
	since, look time.Time
}

// takeAhead takes over a role whose lease lasts longer than any is given, after having
// seen it unchanged for as long as one lasts: its holder would have extended it three
// times, and has ceased to trust it. Where there is no such lease, or not for so long,
// it gives store.ErrLeaseHeld.
//
// The lease comes from before the database's clock was put back. A standby must not
// wait until the clock has caught up, which may take hours; nor believe that the
// holder is dead because of a clock.
func (r *Roles) takeAhead(ctx context.Context, role string) (store.Lease, error) {
	s := r.sighting(role)
	if time.Now().Before(s.look) {
		return store.Lease{}, store.ErrLeaseHeld
	}
	seen, err := r.Store.LoadAhead(ctx, role, r.ttl())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Lease{}, err
	}
	now := time.Now()
	s.look = now.Add(r.ttl() / 3)
	if seen.Lease != s.seen.Lease || !seen.ExpiresAt.Equal(s.seen.ExpiresAt) {
		s.seen, s.since = seen, now
	}
	if s.watched() {
		s.look = now.Add(min(r.ttl()/3, max(r.ttl()/30, s.since.Add(r.ttl()).Sub(now))))
	}
	r.remember(role, s)
	if !s.watched() || now.Sub(s.since) < r.ttl() {
		return store.Lease{}, store.ErrLeaseHeld
	}
	lease, err := r.Store.AcquireAhead(ctx, seen, r.Holder, r.ttl())
	if err == nil {
		r.Logger.Warn("role was taken from a holder that is gone; the database's clock was put back", "role", role, "holder", seen.Holder)
	}
	return lease, err
}

// watched says whether there is a lease ahead of the clock.
func (s sighting) watched() bool { return s.seen.Role != "" }

// watching says whether a role is held by a lease ahead of the clock, which may turn
// out to be nobody's.
func (r *Roles) watching(role string) bool { return r.sighting(role).watched() }

func (r *Roles) sighting(role string) sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sightings[role]
}

func (r *Roles) remember(role string, s sighting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sightings == nil {
		r.sightings = map[string]sighting{}
	}
	r.sightings[role] = s
}
