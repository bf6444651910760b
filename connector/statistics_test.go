package connector_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// aWeek is a world of a few days, and a moment in it at which queues are busy.
func aWeek(agents int) (*world.World, time.Time) {
	start := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	return world.New(world.Options{Seed: 17, Start: start, End: start.Add(72 * time.Hour), Contacts: 450, Customers: 150, Agents: agents}),
		start.Add(57*time.Hour + 20*time.Minute)
}

func statusOf(t *testing.T, st store.Store, now time.Time) *connector.ConnectorStatus {
	t.Helper()
	status, err := connector.ReadStatus(t.Context(), configOf(t), st, "", now)
	if err != nil {
		t.Fatal(err)
	}
	return &status.Connectors[0]
}

// TestTwiliosOwnStatistics keeps what Twilio says of the last closed hour and of now,
// and holds the last closed day of all agents against the events.
func TestTwiliosOwnStatistics(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	w, now := aWeek(8)
	st := syncedAt(t, w, now)
	c := statusOf(t, st, now)
	if len(c.QueueNumbers) != len(w.Queues) {
		t.Fatalf("%d queues, want %d", len(c.QueueNumbers), len(w.Queues))
	}
	busy := false
	for _, q := range c.QueueNumbers {
		for i := range w.Queues {
			if w.Queues[i].SID != q.Queue {
				continue
			}
			present, hour := w.QueueAt(i, now), w.CountQueue(i, now.Truncate(time.Hour).Add(-time.Hour), now.Truncate(time.Hour).Add(-time.Nanosecond))
			got := fmt.Sprint(q.Name, q.Tasks, q.Waiting, q.Longest, q.Available, q.Hour.Format(time.RFC3339), q.Entered, q.Accepted, q.Canceled)
			want := fmt.Sprint(w.Queues[i].Name, present.Tasks, present.Pending, present.Longest, present.Available,
				now.Truncate(time.Hour).Add(-time.Hour).Format(time.RFC3339), hour.Entered, hour.Accepted, hour.Canceled)
			if got != want || !q.At.Equal(now) {
				t.Errorf("%s at %s, want %s at %s", got, q.At, want, now)
			}
			busy = busy || hour.Entered > 0
		}
	}
	if !busy {
		t.Error("no queue had a task: the test tells little")
	}
	check := c.AgentsCheck
	if check == nil || check.Day != "2026-11-17" {
		t.Fatalf("the check of agents is %+v", check)
	}
	day := time.Date(2026, 11, 17, 0, 0, 0, 0, paris)
	counted := w.CountAgents(day, day.AddDate(0, 0, 1).Add(-time.Nanosecond))
	want := connector.Reservations{Offered: int64(counted.Created), Accepted: int64(counted.Accepted), Rejected: int64(counted.Rejected), TimedOut: int64(counted.TimedOut)}
	if check.Twilio != want || want.Offered < 50 {
		t.Errorf("Twilio counts %+v, want %+v", check.Twilio, want)
	}
	if check.Events.Offered != want.Offered || check.Difference.Offered != 0 {
		t.Errorf("events count %+v: the offers of a day are the same", check.Events)
	}
}

// TestALargeWorkspaceIsNotAskedForItsWorkers reads neither channels nor worker
// statistics where Twilio does not give them by default.
func TestALargeWorkspaceIsNotAskedForItsWorkers(t *testing.T) {
	t.Parallel()
	w, now := aWeek(100)
	st := syncedAt(t, w, now)
	if c := statusOf(t, st, now); c.AgentsCheck != nil || len(c.QueueNumbers) == 0 {
		t.Errorf("check %+v, %d queues", c.AgentsCheck, len(c.QueueNumbers))
	}
	agents, err := connector.LoadAgents(t.Context(), st, "twilio_flex")
	if err != nil || len(agents) != 100 {
		t.Fatalf("%d agents, %v", len(agents), err)
	}
	if len(agents[0].Channels) != 0 {
		t.Errorf("channels %v were read", agents[0].Channels)
	}
}

// TestAgentsAreShown with activity, skills and how much each may do at once.
func TestAgentsAreShown(t *testing.T) {
	t.Parallel()
	w, now := aWeek(8)
	agents, err := connector.LoadAgents(t.Context(), syncedAt(t, w, now), "twilio_flex")
	if err != nil || len(agents) != len(w.Agents) {
		t.Fatalf("%d agents of %d, %v", len(agents), len(w.Agents), err)
	}
	for _, got := range agents {
		for i := range w.Agents {
			a := &w.Agents[i]
			if a.SID != got.SID {
				continue
			}
			want := connector.Agent{
				SID: a.SID, Name: a.FullName, Activity: w.Activities[a.ActivityAt(now).Activity].Name, Skills: a.Skills, Channels: map[string]connector.AgentChannel{},
			}
			for _, channel := range w.TaskChannels {
				want.Channels[channel.UniqueName] = connector.AgentChannel{Capacity: world.Capacity(channel.UniqueName), Available: true}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("agent %+v\nwant %+v", got, want)
			}
		}
	}
}

// TestMeansOfAgentsDays compares what figures shows with a calculation of its own.
func TestMeansOfAgentsDays(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	w, _ := aWeek(8)
	now := w.Options().End.Add(30 * time.Hour)
	days, err := figures.LoadAgentDays(t.Context(), syncedAt(t, w, now), "twilio_flex", "2026-01-01", "2027-01-01")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range days {
		whole := 0.0
		for _, part := range d.Occupancy {
			whole += part
		}
		if len(d.Occupancy) != len(d.Activities) || len(d.Occupancy) > 0 && (whole < 0.99 || whole > 1.01) {
			t.Errorf("%s: parts of the day %v of %v", d.Day, d.Occupancy, d.Activities)
		}
		if d.Offered == 0 && d.CSAT == nil {
			continue // activities alone
		}
		mean := func(v *float64, digits int) string {
			if v == nil {
				return "-"
			}
			return fmt.Sprintf("%.*f", digits, *v)
		}
		handle := "-"
		if d.Handled > 0 {
			handle = fmt.Sprintf("%.2f", float64(d.Handle)/float64(d.Handled))
		}
		got[d.Day+" "+d.Worker] = mean(d.Acceptance, 3) + " " + mean(d.CSAT, 2) + " " + handle
	}
	compareFigures(t, "means", got, oracle.AgentMeans(w, paris))
}
