package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// runForget is the kind of runs that let a person go.
const runForget = "forget"

// ErrNoForgetKey: nobody can be forgotten, because they could not be known again.
var ErrNoForgetKey = errors.New("forget.key is not set: without it nobody who comes in again could be known to be forgotten; " +
	"make one with `openssl rand -hex 32`, set it as FLEXBREVO_FORGET_KEY and keep it for good, apart from the store")

// errShared: a phone belongs to several people.
var errShared = errors.New("this phone is shared by several customers; name the person by email")

// ForgetRequest says who is to be forgotten.
type ForgetRequest struct {
	// Connector is where; the request is made for each that is meant.
	Connector string `json:"connector"`
	// Who is an email or a phone.
	Who string `json:"who"`
	// InBrevo deletes the contact in Brevo too.
	InBrevo bool `json:"inBrevo,omitempty"`
	// Later leaves the rewriting of the database's files for another time.
	Later bool `json:"later,omitempty"`
}

// ForgetReport says what was erased, and what lies elsewhere. It holds nothing that
// leads to the person.
type ForgetReport struct {
	Connector string `json:"connector"`
	// Known is false where nothing was known of the person here.
	Known bool `json:"known"`
	store.Erased
	// InBrevo is how many contacts were deleted in Brevo.
	InBrevo int `json:"inBrevo"`
	// Compacted says that the database's files were written anew, so that no byte is left.
	Compacted bool `json:"compacted"`
	// Elsewhere is what this cannot reach.
	Elsewhere []string `json:"elsewhere"`
}

// checkPerson returns the token that an email or a phone is.
func checkPerson(who, region string) (store.Token, error) {
	tokens, _, err := question(who, region)
	if err != nil || len(tokens) != 1 || tokens[0].Kind != store.Email && tokens[0].Kind != store.Phone {
		return store.Token{}, errors.New("want an email, or a phone with its country code such as +33612345678")
	}
	return tokens[0], nil
}

// CheckForget says whether a request can be carried out, without doing anything.
func (s *Service) CheckForget(r ForgetRequest) error {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return err
	}
	if f.graves == nil {
		return ErrNoForgetKey
	}
	_, err = checkPerson(r.Who, f.cfg.Region)
	return err
}

// AskForget leaves a request for the daemon that works on this store, and returns the
// run to follow. What it says of the person is erased from the run with them.
func (s *Service) AskForget(ctx context.Context, r ForgetRequest) (int64, error) {
	if err := s.CheckForget(r); err != nil {
		return 0, err
	}
	return s.o.Store.AddRun(ctx, store.Run{
		Kind: runForget, Connector: r.Connector, State: store.RunQueued, Request: marshal(r), CreatedAt: s.o.Clock(),
	})
}

// Forget lets a person go, without a daemon. It may be repeated after any error.
func (s *Service) Forget(ctx context.Context, r ForgetRequest) (ForgetReport, error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return ForgetReport{}, err
	}
	var report ForgetReport
	err = s.roles.Once(ctx, "digest:"+f.cfg.Name, func(ctx context.Context, lease store.Lease) error {
		report, err = f.forget(ctx, lease, r, 0)
		return err
	})
	if err != nil {
		return report, err
	}
	return report, f.wipe(ctx, &report, r.Later)
}

// takeAsked answers a run of which the digest's holder does the work: it stays running
// until then.
func (s *Service) takeAsked(run store.Run) error {
	_, err := s.flowOf(run.Connector)
	return err
}

// asked does what commands ask of whoever digests the connector, for as long as the
// lease lasts. A run that a stop or a death cut short is done again.
func (f *flow) asked(ctx context.Context, lease store.Lease) {
	for n := 0; schedule.Pause(ctx, time.Second); n++ {
		for kind, do := range map[string]func(context.Context, store.Lease, store.Run) error{
			runForget: f.forgetRun, runReconcile: f.reconcileRun,
		} {
			runs, err := f.store.LoadAsked(ctx, f.cfg.Name, kind)
			for _, run := range runs {
				if err == nil {
					err = do(ctx, lease, run)
				}
			}
			if err != nil && ctx.Err() == nil {
				f.logger.Warn("what was asked for cannot be done yet", "kind", kind, "err", err)
			}
		}
		if n%60 == 1 {
			f.forgetAged(ctx, lease)
		}
	}
}

