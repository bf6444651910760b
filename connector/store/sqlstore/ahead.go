package sqlstore

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/store"
)

// LoadAhead implements store.Forward.
func (s *Store) LoadAhead(ctx context.Context, role string, ttl time.Duration) (store.Ahead, error) {
	ahead := store.Ahead{Lease: store.Lease{Role: role}}
	err := s.read(ctx, "load lease", func(t *tx) error {
		return t.one(`SELECT holder, term, expires_at FROM leases WHERE role = $1 AND expires_at > {now} + $2`,
			[]any{&ahead.Holder, &ahead.Term, clock{&ahead.ExpiresAt}}, role, ttl.Milliseconds())
	})
	if err != nil {
		return store.Ahead{}, err
	}
	return ahead, nil
}

// AcquireAhead implements store.Forward.
func (s *Store) AcquireAhead(ctx context.Context, seen store.Ahead, holder string, ttl time.Duration) (store.Lease, error) {
	lease := store.Lease{Role: seen.Role, Holder: holder}
	err := s.write(ctx, "take over lease", func(t *tx) error {
		err := t.one(`
			UPDATE leases SET holder = $5, term = term + 1, expires_at = {now} + $6
			WHERE role = $1 AND holder = $2 AND term = $3 AND expires_at = $4
			RETURNING term`, []any{&lease.Term},
			seen.Role, seen.Holder, seen.Term, seen.ExpiresAt.UnixMilli(), holder, ttl.Milliseconds())
		if errors.Is(err, store.ErrNotFound) {
			return store.ErrLeaseHeld
		}
		return err
	})
	if err != nil {
		return store.Lease{}, err
	}
	return lease, nil
}
