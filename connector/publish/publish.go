// Package publish keeps in Twilio Sync what agents should see beside a task: one item
// of a map, or one document, for each customer, with their profile and last events;
// and for dashboards a document that says how the connector stands and a message for
// each finished run. It follows the store's feed of changed customers and writes only
// what changed. What Sync does is taken from facts/twilio.md section 5.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

const (
	// name is the part's and its role's.
	name = "publish"
)

// sync is what is asked of Twilio.
type sync interface {
	FetchSyncValue(ctx context.Context, p twilio.SyncPlace) (twilio.SyncValue, error)
	CreateSyncValue(ctx context.Context, p twilio.SyncPlace, data []byte, ttl time.Duration) (twilio.SyncValue, error)
	UpdateSyncValue(ctx context.Context, p twilio.SyncPlace, data []byte, ttl time.Duration, revision string) (twilio.SyncValue, error)
	DeleteSyncValue(ctx context.Context, p twilio.SyncPlace) error
	MakeSyncMap(ctx context.Context, service, name string) error
	MakeSyncStream(ctx context.Context, service, name string) error
	SendSyncMessage(ctx context.Context, service, stream string, data []byte) error
}

// Publisher is the part at work for one connector.
type Publisher struct {
	cfg       *config.SyncPublish
	connector string
	store     store.Store
	sync      sync
	logger    *slog.Logger
	clock     func() time.Time
	customer  func(ctx context.Context, id int64) (*pipeline.Customer, error)
	hold      func(ctx context.Context, role string, work func(context.Context, store.Lease) error)
	once      func(ctx context.Context, role string, work func(context.Context, store.Lease) error) error
}

var (
	_ part.Follower  = (*Publisher)(nil)
	_ part.Forgetter = (*Publisher)(nil)
)

// New makes the part for a connector, or nil where nothing is to be published.
func New(site part.Site) (part.Part, error) {
	if !site.Config.SyncPublish.Asked() {
		return nil, nil
	}
	return &Publisher{
		cfg: &site.Config.SyncPublish, connector: site.Config.Name, store: site.Store, sync: site.Twilio,
		logger: site.Logger, clock: site.Clock, customer: site.Customer, hold: site.Hold, once: site.Once,
	}, nil
}

// Name implements part.Part.
func (p *Publisher) Name() string { return name }

// Follows implements part.Follower.
func (p *Publisher) Follows() {}

// Run implements part.Part: one replica at a time publishes for a connector.
func (p *Publisher) Run(ctx context.Context) error {
	p.hold(ctx, name, func(ctx context.Context, lease store.Lease) error {
		s := &shift{Publisher: p, lease: lease}
		for ctx.Err() == nil {
			busy, err := s.turn(ctx)
			switch {
			case errors.Is(err, store.ErrLeaseLost):
				return err
			case err != nil && ctx.Err() == nil:
				s.rest(ctx, err)
				continue
			case !busy:
				schedule.Pause(ctx, time.Second)
			}
			s.failures = 0
		}
		return nil
	})
	return nil
}

// Pass implements part.Part: it publishes what is due now, unless a daemon does.
func (p *Publisher) Pass(ctx context.Context) error {
	err := p.once(ctx, name, func(ctx context.Context, lease store.Lease) error {
		s := &shift{Publisher: p, lease: lease}
		for ctx.Err() == nil {
			busy, err := s.turn(ctx)
			switch {
			case failure.ReasonOf(err) == failure.RateLimited && s.failures < 8:
				s.rest(ctx, err)
			case err != nil:
				return fmt.Errorf("publish to Twilio Sync: %w", err)
			case !busy:
				return nil
			}
		}
		return context.Cause(ctx)
	})
	if errors.Is(err, store.ErrLeaseHeld) {
		return nil
	}
	return err
}

// forgetGrace is how long Forget waits for another replica, or for Sync.
const forgetGrace = 40 * time.Second

var errStays = errors.New("no answer from Twilio Sync in time")

// Forget implements part.Forgetter. Customers are marked first: whoever publishes takes
// them away and never writes them again, so that no write that is under way brings
// them back. Where nobody publishes it is done here.
func (p *Publisher) Forget(ctx context.Context, customers []int64) error {
	if err := p.store.LetGo(ctx, p.connector, customers, p.clock()); err != nil {
		return err
	}
	var last error
	for deadline := p.clock().Add(forgetGrace); ; {
		left, err := p.leaving(ctx, customers)
		if err != nil || len(left) == 0 {
			return err
		}
		err = p.once(ctx, name, func(ctx context.Context, lease store.Lease) error {
			s := &shift{Publisher: p, lease: lease}
			for _, row := range left {
				if err := s.publish(ctx, row.CustomerID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrLeaseHeld) {
			last = err
		}
		if !p.clock().Before(deadline) {
			return errors.Join(errStays, last)
		}
		if !schedule.Pause(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// leaving returns those of the customers who are not taken away yet.
func (p *Publisher) leaving(ctx context.Context, customers []int64) ([]store.Published, error) {
	rows, err := p.store.LoadPublished(ctx, p.connector, customers)
	var left []store.Published
	for _, row := range rows {
		if row.State == store.PublishedLeaving {
			left = append(left, row)
		}
	}
	return left, err
}

// State implements part.Part.
func (p *Publisher) State(ctx context.Context) (part.State, error) {
	counts, err := p.store.CountPublished(ctx, p.connector)
	if err != nil {
		return part.State{}, err
	}
	out := part.State{Name: name, Counts: map[string]int64{}}
	for _, c := range counts {
		out.Counts[snake(string(c.State))] += int64(c.Count)
		if c.Reason == "" {
			continue
		}
		out.Counts[snake(string(c.State)+" "+c.Reason)] += int64(c.Count)
		if remedy := remedyOf(c.Reason); remedy != "" {
			out.Notices = append(out.Notices, fmt.Sprintf("Twilio Sync, %s (%d customers): %s", c.Reason, c.Count, remedy))
		}
	}
	return out, nil
}

// snake makes the name of a count.
func snake(words string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(words)), "_")
}
