package figures_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones that these tests are about are not on every machine

	"pgregory.net/rapid"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
)

// noon is when the tasks of these tests begin.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// after is so many seconds after noon.
func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// offer is what events tell of one reservation, in seconds after noon; 0 is not told.
type offer struct {
	worker, queue                                        string
	created, accepted, wrapup, completed, rejected, late float64
}

// task builds a task of one call from its offers.
func task(change func(*fact.Fact), offers ...offer) *profile.Task {
	return profile.Build([]*fact.Fact{taskFact(change, offers...)}, nil, &profile.Options{}).AllTasks()[0]
}

func taskFact(change func(*fact.Fact), offers ...offer) *fact.Fact {
	f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	f.SetTime(fact.Created, noon)
	f.SetValue(fact.Channel, "voice", noon)
	f.SetValue(fact.ChannelSID, "TC1", noon)
	enter(f, "WQ1", 0)
	for i, o := range offers {
		part := fmt.Sprint(fact.Reservation, "WR", i)
		for name, at := range map[string]float64{
			fact.Created: o.created, fact.Accepted: o.accepted, fact.Wrapup: o.wrapup, fact.Completed: o.completed,
			fact.Rejected: o.rejected, fact.TimedOut: o.late,
		} {
			if at != 0 {
				f.SetPartTime(part, name, after(at))
			}
		}
		f.SetPartValue(part, fact.WorkerSID, o.worker, noon)
		f.SetPartValue(part, fact.QueueSID, o.queue, noon)
	}
	if change != nil {
		change(f)
	}
	return f
}

func enter(f *fact.Fact, queue string, at float64) {
	part := fmt.Sprintf("%s%s@%d", fact.Entry, queue, after(at).UnixMilli())
	f.SetPartTime(part, fact.Created, after(at))
	f.SetPartValue(part, fact.QueueSID, queue, after(at))
}

func TestOfTask(t *testing.T) {
	t.Parallel()
	part := func(worker string, counts ...int64) store.AgentPart {
		return store.AgentPart{
			Source: "WT1", Day: "2026-11-20", Worker: worker, Offered: counts[0], Accepted: counts[1],
			Rejected: counts[2], TimedOut: counts[3], Handled: counts[4], Talk: counts[5], Wrap: counts[6],
		}
	}
	for name, test := range map[string]struct {
		offers []offer
		want   []store.AgentPart
	}{
		"nobody was asked":       {},
		"taken and wrapped up":   {[]offer{{worker: "WK1", created: 5, accepted: 10, wrapup: 70, completed: 100}}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 1, 60, 30)}},
		"without a wrap-up":      {[]offer{{worker: "WK1", created: 5, accepted: 10, completed: 100}}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 1, 90, 0)}},
		"still talking":          {[]offer{{worker: "WK1", created: 5, accepted: 10}}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 0, 0, 0)}},
		"still wrapping up":      {[]offer{{worker: "WK1", created: 5, accepted: 10, wrapup: 20}}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 0, 0, 0)}},
		"milliseconds dropped":   {[]offer{{worker: "WK1", created: 5, accepted: 10.9, completed: 12.1}}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 1, 2, 0)}},
		"no creation was told":   {[]offer{{worker: "WK1", accepted: 10, completed: 20}}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 1, 10, 0)}},
		"nobody's name was told": {offers: []offer{{created: 5, accepted: 10, completed: 20}}},
		"rejected, missed, then taken": {[]offer{
			{worker: "WK1", created: 5, rejected: 8}, {worker: "WK2", created: 9, late: 39}, {worker: "WK1", created: 40, accepted: 45, completed: 50},
		}, []store.AgentPart{part("WK1", 2, 1, 1, 0, 1, 5, 0), part("WK2", 1, 0, 0, 1, 0, 0, 0)}},
		"handed on": {[]offer{
			{worker: "WK1", created: 5, accepted: 6, wrapup: 16, completed: 20}, {worker: "WK2", created: 14, accepted: 15, completed: 45},
		}, []store.AgentPart{part("WK1", 1, 1, 0, 0, 1, 10, 4), part("WK2", 1, 1, 0, 0, 1, 30, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := figures.OfTask(task(nil, test.offers...), &figures.Options{})
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v\nwant %+v", got, test.want)
			}
		})
	}
}

