package connector

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// mends is what is to be mended, with where it is listed.
type mends struct {
	held      map[int64]record.Held
	recompute map[int64][]int
	retell    map[string]int
	found     map[string]foundEvent
	// corrected are findings that writing held mends.
	corrected map[int64][]int
}

// foundEvent is an event that Brevo has and that is not marked here.
type foundEvent struct {
	store.FoundEvent
	at int
}

// compareCustomers compares each customer who was active with what Brevo has.
func (w *reconciling) compareCustomers(ctx context.Context) error {
	w.mends = mends{
		held: map[int64]record.Held{}, recompute: map[int64][]int{}, retell: map[string]int{}, found: map[string]foundEvent{}, corrected: map[int64][]int{},
	}
	for after, n := int64(0), -1; n != 0; {
		expected, last, read, err := w.f.digest.Expect(ctx, after, w.request.Since)
		if err != nil {
			return err
		}
		after, n = last, read
		for _, e := range expected {
			if err := w.compareCustomer(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// historyRead is how many of a customer's latest deliveries are read.
const historyRead = 500

func (w *reconciling) compareCustomer(ctx context.Context, e pipeline.Expected) error {
	w.report.Customers++
	w.explain(e)
	if e.Contact == nil || e.Held.Deleted || w.source.customers[e.CustomerID] {
		return nil
	}
	h, err := w.f.store.LoadHistory(ctx, w.f.cfg.Name, e.CustomerID, historyRead)
	if err != nil {
		return err
	}
	sent, settled, waits := map[string]*record.Event{}, false, false
	for _, d := range h.Deliveries {
		switch {
		case d.Kind == store.EventDelivery && d.State == store.Delivered:
			sent[d.Key] = d.Event
		case d.Kind == store.ContactDelivery:
			waits = waits || d.State == store.Pending || d.State == store.Sending || d.State == store.Unknown
			settled = settled || d.State == store.Skipped || d.State == store.Dead
		}
	}
	there := true
	if !waits {
		if there, err = w.compareContact(ctx, e, settled); err != nil {
			return err
		}
	}
	if !there {
		return nil
	}
	if err := w.markedByKey(ctx, &e); err != nil {
		return err
	}
	w.compareTold(e, sent)
	return nil
}

// markedByKey takes in marks that no fact carries: of events that were found in Brevo
// before it was known what they are of.
func (w *reconciling) markedByKey(ctx context.Context, e *pipeline.Expected) error {
	var untold []string
	for _, x := range e.Events {
		if x.Told.IsZero() && !x.Skipped {
			untold = append(untold, x.ID)
		}
	}
	if len(untold) == 0 {
		return nil
	}
	marked, err := w.f.store.LoadMarked(ctx, w.f.cfg.Name, untold)
	for i, x := range e.Events {
		switch at, is := marked[x.ID]; {
		case is && at > 0:
			e.Events[i].Told = time.UnixMilli(at).UTC()
		case is:
			e.Events[i].Skipped = true
		}
	}
	return err
}

// explain takes note that a customer's events are rightly there.
func (w *reconciling) explain(e pipeline.Expected) {
	for _, x := range e.Events {
		if seen, is := w.brevo.events[x.ID]; is {
			seen.explained = true
			w.brevo.events[x.ID] = seen
		}
	}
}

// compareContact compares a customer's contact, and says whether Brevo has it. settled
// says that a contact of theirs ended without being written.
func (w *reconciling) compareContact(ctx context.Context, e pipeline.Expected, settled bool) (bool, error) {
	seen, is := w.brevo.contacts[e.Held.ID]
	if e.Held.ID == 0 {
		return w.compareUnlinked(ctx, e, settled)
	}
	id := strconv.FormatInt(e.Held.ID, 10)
	if !is {
		exists, err := w.f.account.destination.Exists(ctx, e.Held.ID)
		if err != nil || exists {
			return true, err
		}
		f := Finding{Kind: "missing", Where: "brevo", What: "contact", ID: id, Customer: e.CustomerID, Left: leftDeleted}
		if w.f.cfg.Identity.OnDeleted == config.OnDeletedRecreate {
			f.Left = leftRecreated
		}
		w.find(f)
		return false, nil
	}
	fresh := brevo.Refreshed(e.Held, seen.Held)
	differs := w.brevo.preview(record.Change{Contact: e.Contact, Held: fresh})
	if names := valueNames(differs); len(names) > 0 {
		at := w.find(Finding{Kind: "stale", Where: "brevo", What: "contact", ID: id, Customer: e.CustomerID, Detail: strings.Join(names, ", ")})
		w.mends.held[e.CustomerID], w.mends.recompute[e.CustomerID] = fresh, append(w.mends.recompute[e.CustomerID], at)
	} else if names := brevo.HeldWrong(e.Held, seen.Held, e.Contact); len(names) > 0 {
		at := w.find(Finding{Kind: "stale", Where: "store", What: "contact", ID: id, Customer: e.CustomerID, Detail: strings.Join(names, ", ")})
		w.mends.held[e.CustomerID], w.mends.corrected[e.CustomerID] = fresh, append(w.mends.corrected[e.CustomerID], at)
	}
	w.compareLists(e, id, seen, differs)
	return true, nil
}

func valueNames(p record.Preview) []string {
	var names []string
	for _, v := range p.Values {
		names = append(names, v.Name)
	}
	return names
}

// compareLists tells lists that were never joined, which is ours, from those that
// somebody took the contact off.
func (w *reconciling) compareLists(e pipeline.Expected, id string, seen brevo.HeldContact, differs record.Preview) {
	bare := e.Held
	bare.Lists, bare.Left = seen.Held.Lists, e.Held.Left
	for _, name := range w.brevo.preview(record.Change{Contact: e.Contact, Held: bare}).Joins {
		f := Finding{Kind: "missing", Where: "brevo", What: "list", ID: id, Customer: e.CustomerID, Detail: name}
		if !slices.Contains(differs.Joins, name) {
			f.Left = leftList
		}
		at := w.find(f)
		if f.Left == "" {
			w.mends.recompute[e.CustomerID] = append(w.mends.recompute[e.CustomerID], at)
		}
	}
}

// compareUnlinked looks at a customer of whom no contact is known.
func (w *reconciling) compareUnlinked(ctx context.Context, e pipeline.Expected, settled bool) (bool, error) {
	if settled {
		return false, nil // it was tried, and what became of it is shown elsewhere
	}
	id := w.brevo.byEmail[strings.ToLower(e.Contact.Email)]
	if e.Contact.Email == "" {
		id = w.brevo.byPhone[e.Contact.Phone]
	}
	if id == 0 {
		if e.Contact.Create {
			at := w.find(Finding{Kind: "missing", Where: "brevo", What: "contact", ID: "", Customer: e.CustomerID})
			w.mends.recompute[e.CustomerID] = append(w.mends.recompute[e.CustomerID], at)
		}
		return false, nil
	}
	_, err := w.f.store.LoadContactOwner(ctx, w.f.cfg.Name, id)
	if !errors.Is(err, store.ErrNotFound) {
		return err == nil, err // it is another customer's, which the first write will note
	}
	at := w.find(Finding{Kind: "missing", Where: "store", What: "contact", ID: strconv.FormatInt(id, 10), Customer: e.CustomerID})
	w.mends.held[e.CustomerID] = brevo.Refreshed(e.Held, w.brevo.contacts[id].Held)
	w.mends.corrected[e.CustomerID] = append(w.mends.corrected[e.CustomerID], at)
	return true, nil
}

// compareTold compares a customer's events of the range.
func (w *reconciling) compareTold(e pipeline.Expected, sent map[string]*record.Event) {
	for _, x := range e.Events {
		if x.At.Before(w.request.Since) || x.Skipped || x.Withheld != "" {
			continue
		}
		seen, there := w.brevo.events[x.ID]
		switch {
		case there && x.Told.IsZero():
			w.mends.found[x.ID] = foundEvent{
				FoundEvent: store.FoundEvent{Key: x.ID, At: seen.At, Fact: x.Fact, Type: x.Mark},
				at:         w.find(Finding{Kind: "missing", Where: "store", What: "event", ID: x.ID, Customer: e.CustomerID}),
			}
		case there && sent[x.ID] != nil && brevo.PrintOf(sent[x.ID]) != seen.Print:
			w.find(Finding{Kind: "stale", Where: "brevo", What: "event", ID: x.ID, Customer: e.CustomerID, Left: leftSent})
		case !there && !x.Told.IsZero():
			w.missing(e, x, sent[x.ID] != nil)
		case !there && x.State == "":
			at := w.find(Finding{Kind: "missing", Where: "brevo", What: "event", ID: x.ID, Customer: e.CustomerID, Left: w.tooOld(x.At)})
			w.mends.recompute[e.CustomerID] = append(w.mends.recompute[e.CustomerID], at)
		}
	}
}

// missing notes an event that was told and that Brevo has not.
func (w *reconciling) missing(e pipeline.Expected, x pipeline.ExpectedEvent, kept bool) {
	f := Finding{Kind: "missing", Where: "brevo", What: "event", ID: x.ID, Customer: e.CustomerID, Left: w.tooOld(x.At)}
	if f.Left == "" && !kept {
		f.Left = leftForgotten
	}
	if at := w.find(f); f.Left == "" {
		w.mends.retell[x.ID] = at
	}
}

func (w *reconciling) tooOld(at time.Time) string {
	if age := w.f.cfg.Events.MaxAge; age > 0 && w.report.Until.Sub(at) > age {
		return leftTooOld
	}
	return ""
}

// compareEvents looks for events in Brevo that nothing here gives, or that are there more
// than once.
func (w *reconciling) compareEvents(ctx context.Context) error {
	var unexplained []string
	for id, e := range w.brevo.events {
		for range e.times - 1 {
			w.find(Finding{Kind: "extra", Where: "brevo", What: "event", ID: id, Detail: "more than once", Left: leftSent})
		}
		if !e.explained {
			unexplained = append(unexplained, id)
		}
	}
	slices.Sort(unexplained)
	for part := range slices.Chunk(unexplained, 500) {
		known, err := w.known(ctx, part)
		if err != nil {
			return err
		}
		for _, id := range part {
			if !known[id] {
				w.find(Finding{Kind: "extra", Where: "brevo", What: "event", ID: id, Left: leftStranger})
			}
		}
	}
	return nil
}

// known says which events some connector of the account told, or told of people who were
// forgotten.
func (w *reconciling) known(ctx context.Context, ids []string) (map[string]bool, error) {
	known := map[string]bool{}
	for _, f := range w.f.account.flows {
		marked, err := f.store.LoadMarked(ctx, f.cfg.Name, ids)
		if err != nil {
			return nil, err
		}
		for id := range marked {
			known[id] = true
		}
		if f.graves == nil {
			continue
		}
		tokens := make([]store.Token, len(ids))
		for i, id := range ids {
			tokens[i] = store.Token{Kind: store.EventToken, Value: id}
		}
		buried, err := f.graves.LoadBuried(ctx, f.cfg.Name, tokens)
		if err != nil {
			return nil, err
		}
		for token := range buried {
			known[token.Value] = true
		}
	}
	return known, nil
}

// mend does what was found to be ours to do, and brings it to Brevo.
func (w *reconciling) mend(ctx context.Context) error {
	m := &w.mends
	if n := len(m.recompute) + len(m.retell); n > 0 {
		// A contact is created in up to three calls and updated in two; events are looked up
		// together, a window of some hours at a time, and then sent.
		w.report.HealPlan = ReconcileCalls{Contacts: 3*len(m.recompute) + accountCalls, Events: brevo.EventPages(len(m.retell)) + w.windows()}
	}
	if w.told != nil {
		w.told(w.report)
	}
	if !w.request.Heal {
		return nil
	}
	if err := w.mendHeld(ctx); err != nil {
		return err
	}
	if err := w.mendEvents(ctx); err != nil {
		return err
	}
	if err := w.recompute(ctx); err != nil {
		return err
	}
	w.f.account.deliver.Wake()
	return w.deliver(ctx)
}

// windows bounds how many windows of six hours the range has.
func (w *reconciling) windows() int {
	return int(w.report.Until.Sub(w.request.Since)/(6*time.Hour)) + 1
}

func (w *reconciling) mendHeld(ctx context.Context) error {
	if len(w.mends.held) == 0 {
		return nil
	}
	if _, err := w.f.store.CorrectHeld(ctx, w.lease, w.f.cfg.Name, w.mends.held); err != nil {
		return err
	}
	for _, list := range w.mends.corrected {
		for _, at := range list {
			w.healed(at)
		}
	}
	return nil
}

func (w *reconciling) mendEvents(ctx context.Context) error {
	var found []store.FoundEvent
	for _, f := range w.mends.found {
		found = append(found, f.FoundEvent)
		w.healed(f.at)
	}
	if len(found) > 0 {
		if _, err := w.f.store.MarkFound(ctx, w.lease, w.f.cfg.Name, found, w.f.clock()); err != nil {
			return err
		}
	}
	var keys []string
	for id := range w.mends.retell {
		keys = append(keys, id)
	}
	if len(keys) == 0 {
		return nil
	}
	told, err := w.f.store.Retell(ctx, w.lease, w.f.cfg.Name, keys, w.f.clock())
	for _, id := range told {
		w.healed(w.mends.retell[id])
	}
	return err
}

func (w *reconciling) recompute(ctx context.Context) error {
	w.f.digests.Lock()
	defer w.f.digests.Unlock()
	for id, list := range w.mends.recompute {
		contacts, events, err := w.f.digest.Recompute(ctx, w.lease, w.brevo.preview, []int64{id})
		if err != nil {
			return err
		}
		if contacts+events == 0 {
			continue
		}
		for _, at := range list {
			if at < 0 || w.report.Findings[at].Left == "" {
				w.healed(at)
			}
		}
	}
	return nil
}
