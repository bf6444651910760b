package brevo_test

import (
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// BenchmarkDeliver measures calls over loopback to an account without limits; the
// simulated account's own work is part of the figure.
func BenchmarkDeliver(b *testing.B) {
	sim := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	for _, a := range testAttributes() {
		sim.AddAttribute(a)
	}
	sim.AddList(32, "Support")
	server := httptest.NewServer(sim)
	defer server.Close()
	d, err := brevo.New(brevo.Options{APIKey: testKey, BaseURL: server.URL, Tier: "none"})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	id, err := sim.AddContact(brevosim.Contact{Email: "zoe@example.com"})
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	run := func(name string, change func(n int64) record.Change) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if out := d.Deliver(b.Context(), change(n.Add(1))); out.Err != nil {
						b.Error(out.Err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
	run("event", func(n int64) record.Change {
		return record.Change{Held: record.Held{ID: id}, Event: &record.Event{
			Name: "SUPPORT_RESOLVED", ID: "EV" + strconv.FormatInt(n, 10), At: noon,
			Properties: map[string]any{"queue": "Support", "agent": "Max", "wait_time": 12.5, "channel": "voice", "transfer": false},
		}}
	})
	run("create", func(n int64) record.Change {
		c := zoe(number(float64(n)))
		c.Email, c.Phone = "c"+strconv.FormatInt(n, 10)+"@example.com", "+336"+strconv.FormatInt(10_000_000+n, 10)
		c.Attributes[0].Value = c.Phone
		return record.Change{Contact: &c}
	})
	run("update", func(n int64) record.Change {
		c := record.Contact{Attributes: []record.Attribute{number(float64(n))}}
		return record.Change{Contact: &c, Held: record.Held{ID: id}}
	})
}
