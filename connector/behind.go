package connector

import (
	"context"
	"time"

	"flexbrevo/connector/schedule"
	"flexbrevo/connector/twilio"
)

// behindBy is how far behind Twilio the reading is that has to catch up.
const behindBy = 2 * time.Minute

// holdWhileBehind holds deliveries back, for a minute at most, while what was missed is
// read for the first time: a conversation that is read before its task, or a task before
// it ended, would be told of as it was in between.
func (f *flow) holdWhileBehind(ctx context.Context) {
	checkpoints, err := f.store.LoadCheckpoints(ctx, f.cfg.Name)
	if err != nil || f.clock().Sub(checkpoints[twilio.EventsStream].Through) < behindBy {
		return
	}
	release := f.account.deliver.Hold()
	defer release()
	for range 600 { // a hand clock may stand still
		if !schedule.Pause(ctx, 100*time.Millisecond) {
			return
		}
		if f.tried() {
			if waiting, err := f.store.LoadUndigested(ctx, f.cfg.Name, 1); err != nil || len(waiting) == 0 {
				return
			}
		}
	}
}

// tried says whether every stream was read, or could not be, since the start.
func (f *flow) tried() bool {
	for _, stream := range f.streams() {
		p := f.pulls[stream]
		p.mu.Lock()
		at := p.at
		p.mu.Unlock()
		if at.IsZero() && stream != twilio.InteractionsStream {
			return false
		}
	}
	return true
}
