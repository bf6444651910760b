package connector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"flexbrevo/connector/console"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/webhook"
)

// errStopped is the cause of contexts that a second signal or the end of the
// grace period cancels.
var errStopped = errors.New("stopped before held work was done")

// Run is the daemon: listeners, pulls, digests and deliveries, until ctx ends.
// Then it takes nothing new and lets held work finish within the grace period;
// abort cuts that short. It returns nil after a clean stop, an error when it
// could not start or could not finish in time.
//
// It refuses to start when every connector's credentials are refused; otherwise
// the refused side pauses and the others go on.
func (s *Service) Run(ctx context.Context, abort <-chan struct{}) error {
	return s.RunReloading(ctx, abort, Reloads{})
}

// daemon is one generation of a Run: one configuration's work, torn down in reverse
// order of its start.
type daemon struct {
	s *Service
	// ctx ends when nothing new is to be taken, hard when held work is cut.
	ctx, hard context.Context
	end, cut  context.CancelCauseFunc
	work      sync.WaitGroup // pulls, digests, deliveries, runs
	intake    sync.WaitGroup
	stopTake  context.CancelFunc
}

func newDaemon(ctx context.Context, s *Service) *daemon {
	d := &daemon{s: s}
	d.ctx, d.end = context.WithCancelCause(ctx)
	d.hard, d.cut = context.WithCancelCause(context.WithoutCancel(ctx))
	return d
}

func (s *Service) listen() (public, admin net.Listener, err error) {
	c := s.o.Config.Server
	if public, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, nil, fmt.Errorf("server.listen: %w", err)
	}
	if admin, err = net.Listen("tcp", c.AdminListen); err != nil {
		_ = public.Close()
		return nil, nil, fmt.Errorf("server.admin_listen: %w", err)
	}
	return public, admin, nil
}

// greet asks every side once whether it knows us. What cannot be reached is no
// reason not to start: webhooks must be taken.
func (s *Service) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("no answer within 20s of starting"))
	defer cancel()
	errs := make([]error, len(s.flows))
	var asking sync.WaitGroup
	for i, f := range s.flows {
		asking.Go(func() {
			_, err := f.source.Discover(ctx)
			if !failure.ReasonOf(err).Stops() {
				if e := f.account.prepare(ctx); failure.ReasonOf(e).Stops() {
					err = e
				}
			}
			errs[i] = err
		})
	}
	asking.Wait()
	refused := 0
	for i, err := range errs {
		if failure.ReasonOf(err).Stops() {
			refused++
		}
		if err != nil && ctx.Err() == nil {
			s.flows[i].logger.Error("connector starts without one of its sides", "reason", failure.ReasonOf(err), "err", err)
		}
	}
	if refused == len(s.flows) {
		return errors.Join(errs...)
	}
	return nil
}

// takeIn begins to store what comes in; it is begun first and ended last.
func (d *daemon) takeIn() {
	take, stopTake := context.WithCancel(context.WithoutCancel(d.ctx))
	d.stopTake = stopTake
	d.intake.Go(func() { d.s.intake.Run(take) })
}

// begin begins everything else.
func (d *daemon) begin() {
	for _, f := range d.s.flows {
		d.work.Go(func() { d.s.roles.Hold(d.ctx, "pull:"+f.cfg.Name, d.pulling(f)) })
		d.work.Go(func() { d.s.roles.Hold(d.ctx, "digest:"+f.cfg.Name, f.digestRole) })
		d.work.Go(func() { f.following(d.ctx) })
		d.work.Go(func() { f.arriving(d.ctx) })
		d.work.Go(func() { f.confirming(d.ctx) })
		for _, p := range f.parts {
			d.work.Go(func() { f.runPart(d.ctx, p) })
		}
	}
	for _, name := range d.s.accountNames() {
		a := d.s.accounts[name]
		d.work.Go(func() {
			d.s.roles.Hold(d.ctx, "deliver:"+name, func(ctx context.Context, lease store.Lease) error {
				return a.delivering(ctx, d.hard, lease)
			})
		})
	}
	d.work.Go(func() { d.s.runs(d.ctx) })
	d.work.Go(func() { d.s.sample(d.ctx) })
	d.work.Go(func() { d.s.prune(d.ctx) })
}

// pulling runs a connector's streams by their schedules while the role is held.
func (d *daemon) pulling(f *flow) func(context.Context, store.Lease) error {
	return func(ctx context.Context, _ store.Lease) error {
		jobs := &schedule.Schedule{Location: f.cfg.Location, Clock: d.s.o.Clock}
		for _, stream := range f.streams() {
			job := schedule.Job{Name: stream, Spec: f.spec(stream), Run: func(ctx context.Context) { f.pull(ctx, stream) }}
			if err := jobs.Add(job); err != nil {
				return err
			}
		}
		if err := jobs.Add(f.guardJob()); err != nil {
			return err
		}
		if f.readsStatistics() {
			if err := jobs.Add(f.statisticsSchedule()); err != nil {
				return err
			}
		}
		var holding sync.WaitGroup
		holding.Go(func() { f.holdWhileBehind(ctx) })
		jobs.Run(ctx)
		holding.Wait()
		return nil
	}
}

