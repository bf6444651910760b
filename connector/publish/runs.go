package publish

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/part"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

const (
	// runsStream names the checkpoint of the runs that were told of.
	runsStream = name + "-runs"
	// runsEvery is how often runs are looked for, runsShown how many of the latest are looked
	// at: more do not begin in that time.
	runsEvery = 5 * time.Second
	runsShown = 50
)

// told is how far runs were told of.
type told struct {
	// Seen is the newest run that was looked at; Open are those up to it that had not ended.
	Seen int64   `json:"seen"`
	Open []int64 `json:"open,omitempty"`
}

// RunMessage is what the stream is told of a finished run. It may come twice, if the first
// one's outcome is unknown: Run tells them apart.
type RunMessage struct {
	V         int    `json:"v"` // 1
	Connector string `json:"connector"`
	Run       int64  `json:"run"`
	// Kind is sync, backfill, replay or reconcile; State is done or failed.
	Kind      string         `json:"kind"`
	State     store.RunState `json:"state"`
	CreatedAt time.Time      `json:"created_at"`
	EndedAt   time.Time      `json:"ended_at"`
	// Counts are the numbers of the run's report.
	Counts map[string]any `json:"counts,omitempty"`
	Error  string         `json:"error,omitempty"`
}

// tellRuns sends a message for each run that ended since the last look. Those that had
// ended before the first look are history.
func (s *shift) tellRuns(ctx context.Context) error {
	now := s.clock()
	if s.cfg.Runs == "" || now.Before(s.runsAt) {
		return nil
	}
	runs, err := s.store.LoadRuns(ctx, runsShown)
	if err != nil {
		return err
	}
	if s.runs == nil {
		if s.runs, err = s.loadTold(ctx, runs); err != nil {
			return err
		}
	}
	next := told{Seen: s.runs.Seen}
	byID := map[int64]store.Run{}
	for _, id := range s.runs.Open {
		byID[id] = store.Run{ID: id}
	}
	for _, run := range runs {
		if _, open := byID[run.ID]; open || run.ID > s.runs.Seen {
			byID[run.ID] = run
		}
	}
	var failed error
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		open := failed != nil
		if !open {
			open, failed = s.tellRun(ctx, byID[id])
		}
		if open {
			next.Open = append(next.Open, id)
		}
		next.Seen = max(next.Seen, id)
	}
	s.runsAt = now.Add(runsEvery)
	if next.Seen == s.runs.Seen && slices.Equal(next.Open, s.runs.Open) {
		return failed
	}
	if err := part.SaveCursor(ctx, s.store, s.connector, runsStream, now, next); err != nil {
		return errors.Join(err, failed)
	}
	s.runs = &next
	return failed
}

// loadTold reads how far runs were told of; at first, those that ended are left out.
func (s *shift) loadTold(ctx context.Context, runs []store.Run) (*told, error) {
	t := &told{}
	known, err := part.LoadCursor(ctx, s.store, s.connector, runsStream, t)
	if err != nil || known {
		return t, err
	}
	for _, run := range runs {
		t.Seen = max(t.Seen, run.ID)
		if !ended(run) {
			t.Open = append(t.Open, run.ID)
		}
	}
	slices.Sort(t.Open)
	return t, part.SaveCursor(ctx, s.store, s.connector, runsStream, s.clock(), t)
}

func ended(run store.Run) bool { return run.State == store.RunDone || run.State == store.RunFailed }

// tellRun tells of a run if it has ended, and says whether it is to be looked at again.
func (s *shift) tellRun(ctx context.Context, run store.Run) (open bool, err error) {
	if run.Kind == "" { // older than those that were loaded
		run, err = s.store.LoadRun(ctx, run.ID)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return true, err
		}
	}
	switch {
	case run.Connector != "" && run.Connector != s.connector, !slices.Contains([]string{"sync", "backfill", "replay", "reconcile"}, run.Kind):
		return false, nil
	case !ended(run):
		return true, nil
	}
	data, err := s.message(run)
	if err != nil {
		return true, err
	}
	err = s.send(ctx, data)
	if failure.ReasonOf(err) == failure.Invalid {
		s.logger.Error("sync does not take the message of a run", "run_id", run.ID, "err", err)
		return false, nil
	}
	return err != nil, err
}

// message says of a run what a dashboard shows: numbers, and never a name.
func (s *shift) message(run store.Run) ([]byte, error) {
	m := RunMessage{
		V: 1, Connector: s.connector, Run: run.ID, Kind: run.Kind, State: run.State,
		CreatedAt: run.CreatedAt, EndedAt: run.EndedAt, Counts: numbers(run.Progress), Error: run.Error,
	}
	data, err := json.Marshal(m)
	if err == nil && len(data) > twilio.MaxSyncMessage {
		m.Counts, m.Error = nil, m.Error[:min(len(m.Error), 1000)]
		data, err = json.Marshal(m)
	}
	return data, err
}

// numbers are those of the first level of a report.
func numbers(progress []byte) map[string]any {
	var all map[string]any
	if json.Unmarshal(progress, &all) != nil {
		return nil
	}
	maps.DeleteFunc(all, func(_ string, v any) bool {
		_, number := v.(float64)
		return !number
	})
	return all
}

// send sends a message, to a stream that is made where it is missing.
func (s *shift) send(ctx context.Context, data []byte) error {
	if err := store.Trusted(ctx); err != nil {
		return err
	}
	err := s.sync.SendSyncMessage(ctx, s.cfg.Service, s.cfg.Runs, data)
	if failure.ReasonOf(err) != failure.Gone {
		return err
	}
	if err := s.sync.MakeSyncStream(ctx, s.cfg.Service, s.cfg.Runs); err != nil {
		return err
	}
	return s.sync.SendSyncMessage(ctx, s.cfg.Service, s.cfg.Runs, data)
}