// TestAReservationCountsOnTheDayOnWhichItWasMade rings before midnight of the
// connector's zone and is answered after it.
func TestAReservationCountsOnTheDayOnWhichItWasMade(t *testing.T) {
	t.Parallel()
	midnight := 11 * 3600.0 // in Paris, from noon UTC
	got := figures.OfTask(task(nil, offer{worker: "WK1", created: midnight - 2, accepted: midnight + 3, completed: midnight + 60}),
		&figures.Options{Location: zone(t, "Europe/Paris")})
	if len(got) != 1 || got[0].Day != "2026-11-20" || got[0].Talk != 57 {
		t.Errorf("%+v, want one part of the 20th with 57 s", got)
	}
}

func TestOfQueues(t *testing.T) {
	t.Parallel()
	o := &figures.Options{Thresholds: func(queue, channel string) (service, short time.Duration) {
		if queue == "WQ1" && channel == "TC1" {
			return 20 * time.Second, 5 * time.Second
		}
		return 0, 0
	}}
	hung := func(at float64) func(*fact.Fact) {
		return func(f *fact.Fact) {
			f.SetTime(fact.Canceled, after(at))
			f.SetValue(fact.CanceledReason, "hangup", after(at))
		}
	}
	part := func(queue string, counts ...int64) store.QueuePart {
		return store.QueuePart{
			Source: "WT1", Hour: noon, Queue: queue, Channel: "voice", Offered: counts[0], Accepted: counts[1],
			Abandoned: counts[2], ShortAbandoned: counts[3], InService: counts[4], Waited: counts[5], Longest: counts[6],
		}
	}
	for name, test := range map[string]struct {
		change func(*fact.Fact)
		offers []offer
		want   []store.QueuePart
	}{
		"still waiting":         {want: []store.QueuePart{part("WQ1", 1, 0, 0, 0, 0, 0, 0)}},
		"taken in time":         {offers: []offer{{worker: "WK1", created: 5, accepted: 20}}, want: []store.QueuePart{part("WQ1", 1, 1, 0, 0, 1, 20, 20)}},
		"taken late":            {offers: []offer{{worker: "WK1", created: 5, accepted: 21}}, want: []store.QueuePart{part("WQ1", 1, 1, 0, 0, 0, 21, 21)}},
		"abandoned":             {change: hung(5), want: []store.QueuePart{part("WQ1", 1, 0, 1, 0, 0, 0, 0)}},
		"abandoned soon":        {change: hung(4), want: []store.QueuePart{part("WQ1", 1, 0, 1, 1, 0, 0, 0)}},
		"hung up on acceptance": {change: hung(4), offers: []offer{{worker: "WK1", created: 1, accepted: 3}}, want: []store.QueuePart{part("WQ1", 1, 1, 0, 0, 1, 3, 3)}},
		"canceled otherwise": {change: func(f *fact.Fact) { f.SetTime(fact.Canceled, after(9)) },
			want: []store.QueuePart{part("WQ1", 1, 0, 0, 0, 0, 0, 0)}},
		"a survey": {change: func(f *fact.Fact) {
			f.SetAttributes(map[string]any{"conversations": map[string]any{"kind": "Survey"}}, noon)
		}},
		"moved on before it was taken": {change: func(f *fact.Fact) { enter(f, "WQ2", 60) }, offers: []offer{{worker: "WK1", created: 61, accepted: 70}},
			want: []store.QueuePart{part("WQ1", 1, 0, 0, 0, 0, 0, 0), part("WQ2", 1, 1, 0, 0, 0, 10, 10)}},
		"handed on to another agent of the queue": {change: func(f *fact.Fact) { f.SetPartTime(fact.Transfer+"TT1", fact.Created, after(100)) },
			offers: []offer{{worker: "WK1", queue: "WQ1", created: 5, accepted: 10}, {worker: "WK2", queue: "WQ1", created: 101, accepted: 130}},
			want:   []store.QueuePart{part("WQ1", 2, 2, 0, 0, 1, 40, 30)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := figures.OfQueues(task(test.change, test.offers...), o)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v\nwant %+v", got, test.want)
			}
		})
	}
}

