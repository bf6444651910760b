package profile_test

import (
	"fmt"
	"testing"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// history is a customer with so many messaging tasks, as their events tell them.
func history(tasks int) []*fact.Fact {
	var out []*fact.Fact
	for n := range tasks {
		began := float64(n) * 1000
		attributes := map[string]any{
			"channelType": "sms", "customerAddress": zoe, "customerName": "Zoe Martin", "direction": "inbound",
			"email": "zoe@example.com", "phone": zoe, "tier": "gold",
			"conversationSid": sid("CH", n), "flexInteractionSid": sid("KD", n), "flexInteractionChannelSid": sid("UO", n),
			"customers":     map[string]any{"name": "Zoe Martin", "phone": zoe},
			"conversations": map[string]any{"outcome": "Refund", "content": "as agreed", "conversation_id": sid("KD", n)},
		}
		life := map[string]float64{fact.Created: began + 5, fact.Accepted: began + 9, fact.Wrapup: began + 200, fact.Completed: began + 230}
		out = append(out, task(n, channel("chat"), value(fact.QueueName, "Sales"), value(fact.QueueSID, sid("WQ", 1)),
			created(began), queued(began+1), reserved(n, "ana", life), moment(fact.Wrapup, began+200), completed(began+230), with(began+230, attributes)))
	}
	return out
}

func BenchmarkNote(b *testing.B) {
	o := &profile.Options{Region: "FR"}
	f := history(1)[0]
	b.ReportAllocs()
	for b.Loop() {
		f.Parts = nil
		profile.Note(f, o)
	}
}

func BenchmarkBuildAndMoments(b *testing.B) {
	o := &profile.Options{Region: "FR"}
	for _, tasks := range []int{5, 500} {
		facts := history(tasks)
		b.Run(fmt.Sprint(tasks), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				profile.Build(facts, nil, o).Moments(o)
			}
		})
	}
}

func BenchmarkComponents(b *testing.B) {
	o := &profile.Options{Region: "FR"}
	facts := history(1000)
	for i, f := range facts { // 200 strangers of five tasks each
		email, phone := fmt.Sprintf("c%d@example.com", i/5), fmt.Sprintf("+336%08d", i/5)
		f.Parts = nil
		f.SetAttributes(map[string]any{
			"email": email, "customerAddress": phone, "phone": phone, "customers": map[string]any{"phone": phone},
		}, after(1e9))
		profile.Note(f, o)
	}
	b.Run("links", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, f := range facts {
				profile.LinksOf(f, o)
			}
		}
	})
	links := make([]profile.Links, len(facts))
	for i, f := range facts {
		links[i] = profile.LinksOf(f, o)
	}
	b.Run("components", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			profile.Components(links, nil, o)
		}
	})
}
