package twiliosim_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

type eventRow struct {
	SID  string         `json:"sid"`
	Type string         `json:"event_type"`
	Date time.Time      `json:"event_date"`
	MS   int64          `json:"event_date_ms"`
	Data map[string]any `json:"event_data"`
}

type eventPage struct {
	Meta   meta
	Events []eventRow
}

// allEvents follows the page URLs to the end.
func allEvents(t *testing.T, f fixture, query string) (rows []eventRow) {
	t.Helper()
	for path := f.workspace() + "/Events?" + query; ; {
		p := get[eventPage](t, f, path, http.StatusOK)
		rows = append(rows, p.Events...)
		if p.Meta.Next == nil {
			return rows
		}
		if !strings.HasPrefix(*p.Meta.Next, "https://taskrouter.twilio.com/v1/") {
			t.Fatalf("next page URL %q is not on twilio.com", *p.Meta.Next)
		}
		path = *p.Meta.Next
	}
}

func window(from, to time.Time, size int) string {
	return url.Values{"StartDate": {from.Format(time.RFC3339)}, "EndDate": {to.Format(time.RFC3339)}, "PageSize": {strconv.Itoa(size)}}.Encode()
}

func TestEventsAreCompleteAndUnordered(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Seed: 1})
	from, to := f.w.Options().Start.Add(9*time.Hour), f.w.Options().Start.Add(11*time.Hour)
	want := map[string]int64{}
	for e := range f.w.Events(from, to.Add(time.Second)) {
		want[e.SID] = e.At.UnixMilli()
	}
	for _, size := range []int{1, 7, 100, 1000} {
		rows := allEvents(t, f, window(from, to, size))
		if len(rows) != len(want) {
			t.Errorf("page size %d: %d events, want %d", size, len(rows), len(want))
		}
		seen, ordered := map[string]bool{}, true
		for i, row := range rows {
			if seen[row.SID] || want[row.SID] != row.MS {
				t.Fatalf("page size %d: event %s twice, or not the one of the world", size, row.SID)
			}
			seen[row.SID] = true
			ordered = ordered && (i == 0 || rows[i-1].MS <= row.MS)
		}
		if ordered {
			t.Errorf("page size %d: rows are in order", size)
		}
	}
}

func TestEventWindow(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	now := f.clock.Now()
	second := f.w.EventTime(f.w.EventCount() / 2).Truncate(time.Second)
	count := func(from, to time.Time) (n int) {
		for range f.w.Events(from, to) {
			n++
		}
		return n
	}
	cases := []struct {
		name, query string
		want        int
	}{
		{"nothing asked means 15 minutes", "PageSize=1000", count(now.Add(-15*time.Minute), now.Add(time.Millisecond))},
		{"minutes", "PageSize=1000&Minutes=60", count(now.Add(-time.Hour), now.Add(time.Millisecond))},
		{"both bounds belong to it", window(second, second, 1000), count(second, second.Add(time.Second))},
		{"fractions of seconds do not count", url.Values{
			"StartDate": {second.Add(999 * time.Millisecond).Format(time.RFC3339Nano)}, "EndDate": {second.Add(999 * time.Millisecond).Format(time.RFC3339Nano)},
		}.Encode(), count(second, second.Add(time.Second))},
		{"never ahead of the clock", window(now, now.Add(48*time.Hour), 1000), count(now, now.Add(time.Millisecond))},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := len(allEvents(t, f, c.query)); got != c.want {
				t.Errorf("%d events, want %d", got, c.want)
			}
		})
	}
}

func TestEventsAreKeptForThirtyDays(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		f := newFixture(twiliosim.Options{KeepOld: keep})
		f.clock.Set(f.clock.Now().Add(31 * 24 * time.Hour))
		rows := allEvents(t, f, window(f.w.Options().Start, f.w.Options().End, 1000))
		if keep != (len(rows) > 0) {
			t.Errorf("old events kept: %t, and %d are listed", keep, len(rows))
		}
		for _, row := range rows {
			if text, ok := row.Data["task_attributes"].(string); ok && text != "" {
				t.Fatalf("an old event shows attributes: %q", text)
			}
		}
	}
}

func TestEventFilters(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	day := window(f.w.Options().Start, f.w.Options().End, 1000)
	var task *world.Task
	for i := range f.w.Tasks {
		if len(f.w.Tasks[i].Reservations) > 0 && f.w.Tasks[i].EndedAt.Before(f.clock.Now()) {
			task = &f.w.Tasks[i]
			break
		}
	}
	if got, want := len(allEvents(t, f, day+"&TaskSid="+task.SID)), len(f.w.TaskEvents(task.ID)); got != want {
		t.Errorf("by task: %d events, want %d", got, want)
	}
	for _, row := range allEvents(t, f, day+"&EventType=reservation.accepted") {
		if row.Type != "reservation.accepted" {
			t.Fatalf("by type: got a %s", row.Type)
		}
	}
	rows := allEvents(t, f, day+"&ReservationSid="+task.Reservations[0].SID)
	if len(rows) < 2 {
		t.Errorf("by reservation: %d events", len(rows))
	}
	sid := rows[0].SID
	if got := allEvents(t, f, day+"&Sid="+sid); len(got) != 1 || got[0].SID != sid {
		t.Errorf("by SID: %v", got)
	}
	if got := get[eventRow](t, f, f.workspace()+"/Events/"+sid, http.StatusOK); got.SID != sid {
		t.Errorf("single event: %v", got)
	}
}

func TestScalarsOfEventDataAreText(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	texts, numbers := 0, 0
	for _, row := range allEvents(t, f, window(f.w.Options().Start, f.w.Options().End, 1000)) {
		switch row.Data["task_age"].(type) {
		case string:
			texts++
		case float64:
			numbers++
		}
	}
	if texts == 0 || numbers == 0 || numbers > texts {
		t.Errorf("task_age is text %d times, a number %d times", texts, numbers)
	}
}

func TestLateEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Latency: twiliosim.Latency{Usual: time.Minute, Late: time.Hour, LateShare: 0.2}})
	from := f.clock.Now().Add(-2 * time.Hour)
	to := f.clock.Now()
	early := len(allEvents(t, f, window(from, to, 1000)))
	f.clock.Set(to.Add(time.Hour))
	late := len(allEvents(t, f, window(from, to, 1000)))
	if early >= late {
		t.Errorf("%d events at once, %d an hour later: nothing was late", early, late)
	}
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Faults: twiliosim.Faults{Redact: 1}})
	for _, row := range allEvents(t, f, "PageSize=1000&Minutes=600") {
		if text, ok := row.Data["task_attributes"].(string); ok && text != "" {
			t.Fatalf("attributes %q", text)
		}
	}
}

func BenchmarkEventPage(b *testing.B) {
	f := newFixture(twiliosim.Options{World: world.New(world.Options{Seed: 4, Contacts: 20_000})})
	path := f.workspace() + "/Events?" + window(f.w.Options().Start, f.w.Options().End, 1000)
	for b.Loop() {
		if rec := f.do(path); rec.Code != http.StatusOK {
			b.Fatal(rec.Code)
		}
	}
}