// TestOfAnswer gives a score to the agent who took the task last, on the day on which
// that reservation was made.
func TestOfAnswer(t *testing.T) {
	t.Parallel()
	rated := task(nil,
		offer{worker: "WK1", created: 5, accepted: 6, completed: 20},
		offer{worker: "WK2", created: 30, accepted: 31, completed: 40},
		offer{worker: "WK3", created: 50, rejected: 51})
	answer := func(score float64, about *profile.Task) *profile.Answer {
		return &profile.Answer{Fact: &fact.Fact{Kind: fact.Survey, SID: "S1"}, Score: score, Task: about}
	}
	got := figures.OfAnswer(answer(4.35, rated), &figures.Options{})
	want := []store.AgentPart{{Source: "csat:S1", Day: "2026-11-20", Worker: "WK2", CSATCount: 1, CSATSum: 435}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for name, a := range map[string]*profile.Answer{"about no task": answer(5, nil), "about a task that nobody took": answer(5, task(nil))} {
		if got := figures.OfAnswer(a, &figures.Options{}); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// TestDaysOfAllLengths asks a stretch of three days around each kind of change of the
// clocks how long its days were: at night, by half an hour, and at midnight itself.
func TestDaysOfAllLengths(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		zone, day string
		hours     float64
	}{
		{"Europe/Paris", "2026-03-29", 23}, {"Europe/Paris", "2026-10-25", 25}, {"Europe/Paris", "2026-11-20", 24},
		{"America/New_York", "2026-03-08", 23}, {"America/New_York", "2026-11-01", 25},
		{"Australia/Lord_Howe", "2026-04-05", 24.5}, {"Australia/Lord_Howe", "2026-10-04", 23.5},
		{"America/Sao_Paulo", "2018-11-04", 23}, {"America/Sao_Paulo", "2018-02-17", 25},
		{"Asia/Beirut", "2021-03-28", 23}, {"Pacific/Apia", "2011-12-29", 24},
	} {
		t.Run(test.zone+" "+test.day, func(t *testing.T) {
			t.Parallel()
			location := zone(t, test.zone)
			noonOf, err := time.ParseInLocation(time.DateOnly+" 15", test.day+" 12", location)
			if err != nil {
				t.Fatal(err)
			}
			parts := figures.OfSpell("EV1", "WK1", "Available", noonOf.Add(-36*time.Hour), noonOf.Add(36*time.Hour), &figures.Options{Location: location})
			i := slices.IndexFunc(parts, func(p store.AgentPart) bool { return p.Day == test.day })
			if i < 0 || parts[i].Lasted != int64(test.hours*3600*1000) {
				t.Errorf("%+v, want %g hours on that day", parts, test.hours)
			}
		})
	}
}

// TestASpellLosesNothing splits stretches of any length at any moment in zones of all
// kinds: the parts add up, and each is as long as its day had of the stretch.
func TestASpellLosesNothing(t *testing.T) {
	t.Parallel()
	zones := map[string]*time.Location{"UTC": nil}
	for _, name := range []string{"Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia", "Africa/Cairo", "America/Havana"} {
		zones[name] = zone(t, name)
	}
	names := slices.Sorted(maps.Keys(zones))
	rapid.Check(t, func(t *rapid.T) {
		location := zones[rapid.SampledFrom(names).Draw(t, "zone")]
		from := time.UnixMilli(rapid.Int64Range(1293840000000, 1798761600000).Draw(t, "from"))
		if location != nil && rapid.Bool().Draw(t, "near a change") {
			if _, change := from.In(location).ZoneBounds(); !change.IsZero() {
				from = change.Add(-time.Duration(rapid.Int64Range(0, 3*3600*1000).Draw(t, "before")) * time.Millisecond)
			}
		}
		until := from.Add(time.Duration(rapid.Int64Range(1, 5*24*3600*1000).Draw(t, "lasted")) * time.Millisecond)
		parts := figures.OfSpell("EV1", "WK1", "Break", from, until, &figures.Options{Location: location})
		want := map[string]int64{} // minute by minute, without asking when midnight is
		for at := from; at.Before(until); {
			next := at.Truncate(time.Minute).Add(time.Minute)
			if until.Before(next) {
				next = until
			}
			local := at.UTC()
			if location != nil {
				local = at.In(location)
			}
			want[local.Format(time.DateOnly)] += next.Sub(at).Milliseconds()
			at = next
		}
		got := map[string]int64{}
		for _, p := range parts {
			if _, twice := got[p.Day]; twice {
				t.Errorf("two parts of %s, of which the store keeps one", p.Day)
			}
			got[p.Day] = p.Lasted
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v from %s to %s: %v, want %v", location, from.UTC(), until.UTC(), got, want)
		}
	})
}

func TestASpellThatIsNone(t *testing.T) {
	t.Parallel()
	o := &figures.Options{}
	for name, parts := range map[string][]store.AgentPart{
		"no agent":       figures.OfSpell("EV1", "", "Break", noon, noon.Add(time.Hour), o),
		"no activity":    figures.OfSpell("EV1", "WK1", "", noon, noon.Add(time.Hour), o),
		"no length":      figures.OfSpell("EV1", "WK1", "Break", noon, noon, o),
		"ends before it": figures.OfSpell("EV1", "WK1", "Break", noon, noon.Add(-time.Hour), o),
	} {
		if len(parts) != 0 {
			t.Errorf("%s: %+v", name, parts)
		}
	}
	var sum int64
	for _, p := range figures.OfSpell("EV1", "WK1", "Offline", noon.AddDate(-1, 0, 0), noon, o) {
		sum += p.Lasted
	}
	if want := int64(31 * 24 * time.Hour / time.Millisecond); sum != want {
		t.Errorf("a year of one activity counts %d ms, want the last 31 days, %d", sum, want)
	}
}

// TestOrderAndRepetitionDoNotShow cuts what is known of a task into pieces, repeats
// and shuffles them, and puts them together again: the parts are the same.
func TestOrderAndRepetitionDoNotShow(t *testing.T) {
	t.Parallel()
	o := &figures.Options{Location: zone(t, "Europe/Paris"), Thresholds: func(string, string) (time.Duration, time.Duration) {
		return 20 * time.Second, 5 * time.Second
	}}
	seconds := rapid.Float64Range(0.001, 200000)
	rapid.Check(t, func(t *rapid.T) {
		offers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) offer {
			some := func(label string) float64 {
				if rapid.Bool().Draw(t, label+" told") {
					return seconds.Draw(t, label)
				}
				return 0
			}
			return offer{
				worker: rapid.SampledFrom([]string{"WK1", "WK2", ""}).Draw(t, "worker"), queue: rapid.SampledFrom([]string{"WQ1", "WQ2"}).Draw(t, "queue"),
				created: some("created"), accepted: some("accepted"), wrapup: some("wrapup"), completed: some("completed"), rejected: some("rejected"), late: some("late"),
			}
		}), 0, 4).Draw(t, "offers")
		whole := taskFact(func(f *fact.Fact) {
			for _, at := range rapid.SliceOfN(seconds, 0, 3).Draw(t, "entries") {
				enter(f, "WQ2", at)
			}
			if rapid.Bool().Draw(t, "canceled") {
				f.SetTime(fact.Canceled, after(seconds.Draw(t, "canceled at")))
				f.SetValue(fact.CanceledReason, "hangup", noon)
			}
			if rapid.Bool().Draw(t, "transferred") {
				f.SetPartTime(fact.Transfer+"TT1", fact.Created, after(seconds.Draw(t, "transferred at")))
			}
		}, offers...)
		pieces := piecesOf(whole)
		pieces = append(pieces, pieces[:len(pieces)/2]...)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		again := &fact.Fact{Kind: fact.Task, SID: whole.SID}
		for _, p := range pieces {
			again.Merge(p)
		}
		if a, b := partsOf(whole, o), partsOf(again, o); a != b {
			t.Errorf("as one:    %s\nin pieces: %s", a, b)
		}
	})
}

// piecesOf are facts that each tell one thing of a fact.
func piecesOf(f *fact.Fact) []*fact.Fact {
	var out []*fact.Fact
	piece := func() *fact.Fact {
		p := &fact.Fact{Kind: f.Kind, SID: f.SID}
		out = append(out, p)
		return p
	}
	for name, at := range f.Times {
		piece().Times = map[string]int64{name: at}
	}
	for name, v := range f.Values {
		piece().Values = map[string]fact.Value{name: v}
	}
	for part, told := range f.Parts {
		for name, at := range told.Times {
			piece().SetPart(part, fact.Part{Times: map[string]int64{name: at}})
		}
		for name, v := range told.Values {
			piece().SetPart(part, fact.Part{Values: map[string]fact.Value{name: v}})
		}
	}
	return out
}

func partsOf(f *fact.Fact, o *figures.Options) string {
	t := profile.Build([]*fact.Fact{f}, nil, &profile.Options{}).AllTasks()[0]
	var lines []string
	for _, p := range figures.OfTask(t, o) {
		lines = append(lines, fmt.Sprintf("%+v", p))
	}
	for _, p := range figures.OfQueues(t, o) {
		lines = append(lines, fmt.Sprintf("%+v", p))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
