package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/store"
)

var figureTests = map[string]func(*fixture){
	"agents' days are sums of parts that replace themselves": func(f *fixture) {
		part := func(source, day, worker string, talk int64) store.AgentPart {
			return store.AgentPart{Source: source, Day: day, Worker: worker, Offered: 1, Accepted: 1, Handled: 1, Talk: talk, CSATCount: 1, CSATSum: 450}
		}
		spell := store.AgentPart{Source: "EV1", Day: "2026-11-20", Worker: "WK1", Activity: "Break", Lasted: 1500}
		first := store.Digest{
			Figured:    []string{"WT1", "WT2", "EV1"},
			AgentParts: []store.AgentPart{part("WT1", "2026-11-20", "WK1", 10), part("WT1", "2026-11-21", "WK1", 1), part("WT2", "2026-11-20", "WK1", 20), spell},
		}
		f.digest(first)
		f.digest(first)
		f.digest(store.Digest{Figured: []string{"WT1"}, AgentParts: []store.AgentPart{part("WT1", "2026-11-20", "WK1", 15)}})
		got, err := f.s.LoadAgentDays(f.ctx, connector, "2026-11-20", "2026-11-22")
		f.must(err)
		work := store.AgentPart{Day: "2026-11-20", Worker: "WK1", Offered: 2, Accepted: 2, Handled: 2, Talk: 35, CSATCount: 2, CSATSum: 900}
		spell.Source = ""
		if want := []store.AgentPart{work, spell}; !reflect.DeepEqual(got, want) {
			f.Errorf("days %+v, want %+v", got, want)
		}
		f.digest(store.Digest{Figured: []string{"WT1", "WT2", "EV1"}})
		if got, err := f.s.LoadAgentDays(f.ctx, connector, "2026-11-20", "2026-11-22"); err != nil || len(got) != 0 {
			f.Errorf("after they were taken away: %+v, %v", got, err)
		}
	},
	"queues' hours are sums, the longest wait is one": func(f *fixture) {
		hour := noon.Truncate(time.Hour)
		part := func(source string, at time.Time, waited int64) store.QueuePart {
			return store.QueuePart{Source: source, Hour: at, Queue: "WQ1", Channel: "voice", Offered: 1, Accepted: 1, InService: 1, Waited: waited, Longest: waited}
		}
		f.digest(store.Digest{
			Figured:    []string{"WT1", "WT2", "WT3"},
			QueueParts: []store.QueuePart{part("WT1", hour, 5), part("WT2", hour, 9), part("WT3", hour.Add(time.Hour), 1)},
		})
		got, err := f.s.LoadQueueHours(f.ctx, connector, hour, hour.Add(time.Hour))
		f.must(err)
		want := []store.QueuePart{{Hour: hour, Queue: "WQ1", Channel: "voice", Offered: 2, Accepted: 2, InService: 2, Waited: 14, Longest: 9}}
		if !reflect.DeepEqual(got, want) {
			f.Errorf("hours %+v, want %+v", got, want)
		}
	},
}
