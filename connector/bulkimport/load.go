package bulkimport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// errEnough says why no more is imported in this load; the rest is written singly.
var errEnough = errors.New("contacts are written one by one")

// loading is one holder's time with the role.
type loading struct {
	*Part
	lease  store.Lease
	told   func(string)
	logger *slog.Logger
	// most is how many bytes the rows of an import may have, halved where Brevo finds
	// them too many.
	most int
	// lost counts imports of which nothing came.
	lost int
	// ended, handed and found count imports that ended, their contacts, and those of
	// them that are in Brevo.
	ended, handed, found int
	// newest is the newest change in Brevo that was read; zero before anything was.
	newest time.Time
}

func (p *Part) begin(lease store.Lease, told func(string)) *loading {
	return &loading{Part: p, lease: lease, told: told, logger: p.site.Logger, most: brevo.ImportBytes}
}

// Load implements part.Loader.
func (p *Part) Load(ctx context.Context, agreed bool, told func(string)) error {
	for {
		err := p.loadOnce(ctx, agreed, told)
		if !errors.Is(err, store.ErrLeaseHeld) {
			return err
		}
		told("another import to this account is under way")
		if !schedule.Pause(ctx, time.Second) {
			return context.Cause(ctx)
		}
	}
}

func (p *Part) loadOnce(ctx context.Context, agreed bool, told func(string)) error {
	if !agreed {
		return p.finishLeft(ctx, told)
	}
	return p.site.OnceOfAccount(ctx, role, func(ctx context.Context, lease store.Lease) error {
		l := p.begin(lease, told)
		err := l.recover(ctx)
		if err == nil {
			err = l.all(ctx)
		}
		l.told(l.sum())
		return l.giveUp(ctx, err)
	})
}

// all imports what is worth it, a round after the other.
func (l *loading) all(ctx context.Context) error {
	for after := int64(0); ; {
		r, err := l.collect(ctx, after)
		if err == nil {
			err = l.round(ctx, r)
		}
		if err != nil {
			return err
		}
		if r.last {
			return nil
		}
		if !r.again {
			after = r.through
		}
	}
}

// sum says what was done; nothing where nothing was.
func (l *loading) sum() string {
	if l.ended == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d contacts made by import (%d calls)", l.found, l.handed, l.ended)
}

// giveUp turns what went wrong into what the backfill must know. Where single writes
// may do better nothing is said but to the log: they meet what is wrong themselves. A
// refused credential ends the load, so that it is gone on with once it is good again.
func (l *loading) giveUp(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errEnough):
	case failure.As(err) == nil || failure.ReasonOf(err) == failure.Unauthorized:
		return err
	}
	l.logger.Warn("no more is imported, contacts are written one by one", "reason", failure.ReasonOf(err), "err", err)
	return nil
}

// row is a contact of a round.
type row struct {
	delivery, customer int64
	brevo.ImportRow
}

// group are the rows of one import: they go on the same lists.
type group struct {
	lists []int64
	rows  []row
}

// round is what may be imported of so many customers that their rows fit into memory
// and into an import.
type round struct {
	groups map[string]*group
	emails map[string]bool
	bytes  int
	// through is the last customer looked at; last says that there are no more.
	through int64
	last    bool
	// again has the same customers looked at once more.
	again bool
}

// candidates is how many customers are loaded at once.
const candidates = 200

// collect finds what may be imported of the customers behind one.
func (l *loading) collect(ctx context.Context, after int64) (*round, error) {
	r := &round{groups: map[string]*group{}, emails: map[string]bool{}, through: after}
	for r.bytes < l.most {
		page, err := l.site.Store.LoadImportable(ctx, l.site.Account, l.site.Config.Name, r.through, candidates)
		if err != nil {
			return r, err
		}
		for i := range page {
			full, err := l.add(ctx, r, &page[i])
			if err != nil || full {
				return r, err
			}
			r.through = page[i].CustomerID
		}
		if len(page) < candidates {
			r.last = true
			break
		}
	}
	return r, nil
}

// add puts a contact into the round if it can be imported, and says whether there was
// no room for it.
func (l *loading) add(ctx context.Context, r *round, d *store.Delivery) (full bool, err error) {
	if d.Held.ID != 0 || d.Held.Deleted || len(d.Held.Refused) > 0 {
		return false, nil
	}
	var one brevo.ImportRow
	ok := false
	err = l.patiently(ctx, func() error {
		one, ok, err = l.site.Brevo.ImportRow(ctx, d.Contact, l.phones)
		return err
	})
	if err != nil || !ok || r.emails[one.Email] {
		return false, err
	}
	if size := len(one.JSON) + 1; r.bytes+size > l.most && r.bytes > 0 {
		return true, nil
	}
	r.bytes += len(one.JSON) + 1
	r.emails[one.Email] = true
	key := fmt.Sprint(one.Lists)
	if r.groups[key] == nil {
		r.groups[key] = &group{lists: one.Lists}
	}
	r.groups[key].rows = append(r.groups[key].rows, row{delivery: d.ID, customer: d.CustomerID, ImportRow: one})
	return false, nil
}

// worth are the groups that are worth an import, in the order of their first customers.
func (r *round) worth(least int) []*group {
	var out []*group
	for _, g := range r.groups {
		if len(g.rows) >= least {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *group) int { return int(a.rows[0].customer - b.rows[0].customer) })
	return out
}

// round reads what Brevo has and imports what it has not.
func (l *loading) round(ctx context.Context, r *round) error {
	if len(r.worth(l.least)) == 0 {
		return nil
	}
	if err := l.leaveOut(ctx, r); err != nil {
		return err
	}
	for _, g := range r.worth(l.least) {
		if err := l.hand(ctx, r, g); err != nil {
			return err
		}
	}
	return nil
}

// leaveOut links the customers of whom Brevo has the contact, and takes them out of
// the round, with those whose phone is somebody else's.
func (l *loading) leaveOut(ctx context.Context, r *round) error {
	wanted, taken := map[string]int{}, map[string]bool{}
	for _, g := range r.groups {
		for _, row := range g.rows {
			for _, phone := range row.Phones {
				wanted[phone]++
			}
		}
	}
	since := l.since()
	if len(wanted) > 0 {
		since = time.Time{} // whoever has one of the phones may have had it for long
	}
	l.told("reads the contacts that Brevo has")
	err := l.scan(ctx, l.site.Config.Name, since, func(c brevo.HeldContact, e *store.DirectoryEntry) {
		delete(r.emails, e.Email)
		for _, phone := range c.Phones() {
			taken[phone] = wanted[phone] > 0
		}
	})
	if err != nil {
		return err
	}
	for _, g := range r.groups {
		g.rows = slices.DeleteFunc(g.rows, func(row row) bool {
			return !r.emails[row.Email] || slices.ContainsFunc(row.Phones, func(phone string) bool { return taken[phone] || wanted[phone] > 1 })
		})
	}
	return nil
}
