package store_test

import (
	"context"
	"errors"
	"testing"

	"flexbrevo/connector/store"
)

func TestTrust(t *testing.T) {
	t.Parallel()
	trusted := true
	work, cancel := context.WithCancel(store.WithTrust(t.Context(), func() bool { return trusted }))
	cancel()
	outliving := store.ShareTrust(t.Context(), work)
	if err := errors.Join(store.Trusted(work), store.Trusted(outliving), store.Trusted(store.ShareTrust(t.Context(), t.Context()))); err != nil {
		t.Errorf("while the lease holds: %v", err)
	}
	trusted = false
	for name, ctx := range map[string]context.Context{"the work's": work, "the one that outlives it": outliving} {
		if err := store.Trusted(ctx); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("%s context after the lease: %v", name, err)
		}
	}
	if err := store.Trusted(t.Context()); err != nil {
		t.Errorf("a context without lease: %v", err)
	}
}
