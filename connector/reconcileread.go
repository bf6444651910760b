package connector

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// sourceSide is what Twilio has and the store has not.
type sourceSide struct {
	records []record.Record
	// lacking are facts that are missing or stale, with the records that tell of them,
	// and where they are listed.
	lacking map[fact.Key][]string
	listed  map[string]int
	// customers are those whom the facts may belong to: nothing is said of them
	// while the facts are not mended.
	customers map[int64]bool
}

// lateRows is how late rows may be listed that the next pull finds.
const lateRows = 5 * time.Minute

// compareSource compares TaskRouter's events with records and facts, as far as they were
// pulled.
func (w *reconciling) compareSource(ctx context.Context) error {
	w.source = sourceSide{lacking: map[fact.Key][]string{}, listed: map[string]int{}, customers: map[int64]bool{}}
	checkpoints, err := w.f.store.LoadCheckpoints(ctx, w.f.cfg.Name)
	if err != nil {
		return err
	}
	through := checkpoints[twilio.EventsStream].Through
	if through.IsZero() {
		return nil // nothing was ever pulled
	}
	r, any, err := w.f.readable(ctx, twilio.EventsStream, twilio.Range{From: w.request.Since.UTC().Truncate(time.Second), To: through.Add(-lateRows).UTC().Truncate(time.Second)})
	if err != nil || !any {
		return err
	}
	seen := map[string]bool{}
	return w.f.source.FetchRange(ctx, twilio.EventsStream, r, "", func(p record.Page) error {
		var fresh []record.Record
		for _, rec := range p.Records {
			if !seen[rec.Key] { // the edges of windows come twice
				seen[rec.Key] = true
				fresh = append(fresh, rec)
			}
		}
		w.report.Records += len(fresh)
		return w.comparePage(ctx, fresh)
	})
}

func (w *reconciling) comparePage(ctx context.Context, records []record.Record) error {
	keys := make([]string, len(records))
	for i, r := range records {
		keys[i] = r.Key
	}
	known, err := w.f.store.LoadKnownRecords(ctx, w.f.cfg.Name, keys)
	if err != nil {
		return err
	}
	untold, err := w.f.digest.Compare(ctx, records, known)
	if err != nil {
		return err
	}
	for kind, facts := range map[string]map[fact.Key][]string{"missing": untold.Missing, "stale": untold.Stale} {
		for key, of := range facts {
			if w.source.lacking[key] == nil {
				w.source.listed[key.SID] = w.find(Finding{Kind: kind, Where: "store", What: "fact", ID: key.SID})
			}
			w.source.lacking[key] = append(w.source.lacking[key], of...)
		}
	}
	pruned := before(w.f.clock(), w.f.keepRecords)
	for _, r := range untold.Records {
		if r.At.Before(pruned) {
			continue // it was kept for as long as it had to be
		}
		w.source.records = append(w.source.records, r)
		w.source.listed[r.Key] = w.find(Finding{Kind: "missing", Where: "store", What: "record", ID: r.Key})
	}
	return w.touch(ctx, untold.Missing, untold.Stale)
}

