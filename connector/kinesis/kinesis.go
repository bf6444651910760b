// Package kinesis is the source by Amazon Kinesis: it reads the Kinesis stream that
// Twilio's Event Streams write to, and keeps what it finds as the webhook keeps what is
// posted, record for record (facts/twilio.md 6.2).
//
// Each shard is read by one replica, under a role of its own, from a checkpoint that is
// saved after its records are durable. A record may therefore come twice, and dies on
// its key. The children of a split or a merge are begun when their parents were read to
// their end. What the stream has thrown away before it was read is polling's, which
// reads TaskRouter's events whatever happens here.
package kinesis

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/part"
)

// name is the part's.
const name = "kinesis"

const (
	// surveyEvery is how often the stream is asked for its shards, so that another
	// replica's finished ones and an operator's resharding are noticed.
	surveyEvery = 10 * time.Second
	// gapsShown is for how long a gap is a notice.
	gapsShown = 7 * 24 * time.Hour
)

// Part reads one connector's Kinesis stream.
type Part struct {
	site    part.Site
	options config.EventStreams
	client  *client
	logger  *slog.Logger
	pace    pace

	mu sync.Mutex
	// problems are what is wrong now, by shard; "" is the stream itself.
	problems map[string]error
}

// pace is how long the reader waits for what.
type pace struct {
	// idle is between two reads of a shard that has nothing more, behind of one that
	// has: five reads a second are a shard's limit, for all who read it together.
	idle, behind time.Duration
	// busy and wait are the first and the longest pause before another try.
	busy, wait time.Duration
	// refused is the pause after a refusal that somebody must mend.
	refused time.Duration
	// note is how often the place of a quiet shard is saved.
	note time.Duration
}

func defaultPace() pace {
	return pace{
		idle: time.Second, behind: 250 * time.Millisecond, busy: 100 * time.Millisecond, wait: 10 * time.Second,
		refused: 30 * time.Second, note: 15 * time.Second,
	}
}

// New is the part's Maker: nil where Event Streams do not come by Kinesis.
func New(site part.Site) (part.Part, error) {
	o := site.Config.EventStreams
	if o.Via != config.ViaKinesis {
		return nil, nil
	}
	c, err := newClient(o, site.Transport)
	if err != nil {
		return nil, fmt.Errorf("event_streams: %w", err)
	}
	return &Part{site: site, options: o, client: c, logger: site.Logger.With("kinesis_stream", o.Stream), pace: defaultPace(), problems: map[string]error{}}, nil
}

// Name implements part.Part.
func (p *Part) Name() string { return name }

// Pass implements part.Part. A pass reads nothing here: it polls, which brings the
// same events, and the stream waits for the daemon.
func (p *Part) Pass(context.Context) error { return nil }

// Probe implements part.Prober.
func (p *Part) Probe(ctx context.Context) (string, error) {
	d, err := p.client.fetchDescription(ctx)
	if err != nil {
		return "", err
	}
	shards, err := p.client.fetchShards(ctx)
	if err != nil {
		return "", err
	}
	if len(shards) > 0 {
		iterator, err := p.client.fetchIterator(ctx, shards[0].id, "", time.Time{})
		if err != nil {
			return "", err
		}
		if _, err := p.client.fetchRecords(ctx, shards[0].id, iterator); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("stream %s in %s: shards %d, keeps records for %s", p.options.Stream, p.options.Region, len(shards), hours(d.retention)), nil
}

// hours shows a time as Kinesis counts it.
func hours(d time.Duration) string { return fmt.Sprintf("%d h", int(d/time.Hour)) }

// State implements part.Part.
func (p *Part) State(ctx context.Context) (part.State, error) {
	checkpoints, err := p.site.Store.LoadCheckpoints(ctx, p.site.Config.Name)
	if err != nil {
		return part.State{}, fmt.Errorf("load the places in the Kinesis stream: %w", err)
	}
	out := part.State{Name: name, Counts: map[string]int64{}}
	out.Notices = append(out.Notices, p.problemsNow()...)
	prefix, found := newest(checkpoints, prefixOf(p.options.Stream))
	if !found {
		return out, nil
	}
	at, _, err := decodePlaces(checkpoints, prefix)
	if err != nil {
		return part.State{}, err
	}
	now := p.site.Clock()
	p.count(out.Counts, at, now)
	out.Notices = append(out.Notices, gapNotices(at, now)...)
	return out, nil
}

func (p *Part) count(counts map[string]int64, at map[string]place, now time.Time) {
	for _, one := range at {
		if one.Ended {
			counts["shards_ended"]++
			continue
		}
		counts["shards_read"]++
		if !one.through.IsZero() {
			counts["lag_seconds"] = max(counts["lag_seconds"], int64(now.Sub(one.through)/time.Second))
		}
	}
}

func gapNotices(at map[string]place, now time.Time) []string {
	var out []string
	for _, shard := range slices.Sorted(maps.Keys(at)) {
		lost := at[shard].Lost
		if lost == nil || now.Sub(time.UnixMilli(lost.Until)) > gapsShown {
			continue
		}
		out = append(out, fmt.Sprintf("shard %s was not read from %s to %s, longer than the stream keeps records: polling reads the events of that time from Twilio",
			shard, time.UnixMilli(lost.From).UTC().Format(time.RFC3339), time.UnixMilli(lost.Until).UTC().Format(time.RFC3339)))
	}
	return out
}

// note tells the log and the operator that something is wrong with a shard, or right
// again: once for each change. The shard "" is the stream itself.
func (p *Part) note(shard string, err error) {
	p.mu.Lock()
	before := p.problems[shard]
	p.problems[shard] = err
	if err == nil {
		delete(p.problems, shard)
	}
	p.mu.Unlock()
	logger := p.logger
	if shard != "" {
		logger = logger.With("shard", shard)
	}
	switch {
	case failure.ReasonOf(err) == failure.ReasonOf(before):
	case err == nil:
		logger.Info("kinesis answers again")
	case failure.ReasonOf(err).Retryable():
		logger.Warn("kinesis cannot be read and is tried again", "reason", failure.ReasonOf(err), "err", err)
	default:
		logger.Error("kinesis cannot be read", "reason", failure.ReasonOf(err), "err", err)
	}
}

// forgive forgets what was wrong with a shard that is not read here any more.
func (p *Part) forgive(shard string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.problems, shard)
}

// problemsNow tells one problem of each reason: an outage is one, not one for each
// shard.
func (p *Part) problemsNow() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	told := map[failure.Reason]bool{}
	for _, shard := range slices.Sorted(maps.Keys(p.problems)) {
		err := p.problems[shard]
		if reason := failure.ReasonOf(err); !told[reason] {
			told[reason] = true
			out = append(out, err.Error())
		}
	}
	return out
}

// pauseAfter is how long to wait after an error, the n-th in a row from 0.
func (p *Part) pauseAfter(err error, n int) time.Duration {
	if r := failure.ReasonOf(err); !r.Retryable() {
		return p.pace.refused
	}
	return min(p.pace.busy<<min(n, 16), p.pace.wait)
}

// roleOf names the role of reading a shard.
func (p *Part) roleOf(shard string) string {
	return strings.Join([]string{name, p.options.Stream, shard}, ":")
}
