package kinesis

import (
	"context"
	"slices"
	"sync"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

// Run implements part.Part: it reads every shard that may be read, and looks from time
// to time which these are. Nothing that Kinesis answers ends it.
func (p *Part) Run(ctx context.Context) error {
	t := &team{part: p, members: map[string]*member{}, done: make(chan struct{}, 1)}
	defer t.dismiss()
	for failed := 0; ctx.Err() == nil; {
		err := t.survey(ctx)
		if ctx.Err() != nil {
			break
		}
		p.note("", err)
		wait := surveyEvery
		if err != nil {
			wait = min(surveyEvery, p.pauseAfter(err, failed))
			failed++
		} else {
			failed = 0
		}
		t.rest(ctx, wait)
	}
	return nil
}

// team is who reads here: one member for each shard that may be read, most of them
// waiting for their role where there are several replicas.
type team struct {
	part    *Part
	members map[string]*member // by checkpoint name
	// done has something when a shard came to its end, so that its children begin soon.
	done chan struct{}
}

// member reads one shard until it is dismissed.
type member struct {
	gone bool // see assignment
	end  context.CancelFunc
	work sync.WaitGroup
}

// survey finds out which shards may be read, and makes the team read those.
func (t *team) survey(ctx context.Context) error {
	d, err := t.part.client.fetchDescription(ctx)
	if err != nil {
		if failure.ReasonOf(err) == failure.Gone {
			t.dismiss() // the stream does not exist any more
		}
		return err
	}
	shards, err := t.part.client.fetchShards(ctx)
	if err != nil {
		return err
	}
	places := newPlaces(t.part.site, t.part.options.Stream, d.created)
	at, first, err := places.load(ctx)
	if err != nil {
		return err
	}
	if first == nil {
		first = &beginning{First: t.part.site.Clock().Add(-t.part.site.Config.InitialLookback).UnixMilli()}
		if err := places.begin(ctx, *first); err != nil {
			return err
		}
	}
	wanted := map[string]*reader{}
	for _, one := range assignments(shards, at) {
		wanted[places.name(one.shard)] = &reader{
			part: t.part, places: places, retention: d.retention, assignment: one, first: time.UnixMilli(first.First),
		}
	}
	t.assign(ctx, wanted)
	return nil
}

// assignment is a shard that may be read now.
type assignment struct {
	shard string
	// child says that its parents were read here: all of it is to be read.
	child bool
	// gone says that the stream has thrown it away before it was read to its end.
	gone bool
}

// assignments are the shards that may be read: those not ended whose parents were
// read to their end or are there no more. What is not ended and not there is gone.
func assignments(shards []shard, at map[string]place) []assignment {
	listed := map[string]bool{}
	for _, s := range shards {
		listed[s.id] = true
	}
	var out []assignment
	for _, s := range shards {
		if at[s.id].Ended || slices.ContainsFunc(s.parents, func(parent string) bool { return listed[parent] && !at[parent].Ended }) {
			continue
		}
		out = append(out, assignment{shard: s.id, child: slices.ContainsFunc(s.parents, func(parent string) bool {
			_, known := at[parent]
			return known
		})})
	}
	for id, one := range at {
		if !one.Ended && !listed[id] {
			out = append(out, assignment{shard: id, gone: true})
		}
	}
	return out
}

// assign begins what is wanted and dismisses the others.
func (t *team) assign(ctx context.Context, wanted map[string]*reader) {
	for name, m := range t.members {
		if r := wanted[name]; r == nil || r.gone != m.gone {
			m.dismiss()
			delete(t.members, name)
		}
	}
	for name, r := range wanted {
		if t.members[name] != nil {
			continue
		}
		reading, end := context.WithCancel(ctx)
		m := &member{end: end, gone: r.gone}
		t.members[name] = m
		m.work.Go(func() {
			defer t.part.forgive(r.shard)
			t.part.site.Hold(reading, t.part.roleOf(r.shard), func(ctx context.Context, _ store.Lease) error {
				r.read(ctx)
				if ctx.Err() == nil { // the shard has ended
					end()
					t.wake()
				}
				return nil
			})
		})
	}
}

func (t *team) wake() {
	select {
	case t.done <- struct{}{}:
	default:
	}
}

// rest waits until the next survey is due.
func (t *team) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-t.done:
	case <-timer.C:
	}
}

// dismiss ends all reading and waits for it.
func (t *team) dismiss() {
	for _, m := range t.members {
		m.end()
	}
	for name, m := range t.members {
		m.dismiss()
		delete(t.members, name)
	}
}

func (m *member) dismiss() {
	m.end()
	m.work.Wait()
}