// stop ends in three steps: nothing new is taken, held work finishes, and what
// does not is cut. shut is called in between the first two, to end the requests.
func (d *daemon) stop(abort <-chan struct{}, shut func(grace context.Context)) error {
	grace, cancel := context.WithTimeoutCause(d.hard, d.s.o.Grace, errStopped)
	defer cancel()
	d.end(errReloading) // a stop of the process has ended it before, with its own cause
	done := make(chan struct{})
	go func() {
		defer close(done)
		shut(grace)
		d.work.Wait()
		d.stopTake()
		d.intake.Wait()
	}()
	select {
	case <-done:
		d.cut(nil)
		return nil
	case <-grace.Done():
	case <-abort:
	}
	cancel()
	d.cut(errStopped)
	<-done
	return errStopped
}

// webhooks makes the public listener.
func (s *Service) webhooks() (*webhook.Handler, error) {
	o := webhook.Options{
		PublicURL: s.o.Config.Server.PublicURL, Logger: s.o.Logger, Clock: s.o.Clock,
		Ready: func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			return s.o.Store.Ping(ctx)
		},
	}
	for _, f := range s.flows {
		o.Connectors = append(o.Connectors, webhook.Connector{
			Name: f.cfg.Name, AccountSID: f.cfg.AccountSID, BaseURL: f.cfg.BaseURL, Transport: s.carrier("twilio"),
			AuthTokens:   f.signingTokens,
			Suspects:     s.suspects,
			SurveySecret: s.o.Config.Server.SurveySecret.Reveal,
			Origins:      f.origins,
			Keep:         f.keepPosted,
			KeepText:     keepsText(f.cfg),
			Refused:      f.arrivals.refused,
			Tested:       f.arrivals.tested,
		})
	}
	o.Answered = s.answered
	return webhook.New(o)
}

// keepPosted stores what was posted; unlike a pull it does not wait for room.
func (f *flow) keepPosted(ctx context.Context, records []record.Record) error {
	page := record.Page{Records: make([]record.Record, len(records))}
	for i, r := range records {
		page.Records[i] = f.redactor.Redact(r)
	}
	f.source.NoteRateLimits(page.Records)
	if err := f.digest.Sift(ctx, page.Records); err != nil {
		return err
	}
	_, err := f.intake.Keep(ctx, f.cfg.Name, page)
	return err
}

func (f *flow) signingTokens() []string {
	var out []string
	for _, t := range f.cfg.SigningTokens() {
		out = append(out, t.Reveal())
	}
	return out
}

// origins are the Flex origins as Flex configuration has them; it is remembered
// by the source, so this asks the network at most once an hour.
func (f *flow) origins() []string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	d, err := f.source.Discover(ctx)
	if err != nil {
		return nil
	}
	return []string{d.FlexURL, d.RuntimeDomain}
}

// admin makes the operator's listener.
func (s *Service) admin() *http.Server {
	return console.Server(console.Options{
		Password: s.o.Config.Server.ConsolePassword.Reveal(),
		ReadOnly: s.o.Config.Server.ConsoleReadOnly,
		Sessions: s.sessions,
		Status:   func(ctx context.Context) (any, error) { return s.Status(ctx) },
		Overview: s.overview,
		Requeue:  s.requeue,
		Explain:  s.explain,
		Metrics:  s.o.Metrics.Handler(s.readings),
		Version:  s.o.Version, Clock: s.o.Clock, Logger: s.o.Logger,
	})
}

// prune removes what is older than the retention, in small batches, as long as ctx lasts.
func (s *Service) prune(ctx context.Context) {
	for schedule.Pause(ctx, time.Minute) {
		s.pruneWithin(ctx, time.Hour)
	}
}

// pruneWithin removes what is older than the retention until nothing is, or for as long
// as is given; the rest goes the next time.
func (s *Service) pruneWithin(ctx context.Context, most time.Duration) {
	const batch = 500
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	now := s.o.Clock()
	r := store.Retention{
		Records:    before(now, time.Duration(s.o.Config.Retention.Records)),
		Deliveries: before(now, time.Duration(s.o.Config.Retention.Deliveries)),
	}
	for {
		n, err := s.o.Store.Prune(ctx, r, batch)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("old rows are not removed yet", "err", err)
		}
		if err != nil || n == 0 || !schedule.Pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

func before(now time.Time, age time.Duration) time.Time {
	if age <= 0 {
		return time.Time{}
	}
	return now.Add(-age)
}
