package schedule_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/schedule"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"@every 15s", "0 * * * *", "*/5 8-18 * * 1-5", "@daily"} {
		if err := schedule.Check(spec); err != nil {
			t.Errorf("Check(%q) = %v", spec, err)
		}
	}
	for _, spec := range []string{"", "often", "@every", "@every soon", "* * * *", "0 0 * * * *", "61 * * * *"} {
		if schedule.Check(spec) == nil {
			t.Errorf("Check(%q) found nothing wrong", spec)
		}
		if (&schedule.Schedule{}).Add(schedule.Job{Name: "events", Spec: spec}) == nil {
			t.Errorf("Add took %q", spec)
		}
	}
}

// clockwork runs a job in a bubble whose clock begins at start, for so long, and
// returns when it ran, by the wall clock of the location.
func clockwork(t *testing.T, spec string, start time.Time, long time.Duration, work func(ctx context.Context)) []string {
	t.Helper()
	var ran []string
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		began := time.Now()
		clock := func() time.Time { return start.Add(time.Since(began)) }
		s := &schedule.Schedule{Location: start.Location(), Clock: clock}
		err := s.Add(schedule.Job{Name: "events", Spec: spec, Run: func(ctx context.Context) {
			ran = append(ran, clock().Format("02 15:04:05 MST"))
			if work != nil {
				work(ctx)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		s.Run(ctx)
	})
	return ran
}

func TestRunsAtOnceAndBySpec(t *testing.T) {
	t.Parallel()
	paris := location(t, "Europe/Paris")
	winter, spring, autumn := time.Date(2026, 1, 2, 12, 0, 0, 0, paris), time.Date(2026, 3, 29, 0, 0, 0, 0, paris), time.Date(2026, 10, 25, 0, 0, 0, 0, paris)
	for _, c := range []struct {
		name, spec string
		start      time.Time
		hours      float64
		want       []string
	}{
		{"every quarter minute", "@every 15s", winter, 0.01, []string{"02 12:00:00 CET", "02 12:00:15 CET", "02 12:00:30 CET"}},
		{"a spec is in the zone", "30 14 * * *", winter, 48, []string{"02 12:00:00 CET", "02 14:30:00 CET", "03 14:30:00 CET"}},
		{"hourly while clocks are put forward", "0 * * * *", spring, 4.5, []string{"29 00:00:00 CET", "29 01:00:00 CET", "29 03:00:00 CEST", "29 04:00:00 CEST", "29 05:00:00 CEST"}},
		{"hourly while clocks are put back", "0 * * * *", autumn, 4.5, []string{"25 00:00:00 CEST", "25 01:00:00 CEST", "25 02:00:00 CEST", "25 02:00:00 CET", "25 03:00:00 CET"}},
		{"a time that the day skips", "30 2 * * *", spring, 47, []string{"29 00:00:00 CET", "29 03:30:00 CEST", "30 02:30:00 CEST"}},
		{"a time after the skipped hour", "30 3 * * *", spring, 47, []string{"29 00:00:00 CET", "29 03:30:00 CEST", "30 03:30:00 CEST"}},
		{"a time after the repeated hour", "30 3 * * *", autumn, 47, []string{"25 00:00:00 CEST", "25 03:30:00 CET", "26 03:30:00 CET"}},
		{"a time that comes twice", "30 2 * * *", autumn, 47, []string{"25 00:00:00 CEST", "25 02:30:00 CEST", "26 02:30:00 CET"}},
		{"midnight on both days", "@daily", autumn.AddDate(0, 0, -1), 73.5, []string{"24 00:00:00 CEST", "25 00:00:00 CEST", "26 00:00:00 CET", "27 00:00:00 CET"}},
		{"a rhythm in an hour that comes twice", "*/30 2 * * *", autumn, 5, []string{"25 00:00:00 CEST", "25 02:00:00 CEST", "25 02:30:00 CEST", "25 02:00:00 CET", "25 02:30:00 CET"}},
		{"a quarter past, while clocks are put back", "15 * * * *", autumn.Add(time.Hour), 3.5, []string{"25 01:00:00 CEST", "25 01:15:00 CEST", "25 02:15:00 CEST", "25 02:15:00 CET", "25 03:15:00 CET"}},
		{"an interval does not care", "@every 90m", spring, 4.6, []string{"29 00:00:00 CET", "29 01:30:00 CET", "29 04:00:00 CEST", "29 05:30:00 CEST"}},
		{"a day that never comes", "0 0 30 2 *", winter, 25, []string{"02 12:00:00 CET", "03 12:00:00 CET"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := clockwork(t, c.spec, c.start, time.Duration(c.hours*float64(time.Hour)), nil)
			if !slices.Equal(got, c.want) {
				t.Errorf("ran at %v\nwant %v", got, c.want)
			}
		})
	}
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestZonelessMeansUTC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Hour)
		defer cancel()
		var ran []time.Time
		s := &schedule.Schedule{}
		if err := s.Add(schedule.Job{Spec: "0 6 * * *", Run: func(context.Context) { ran = append(ran, time.Now().UTC()) }}); err != nil {
			t.Fatal(err)
		}
		s.Run(ctx) // a bubble begins at midnight UTC
		if len(ran) != 2 || ran[1].Hour() != 6 {
			t.Errorf("ran at %v", ran)
		}
	})
}

func TestARunLongerThanItsPeriodIsNotFollowedByThoseItMissed(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	running := 0
	got := clockwork(t, "@every 10s", start, 80*time.Second, func(context.Context) {
		if running++; running > 1 {
			t.Error("two runs of one job at once")
		}
		time.Sleep(25 * time.Second)
		running--
	})
	if want := []string{"02 12:00:00 UTC", "02 12:00:35 UTC", "02 12:01:10 UTC"}; !slices.Equal(got, want) {
		t.Errorf("ran at %v, want %v", got, want)
	}
}

func TestTrigger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &schedule.Schedule{}
		began := time.Now()
		var ran []time.Duration
		other := 0
		add := func(name string, run func()) {
			if err := s.Add(schedule.Job{Name: name, Spec: "@every 1h", Run: func(context.Context) { run() }}); err != nil {
				t.Fatal(err)
			}
		}
		add("events", func() {
			ran = append(ran, time.Since(began))
			time.Sleep(10 * time.Second)
		})
		add("workers", func() { other++ })
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()

		time.Sleep(5 * time.Second) // it runs
		for range 3 {
			s.Trigger("events")
		}
		s.Trigger("nobody's")
		time.Sleep(95 * time.Second)
		s.Trigger("events")
		synctest.Wait()
		cancel()
		<-done
		want := []time.Duration{0, 10 * time.Second, 100 * time.Second}
		if !slices.Equal(ran, want) {
			t.Errorf("ran after %v, want %v: several triggers during a run are one run after it", ran, want)
		}
		if other != 1 {
			t.Errorf("the other job ran %d times", other)
		}
	})
}

func TestRunWaitsForTheRunsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := &schedule.Schedule{}
		finished := false
		err := s.Add(schedule.Job{Spec: "@every 1m", Run: func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			finished = true
		}})
		if err != nil {
			t.Fatal(err)
		}
		s.Run(ctx)
		if !finished {
			t.Error("Run returned before its job")
		}
	})
}
