package bulkimport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

const (
	// grace is how much longer than an import may take its contacts are held back: what
	// nobody finishes is then delivered as ever.
	grace = 15 * time.Minute
	// fewest is how few bytes an import may be halved to.
	fewest = 256 << 10
	// mostLost is how many imports may be lost before no other is tried.
	mostLost = 3
)

// hand makes one import and finishes it.
func (l *loading) hand(ctx context.Context, r *round, g *group) error {
	if err := l.idle(ctx, 0); err != nil {
		return err
	}
	imp, rows, err := l.keep(ctx, g)
	if err != nil || imp.ID == 0 {
		return err
	}
	l.told(fmt.Sprintf("hands %d contacts over", len(rows)))
	err = l.patiently(ctx, func() (err error) {
		imp.ProcessID, err = l.site.Brevo.Import(ctx, g.lists, rows)
		return err
	})
	l.logger.Info("contacts handed over for import", "contacts", len(rows), "process_id", imp.ProcessID, "reason", failure.ReasonOf(err))
	switch failure.ReasonOf(err) {
	case failure.None:
		if err := l.site.Store.AcceptImport(ctx, l.lease, imp.ID, imp.ProcessID); err != nil {
			return err
		}
		imp.State = store.ImportAccepted
		return l.finish(ctx, imp)
	case failure.Unknown:
		lost, err := l.search(ctx, imp)
		if lost {
			r.again, r.last = true, false
		}
		return err
	}
	return l.refused(ctx, r, imp, err)
}

// keep stores what is about to be handed over, before it is, and returns what of it may
// be.
func (l *loading) keep(ctx context.Context, g *group) (store.Import, []brevo.ImportRow, error) {
	now := l.site.Clock()
	imp := store.Import{Account: l.site.Account, Connector: l.site.Config.Name, State: store.ImportHanded, HandedAt: now}
	offered := make([]store.ImportRow, len(g.rows))
	for i, row := range g.rows {
		offered[i] = store.ImportRow{DeliveryID: row.delivery, CustomerID: row.customer, Sent: row.Sent}
	}
	var taken []int64
	var err error
	if imp.ID, taken, err = l.site.Store.BeginImport(ctx, l.lease, imp, offered, now.Add(l.wait+grace)); err != nil {
		return imp, nil, err
	}
	in := map[int64]bool{}
	for _, delivery := range taken {
		in[delivery] = true
	}
	var rows []brevo.ImportRow
	for _, row := range g.rows {
		if in[row.delivery] {
			rows = append(rows, row.ImportRow)
		}
	}
	imp.Contacts = len(rows)
	return imp, rows, nil
}

// refused ends an import that Brevo did not take. Where it was too long, shorter ones
// are made of the same contacts.
func (l *loading) refused(ctx context.Context, r *round, imp store.Import, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // found by whoever goes on
	}
	imp.State = store.ImportRefused
	tooLong := false
	if e := failure.As(cause); e != nil && e.Status == http.StatusRequestEntityTooLarge && l.most/2 >= fewest {
		tooLong = true
	}
	if tooLong || failure.ReasonOf(cause) == failure.Unauthorized {
		imp.State = store.ImportLost // as if it had never been: it may be tried again
	}
	if _, err := l.site.Store.EndImport(ctx, l.lease, imp, brevo.OpImport, l.site.Clock()); err != nil {
		return err
	}
	if !tooLong {
		return cause
	}
	l.most /= 2
	r.again, r.last = true, false
	return nil
}

// search finds out what became of an import whose answer was lost: once Brevo works on
// none any more, either its contacts are there or it was lost.
func (l *loading) search(ctx context.Context, imp store.Import) (lost bool, err error) {
	l.told("looks for an import whose answer was lost")
	if err := l.idle(ctx, imp.ID); err != nil && (ctx.Err() != nil || failure.ReasonOf(err) == failure.Unauthorized) {
		return false, l.orCause(ctx, err)
	}
	found, err := l.reconcile(ctx, imp, store.ImportDone, nil)
	if err != nil || found > 0 {
		return false, err
	}
	if l.lost++; l.lost == mostLost {
		return true, fmt.Errorf("nothing came of %d imports: %w", l.lost, errEnough)
	}
	return true, nil
}

// orCause is why a context ended, or else the error.
func (l *loading) orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// recover finishes what was under way when the last holder of the role ended. Where
// that did not end well the error is errEnough.
func (l *loading) recover(ctx context.Context) error {
	left, err := l.site.Store.LoadImportsUnderWay(ctx, l.site.Account)
	if err != nil {
		return err
	}
	var enough error
	for _, imp := range left {
		l.logger.Warn("an import was under way when the last process ended", "contacts", imp.Contacts, "process_id", imp.ProcessID)
		if imp.State == store.ImportAccepted {
			err = l.finish(ctx, imp)
		} else {
			_, err = l.search(ctx, imp)
		}
		if enough = err; err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	return enough
}
