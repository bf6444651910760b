package storetest

import (
	"reflect"

	"flexbrevo/connector/store"
)

var csatTests = map[string]func(*fixture){
	"days of survey answers are sums by score that replace themselves": func(f *fixture) {
		part := func(source, day, queue string, score int64) store.CSATPart {
			return store.CSATPart{Source: source, Day: day, Channel: "voice", Queue: queue, Score: score, Scale: 500}
		}
		first := store.Digest{
			Figured: []string{"csat:WT1", "csat:WT2", "csat:WT3", "csat:IM1"},
			CSATParts: []store.CSATPart{
				part("csat:WT1", "2026-11-20", "WQ1", 400), part("csat:WT2", "2026-11-20", "WQ1", 400), part("csat:WT3", "2026-11-21", "WQ1", 100),
				{Source: "csat:IM1", Day: "2026-11-20", Score: 935},
			},
		}
		f.digest(first)
		f.digest(first)
		sum := func(p store.CSATPart, count int64) store.CSATPart {
			p.Source, p.Count = "", count
			return p
		}
		expect := func(when string, want ...store.CSATPart) {
			got, err := f.s.LoadCSATDays(f.ctx, connector, "2026-11-20", "2026-11-21")
			f.must(err)
			if !reflect.DeepEqual(got, want) {
				f.Errorf("%s: days %+v, want %+v", when, got, want)
			}
		}
		apart := sum(first.CSATParts[3], 1)
		expect("told twice", apart, sum(first.CSATParts[0], 2))
		f.digest(store.Digest{Figured: []string{"csat:WT2"}, CSATParts: []store.CSATPart{part("csat:WT2", "2026-11-20", "WQ2", 500)}})
		expect("after a better reading", apart, sum(first.CSATParts[0], 1), sum(part("", "2026-11-20", "WQ2", 500), 1))
		// A person is forgotten: what they answered stays a number, without the name of the task.
		e := &store.Erasure{Connector: connector, Sources: map[string]string{"csat:WT1": "hidden"}}
		_, err := f.s.Erase(f.ctx, f.digester, e)
		f.must(err)
		f.digest(store.Digest{Figured: []string{"csat:WT1"}})
		expect("after an erasure", apart, sum(first.CSATParts[0], 1), sum(part("", "2026-11-20", "WQ2", 500), 1))
	},
}
