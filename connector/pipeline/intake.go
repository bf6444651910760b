package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// ErrBusy says that the store cannot take more right now. Nothing was kept.
var ErrBusy = errors.New("store is busy")

// maxGroup is how many waiting requests one commit takes.
const maxGroup = 512

// Intake is the capture step: it stores records in groups. A group is whatever
// queued while the last commit ran; there is no timer (facts/stack.md 0).
type Intake struct {
	store store.Capturer
	clock func() time.Time
	kept  func(connector string)
	queue chan *request

	mu      sync.Mutex
	stopped bool
	done    chan struct{}
}

type request struct {
	batch store.Batch
	done  chan result
}

type result struct {
	captured store.Captured
	err      error
}

// NewIntake makes an intake. kept is called after records of a connector were
// stored; it must not block. Run must be running for Keep to return.
func NewIntake(s store.Capturer, clock func() time.Time, kept func(connector string)) *Intake {
	return &Intake{
		store: s, clock: clock, kept: kept,
		queue: make(chan *request, 4*maxGroup), done: make(chan struct{}),
	}
}

// Keep stores pages of a connector and returns when they are durable, with what
// the group they were stored in counted. It gives
// ErrBusy at once when too many wait already; after an ended context it is not
// known whether the pages were stored, and keeping them again is harmless.
func (i *Intake) Keep(ctx context.Context, connector string, pages ...record.Page) (store.Captured, error) {
	r := &request{
		batch: store.Batch{Connector: connector, At: i.clock(), Pages: pages},
		done:  make(chan result, 1),
	}
	if err := i.enqueue(r); err != nil {
		return store.Captured{}, err
	}
	select {
	case res := <-r.done:
		return res.captured, res.err
	case <-ctx.Done():
		return store.Captured{}, context.Cause(ctx)
	}
}

func (i *Intake) enqueue(r *request) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopped {
		return ErrBusy
	}
	select {
	case i.queue <- r:
		return nil
	default:
		return ErrBusy
	}
}

// Run commits until ctx ends; then it stores what is queued and returns.
func (i *Intake) Run(ctx context.Context) {
	defer close(i.done)
	stop := context.AfterFunc(ctx, i.stop)
	defer stop()
	group := make([]*request, 0, maxGroup)
	for r := range i.queue {
		group = append(group[:0], r)
		group = i.fill(group)
		i.commit(context.WithoutCancel(ctx), group)
	}
}

func (i *Intake) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.stopped {
		i.stopped = true
		close(i.queue)
	}
}

func (i *Intake) fill(group []*request) []*request {
	for len(group) < maxGroup {
		select {
		case r, ok := <-i.queue:
			if !ok {
				return group
			}
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit stores a group. A request that gets its own answer wrong for the others
// (a record the store cannot take) is found by storing them one by one.
func (i *Intake) commit(ctx context.Context, group []*request) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("store did not answer in 10s"))
	defer cancel()
	batches := make([]store.Batch, len(group))
	for n, r := range group {
		batches[n] = r.batch
	}
	captured, err := i.store.Capture(ctx, batches)
	if err != nil && len(group) > 1 && !errors.Is(err, store.ErrUnavailable) {
		for _, r := range group {
			i.commit(ctx, []*request{r})
		}
		return
	}
	for _, r := range group {
		r.done <- result{captured, err}
		if err == nil {
			i.kept(r.batch.Connector)
		}
	}
}
