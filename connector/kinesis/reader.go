package kinesis

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/webhook"
)

// countEvery is how often what came is counted in the store.
const countEvery = 5 * time.Second

// reader reads one shard.
type reader struct {
	assignment
	part      *Part
	places    *places
	retention time.Duration
	// first is the moment from which a shard is read that was never read, nor its
	// parents.
	first time.Time

	at       place
	iterator string
	savedAt  time.Time
	// came is how many events came that are not counted in the store yet.
	came      int
	countedAt time.Time
}

// read reads until the shard has ended or ctx ends.
func (r *reader) read(ctx context.Context) {
	r.iterator = ""
	r.try(ctx, func() error { return r.resume(ctx) })
	for failed := 0; ctx.Err() == nil && !r.at.Ended; {
		got, err := r.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errExpired) {
			r.iterator = ""
			continue
		}
		r.part.note(r.shard, shown(err))
		if err != nil {
			if !failure.ReasonOf(err).Retryable() {
				r.iterator = ""
			}
			schedule.Pause(ctx, r.part.pauseAfter(err, failed))
			failed++
			continue
		}
		failed = 0
		r.take(ctx, got)
	}
}

// shown leaves out that the rate was exceeded: others read the stream as well, and
// nothing is wrong with that.
func shown(err error) error {
	if failure.ReasonOf(err) == failure.RateLimited {
		return nil
	}
	return err
}

// try does something to the store until it succeeds or ctx ends.
func (r *reader) try(ctx context.Context, do func() error) {
	for failed := 0; ctx.Err() == nil; failed++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return
		}
		if !errors.Is(err, pipeline.ErrBusy) {
			r.part.note(r.shard, err)
		}
		schedule.Pause(ctx, min(r.part.pace.busy<<min(failed, 16), r.part.pace.wait))
	}
}

// resume learns where the last holder of the role stopped, and whether that is too
// long ago.
func (r *reader) resume(ctx context.Context) error {
	at, _, err := r.places.load(ctx)
	if err != nil {
		return err
	}
	r.at = at[r.shard]
	now := r.part.site.Clock()
	late := !r.at.through.IsZero() && now.Sub(r.at.through) > r.retention
	if r.at.Ended || !late && !r.gone {
		return nil
	}
	r.part.logger.Warn("records went from the kinesis stream before they were read; polling reads what they told",
		"shard", r.shard, "from", r.at.through, "until", now)
	next := place{After: r.at.After, Ended: r.gone, Lost: &gap{r.at.through.UnixMilli(), now.UnixMilli()}, through: now}
	if err := r.places.save(ctx, r.shard, next); err != nil {
		return err
	}
	r.at = next
	return nil
}

func (r *reader) fetch(ctx context.Context) (reading, error) {
	if r.iterator == "" {
		iterator, err := r.part.client.fetchIterator(ctx, r.shard, r.at.After, r.from())
		if failure.ReasonOf(err) == failure.Invalid && r.at.After != "" {
			// The shard does not know its own record any more: what comes twice does no harm.
			r.part.logger.Warn("kinesis refuses the place in a shard, which is read from its oldest record", "shard", r.shard, "err", err)
			iterator, err = r.part.client.fetchIterator(ctx, r.shard, "", time.Time{})
		}
		if err != nil {
			return reading{}, err
		}
		r.iterator = iterator
	}
	return r.part.client.fetchRecords(ctx, r.shard, r.iterator)
}

// from is the moment at which to begin: the zero one, which is the oldest record,
// where all of the shard is wanted or the stream keeps no older one than is wanted.
func (r *reader) from() time.Time {
	if r.child || r.part.site.Clock().Sub(r.first) >= r.retention {
		return time.Time{}
	}
	return r.first
}

// take keeps what was read, saves the place after it and waits until the next read
// is due.
func (r *reader) take(ctx context.Context, got reading) {
	now := r.part.site.Clock()
	records, tests := r.decode(got.records, now)
	if len(records) > 0 {
		r.try(ctx, func() error { return r.part.site.Keep(ctx, records) })
	}
	if ctx.Err() != nil {
		return // it may not be kept: whoever reads on, reads it again
	}
	next := place{After: r.at.After, Ended: got.next == "", Lost: r.at.Lost, through: now.Add(-got.behind)}
	if n := len(got.records); n > 0 {
		next.After = aws.ToString(got.records[n-1].SequenceNumber)
	}
	if len(got.records) > 0 || next.Ended || now.Sub(r.savedAt) >= r.part.pace.note {
		r.try(ctx, func() error { return r.places.save(ctx, r.shard, next) })
		r.savedAt = now
	}
	if ctx.Err() != nil {
		return
	}
	r.at, r.iterator = next, got.next
	r.count(ctx, len(records)+len(tests), tests, now)
	switch {
	case r.at.Ended:
	case got.behind > 0 || len(got.records) >= readLimit:
		schedule.Pause(ctx, r.part.pace.behind)
	default:
		schedule.Pause(ctx, r.part.pace.idle)
	}
}

// decode makes records of what the shard holds. What is no JSON is a record as well,
// which the digest cannot read and shows to the operator.
func (r *reader) decode(held []types.Record, now time.Time) (records []record.Record, tests []string) {
	for _, h := range held {
		at := now
		if h.ApproximateArrivalTimestamp != nil {
			at = h.ApproximateArrivalTimestamp.UTC()
		}
		some, ids, err := webhook.DecodeEvents(h.Data, at, r.part.site.KeepText)
		if err != nil {
			some = []record.Record{{
				Key: name + ":" + r.shard + ":" + aws.ToString(h.SequenceNumber), Stream: "events", Type: "unknown",
				At: at, Via: record.EventStreams, Body: h.Data,
			}}
		}
		records, tests = append(records, some...), append(tests, ids...)
	}
	return records, tests
}

// count adds to what is known of who sends. It counts and explains, and no record
// hangs on it, so that a failure is only told.
func (r *reader) count(ctx context.Context, came int, tests []string, now time.Time) {
	r.came += came
	if r.came == 0 || len(tests) == 0 && now.Sub(r.countedAt) < countEvery {
		return
	}
	posted := store.Posted{Sender: string(webhook.Kinesis), LastAt: now, Accepted: r.came}
	if len(tests) > 0 {
		posted.TestID = tests[len(tests)-1]
	}
	if err := r.part.site.Store.SaveArrivals(ctx, r.part.site.Config.Name, store.Arrivals{Posts: []store.Posted{posted}}); err != nil {
		r.part.logger.Warn("what came by kinesis is not counted this time", "err", err)
		return
	}
	r.came, r.countedAt = 0, now
}
