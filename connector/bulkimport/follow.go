package bulkimport

import (
	"context"
	"fmt"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

const (
	// firstLook is when a process is looked at first, and mostLook how rarely in the
	// end: ten looks in ten minutes, thirty-five in an hour, of the eighty that the hour
	// has for everything on the smallest plan (facts/brevo.md 6).
	firstLook = 2 * time.Second
	mostLook  = 2 * time.Minute
	// urgentEvery is how often it is looked whether something more urgent than a
	// backfill waits for those who are held back.
	urgentEvery = 5 * time.Second
)

// await asks done again and again, ever more rarely, until it says so. It returns
// false when the import has had its time. Errors that may pass are asked away.
func (l *loading) await(ctx context.Context, id int64, until time.Time, done func() (bool, error)) (bool, error) {
	for wait := firstLook; ; wait = min(2*wait, mostLook) {
		ended, err := done()
		if ended {
			return true, nil
		}
		e := failure.As(err)
		if err != nil && (ctx.Err() != nil || e == nil || !e.Reason.Retryable()) {
			return false, l.orCause(ctx, err)
		}
		next := wait
		if e != nil {
			next = max(next, e.RetryAfter)
		}
		left := until.Sub(l.site.Clock())
		if left <= 0 {
			return false, nil
		}
		if err := l.holdFor(ctx, id, min(next, left)); err != nil {
			return false, err
		}
	}
}

// holdFor waits, and lets those of an import go meanwhile for whom something urgent
// came; 0 is no import.
func (l *loading) holdFor(ctx context.Context, id int64, d time.Duration) error {
	for left := d; left > 0; left -= urgentEvery {
		if !schedule.Pause(ctx, min(left, urgentEvery)) {
			return context.Cause(ctx)
		}
		if id == 0 {
			continue
		}
		if _, err := l.site.Store.ReleaseUrgent(ctx, l.lease, id, l.site.Clock()); err != nil {
			return err
		}
	}
	return nil
}

// idle waits until Brevo works on no import of this account, whoever began it.
func (l *loading) idle(ctx context.Context, id int64) error {
	until := l.site.Clock().Add(l.wait)
	ended, err := l.await(ctx, id, until, func() (bool, error) {
		all, err := l.site.Brevo.FetchProcesses(ctx)
		if e := failure.As(err); e != nil && e.RetryAfter > mostPatience && id == 0 {
			return false, fmt.Errorf("the hour has no call left to look for other imports: %w", errEnough)
		}
		if err != nil {
			return false, err
		}
		for _, p := range all {
			if p.Import() && !p.Ended() {
				l.told("waits until Brevo has ended another import")
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil && !ended {
		err = fmt.Errorf("brevo is still at another import: %w", errEnough)
	}
	return err
}

// finish follows an import to its end and reconciles it. One that did not end well
// ends the load.
func (l *loading) finish(ctx context.Context, imp store.Import) error {
	var last brevo.Process
	looks, missing := 0, 0
	ended, err := l.await(ctx, imp.ID, imp.HandedAt.Add(l.wait), func() (bool, error) {
		looks++
		l.told(fmt.Sprintf("Brevo imports %d contacts, looked at %d times", imp.Contacts, looks))
		p, err := l.site.Brevo.FetchProcess(ctx, imp.ProcessID)
		if failure.ReasonOf(err) == failure.Gone && missing < 3 {
			missing++ // reads lag behind writes
			return false, nil
		}
		if err == nil {
			last = p
		}
		return err == nil && p.Ended(), err
	})
	if err != nil && (ctx.Err() != nil || failure.ReasonOf(err) == failure.Unauthorized || failure.As(err) == nil) {
		return l.orCause(ctx, err)
	}
	state := store.ImportDone
	switch {
	case err == nil && !ended:
		state = store.ImportOverdue
	case err != nil || !last.Completed():
		state = store.ImportFailed
	}
	l.logger.Info("import ended", "process_id", imp.ProcessID, "state", state, "status", last.Status, "looks", looks)
	if _, err := l.reconcile(ctx, imp, state, last.Reports); err != nil {
		return err
	}
	if state != store.ImportDone {
		return fmt.Errorf("the import is %s: %w", state, errEnough)
	}
	return nil
}
