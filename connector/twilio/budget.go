package twilio

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The APIs, by the first label of their host.
const (
	taskrouterAPI    = "taskrouter"
	conversationsAPI = "conversations"
	flexAPI          = "flex-api"
	// eventsBudget is no host: TaskRouter's Events have a limit of their own, inside
	// the one of TaskRouter.
	eventsBudget = "taskrouter-events"
	syncAPI      = "sync"
	// syncObjectBudget is that of each object of Sync for itself: 20 reads a second, of
	// which half are left to others (facts/twilio.md 5). As many writes a second it takes
	// besides.
	syncObjectBudget = "sync-object"
)

// slowest is the share of a full rate that is never gone below.
const slowest = 1.0 / 64

// atOnce is how much of a second's calls may follow each other without a pause where none
// were made before: a pass begins with half a dozen short lists.
const atOnce = 1.0 / 4

// DefaultBudgets returns the calls a second per API where Options.Budgets says
// nothing else; a value of 0 or less there means no limit. Twilio publishes none for most
// of them: what it tells in events and refuses lowers them (facts/twilio.md 1.10). One
// reading of TaskRouter's Events follows the other, and each takes Twilio a tenth of a
// second or more, so that theirs bounds only a Twilio that is very near; it leaves a sixth to the other lists.
func DefaultBudgets() map[string]float64 {
	return map[string]float64{
		flexAPI: 100, conversationsAPI: 100, taskrouterAPI: 30, eventsBudget: 25, syncAPI: 20, syncObjectBudget: 10, "events": 20,
	}
}

// budgets keep the calls of one account within its limits.
type budgets struct {
	gate  *gate
	byAPI map[string]*budget
	// perObject is the rate of each object of Sync.
	perObject float64

	mu       sync.Mutex
	byObject map[string]*budget // as many as are configured
}

func newBudgets(given map[string]float64) *budgets {
	b := &budgets{gate: newGate(), byAPI: map[string]*budget{}, byObject: map[string]*budget{}}
	full := DefaultBudgets()
	for api, perSecond := range given {
		full[api] = perSecond
	}
	b.perObject = full[syncObjectBudget]
	delete(full, syncObjectBudget)
	for api, perSecond := range full {
		burst := 1
		if api == taskrouterAPI || api == eventsBudget {
			burst = max(1, int(atOnce*perSecond))
		}
		b.byAPI[api] = newBudget(perSecond, burst)
	}
	return b
}

// spentBy returns the budgets that a call spends from.
func (b *budgets) spentBy(req *http.Request) []*budget {
	if api := apiOf(req.URL); api == syncAPI && req.Method != http.MethodGet {
		return []*budget{b.byAPI[api], b.ofObject("write " + syncWrittenOf(req.URL))}
	}
	return b.of(req.URL)
}

// of returns the budgets that a read spends from.
func (b *budgets) of(u *url.URL) []*budget {
	api := apiOf(u)
	var out []*budget
	if one, ok := b.byAPI[api]; ok {
		out = append(out, one)
	}
	if api == taskrouterAPI && strings.HasSuffix(u.Path, "/Events") {
		out = append(out, b.byAPI[eventsBudget])
	}
	if object := syncObjectOf(u); api == syncAPI && object != "" {
		out = append(out, b.ofObject(object))
	}
	return out
}

func (b *budgets) ofObject(name string) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.byObject[name]
	if one == nil {
		one = newBudget(b.perObject, 1)
		b.byObject[name] = one
	}
	return one
}

func (b *budgets) rates() map[string]float64 {
	out := make(map[string]float64, len(b.byAPI))
	for api, one := range b.byAPI {
		if full, now := one.rates(); full != rate.Inf {
			out[api] = float64(now)
		}
	}
	return out
}

// budget is the rate of one API. A 429 halves it and every success brings it a
// little back, so that it settles below what the account really allows.
type budget struct {
	full    rate.Limit
	limiter *rate.Limiter

	mu       sync.Mutex
	halvedAt time.Time
	notUntil time.Time
}

func newBudget(perSecond float64, burst int) *budget {
	full := rate.Limit(perSecond)
	if perSecond <= 0 {
		full = rate.Inf
	}
	return &budget{full: full, limiter: rate.NewLimiter(full, burst)}
}

// wait takes one call from the budget.
func (b *budget) wait(ctx context.Context, now time.Time) error {
	b.mu.Lock()
	pause := b.notUntil.Sub(now)
	b.mu.Unlock()
	if pause > 0 {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return b.limiter.Wait(ctx)
}

// refused notes a 429 to a call that began at start. Calls that were under way
// together are refused together; they count once.
func (b *budget) refused(start, now time.Time, retryAfter time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := now.Add(min(retryAfter, maxPatience)); until.After(b.notUntil) {
		b.notUntil = until
	}
	if b.full == rate.Inf || start.Before(b.halvedAt) {
		return
	}
	b.halvedAt = now
	b.limiter.SetLimit(max(b.limiter.Limit()/2, b.full*slowest))
}

// cap lowers the full rate for good: Twilio has told the limit.
func (b *budget) cap(perSecond float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit := rate.Limit(perSecond); b.full != rate.Inf && limit < b.full {
		b.full = limit
		b.limiter.SetLimit(min(b.limiter.Limit(), limit))
	}
}

// rates are the full rate and the one in force.
func (b *budget) rates() (full, now rate.Limit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full, b.limiter.Limit()
}

func (b *budget) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit := b.limiter.Limit(); limit < b.full {
		b.limiter.SetLimit(min(limit+b.full/50, b.full))
	}
}

// budgeted waits for the rate first and for a free slot then: a slot is for calls
// under way, and one that still waits for its turn is none.
type budgeted struct {
	next    http.RoundTripper
	budgets *budgets
	clock   func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (b *budgeted) RoundTrip(req *http.Request) (*http.Response, error) {
	of := b.budgets.spentBy(req)
	for _, one := range of {
		if err := one.wait(req.Context(), b.clock()); err != nil {
			return nil, err
		}
	}
	if err := b.budgets.gate.enter(req.Context()); err != nil {
		return nil, err
	}
	defer b.budgets.gate.leave()
	start := b.clock()
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		b.settle(of, resp, start)
	}
	return resp, err
}

// tooManyConcurrent is the code of a 429 that is about the calls under way on the
// account; others are about one endpoint or one object (facts/twilio.md 10).
const tooManyConcurrent = "20429"

func (b *budgeted) settle(of []*budget, resp *http.Response, start time.Time) {
	now := b.clock()
	concurrent, _ := strconv.Atoi(resp.Header.Get("Twilio-Concurrent-Requests")) // 0 when it does not say
	if resp.StatusCode != http.StatusTooManyRequests {
		b.budgets.gate.answered(concurrent)
	} else if body, err := bodyOf(resp); err == nil {
		resp.Body = hold(body)
		if codeOf(body) == tooManyConcurrent {
			b.budgets.gate.refused(concurrent)
		}
	}
	for _, one := range of {
		switch resp.StatusCode {
		case http.StatusTooManyRequests:
			one.refused(start, now, retryAfter(resp.Header, now))
		case http.StatusOK, http.StatusCreated, http.StatusNoContent:
			one.succeeded()
		}
	}
}