// errImporting keeps a contact from being deleted in Brevo before it is made there.
var errImporting = errors.New("nothing was erased, because the person is in an import that Brevo still works on; run it again when it has ended, see status")

// forgetGrace is how long calls to Brevo that are under way are waited for.
const forgetGrace = 40 * time.Second

// forgetRun does one run. The request is erased before the files are written anew; what
// is found without one had come as far as that.
func (f *flow) forgetRun(ctx context.Context, lease store.Lease, run store.Run) error {
	var r ForgetRequest
	var report ForgetReport
	var err error
	if len(run.Request) > 0 {
		if err = json.Unmarshal(run.Request, &r); err == nil {
			report, err = f.forget(ctx, lease, r, forgetGrace)
		}
		if ctx.Err() != nil {
			return nil // whoever digests next does it
		}
		run.Progress = marshal(report)
		if e := f.store.EndAsked(ctx, run); e != nil {
			return e
		}
	} else if json.Unmarshal(run.Progress, &report) != nil {
		err = errors.New("the outcome of the run cannot be read")
	}
	if err == nil {
		err = f.wipe(ctx, &report, r.Later)
	}
	if ctx.Err() != nil {
		return nil
	}
	run.State, run.EndedAt, run.Progress = store.RunDone, f.clock(), marshal(report)
	if err != nil {
		run.State, run.Error = store.RunFailed, err.Error()
	}
	return f.store.EndAsked(ctx, run)
}

// wipe sees to it that nothing of what was erased is left in the database's files.
func (f *flow) wipe(ctx context.Context, report *ForgetReport, later bool) error {
	if later {
		return f.store.Flush(ctx)
	}
	if err := f.store.Compact(ctx); err != nil {
		return fmt.Errorf("everything is erased, but its bytes may be left in the database's files; run it again: %w", err)
	}
	report.Compacted = true
	return nil
}

// forget erases a person. Nothing is digested meanwhile, so that what comes in either is
// erased with them or finds their tomb.
func (f *flow) forget(ctx context.Context, lease store.Lease, r ForgetRequest, grace time.Duration) (ForgetReport, error) {
	report := ForgetReport{Connector: f.cfg.Name, Elsewhere: f.elsewhere(r.InBrevo)}
	if f.graves == nil {
		return report, ErrNoForgetKey
	}
	token, err := checkPerson(r.Who, f.cfg.Region)
	if err != nil {
		return report, err
	}
	if err := f.store.ProveKey(ctx, f.graves.proof(), true); err != nil {
		return report, fmt.Errorf("forget.key: %w", err)
	}
	f.digests.Lock()
	defer f.digests.Unlock()
	if err := f.mustBeOne(ctx, token); err != nil {
		return report, err
	}
	p, err := f.store.LoadPerson(ctx, f.cfg.Name, []store.Token{token})
	if err != nil {
		return report, err
	}
	report.Known = len(p.Customers) > 0
	if r.InBrevo {
		importing, err := f.store.Importing(ctx, p.IDs())
		if err != nil {
			return report, err
		}
		if importing {
			return report, errImporting
		}
	}
	if err := f.holdBack(ctx, lease, p, grace); err != nil {
		return report, err
	}
	if err := f.forgetInParts(ctx, p.IDs()); err != nil {
		return report, err
	}
	if r.InBrevo {
		if report.InBrevo, err = f.deleteInBrevo(ctx, p, token); err != nil {
			return report, fmt.Errorf("nothing was erased, because Brevo could not be told; run it again, or without --in-brevo: %w", err)
		}
	}
	report.Erased, err = f.erase(ctx, lease, []*store.Person{p}, []store.Token{token}, true)
	return report, err
}

