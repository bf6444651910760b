package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// onBoth runs a benchmark on a fresh store of each database.
func onBoth(b *testing.B, run func(b *testing.B, s store.Store)) {
	b.Run("sqlite", func(b *testing.B) {
		run(b, open(b, "sqlite://"+filepath.Join(b.TempDir(), "s.db"), sqlstore.Options{Pipeline: true}))
	})
	b.Run("postgres", func(b *testing.B) { run(b, open(b, postgres.Database(b), sqlstore.Options{})) })
}

// perSecond reports how many rows a second passed.
func perSecond(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// body is a short event as Twilio gives it: a third of it are SIDs.
var body = []byte(`{"account_sid":"AC4283fefc63f0cd0e873a0000c6d07ef7","event_data":{"workspace_sid":"WSb77e90d3593ad699fc1f7cd5bb2e35cb","workflow_sid":"WW309cad68386d070c415ed7e70cad1946","task_queue_sid":"WQ1922995d84016e51c6b36d6f3c9f0ac9",` +
	`"task_channel_sid":"TC056a4ad683cbf721245568a8baa397f4","task_sid":"WTf0f19c557067cbbe80c46d1fb6dfbdb0","task_attributes":"{\"call_sid\":\"CA3a1d2c44a3c2728b93e8319002d3167d\",\"direction\":\"inbound\"}",` +
	`"task_age":"140","task_priority":"0","task_assignment_status":"completed","task_completed_reason":"Conference ended"},` +
	`"event_date":"2026-01-02T03:04:05Z","event_date_ms":1767323045123,"event_type":"task.completed","resource_sid":"WTf0f19c557067cbbe80c46d1fb6dfbdb0",` +
	`"resource_type":"task","sid":"EVae0755281220e087835b92558589eaff"}`)

func records(b *testing.B, from, n int) []record.Page {
	p := record.Page{Stream: "events", Cursor: "c"}
	for i := range n {
		p.Records = append(p.Records, record.Record{
			Key: fmt.Sprintf("EV%032d", from+i), Stream: "events", Type: "task.completed", Via: record.Poll,
			At: time.Unix(1_700_000_000, 0), Body: body,
		})
	}
	return []record.Page{p}
}

// BenchmarkCapture stores records as a group commit of so many clients does.
func BenchmarkCapture(b *testing.B) {
	for _, size := range []int{1, 32, 256, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			onBoth(b, func(b *testing.B, s store.Store) {
				n := 0
				for b.Loop() {
					_, err := s.Capture(b.Context(), []store.Batch{{Connector: "flex", At: time.Now(), Pages: records(b, n, size)}})
					if err != nil {
						b.Fatal(err)
					}
					n += size
				}
				perSecond(b, n)
			})
		})
	}
}

// BenchmarkDigest loads, looks around and saves digests of 500 records that tell
// of 100 tasks of as many customers, with a contact and an event each.
func BenchmarkDigest(b *testing.B) {
	onBoth(b, func(b *testing.B, s store.Store) {
		lease := acquire(b, s, "digest")
		n := 0
		for b.Loop() {
			b.StopTimer()
			if _, err := s.Capture(b.Context(), []store.Batch{{Connector: "flex", At: time.Now(), Pages: records(b, n, 500)}}); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			digestOnce(b, s, lease)
			n += 500
		}
		perSecond(b, n)
	})
}

func digestOnce(b *testing.B, s store.Store, lease store.Lease) {
	waiting, err := s.LoadUndigested(b.Context(), "flex", 500)
	if err != nil || len(waiting) != 500 {
		b.Fatal(len(waiting), err)
	}
	d := &store.Digest{Connector: "flex", Account: "brevo", At: time.Now()}
	var tokens []store.Token
	var keys []fact.Key
	for i, r := range waiting {
		d.Records = append(d.Records, store.RecordResult{ID: r.ID, State: store.Digested})
		if i%5 == 0 {
			addCustomer(d, r.ID)
			tokens = append(tokens, d.Tokens[len(d.Tokens)-1].Token)
			keys = append(keys, d.Facts[len(d.Facts)-1].Fact.Key())
		}
	}
	if _, err := s.LoadNeighbours(b.Context(), "flex", tokens, keys); err != nil {
		b.Fatal(err)
	}
	if err := s.SaveDigest(b.Context(), lease, d); err != nil {
		b.Fatal(err)
	}
}

// addCustomer adds a customer with a task, a contact and an event.
func addCustomer(d *store.Digest, id int64) {
	f := &fact.Fact{Kind: fact.Task, SID: fmt.Sprintf("WT%032d", id)}
	for i := range 10 {
		f.SetTime(fmt.Sprint("time", i), d.At)
		f.SetValue(fmt.Sprint("value", i), "some value of a task", d.At)
	}
	address := fmt.Sprintf("c%d@example.com", id)
	d.Facts = append(d.Facts, store.StoredFact{Fact: f, CustomerID: id})
	d.Customers = append(d.Customers, store.Customer{ID: id, CreatedAt: d.At, Desired: "0123456789abcdef0123456789abcdef", Conversations: 1})
	d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: store.Email, Value: address}, CustomerID: id})
	d.Contacts = append(d.Contacts, store.ContactChange{CustomerID: id, Contact: record.Contact{Email: address, Create: true, Attributes: []record.Attribute{
		{Name: "FIRSTNAME", Value: "Ada", Rule: "connector.yaml:12"}, {Name: "LAST_SUPPORT_DATE", Value: "2026-11-20", Rule: "connector.yaml:13"},
	}}})
	d.Events = append(d.Events, store.EventChange{Key: fmt.Sprint("task.completed:", f.SID), CustomerID: id, Fact: f.Key(), Type: "task.completed",
		Event: record.Event{Name: "SUPPORT_RESOLVED", ID: f.SID, At: d.At, Properties: map[string]any{"task_sid": f.SID, "queue": "Support", "wait_time": 12}}})
}

// BenchmarkDeliver claims and settles a contact and an event of 250 customers at a
// time.
func BenchmarkDeliver(b *testing.B) {
	onBoth(b, func(b *testing.B, s store.Store) {
		digest, deliver := acquire(b, s, "digest"), acquire(b, s, "deliver")
		n, id := 0, int64(0)
		for b.Loop() {
			b.StopTimer()
			d := &store.Digest{Connector: "flex", Account: "brevo", At: time.Now()}
			for range 250 {
				id++
				addCustomer(d, id)
			}
			if err := s.SaveDigest(b.Context(), digest, d); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			n += deliverOnce(b, s, deliver)
		}
		perSecond(b, n)
	})
}

func deliverOnce(b *testing.B, s store.Store, lease store.Lease) int {
	now := time.Now().Add(time.Hour)
	claimed, err := s.Claim(b.Context(), lease, "brevo", now, 250, 32)
	if err != nil || len(claimed) != 500 {
		b.Fatal(len(claimed), err)
	}
	settlements := make([]store.Settlement, len(claimed))
	for i, c := range claimed {
		settlements[i] = store.Settlement{Delivery: c, State: store.Delivered, Status: 204}
		if c.Kind == store.ContactDelivery {
			settlements[i].Held = &record.Held{ID: c.CustomerID, Identifiers: map[string]string{"email": c.Contact.Email}}
		}
	}
	if err := s.Settle(b.Context(), lease, now, settlements); err != nil {
		b.Fatal(err)
	}
	return len(claimed)
}

func acquire(t testing.TB, s store.Store, role string) store.Lease {
	t.Helper()
	lease, err := s.Acquire(t.Context(), role, "bench", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}
