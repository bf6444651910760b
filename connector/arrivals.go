package connector

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/webhook"
)

const (
	// arrivalsEvery is how often what arrived is saved.
	arrivalsEvery = 5 * time.Second
	// silenceSlack is how much later than a task's end, by two clocks, the post that
	// tells of it may seem to have come earlier.
	silenceSlack = 2 * time.Minute
)

// arrivals gathers who posted to a connector, what was refused and when tasks
// ended, until it is saved. What is gathered is bounded however much arrives.
type arrivals struct {
	mu       sync.Mutex
	posts    map[string]*store.Posted
	endedAt  time.Time
	refusals []store.Refusal
	test     string
}

// answered counts an answer to a sender. A 503 counts nowhere: it comes again.
func (a *arrivals) answered(sender string, status int, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.posts == nil {
		a.posts = map[string]*store.Posted{}
	}
	p := a.posts[sender]
	if p == nil {
		p = &store.Posted{Sender: sender}
		a.posts[sender] = p
	}
	switch {
	case status < http.StatusMultipleChoices:
		p.Accepted++
		p.LastAt = now
	case status < http.StatusInternalServerError:
		p.Refused++
	}
}

// tested remembers the latest test event.
func (a *arrivals) tested(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.test = id
}

// refused remembers a refused request; of many at once the latest stay.
func (a *arrivals) refused(r webhook.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.refusals) >= store.RefusalsKept {
		a.refusals = append(a.refusals[:0], a.refusals[1:]...)
	}
	a.refusals = append(a.refusals, store.Refusal{At: r.At, Data: marshal(r)})
}

// polled notes the ends of tasks that polling tells of.
func (a *arrivals) polled(p record.Page) {
	for _, r := range p.Records {
		if r.Via != record.Poll || r.Lane == record.Backfill || r.Type != "task.completed" && r.Type != "task.canceled" {
			continue
		}
		a.mu.Lock()
		if r.At.After(a.endedAt) {
			a.endedAt = r.At
		}
		a.mu.Unlock()
	}
}

// take empties what was gathered.
func (a *arrivals) take() (store.Arrivals, []store.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out store.Arrivals
	for _, p := range a.posts {
		if p.Sender == string(webhook.EventStreams) {
			p.TestID, a.test = a.test, ""
		}
		out.Posts = append(out.Posts, *p)
	}
	if !a.endedAt.IsZero() {
		out.TaskEndedAt = a.endedAt.Add(-silenceSlack)
	}
	refusals := a.refusals
	a.posts, a.endedAt, a.refusals = nil, time.Time{}, nil
	return out, refusals
}

// arriving saves what arrived until ctx ends, and then once more.
func (f *flow) arriving(ctx context.Context) {
	for schedule.Pause(ctx, arrivalsEvery) {
		f.saveArrivals(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	f.saveArrivals(last)
}

// saveArrivals saves once. What cannot be saved is lost: it counts and explains,
// and no record hangs on it.
func (f *flow) saveArrivals(ctx context.Context) {
	a, refusals := f.arrivals.take()
	if len(a.Posts) > 0 || !a.TaskEndedAt.IsZero() {
		if err := f.store.SaveArrivals(ctx, f.cfg.Name, a); err != nil {
			f.logger.Warn("who posted is not counted this time", "err", err)
		}
	}
	if len(refusals) > 0 {
		if err := f.store.KeepRefusals(ctx, f.cfg.Name, refusals); err != nil {
			f.logger.Warn("refused webhooks are not remembered this time", "count", len(refusals), "err", err)
		}
	}
}

// answered counts an answer on a webhook path.
func (s *Service) answered(a webhook.Answered) {
	for _, f := range s.flows {
		if f.cfg.Name == a.Connector {
			f.arrivals.answered(string(a.Sender), a.Status, s.o.Clock())
		}
	}
}

// suspects are the keys of the whole configuration that may have been mixed up
// with a connector's auth token.
func (s *Service) suspects() []webhook.NamedToken {
	return Keys(s.o.Config, "")
}

// Refusals is the part of the store that has the ring.
type Refusals interface {
	LoadRefusals(ctx context.Context, connector string, limit int) ([]store.Refusal, error)
}

// LoadRefusals returns what the ring of a connector holds, the latest first.
func LoadRefusals(ctx context.Context, s Refusals, connector string, limit int) ([]webhook.Refusal, error) {
	kept, err := s.LoadRefusals(ctx, connector, limit)
	if err != nil {
		return nil, err
	}
	out := make([]webhook.Refusal, 0, len(kept))
	for _, k := range kept {
		var r webhook.Refusal
		if json.Unmarshal(k.Data, &r) == nil { // a row of another version is passed over
			out = append(out, r)
		}
	}
	return out, nil
}
