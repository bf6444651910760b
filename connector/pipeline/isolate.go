package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// reasonNotComputed is why a customer was left out of a backfill.
const reasonNotComputed = "profile could not be computed"

// panicked is a panic of our own code, or of a rule, over what records hold. It
// says only its type: the rest may be private.
type panicked struct{ what string }

// Error implements error.
func (p *panicked) Error() string { return "digest panicked: " + p.what }

// guarded turns a panic into an error, so that one customer never stops the others
// (promise 6).
func (d *Digest) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{fmt.Sprintf("%T", p)}
			d.o.Logger.Error("digest panicked", "connector", d.o.Connector, "err", err, "stack", string(debug.Stack()))
		}
	}()
	return do()
}

// poisonous says whether an error may be the fault of what was digested, and not of
// the store or of somebody who asked us to stop.
func poisonous(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrLeaseLost)
}

// culprit is a record that cannot be digested, with the reason.
type culprit struct {
	record.Record
	err error
}

// apart digests records of a batch that cannot be digested together: in halves, down to those
// that cannot be digested at all. These fail and are kept for an operator, unless
// it is the store that refuses each of them: then the fault is not theirs.
func (d *Digest) apart(ctx context.Context, lease store.Lease, records []record.Record) (Digested, error) {
	var sum Digested
	var culprits []culprit
	halves := [][]record.Record{records}
	for len(halves) > 0 {
		part := halves[0]
		halves = halves[1:]
		b, err := d.again(ctx, part)
		var done Digested
		if err == nil {
			done, err = d.together(ctx, lease, b)
		}
		switch {
		case !poisonous(ctx, err) && err != nil:
			return sum, err
		case err != nil && len(part) == 1:
			culprits = append(culprits, culprit{part[0], err})
		case err != nil:
			half := len(part) / 2
			halves = append([][]record.Record{part[:half], part[half:]}, halves...)
		default:
			sum.add(done)
		}
	}
	failed, err := d.fail(ctx, lease, culprits, sum.Records > 0)
	sum.Records += failed
	return sum, err
}

// again reads records of a batch once more, as far as they are still there.
func (d *Digest) again(ctx context.Context, records []record.Record) (*batch, error) {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	found, err := d.o.Store.LoadRecords(ctx, d.o.Connector, ids)
	if err != nil {
		return nil, fmt.Errorf("load records again: %w", err)
	}
	return d.read(found, d.newBatch()), nil
}

// fail keeps culprits for an operator. A panic is always theirs, an error of the
// store only where others could be digested.
func (d *Digest) fail(ctx context.Context, lease store.Lease, culprits []culprit, others bool) (int, error) {
	out := &store.Digest{Connector: d.o.Connector, Account: d.o.Account, At: d.o.Clock()}
	for _, c := range culprits {
		if p := (*panicked)(nil); !others && !errors.As(c.err, &p) {
			return 0, c.err
		}
		d.o.Logger.Error("record cannot be digested", "connector", d.o.Connector, "key", c.Key, "type", c.Type, "err", c.err)
		out.Records = append(out.Records, store.RecordResult{ID: c.ID, State: store.Failed, Reason: c.err.Error()})
	}
	if len(out.Records) == 0 {
		return 0, nil
	}
	if err := d.o.Store.SaveDigest(ctx, lease, out); err != nil {
		return 0, fmt.Errorf("save failed records: %w", err)
	}
	return len(out.Records), nil
}

func (d *Digested) add(more Digested) {
	d.Records += more.Records
	d.Changes += more.Changes
	d.Buried += more.Buried
	d.Hints = append(d.Hints, more.Hints...)
}
