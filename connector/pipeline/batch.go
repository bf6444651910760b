package pipeline

import (
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// mostBatches is how many batches may be under way at once.
const mostBatches = 4

// job is what one worker does at a time: one customer's run, or a batch of the
// events of several.
type job struct {
	run   []store.Delivery
	batch [][]store.Delivery
}

// done is a job with its outcomes.
type done struct {
	job
	settlements []store.Settlement
}

// pool collects runs that are events only, until they are enough for a batch. It
// belongs to the goroutine that claims.
type pool struct {
	least, most int // 0: closed
	runs        [][]store.Delivery
	events      int
}

// open opens or closes the pool by what the destination says of batches now. Where
// a batch costs much, there is one at a time.
func (s *session) open(wanted bool) {
	b, ok := s.o.Destination.(Batcher)
	if len(s.pool.runs) > 0 || !ok {
		return
	}
	s.pool = pool{}
	if under := s.batches.Load(); wanted && under < mostBatches {
		least, most := b.BatchSize()
		if most > 0 && (under == 0 || least == 2) {
			s.pool = pool{least: least, most: most}
		}
	}
}

// busyBatches says that so many batches are under way that events had better wait
// for the next one.
func (s *session) busyBatches() bool { return s.batches.Load() >= mostBatches }

// queue hands a run to the workers, or puts it into the pool.
func (s *session) queue(run []store.Delivery) {
	if s.pool.most == 0 || !eventsOnly(run) || len(run) > s.pool.most {
		s.alone(run)
		return
	}
	if s.pool.events+len(run) > s.pool.most {
		s.flush()
		s.open(true)
		if s.pool.most == 0 {
			s.alone(run)
			return
		}
	}
	s.pool.runs, s.pool.events = append(s.pool.runs, run), s.pool.events+len(run)
}

func (s *session) alone(run []store.Delivery) {
	s.single.Add(int64(len(run)))
	s.jobs <- job{run: run}
}

// flush sends off what the pool holds: as a batch, or one by one where it is too
// little for one.
func (s *session) flush() {
	p := s.pool
	s.pool = pool{}
	if p.events < max(p.least, 1) {
		for _, run := range p.runs {
			s.alone(run)
		}
		return
	}
	s.batches.Add(1)
	s.jobs <- job{batch: p.runs}
}

// saves says whether a batch saves calls that are counted.
func (s *session) saves() bool {
	p, paced := s.o.Destination.(Pacer)
	b, ok := s.o.Destination.(Batcher)
	if !paced || !ok || p.Pace() == 0 {
		return false
	}
	least, _ := b.BatchSize()
	return least == 2
}

// release takes note that a job is settled.
func (s *session) release(j job) {
	if j.batch == nil {
		s.hold(-1)
		return
	}
	s.batches.Add(-1)
	s.hold(-len(j.batch))
}

// made takes note that the calls of a job are made: what waits can be claimed while
// their outcomes are written.
func (s *session) made(j job) {
	if j.batch != nil {
		return
	}
	s.single.Add(-int64(len(j.run)))
	if s.more.Load() {
		s.Wake()
	}
}

func eventsOnly(run []store.Delivery) bool {
	for _, d := range run {
		if d.Kind != store.EventDelivery {
			return false
		}
	}
	return true
}

// work does a job.
func (s *session) work(j job) done {
	if j.batch == nil {
		return done{j, s.customer(j.run)}
	}
	return done{j, s.batch(j.batch)}
}

// batch makes one attempt at the events of several customers in one call. Events
// that wait for another try wait equally long, so that the next body is the same.
func (s *session) batch(runs [][]store.Delivery) []store.Settlement {
	var out []store.Settlement
	var sent []store.Delivery
	var changes []record.Change
	stopped := s.ctx.Err() != nil || !s.circuit.admits()
	for _, run := range runs {
		if stopped {
			out = append(out, released(run, s.o.Clock())...)
			continue
		}
		for _, d := range run {
			if reason := s.skip(d); reason != "" {
				out = append(out, store.Settlement{Delivery: d, State: store.Skipped, Reason: reason})
				continue
			}
			sent = append(sent, d)
			changes = append(changes, record.Change{Key: d.Key, Event: d.Event, Held: d.Held})
		}
	}
	if len(sent) == 0 {
		return out
	}
	first := len(out)
	for i, outcome := range s.o.Destination.(Batcher).DeliverBatch(s.hard, changes) {
		s.circuit.note(s.o.Account, outcome)
		st := s.judge(sent[i], outcome)
		st.Status, st.Omissions, st.Call = outcome.Status, outcome.Omissions, outcome.Call
		if st.State == store.Pending && len(out) > first && out[first].State == store.Pending {
			st.NextAttemptAt = out[first].NextAttemptAt
		}
		s.log(sent[i], st, outcome)
		out = append(out, st)
	}
	return out
}
