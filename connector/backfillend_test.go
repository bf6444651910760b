package connector_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// belated is a store into which, at the very end of a backfill, a digest of something live is saved that began while
// the backfill was under way, and left somebody to its end.
type belated struct {
	store.Store

	mu        sync.Mutex
	lease     store.Lease
	customers []int64
	owed      bool
}

func (b *belated) SaveDigest(ctx context.Context, lease store.Lease, d *store.Digest) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lease = lease
	for _, c := range d.Customers {
		if c.MergedInto == 0 {
			b.customers = append(b.customers, c.ID)
		}
	}
	return b.Store.SaveDigest(ctx, lease, d)
}

func (b *belated) CountRecords(ctx context.Context, connector, stream string, since, until time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.owed {
		b.owed = true
		d := &store.Digest{Connector: connector, At: time.Now(), Owed: b.customers[:1]}
		if err := b.Store.SaveDigest(ctx, b.lease, d); err != nil {
			return 0, err
		}
	}
	return b.Store.CountRecords(ctx, connector, stream, since, until)
}

// TestABackfillLeavesNobodyBehind: whom a digest leaves to the end of a backfill gets what he is owed, however late.
func TestABackfillLeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	w := world.New(world.Options{Seed: 5, Start: now.Add(-30 * time.Hour), End: now.Add(-6 * time.Hour), Contacts: 20, Customers: 8})
	brevo := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	brevo.AddList(3, "support")
	o := passOptions(t, benchConfig, now, w, brevo)
	b := &belated{Store: o.Store}
	o.Store = b
	request := connector.BackfillRequest{Connector: "twilio_flex", Since: now.Add(-31 * time.Hour), Until: now.Add(-5 * time.Hour)}
	if _, err := newService(t, o).Backfill(t.Context(), request, nil); err != nil {
		t.Fatal(err)
	}
	if !b.owed {
		t.Fatal("nobody was left to the end")
	}
	if n, err := b.CountOwed(t.Context(), "twilio_flex"); err != nil || n != 0 {
		t.Errorf("%d are still owed something, %v", n, err)
	}
}
