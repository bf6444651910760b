package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// capturer is a store that takes its time, and refuses what it is told to.
type capturer struct {
	store.Capturer
	takes  time.Duration
	refuse func(record.Record) error

	mu      sync.Mutex
	commits []int // how many requests each commit held
	stored  []string
}

func (c *capturer) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	select {
	case <-time.After(c.takes):
	case <-ctx.Done():
		return store.Captured{}, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []string
	for _, b := range batch {
		for _, p := range b.Pages {
			for _, r := range p.Records {
				if c.refuse != nil {
					if err := c.refuse(r); err != nil {
						return store.Captured{}, err
					}
				}
				keys = append(keys, r.Key)
			}
		}
	}
	c.commits = append(c.commits, len(batch))
	c.stored = append(c.stored, keys...)
	return store.Captured{New: len(keys)}, nil
}

func page(key string) record.Page { return record.Page{Records: []record.Record{{Key: key}}} }

// keepAll keeps n records from as many goroutines and returns their errors.
func keepAll(i *pipeline.Intake, n int) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { _, errs[k] = i.Keep(context.Background(), "c", page(fmt.Sprint(k))) })
	}
	wg.Wait()
	return errs
}

func TestIntakeCommitsInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &capturer{takes: 5 * time.Millisecond}
		woken := 0
		i := pipeline.NewIntake(c, time.Now, func(string) { woken++ })
		ctx, stop := context.WithCancel(t.Context())
		go i.Run(ctx)
		began := time.Now()
		for _, err := range keepAll(i, 200) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 15*time.Millisecond {
			t.Errorf("200 requests took %s in commits of 5ms: %v", took, c.commits)
		}
		stop()
		synctest.Wait()
		if len(c.stored) != 200 || woken != 200 {
			t.Errorf("%d stored, woken %d times", len(c.stored), woken)
		}
		if _, err := i.Keep(t.Context(), "c", page("late")); !errors.Is(err, pipeline.ErrBusy) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestIntakeRefusesAtOnceWhatItCannotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &capturer{takes: time.Second}
		i := pipeline.NewIntake(c, time.Now, func(string) {})
		ctx, stop := context.WithCancel(t.Context())
		go i.Run(ctx)
		busy, kept := 0, 0
		for _, err := range keepAll(i, 5000) {
			switch {
			case errors.Is(err, pipeline.ErrBusy):
				busy++
			case err == nil:
				kept++
			default:
				t.Fatal(err)
			}
		}
		if busy == 0 || kept != len(c.stored) || busy+kept != 5000 {
			t.Errorf("%d refused, %d acknowledged, %d stored", busy, kept, len(c.stored))
		}
		stop()
		synctest.Wait()
	})
}

func TestIntakeOneBadRecordFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("cannot be stored")
		c := &capturer{takes: time.Millisecond, refuse: func(r record.Record) error {
			if r.Key == "7" {
				return bad
			}
			return nil
		}}
		i := pipeline.NewIntake(c, time.Now, func(string) {})
		ctx, stop := context.WithCancel(t.Context())
		go i.Run(ctx)
		for k, err := range keepAll(i, 20) {
			if (k == 7) != (err != nil) {
				t.Errorf("record %d: %v", k, err)
			}
		}
		if len(c.stored) != 19 {
			t.Errorf("stored %v", c.stored)
		}
		stop()
		synctest.Wait()
	})
}

func TestIntakeStoreOutageIsNotTriedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := &capturer{takes: time.Millisecond, refuse: func(record.Record) error {
			calls++
			return fmt.Errorf("capture: %w", store.ErrUnavailable)
		}}
		i := pipeline.NewIntake(c, time.Now, func(string) {})
		ctx, stop := context.WithCancel(t.Context())
		go i.Run(ctx)
		for _, err := range keepAll(i, 100) {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if calls > 3 {
			t.Errorf("an outage cost %d calls for 100 requests", calls)
		}
		stop()
		synctest.Wait()
	})
}

func TestIntakeStoresWhatIsQueuedBeforeItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &capturer{takes: time.Second}
		i := pipeline.NewIntake(c, time.Now, func(string) {})
		ctx, stop := context.WithCancel(t.Context())
		go i.Run(ctx)
		done := make(chan []error)
		go func() { done <- keepAll(i, 50) }()
		time.Sleep(500 * time.Millisecond) // the first commit is under way
		stop()
		for k, err := range <-done {
			if err != nil {
				t.Errorf("record %d was accepted and then not stored: %v", k, err)
			}
		}
		if len(c.stored) != 50 {
			t.Errorf("%d of 50 stored", len(c.stored))
		}
		synctest.Wait()
	})
}
