// Package objects tells agents' days and queues' hours to custom objects in Brevo:
// the same figures at the same moments as the operations contact is told them, but as
// records that can be corrected, because an upsert by ext_id may be repeated
// (facts/brevo.md 5).
//
// It is a part that only some users need, because only some plans of Brevo have custom
// objects. All that it knows is kept in one checkpoint of the connector: how far was
// told, a fingerprint of each of the last days, and what Brevo is still working on.
package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"flexbrevo/connector/figures"
	"flexbrevo/connector/part"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// partName is the part, its role and its checkpoint.
const partName = "custom_objects"

const (
	// retryFirst and retryMost are how long it waits after what may pass.
	retryFirst = time.Minute
	retryMost  = 30 * time.Minute
	// runsSeen is how many of the latest runs are looked through for backfills.
	runsSeen = 50
)

// Part tells the figures of one connector.
type Part struct {
	site  part.Site
	kinds []*kind
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.FigureTeller = (*Part)(nil)
)

// New is a part.Maker.
func New(site part.Site) (part.Part, error) {
	kinds := kindsOf(site)
	if len(kinds) == 0 {
		return nil, nil
	}
	site.Logger = site.Logger.With("part", partName)
	return &Part{site: site, kinds: kinds}, nil
}

// Name implements part.Part.
func (p *Part) Name() string { return partName }

// Run implements part.Part: it tells by the statistics schedule.
func (p *Part) Run(ctx context.Context) error {
	p.site.Hold(ctx, partName, func(ctx context.Context, _ store.Lease) error {
		jobs := &schedule.Schedule{Location: p.site.Config.Location, Clock: p.site.Clock}
		if err := jobs.Add(schedule.Job{Name: partName, Spec: p.site.Config.Schedule.Statistics, Run: p.untilTold}); err != nil {
			return err
		}
		jobs.Run(ctx)
		return nil
	})
	return nil
}

// untilTold tells what is due, however often it must wait for the hour's calls.
func (p *Part) untilTold(ctx context.Context) {
	for retry := retryFirst; ; {
		wait, err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.site.Logger.Warn("figures cannot be told to custom objects yet", "err", err)
			wait = max(wait, retry)
			retry = min(2*retry, retryMost)
		}
		if wait == 0 || !schedule.Pause(ctx, wait) {
			return
		}
	}
}

// Pass implements part.Part. What the hour's calls do not reach for is left to the
// next pass.
func (p *Part) Pass(ctx context.Context) error {
	err := p.site.Once(ctx, partName, func(ctx context.Context, _ store.Lease) error {
		_, err := p.once(ctx)
		return err
	})
	if errors.Is(err, store.ErrLeaseHeld) {
		return nil // whoever holds it tells
	}
	return err
}

// once tells what is due. It returns after which time there is more to do, 0 for
// nothing before the schedule says so. It may be repeated after any error.
func (p *Part) once(ctx context.Context) (again time.Duration, err error) {
	until, ready, err := figures.Complete(ctx, p.site.Store, p.site.Config.Name, p.site.Clock())
	if err != nil || !ready {
		return retryFirst, err
	}
	kept, err := p.load(ctx)
	if err != nil {
		return 0, err
	}
	if err := p.noteBackfills(ctx, kept); err != nil {
		return 0, err
	}
	var errs []error
	for _, k := range p.kinds {
		t := &telling{part: p, kind: k, told: kept.of(k, p.site), now: p.site.Clock()}
		t.save = func(ctx context.Context) error { return p.saveKept(ctx, kept) }
		wait, err := t.tell(ctx, k.period(until, p.site.Config.Location))
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.name, err))
		}
	}
	return again, errors.Join(errs...)
}

// noteBackfills has the ranges of backfills that have ended since told again: they
// reach further back than what is compared.
func (p *Part) noteBackfills(ctx context.Context, kept *kept) error {
	runs, err := p.site.Store.LoadRuns(ctx, runsSeen)
	if err != nil {
		return err
	}
	fresh, last := len(kept.Told) == 0, kept.Backfill
	for _, r := range runs {
		if r.Kind != "backfill" || r.Connector != p.site.Config.Name || r.State != store.RunDone || r.ID <= last {
			continue
		}
		kept.Backfill = max(kept.Backfill, r.ID)
		if since, until, ok := rangeOf(r.Request); ok && !fresh {
			for _, k := range p.kinds {
				t, last := kept.of(k, p.site), k.period(until, p.site.Config.Location)
				t.again(k.period(since, p.site.Config.Location), min(k.next(last), t.Through)) // what comes after is told anyway
			}
		}
	}
	return nil
}

// TellsFigures implements part.FigureTeller.
func (p *Part) TellsFigures(ctx context.Context) (agents, queues bool, through figures.Mark, err error) {
	kept, err := p.load(ctx)
	if err != nil {
		return false, false, through, err
	}
	for _, k := range p.kinds {
		t, known := kept.Told[k.name]
		tells := !known || t.Refused == nil
		if k.name == agentDays {
			agents = tells
			through.Agents = stringOf(t, known)
		} else {
			queues = tells
			through.Queues, _ = time.Parse(hourLayout, stringOf(t, known)) // the zero time where nothing was told
		}
	}
	return agents, queues, through, nil
}

func stringOf(t *told, known bool) string {
	if !known {
		return ""
	}
	return t.Through
}

// State implements part.Part.
func (p *Part) State(ctx context.Context) (part.State, error) {
	s := part.State{Name: partName, Counts: map[string]int64{}}
	kept, err := p.load(ctx)
	if err != nil {
		return s, err
	}
	for _, k := range p.kinds {
		t, known := kept.Told[k.name]
		if !known {
			continue
		}
		s.Counts[k.name+"_written"] += t.Records
		s.Counts[k.name+"_told_again"] += t.Again
		s.Counts[k.name+"_left_out"] += t.LeftOut
		s.Counts["calls"] += t.Calls
		s.Counts["processes_under_way"] += int64(len(t.Processes))
		s.Notices = append(s.Notices, t.notices(k, p.site.Config.OperationsContact != "")...)
	}
	return s, nil
}

// load reads what was told.
func (p *Part) load(ctx context.Context) (*kept, error) {
	k := &kept{}
	if _, err := part.LoadCursor(ctx, p.site.Store, p.site.Config.Name, partName, k); err != nil {
		return nil, err
	}
	if k.Told == nil {
		k.Told = map[string]*told{}
	}
	return k, nil
}

// saveKept keeps what was told. It is done after each call that Brevo took, so that what
// is cut short repeats one upsert, which changes nothing.
func (p *Part) saveKept(ctx context.Context, k *kept) error {
	return part.SaveCursor(ctx, p.site.Store, p.site.Config.Name, partName, p.site.Clock(), k)
}

// warn logs what an operator should see of one kind.
func (p *Part) warn(k *kind, message string, more ...any) {
	p.site.Logger.LogAttrs(context.Background(), slog.LevelWarn, message,
		append([]slog.Attr{slog.String("object", k.object)}, slog.Group("", more...).Value.Group()...)...)
}

// kindsOf are those that the configuration names and figures are kept of.
func kindsOf(site part.Site) []*kind {
	c := site.Config
	var kinds []*kind
	if c.CustomObjects.AgentDays != "" && c.Sync.AgentActivity {
		kinds = append(kinds, newAgentDays(site))
	}
	if c.CustomObjects.QueueHours != "" && c.Sync.QueueAnalytics {
		kinds = append(kinds, newQueueHours(site))
	}
	slices.SortFunc(kinds, func(a, b *kind) int { return cmp.Compare(a.name, b.name) })
	return kinds
}
