package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// runReconcile is the kind of runs that compare both sides with the store.
const runReconcile = "reconcile"

// ReconcileRequest says what is to be compared.
type ReconcileRequest struct {
	Connector string `json:"connector"`
	// Since is from when on: TaskRouter events, events sent to Brevo, and customers of whom
	// something happened since.
	Since time.Time `json:"since"`
	// Heal mends what is ours to mend.
	Heal bool `json:"heal,omitempty"`
}

// Finding is one difference. It holds no private value.
type Finding struct {
	// Kind is missing, stale or extra; Where is brevo or store, the side that differs.
	Kind  string `json:"kind"`
	Where string `json:"where"`
	// What is a contact, list, event, record or fact, ID what it is known by: Brevo's number
	// of a contact, a source_event_id, a key, a SID.
	What     string `json:"what"`
	ID       string `json:"id"`
	Customer int64  `json:"customer,omitempty"`
	// Detail are the names of attributes or lists.
	Detail string `json:"detail,omitempty"`
	// Left says why it is not ours to mend; empty for what is.
	Left string `json:"left,omitempty"`
	// Healed says that it was mended, or that what mends it was put in the outbox.
	Healed bool `json:"healed,omitempty"`
}

// Why something found is left as it is.
const (
	leftDeleted   = "deleted in Brevo, and not made again"
	leftRecreated = "deleted in Brevo; made again with the customer's next change (identity.on_deleted)"
	leftList      = "taken off the list in Brevo, and not put back"
	leftSent      = "a sent event is not changed"
	leftStranger  = "not known here; nothing is deleted in Brevo"
	leftTooOld    = "too old to be sent (events.max_age)"
	leftForgotten = "its delivery is not kept any more"
)

// ReconcileCalls are calls to the two sides, as they are stated before they are made.
type ReconcileCalls struct {
	// Twilio is an estimate; the others are upper bounds.
	Twilio   int `json:"twilio"`
	Contacts int `json:"brevoContacts"`
	Events   int `json:"brevoEvents"` // of the hourly bucket
}

// ReconcileReport says what was compared and found.
type ReconcileReport struct {
	Connector string    `json:"connector"`
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"`
	// Plan are the calls of comparing, HealPlan those of mending what was found.
	Plan     ReconcileCalls `json:"plan"`
	HealPlan ReconcileCalls `json:"healPlan"`
	// Records, Customers, Contacts and Events are how many were compared.
	Records   int       `json:"records"`
	Customers int       `json:"customers"`
	Contacts  int       `json:"contacts"`
	Events    int       `json:"events"`
	Findings  []Finding `json:"findings"`
	// More is how many findings are not listed, because there are too many.
	More   int `json:"more"`
	Healed int `json:"healed"`
}

// mostFindings is how many findings a report lists.
const mostFindings = 5000

var (
	errReconcileBackfill = errors.New("a backfill or replay is under way; reconcile when that is done")
	errReconcileBusy     = errors.New("records wait for their digest; reconcile when they are digested")
)

// AskReconcile leaves a request for whoever digests the connector, and returns the run
// to follow.
func (s *Service) AskReconcile(ctx context.Context, r ReconcileRequest) (int64, error) {
	if _, err := s.flowOf(r.Connector); err != nil {
		return 0, err
	}
	return s.o.Store.AddRun(ctx, store.Run{
		Kind: runReconcile, Connector: r.Connector, State: store.RunQueued, Request: marshal(r), CreatedAt: s.o.Clock(),
	})
}

// PlanReconcile says how many calls a comparison makes. It makes one.
func (s *Service) PlanReconcile(ctx context.Context, r ReconcileRequest) (ReconcileCalls, error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return ReconcileCalls{}, err
	}
	return f.planReconcile(ctx, r)
}

// accountCalls bounds what is read of a Brevo account itself: attributes and lists, twice,
// and the count of its contacts.
const accountCalls = 20

func (f *flow) planReconcile(ctx context.Context, r ReconcileRequest) (ReconcileCalls, error) {
	contacts, err := f.account.destination.CountContacts(ctx)
	if err != nil {
		return ReconcileCalls{}, err
	}
	records, err := f.store.CountRecords(ctx, f.cfg.Name, twilio.EventsStream, r.Since, f.clock())
	if err != nil {
		return ReconcileCalls{}, err
	}
	// Each record gives at most the four events of a task's creation and end.
	return ReconcileCalls{
		Twilio: records/rowsPerCall + 8, Contacts: brevo.ContactPages(contacts) + accountCalls, Events: brevo.EventPages(4 * records),
	}, nil
}

