package twilio

import (
	"context"
	"sync"
)

// maxInFlight is how many calls an account has under way at most. The ceiling is not
// published and shared with the customer's other systems (facts/twilio.md 10).
const maxInFlight = 4

// wider is after how many answers in a row, none of them a refusal, a narrowed gate
// lets one more call through.
const wider = 20

// gate lets so many calls through at a time: four, and fewer while Twilio says that
// the account has too many under way. What it says is of all systems of the account,
// so a refusal also tells where the ceiling is: near it one call at a time is enough.
type gate struct {
	mu      sync.Mutex
	limit   int
	through int
	waiting []chan struct{} // in order of arrival; a closed one may go
	good    int             // answers since the limit was changed
	ceiling int             // calls under way at the lowest refusal; 0 when never refused
}

func newGate() *gate { return &gate{limit: maxInFlight} }

// enter waits for its turn, or until ctx ends, and then says why it ended.
func (g *gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	turn := g.queue()
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		g.giveUp(turn)
		return context.Cause(ctx)
	}
}

// queue goes through at once, and returns nil, where there is room.
func (g *gate) queue() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.through < g.limit && len(g.waiting) == 0 {
		g.through++
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	return turn
}

// giveUp takes a call out of the queue; one whose turn has come meanwhile leaves.
func (g *gate) giveUp(turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
	g.through--
	g.admit()
}

// leave says that a call is over.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.through--
	g.admit()
}

// admit lets in whom there is room for.
func (g *gate) admit() {
	for g.through < g.limit && len(g.waiting) > 0 {
		g.through++
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
}

// refused notes that the account had too many calls under way: so many, ours
// included, or 0 where the answer did not say.
func (g *gate) refused(concurrent int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.good = max(1, g.limit/2), 0
	if concurrent > 0 && (g.ceiling == 0 || concurrent < g.ceiling) {
		g.ceiling = concurrent
	}
}

// answered notes an answer that was no refusal. Close to where the account was
// refused before, other systems need the room: it stays with one call at a time.
func (g *gate) answered(concurrent int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ceiling > 0 && concurrent >= g.ceiling-1 {
		g.limit, g.good = 1, 0
		return
	}
	if g.good++; g.good >= wider && g.limit < maxInFlight {
		g.limit, g.good = g.limit+1, 0
		g.admit()
	}
	if g.limit == maxInFlight && g.good >= 50*wider {
		g.ceiling, g.good = 0, 0 // that refusal is long ago
	}
}

// width is how many calls may be under way now.
func (g *gate) width() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit
}
