package connector

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
)

const (
	// confirmEvery is how often the posts of the plugin are looked through.
	confirmEvery = 30 * time.Second
	// confirmWithin is how long after a post its task's end may take to be known.
	confirmWithin = 2 * time.Minute
	// confirmPast is how far back posts are looked at, confirmAgain how long after a
	// post its task is still asked for, confirmMost how many posts are looked at.
	confirmPast  = 24 * time.Hour
	confirmAgain = time.Hour
	confirmMost  = 500
)

// PluginPosts are the posts of the Flex UI plugin in the last day that nothing
// confirmed: Twilio tells of no such end of a task.
type PluginPosts struct {
	Unconfirmed int        `json:"unconfirmed"`
	Oldest      *time.Time `json:"oldest"`
	// Tasks are the SIDs named by the latest of them, ten at most.
	Tasks []string `json:"tasks"`
}

// confirming looks through the plugin's posts until ctx ends, and asks again for
// what is not confirmed yet.
func (f *flow) confirming(ctx context.Context) {
	for schedule.Pause(ctx, confirmEvery) {
		posts, again, err := f.unconfirmed(ctx)
		if err != nil {
			if ctx.Err() == nil {
				f.logger.Warn("plugin posts are not looked through this time", "err", err)
			}
			continue
		}
		f.posts.set(posts)
		for _, h := range again {
			f.hint(h)
		}
	}
}

// unconfirmed finds the posts that nothing confirmed, and of the younger ones what
// to ask Twilio for once more.
func (f *flow) unconfirmed(ctx context.Context) (PluginPosts, []pipeline.Hint, error) {
	now := f.clock()
	records, err := f.store.LoadPluginPosts(ctx, f.cfg.Name, now.Add(-confirmPast), now.Add(-confirmWithin), confirmMost)
	if err != nil || len(records) == 0 {
		return PluginPosts{}, nil, err
	}
	named := make([]pipeline.Hint, len(records))
	var keys []fact.Key
	for i, r := range records {
		named[i] = f.namedBy(r)
		if named[i].Task != "" {
			keys = append(keys, fact.Key{Kind: fact.Task, SID: named[i].Task})
		}
	}
	facts, err := f.store.LoadFacts(ctx, f.cfg.Name, keys)
	if err != nil {
		return PluginPosts{}, nil, err
	}
	ended := map[string]bool{}
	for _, one := range facts {
		ended[one.Fact.SID] = isWrapped(one.Fact)
	}
	var out PluginPosts
	var again []pipeline.Hint
	for i, r := range records { // the latest first
		h := named[i]
		if ended[h.Task] || h == (pipeline.Hint{}) {
			continue
		}
		out.add(h, r.At)
		if now.Sub(r.At) < confirmAgain {
			again = append(again, h)
		}
	}
	return out, again, nil
}

func (p *PluginPosts) add(h pipeline.Hint, at time.Time) {
	p.Unconfirmed++
	p.Oldest = timeOrNil(at)
	if len(p.Tasks) < 10 {
		p.Tasks = append(p.Tasks, cmp.Or(h.Task, h.Reservation))
	}
}

// namedBy is what a post is about; a reservation's task is filled in where it is
// known by now.
func (f *flow) namedBy(r record.Record) pipeline.Hint {
	d, err := f.source.Decode(r)
	if err != nil || len(d.Hints) == 0 {
		return pipeline.Hint{} // shown as failed, or ignored with its reason
	}
	h := pipeline.Hint(d.Hints[0])
	if h.Task == "" {
		h.Task = f.posts.taskOf(h.Reservation)
	}
	return h
}

// isWrapped says whether an agent was done with a task: it ended, or one of its
// reservations is in wrap-up or done.
func isWrapped(t *fact.Fact) bool {
	for _, name := range []string{fact.Wrapup, fact.Completed, fact.Canceled, fact.Deleted} {
		if !t.Time(name).IsZero() {
			return true
		}
	}
	for name, p := range t.Parts {
		if strings.HasPrefix(name, fact.Reservation) && !(p.Time(fact.Wrapup).IsZero() && p.Time(fact.Completed).IsZero()) {
			return true
		}
	}
	return false
}

// learn notes, while a hint that names a reservation only is followed, which task
// it belongs to.
func (f *flow) learn(h pipeline.Hint, p record.Page) {
	if h.Task != "" || h.Reservation == "" {
		return
	}
	for _, r := range p.Records {
		d, err := f.source.Decode(r)
		if err != nil {
			continue
		}
		for _, one := range d.Facts {
			if _, ok := one.Parts[fact.Reservation+h.Reservation]; ok && one.Kind == fact.Task {
				f.posts.belongs(h.Reservation, one.SID)
				return
			}
		}
	}
}

// posts is what is known of the plugin's posts between two looks.
type posts struct {
	mu    sync.Mutex
	state PluginPosts
	tasks map[string]string // by reservation
}

func (p *posts) set(state PluginPosts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
}

func (p *posts) get() PluginPosts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *posts) taskOf(reservation string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tasks[reservation]
}

// belongs remembers a reservation's task, of a bounded number: one that is
// forgotten is learned again.
func (p *posts) belongs(reservation, task string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tasks == nil || len(p.tasks) >= 10_000 {
		p.tasks = map[string]string{}
	}
	p.tasks[reservation] = task
}