// touch notes whose the lacking facts may be.
func (w *reconciling) touch(ctx context.Context, lists ...map[fact.Key][]string) error {
	var keys []fact.Key
	var tokens []store.Token
	for _, facts := range lists {
		for key := range facts {
			keys = append(keys, key)
			tokens = append(tokens, store.Token{Kind: store.Ref, Value: key.SID})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	n, err := w.f.store.LoadNeighbours(ctx, w.f.cfg.Name, tokens, keys)
	if err != nil {
		return err
	}
	for _, c := range n.Customers {
		w.source.customers[c.ID] = true
	}
	return nil
}

// brevoSide is what Brevo has.
type brevoSide struct {
	events map[string]seenEvent
	// contacts are those that customers or our lists name, by id.
	contacts map[int64]brevo.HeldContact
	byEmail  map[string]int64
	byPhone  map[string]int64
	// preview says what delivering a contact would change.
	preview func(record.Change) record.Preview
}

// seenEvent is an event with how often Brevo has it.
type seenEvent struct {
	brevo.SeenEvent
	times int
	// explained is set once it is known why it is there.
	explained bool
}

// eventNames are those that rules give.
func (f *flow) eventNames() []string {
	var names []string
	for _, rule := range f.cfg.Rules.Events {
		if !slices.Contains(names, rule.Name) {
			names = append(names, rule.Name)
		}
	}
	return names
}

func (w *reconciling) readEvents(ctx context.Context) error {
	w.brevo.events = map[string]seenEvent{}
	offset := 0
	err := patiently(ctx, func() (err error) {
		offset, err = w.f.account.destination.FetchEvents(ctx, w.f.eventNames(), w.request.Since, w.report.Until, offset, func(e brevo.SeenEvent) {
			known := w.brevo.events[e.ID]
			w.brevo.events[e.ID] = seenEvent{SeenEvent: e, times: known.times + 1}
		})
		return err
	})
	w.report.Events = len(w.brevo.events)
	return err
}

// mendStore brings the store's facts up to what Twilio says, before customers are
// compared by them. What Brevo has of these is marked first, so that it is not told again.
func (w *reconciling) mendStore(ctx context.Context) error {
	if !w.request.Heal || len(w.source.lacking)+len(w.source.records) == 0 {
		return nil
	}
	var found []store.FoundEvent
	for id, e := range w.brevo.events {
		for key := range w.source.lacking {
			if strings.Contains(id, key.SID) {
				found = append(found, store.FoundEvent{Key: id, At: e.At})
			}
		}
	}
	if _, err := w.f.store.MarkFound(ctx, w.lease, w.f.cfg.Name, found, w.f.clock()); err != nil {
		return err
	}
	if err := w.f.keep(ctx, record.Page{Stream: twilio.EventsStream, Records: w.source.records}); err != nil {
		return err
	}
	var keys []string
	for _, of := range w.source.lacking {
		keys = append(keys, of...)
	}
	if _, err := w.f.store.DigestAgain(ctx, w.f.cfg.Name, keys); err != nil {
		return err
	}
	if err := w.digested(ctx); err != nil {
		return err
	}
	for _, at := range w.source.listed {
		w.healed(at)
	}
	w.source.customers = map[int64]bool{}
	return nil
}

// readContacts reads the directory and keeps what customers who were active, or our
// lists, name.
func (w *reconciling) readContacts(ctx context.Context) error {
	b := &w.brevo
	b.contacts, b.byEmail, b.byPhone = map[int64]brevo.HeldContact{}, map[string]int64{}, map[string]int64{}
	var err error
	if b.preview, err = w.f.account.destination.Preview(ctx, w.f.account.plan()); err != nil {
		return err
	}
	ids, addresses := map[int64]bool{}, map[string]bool{}
	for after, n := int64(0), -1; n != 0; {
		expected, last, read, err := w.f.digest.Expect(ctx, after, w.request.Since)
		if err != nil {
			return err
		}
		after, n = last, read
		for _, e := range expected {
			ids[e.Held.ID] = true
			if e.Contact != nil {
				addresses[strings.ToLower(e.Contact.Email)], addresses[e.Contact.Phone] = true, true
			}
		}
	}
	var names []string
	for _, spec := range w.f.account.plan().Attributes {
		names = append(names, spec.Name)
	}
	return w.f.account.destination.FetchDirectory(ctx, time.Time{}, names, func(page []brevo.HeldContact) error {
		w.report.Contacts += len(page)
		for _, c := range page {
			entry := entryOf(c)
			switch {
			case ids[c.Held.ID], entry.Email != "" && addresses[entry.Email], entry.Phone != "" && addresses[entry.Phone]:
				b.contacts[c.Held.ID] = c
				b.byEmail[entry.Email], b.byPhone[entry.Phone] = c.Held.ID, c.Held.ID
			case w.onOurList(c):
				if err := w.stranger(ctx, c); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// onOurList says whether a contact is on the list of all whom we write.
func (w *reconciling) onOurList(c brevo.HeldContact) bool {
	ref := list(w.f.cfg.Lists.SupportContacts)
	if ref == "" {
		return false
	}
	p := w.brevo.preview(record.Change{Contact: &record.Contact{Lists: []string{ref}}, Held: record.Held{ID: c.Held.ID, Lists: c.Held.Lists}})
	return len(p.Joins) == 0 && len(p.Omissions) == 0
}

// stranger notes a contact on our list whom no customer of the account's connectors is.
func (w *reconciling) stranger(ctx context.Context, c brevo.HeldContact) error {
	entry := entryOf(c)
	for _, f := range w.f.account.flows {
		if _, err := f.store.LoadContactOwner(ctx, f.cfg.Name, c.Held.ID); err == nil {
			return nil
		}
		n, err := f.store.LoadNeighbours(ctx, f.cfg.Name, []store.Token{{Kind: store.Email, Value: entry.Email}, {Kind: store.Phone, Value: entry.Phone}}, nil)
		if err != nil || len(n.Customers) > 0 {
			return err
		}
	}
	w.find(Finding{Kind: "extra", Where: "brevo", What: "contact", ID: strconv.FormatInt(c.Held.ID, 10), Detail: "on the list " + list(w.f.cfg.Lists.SupportContacts), Left: leftStranger})
	return nil
}
