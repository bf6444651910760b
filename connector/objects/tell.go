package objects

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
)

// The limits of one upsert (facts/brevo.md 5), with some room for what stands around
// the records.
const (
	mostRecords = 1000
	mostBytes   = 1<<20 - 1<<16
)

const (
	// doubtAfter is after how many refused records in a row their type is doubted.
	doubtAfter = 3
	// mostSkipped is how many of them are told again once others are taken.
	mostSkipped = 300 * doubtAfter
)

// The shares of the hour's calls that may be used before a call is made: what is due
// now goes before what is long past, and both leave the rest to others.
const (
	liveShare = 0.5
	pastShare = 0.3
)

// telling is one kind's turn.
type telling struct {
	part *Part
	kind *kind
	told *told
	now  time.Time
	save func(ctx context.Context) error
}

// errDoubtful says that Brevo refuses each record by itself, and took none.
var errDoubtful = errors.New("brevo takes none of the records")

// tell tells what is due before a period: what became of earlier upserts first, then
// what is new, what has changed and what a backfill brought. It returns after which
// time it should go on, 0 where it is done.
func (t *telling) tell(ctx context.Context, until string) (time.Duration, error) {
	if r := t.told.Refused; r != nil && t.now.Before(r.Until) {
		return 0, nil
	}
	err := t.follow(ctx)
	for _, step := range []func(context.Context, string) error{t.tellNew, t.tellChanged, t.tellPast} {
		if err == nil {
			err = step(ctx, until)
		}
	}
	return t.end(ctx, err)
}

// end turns what stopped the turn into a wait, or into a refusal that is kept.
func (t *telling) end(ctx context.Context, err error) (time.Duration, error) {
	f := failure.As(err)
	switch {
	case errors.Is(err, errDoubtful):
		t.refuse(noTypeFor, "Brevo takes none of the records: compare the type and its attributes with docs/custom-objects.md")
	case f == nil && err != nil:
		return 0, err
	case err == nil:
		t.told.Refused = nil
	case f.Reason == failure.RateLimited:
		return max(f.RetryAfter, time.Second), t.save(ctx)
	case f.Reason == failure.Forbidden:
		t.refuse(notInPlanFor, "the plan of the Brevo account has no custom objects, or the credential lacks the scope objects:write")
	case f.Reason == failure.Gone:
		t.refuse(noTypeFor, "there is no such type of custom object: create it in Brevo, see docs/custom-objects.md")
	default:
		return 0, errors.Join(err, t.save(ctx))
	}
	return 0, t.save(ctx)
}

// refuse stops the telling for a while, with one line in the log when it begins.
func (t *telling) refuse(during time.Duration, why string) {
	if t.told.Refused == nil {
		t.part.warn(t.kind, "custom objects are refused and not told for a while", "why", why)
		t.told.Refused = &refusal{At: t.now}
	}
	t.told.Refused.Why, t.told.Refused.Until = why, t.now.Add(during)
}

// tellNew tells the periods that have ended since.
func (t *telling) tellNew(ctx context.Context, until string) error {
	return t.sweep(ctx, t.told.Through, until, liveShare, t.told.differs, func(to string) { t.told.Through = to })
}

// tellChanged compares, once a day, what was told in the last days with the figures.
func (t *telling) tellChanged(ctx context.Context, _ string) error {
	if t.now.Sub(t.told.ComparedAt) < compareEvery {
		return nil
	}
	oldest := max(t.kind.step(t.told.Through, -comparedFor), t.told.Began)
	t.told.forgetOld(oldest)
	if !t.told.ComparedAt.IsZero() {
		if err := t.sweep(ctx, oldest, t.told.Through, liveShare, t.told.differs, func(string) {}); err != nil {
			return err
		}
	}
	t.told.ComparedAt = t.now
	return nil
}

// tellPast tells again what a backfill may have changed, and what a process failed to
// write.
func (t *telling) tellPast(ctx context.Context, _ string) error {
	all := func(string, string) bool { return true }
	for len(t.told.Past) > 0 {
		s := t.told.Past[0]
		if err := t.sweep(ctx, s.From, s.Until, pastShare, all, func(to string) { t.told.Past[0].From = to }); err != nil {
			return err
		}
		t.told.Past = t.told.Past[1:]
	}
	return nil
}

// sweep tells the picked periods of a range in as few calls as can be. moved is told up
// to where all of it was told; what is cut short goes on there, and within a period
// behind the last record that was.
func (t *telling) sweep(ctx context.Context, from, until string, share float64, pick func(period, sum string) bool, moved func(to string)) error {
	var b []row
	size := 0
	for at := from; at < until; {
		to := min(t.kind.step(at, 1), until)
		rows, err := t.kind.rows(ctx, at, to)
		if err != nil {
			return err
		}
		for len(rows) > 0 {
			of := ofOnePeriod(rows)
			rows = rows[len(of):]
			of[len(of)-1].sum = sumOf(of)
			if !pick(of[0].period, of[len(of)-1].sum) {
				continue
			}
			for _, r := range t.told.behind(of) {
				if len(b) == mostRecords || size+len(r.body) >= mostBytes {
					if err := t.flush(ctx, b, share, moved); err != nil {
						return err
					}
					b, size = nil, 0
				}
				b, size = append(b, r), size+len(r.body)+1
			}
		}
		if at = to; len(b) == 0 {
			moved(to)
		}
	}
	if err := t.flush(ctx, b, share, moved); err != nil {
		return err
	}
	if from < until {
		moved(until)
	}
	return nil
}

