package sqlstore

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/store"
)

// Acquire implements store.Leaser.
func (s *Store) Acquire(ctx context.Context, role, holder string, ttl time.Duration) (store.Lease, error) {
	lease := store.Lease{Role: role, Holder: holder}
	err := s.write(ctx, "acquire lease", func(t *tx) error {
		err := t.one(`
			INSERT INTO leases (role, holder, term, expires_at) VALUES ($1, $2, 1, {now} + $3)
			ON CONFLICT (role) DO UPDATE SET
				holder = excluded.holder, term = leases.term + 1, expires_at = excluded.expires_at
			WHERE leases.expires_at <= {now}
			RETURNING term`, []any{&lease.Term}, role, holder, ttl.Milliseconds())
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

// Extend implements store.Leaser.
func (s *Store) Extend(ctx context.Context, lease store.Lease, ttl time.Duration) error {
	return s.write(ctx, "extend lease", func(t *tx) error {
		n, err := t.exec(`
			UPDATE leases SET expires_at = {now} + $4
			WHERE role = $1 AND holder = $2 AND term = $3 AND expires_at > {now}`,
			lease.Role, lease.Holder, lease.Term, ttl.Milliseconds())
		if err == nil && n == 0 {
			return store.ErrLeaseLost
		}
		return err
	})
}

// Release implements store.Leaser.
func (s *Store) Release(ctx context.Context, lease store.Lease) error {
	return s.write(ctx, "release lease", func(t *tx) error {
		_, err := t.exec(`UPDATE leases SET expires_at = 0 WHERE role = $1 AND holder = $2 AND term = $3`,
			lease.Role, lease.Holder, lease.Term)
		return err
	})
}

// fence returns store.ErrLeaseLost unless the lease holds now. Its row stays
// locked until the transaction ends, so that nobody takes the role over before.
func (t *tx) fence(lease store.Lease) error {
	var term int64
	err := t.one(`
		SELECT term FROM leases
		WHERE role = $1 AND holder = $2 AND term = $3 AND expires_at > {now} {lock}`,
		[]any{&term}, lease.Role, lease.Holder, lease.Term)
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrLeaseLost
	}
	return err
}