// Reconcile compares, and mends on request, without a daemon. told hears of the report
// once everything is compared and before anything is mended.
func (s *Service) Reconcile(ctx context.Context, r ReconcileRequest, told func(ReconcileReport)) (ReconcileReport, error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return ReconcileReport{}, err
	}
	take, stop := context.WithCancel(context.WithoutCancel(ctx))
	var intake sync.WaitGroup
	intake.Go(func() { s.intake.Run(take) })
	defer intake.Wait()
	defer stop()
	var report ReconcileReport
	err = s.roles.Once(ctx, "digest:"+f.cfg.Name, func(ctx context.Context, lease store.Lease) error {
		return f.beside(ctx, lease, func(ctx context.Context) error {
			w := &reconciling{f: f, lease: lease, request: r, told: told}
			w.deliver = func(ctx context.Context) error { return s.newPass(nil).deliver(ctx, f.account) }
			err := w.run(ctx)
			report = w.report
			return err
		})
	})
	return report, err
}

// reconcileRun does one run that a command, or a long silence, asked for.
func (f *flow) reconcileRun(ctx context.Context, lease store.Lease, run store.Run) error {
	var r ReconcileRequest
	err := json.Unmarshal(run.Request, &r)
	w := &reconciling{f: f, lease: lease, request: r}
	w.deliver = func(ctx context.Context) error {
		return f.outboxSettled(ctx, func() {})
	}
	if err == nil {
		err = w.run(ctx)
	}
	if ctx.Err() != nil {
		return nil // whoever digests next does it
	}
	run.State, run.EndedAt, run.Progress = store.RunDone, f.clock(), marshal(w.report)
	if err != nil {
		run.State, run.Error = store.RunFailed, err.Error()
	}
	if n := len(w.report.Findings) + w.report.More; n > 0 {
		f.logger.Warn("both sides were compared and differ; see `flexbrevo reconcile`", "run_id", run.ID, "findings", n, "healed", w.report.Healed)
	}
	return f.store.EndAsked(ctx, run)
}

// reconciling is one comparison on its way.
type reconciling struct {
	f       *flow
	lease   store.Lease
	request ReconcileRequest
	report  ReconcileReport
	told    func(ReconcileReport)
	// deliver brings what was put in the outbox to Brevo.
	deliver func(context.Context) error

	source sourceSide
	brevo  brevoSide
	mends  mends
}

func (w *reconciling) run(ctx context.Context) error {
	w.report = ReconcileReport{Connector: w.f.cfg.Name, Since: w.request.Since, Until: w.f.clock().UTC(), Findings: []Finding{}}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"begin", w.begin}, {"read Twilio", w.compareSource}, {"read events of Brevo", w.readEvents},
		{"mend the store", w.mendStore}, {"read contacts of Brevo", w.readContacts}, {"compare", w.compareCustomers},
		{"compare events", w.compareEvents}, {"mend", w.mend},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("reconcile, %s: %w", step.name, err)
		}
	}
	return nil
}

// begin makes sure that the store stands still where it is compared.
func (w *reconciling) begin(ctx context.Context) error {
	for _, under := range []func() error{
		func() error { _, err := w.f.store.LoadBackfill(ctx, w.f.cfg.Name); return err },
		func() error { _, err := w.f.store.LoadReplay(ctx, w.f.cfg.Name); return err },
	} {
		switch err := under(); {
		case err == nil:
			return errReconcileBackfill
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	if err := w.digested(ctx); err != nil {
		return err
	}
	var err error
	w.report.Plan, err = w.f.planReconcile(ctx, w.request)
	return err
}

// digestPatience is how long records that wait for their digest are waited for.
const digestPatience = 5 * time.Minute

// digested waits until no record waits for its digest.
func (w *reconciling) digested(ctx context.Context) error {
	w.f.Wake()
	for deadline := w.f.clock().Add(digestPatience); ; {
		waiting, err := w.f.store.LoadUndigested(ctx, w.f.cfg.Name, 1)
		switch {
		case err != nil:
			return err
		case len(waiting) == 0:
			return nil
		case w.f.clock().After(deadline):
			return errReconcileBusy
		}
		if !schedule.Pause(ctx, 100*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// find notes a difference and returns where it stands, -1 where it is not listed.
func (w *reconciling) find(f Finding) int {
	if len(w.report.Findings) == mostFindings {
		w.report.More++
		return -1
	}
	w.report.Findings = append(w.report.Findings, f)
	return len(w.report.Findings) - 1
}

func (w *reconciling) healed(at int) {
	w.report.Healed++
	if at >= 0 {
		w.report.Findings[at].Healed = true
	}
}

// patiently repeats a call until the hourly budget of Brevo has room for it.
func patiently(ctx context.Context, call func() error) error {
	for {
		err := call()
		e := failure.As(err)
		if e == nil || e.Reason != failure.RateLimited {
			return err
		}
		if !schedule.Pause(ctx, min(max(e.RetryAfter, time.Second), time.Minute)) {
			return context.Cause(ctx)
		}
	}
}