// ofOnePeriod are the first rows, those of one period.
func ofOnePeriod(rows []row) []row {
	n := 1
	for n < len(rows) && rows[n].period == rows[0].period {
		n++
	}
	return rows[:n]
}

// sumOf is a fingerprint of rows.
func sumOf(rows []row) string {
	h := sha256.New()
	for _, r := range rows {
		_, _ = h.Write(append(r.body, '\n')) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// flush sends rows. What Brevo refuses as a whole is halved until the refused record is
// alone and left out. How far it came, and by how large steps, is kept after each call:
// the hour may have no more than one for us.
func (t *telling) flush(ctx context.Context, rows []row, share float64, moved func(to string)) error {
	for len(rows) > 0 {
		n := min(len(rows), t.told.step())
		id, err := t.part.upsert(ctx, t.kind, rows[:n], share)
		if f := failure.As(err); f == nil || f.Status != 0 {
			t.told.Calls++
		}
		switch {
		case err == nil:
			t.took(rows[:n], id)
		case failure.ReasonOf(err) != failure.Invalid:
			return err
		case n > 1:
			t.told.Step = n / 2
			n = 0
		default:
			t.leaveOut(rows[0])
		}
		t.passed(rows[:n], moved)
		rows = rows[n:]
		if err := t.save(ctx); err != nil {
			return err
		}
		if len(t.told.Skipped) > 0 && len(t.told.Skipped)%doubtAfter == 0 && err != nil && n == 1 {
			return errDoubtful
		}
	}
	return nil
}

// took notes records that Brevo took. Were it the type that was refused before, and
// not the records, they are told again.
func (t *telling) took(rows []row, process int64) {
	t.told.Records += int64(len(rows))
	t.told.Step = min(2*t.told.step(), mostRecords)
	if process != 0 {
		t.told.Processes = append(t.told.Processes, upsert{ID: process, At: t.now, Periods: periodsOf(rows)})
	}
	if len(t.told.Skipped) >= doubtAfter {
		t.told.LeftOut -= int64(len(t.told.Skipped))
		for _, period := range slices.Compact(slices.Sorted(slices.Values(t.told.Skipped))) {
			t.told.again(period, t.kind.next(period))
		}
	}
	t.told.Skipped = nil
}

// leaveOut notes a record that Brevo refuses.
func (t *telling) leaveOut(r row) {
	t.told.LeftOut++
	if t.told.Skipped = append(t.told.Skipped, r.period); len(t.told.Skipped) > mostSkipped {
		t.told.Skipped = t.told.Skipped[doubtAfter:]
	}
	t.part.warn(t.kind, "record is left out, because brevo refuses it", "period", r.period)
}

// passed notes how far was told by rows that were sent or left out.
func (t *telling) passed(rows []row, moved func(to string)) {
	for _, r := range rows {
		t.told.Cursor = cursor{r.period, r.id}
		if r.sum == "" {
			continue
		}
		if _, before := t.told.Sums[r.period]; before || r.period < t.told.Through {
			t.told.Again++
		}
		t.told.Sums[r.period], t.told.Cursor = r.sum, cursor{}
		moved(t.kind.next(r.period))
	}
}

// follow asks what became of accepted upserts.
func (t *telling) follow(ctx context.Context) error {
	for i := 0; i < len(t.told.Processes); {
		p := t.told.Processes[i]
		status, err := t.part.fetchProcess(ctx, p.ID)
		if f := failure.As(err); f == nil || f.Status != 0 {
			t.told.Calls++
		}
		switch failure.ReasonOf(err) {
		case failure.Forbidden, failure.Gone, failure.Invalid:
			// Which scope covers /processes is not documented (facts/brevo.md 7).
			t.told.Unfollowed++
			status, err = "completed", nil
		}
		if err != nil {
			return err
		}
		switch {
		case status == "failed":
			if n := t.told.failed(t.kind, p.Periods); n > 0 {
				t.told.LeftOut += int64(n)
				t.part.warn(t.kind, "days or hours are given up, because brevo's processing failed each time", "periods", n)
			}
		case status == "completed":
			for _, period := range p.Periods {
				delete(t.told.Failed, period)
			}
		case t.now.Sub(p.At) > processAge:
			t.told.Unfollowed++
		default:
			i++
			continue
		}
		t.told.Processes = append(t.told.Processes[:i], t.told.Processes[i+1:]...)
		if err := t.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// upsert makes one call. A type that Brevo does not have gives failure.Gone, whatever
// the status (facts/brevo.md 5: 400 or 404). It returns the id of the process, 0 where
// the answer named none.
func (p *Part) upsert(ctx context.Context, k *kind, rows []row, share float64) (int64, error) {
	op := "POST /objects/" + k.object + "/batch/upsert"
	got, err := p.site.Brevo.Do(ctx, brevo.Ask{
		Op: op, Method: http.MethodPost, Path: "/objects/" + k.object + "/batch/upsert", Body: bodyOf(rows), Writes: true, Share: share,
	})
	if err != nil {
		if f := failure.As(err); f != nil && noSuchType(got) {
			f.Reason = failure.Gone
		}
		return 0, err
	}
	return processOf(got.Body), nil
}

// fetchProcess asks for the status of a process.
func (p *Part) fetchProcess(ctx context.Context, id int64) (string, error) {
	got, err := p.site.Brevo.Do(ctx, brevo.Ask{
		Op: "GET /processes/{id}", Method: http.MethodGet, Path: fmt.Sprintf("/processes/%d", id), Share: liveShare,
	})
	if err != nil {
		return "", err
	}
	return statusOf(got.Body), nil
}
