package connector_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// leaky is a store that cannot keep the pages of one stream, so long as it is told.
type leaky struct {
	store.Store
	fails atomic.Bool
}

func (l *leaky) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	for _, b := range batch {
		for _, p := range b.Pages {
			if p.Stream == twilio.ConversationsStream && l.fails.Load() {
				return store.Captured{}, fmt.Errorf("capture: %w", store.ErrUnavailable)
			}
		}
	}
	return l.Store.Capture(ctx, batch)
}

// TestAPassThatLostAPageTellsNothing: an event is told once, with what is known then, so that a pass of which the store
// kept only a part sends nothing, and the next one all.
func TestAPassThatLostAPageTellsNothing(t *testing.T) {
	t.Parallel()
	end := time.Now().UTC().Add(-6 * time.Hour)
	w := world.New(world.Options{Seed: 12, Start: end.Add(-24 * time.Hour), End: end, Contacts: 30, Customers: 10})
	brevo := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	o := passOptions(t, `
connectors:
  c:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    field_mapping: {attributes.email: email, attributes.phone: SMS}
    event_mapping: {conversation.started: STARTED}
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "${STORE}"}
`, end.Add(6*time.Hour), w, brevo)
	st := &leaky{Store: o.Store}
	o.Store = st
	pass := func() error {
		_, err := newService(t, o).Sync(t.Context(), nil)
		return err
	}

	st.fails.Store(true)
	if err := pass(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a pass whose store kept only a part ended with %v", err)
	}
	if n := len(brevo.Events()) + len(brevo.Contacts()); n > 0 {
		t.Errorf("%d contacts and events were sent", n)
	}
	st.fails.Store(false)
	if err := pass(); err != nil {
		t.Fatal(err)
	}
	if n := len(brevo.Events()); n < 10 {
		t.Errorf("%d events are in Brevo after the next pass", n)
	}
}