// flush empties the store's log once nothing more waits for its digest, where records of
// people who were forgotten came in again: they were emptied, but the log has them still.
func (f *flow) flush(ctx context.Context, done pipeline.Digested) {
	if done.Buried > 0 {
		f.unflushed.Store(true)
	}
	if done.Records > 0 || !f.unflushed.Swap(false) {
		return
	}
	if err := f.store.Flush(ctx); err != nil && ctx.Err() == nil {
		f.unflushed.Store(true)
		f.logger.Warn("write-ahead log cannot be emptied yet", "err", err)
	}
}

// mustBeOne refuses a phone that several people have: it says of nobody who they are.
func (f *flow) mustBeOne(ctx context.Context, token store.Token) error {
	if token.Kind != store.Phone {
		return nil
	}
	for _, shared := range f.cfg.Identity.SharedPhones {
		if phone, ok := profile.Phone(shared, f.cfg.Region); ok && phone == token.Value {
			return errShared
		}
	}
	n, err := f.store.LoadNeighbours(ctx, f.cfg.Name, []store.Token{token}, nil)
	if err != nil {
		return err
	}
	for _, t := range n.Tokens {
		if t.Token == token && t.Shared {
			return errShared
		}
	}
	return nil
}

// holdBack keeps anything more from being sent of a person, and waits for what is under
// way: a call that ends later would bring back what was erased.
func (f *flow) holdBack(ctx context.Context, lease store.Lease, p *store.Person, grace time.Duration) error {
	for deadline := f.clock().Add(grace); ; {
		underWay, err := f.store.HoldBack(ctx, lease, f.cfg.Name, p.IDs(), f.clock())
		if err != nil || underWay == 0 || !f.clock().Before(deadline) {
			return err
		}
		if !schedule.Pause(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// deleteInBrevo deletes the contacts that the person's customers were written to, and the
// one that has what they were named by, unless it is another customer's.
func (f *flow) deleteInBrevo(ctx context.Context, p *store.Person, token store.Token) (int, error) {
	contacts := map[int64]bool{}
	for _, list := range [...][]store.Customer{p.Customers, p.Merged} {
		for _, c := range list {
			contacts[c.Held.ID] = c.Held.ID != 0
		}
	}
	address, phone := token.Value, ""
	if token.Kind == store.Phone {
		address, phone = "", token.Value
	}
	id, err := f.account.destination.FindContact(ctx, address, phone)
	if err != nil {
		return 0, err
	}
	if id != 0 {
		owner, err := f.store.LoadContactOwner(ctx, f.cfg.Name, id)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && owns(p, owner):
			contacts[id] = true
		case err != nil:
			return 0, err
		}
	}
	deleted := 0
	for id, known := range contacts {
		if !known {
			continue
		}
		was, err := f.account.destination.DeleteContact(ctx, id)
		if err != nil {
			return deleted, err
		}
		if was {
			deleted++
		}
	}
	return deleted, nil
}

func owns(p *store.Person, customer int64) bool {
	for _, id := range p.IDs() {
		if id == customer {
			return true
		}
	}
	return false
}

// elsewhere says what lies where this cannot reach.
func (f *flow) elsewhere(inBrevo bool) []string {
	out := []string{
		"backups and copies of this store, with its files beside them: delete or age them out",
		"logs and traces of proxies and collectors: flexbrevo's own log names nobody",
		"Twilio: tasks' events for 30 days; conversations, messages, recordings, Sync and Insights until they are deleted there",
		"Brevo: events that were sent are kept in its event log, and mails, exports and segments it made",
	}
	if !inBrevo {
		out = append(out, "Brevo: the contact itself; --in-brevo deletes it")
	}
	if f.postgres {
		out = append(out, "PostgreSQL: its write-ahead log until it is recycled, its archive and standbys")
	}
	return out
}

// forgetAged lets those go who have had no contact for as long as retention.customers says.
// It is done in small batches; a failure is tried again.
func (f *flow) forgetAged(ctx context.Context, lease store.Lease) {
	age := f.keepCustomers
	if age <= 0 || f.graves == nil {
		return
	}
	total := store.Erased{}
	for ctx.Err() == nil {
		erased, more, err := f.forgetSome(ctx, lease, age)
		total.Add(erased)
		if err != nil && ctx.Err() == nil {
			f.logger.Warn("customers without contact are not forgotten yet", "err", err)
		}
		if err != nil || !more || !schedule.Pause(ctx, 50*time.Millisecond) {
			break
		}
	}
	if total.Customers == 0 {
		return
	}
	f.logger.Info("customers without contact forgotten", "customers", total.Customers, "facts", total.Facts)
	if err := f.store.Flush(ctx); err != nil && ctx.Err() == nil {
		f.logger.Warn("write-ahead log cannot be emptied", "err", err)
	}
}

// agedBatch is how many customers are looked at, and forgotten, at once.
const agedBatch = 50

// forgetSome looks at the next customers that are due. Those who have been here since
// are looked at again when their time may have come.
func (f *flow) forgetSome(ctx context.Context, lease store.Lease, age time.Duration) (store.Erased, bool, error) {
	ids, err := f.store.LoadAged(ctx, f.cfg.Name, f.clock(), agedBatch)
	if err != nil || len(ids) == 0 {
		return store.Erased{}, false, err
	}
	again := map[int64]time.Time{}
	if ids, err = f.aged(ctx, ids, age, again); err != nil {
		return store.Erased{}, false, err
	}
	erased := store.Erased{}
	if len(ids) > 0 {
		erased, err = f.forgetThose(ctx, lease, ids, age)
	}
	if err == nil && len(again) > 0 {
		err = f.store.LookAgain(ctx, f.cfg.Name, again)
	}
	return erased, err == nil, err
}

// aged returns those of the customers whose time has come, and notes when the others'
// may come.
func (f *flow) aged(ctx context.Context, ids []int64, age time.Duration, again map[int64]time.Time) ([]int64, error) {
	var due []int64
	for _, id := range ids {
		p, err := f.store.LoadPersonOf(ctx, f.cfg.Name, []int64{id})
		if err != nil {
			return nil, err
		}
		last, now := lastContact(p), f.clock()
		if last.IsZero() && len(p.Customers) > 0 {
			last = p.Customers[0].CreatedAt
		}
		switch {
		case len(p.Customers) == 0: // merged into another, who is looked at too
			again[id] = now.Add(age)
		case last.After(now.Add(-age)):
			again[id] = last.Add(age)
		default:
			due = append(due, id)
		}
	}
	return due, nil
}

// forgetThose forgets customers, unless they came back meanwhile.
func (f *flow) forgetThose(ctx context.Context, lease store.Lease, ids []int64, age time.Duration) (store.Erased, error) {
	f.digests.Lock()
	defer f.digests.Unlock()
	if err := f.store.ProveKey(ctx, f.graves.proof(), true); err != nil {
		return store.Erased{}, fmt.Errorf("forget.key: %w", err)
	}
	ids, err := f.aged(ctx, ids, age, map[int64]time.Time{})
	if err != nil {
		return store.Erased{}, err
	}
	var people []*store.Person
	var all []int64
	for _, id := range ids {
		p, err := f.store.LoadPersonOf(ctx, f.cfg.Name, []int64{id})
		if err != nil {
			return store.Erased{}, err
		}
		if err := f.holdBack(ctx, lease, p, 0); err != nil {
			return store.Erased{}, err
		}
		people, all = append(people, p), append(all, p.IDs()...)
	}
	if err := f.forgetInParts(ctx, all); err != nil {
		return store.Erased{}, err
	}
	// Records that are kept for a shorter time than customers have gone by now.
	return f.erase(ctx, lease, people, nil, f.keepRecords <= 0 || f.keepRecords >= age)
}

// lastContact is the latest moment that any fact of a person knows.
func lastContact(p *store.Person) time.Time {
	var last int64
	for _, s := range p.Facts {
		for _, ms := range s.Fact.Times {
			last = max(last, ms)
		}
		for _, part := range s.Fact.Parts {
			for _, ms := range part.Times {
				last = max(last, ms)
			}
		}
	}
	if last == 0 {
		return time.Time{}
	}
	return time.UnixMilli(last).UTC()
}
