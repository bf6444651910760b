package twilio

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestSyncIsReadByRevision(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 12, Contacts: 600}, twiliosim.Options{Faults: troubled}, Options{SyncObjects: []SyncObject{
		{Service: "default", Map: "nobody-made-it", Type: SyncSurvey},
		{Service: "default", Map: world.SyncMap, Type: SyncDisposition},
	}})
	end := c.clock.now()
	c.clock.set(c.world.Options().Start.Add(14 * time.Hour))
	k := newKept()
	k.fetch(t, c.source, SyncStream)
	early := len(k.records)
	k.pages = 0
	k.fetch(t, c.source, SyncStream)
	if k.again != 0 || len(k.records) != early || k.pages != 1 {
		t.Errorf("nothing changed, and %d records came again in %d pages", k.again, k.pages)
	}
	c.clock.set(end)
	k.fetch(t, c.source, SyncStream)
	items := c.world.SyncItems(end)
	if len(k.records) != len(items) || early == 0 || early == len(items) {
		t.Fatalf("%d records, then %d, of %d items", early, len(k.records), len(items))
	}
	outcomes := map[string]string{}
	for _, r := range k.records {
		d, err := c.source.Decode(r)
		if err != nil || len(d.Facts) != 1 {
			t.Fatalf("decode: %+v, %v", d, err)
		}
		outcomes[d.Facts[0].SID], _ = d.Facts[0].Attributes[fact.Nested("conversations", "outcome")].V.(string)
	}
	for _, item := range items {
		if got, want := outcomes[item.Key], c.world.Tasks[item.Task].Outcome; got != want {
			t.Errorf("outcome of %s is %q, want %q", item.Key, got, want)
		}
	}
}

func TestDecodeSync(t *testing.T) {
	t.Parallel()
	task, conversation := sid("WT", 1), sid("CH", 2)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		kind, item string
		ignored    string
		fact       fact.Key
		score      any
		outcome    any
	}{
		"answer by key":         {kind: SyncSurvey, item: `{"key":"` + task + `","data":{"csat":4,"scale":5}}`, fact: fact.Key{Kind: fact.Survey, SID: "sync:" + task}, score: 4},
		"answer alone":          {kind: SyncSurvey, item: `{"key":"` + conversation + `","data":"3"}`, fact: fact.Key{Kind: fact.Survey, SID: "sync:" + conversation}, score: 3},
		"answer named inside":   {kind: SyncSurvey, item: `{"index":7,"data":{"taskSid":"` + task + `","score":"2.5"}}`, fact: fact.Key{Kind: fact.Survey, SID: "sync:" + task}, score: 2.5},
		"answer of nobody":      {kind: SyncSurvey, item: `{"index":7,"data":{"score":2}}`, ignored: ignoredNoLink},
		"no answer":             {kind: SyncSurvey, item: `{"key":"` + task + `","data":{"asked":true}}`, ignored: ignoredNoAnswer},
		"empty":                 {kind: SyncSurvey, item: `{"key":"` + task + `"}`, ignored: ignoredNoValues},
		"disposition as text":   {kind: SyncDisposition, item: `{"key":"` + task + `","data":"Refund"}`, fact: fact.Key{Kind: fact.Task, SID: task}, outcome: "Refund"},
		"disposition":           {kind: SyncDisposition, item: `{"key":"` + task + `","data":{"disposition":"Refund","case":"1"}}`, fact: fact.Key{Kind: fact.Task, SID: task}, outcome: "Refund"},
		"of a conversation":     {kind: SyncDisposition, item: `{"key":"` + conversation + `","data":{"outcome":"Sold"}}`, fact: fact.Key{Kind: fact.Conversation, SID: conversation}, outcome: "Sold"},
		"disposition of nobody": {kind: SyncDisposition, item: `{"key":"WR1","data":{"outcome":"Sold"}}`, ignored: ignoredNoLink},
		"customer by email":     {kind: SyncCustomer, item: `{"key":"jane.doe@example.com","data":{"tier":"gold"}}`, fact: fact.Key{Kind: fact.Customer, SID: "sync:" + contentHash([]byte("o"), []byte("jane.doe@example.com"))}},
		"customer by phone":     {kind: SyncCustomer, item: `{"key":"whatsapp:+33612345678","data":{"tier":"gold"}}`, fact: fact.Key{Kind: fact.Customer, SID: "sync:" + contentHash([]byte("o"), []byte("whatsapp:+33612345678"))}},
		"customer named inside": {kind: SyncCustomer, item: `{"index":"7","data":{"email":"jane.doe@example.com"}}`, fact: fact.Key{Kind: fact.Customer, SID: "sync:" + contentHash([]byte("o"), []byte("7"))}},
		"customer of nobody":    {kind: SyncCustomer, item: `{"key":"abc","data":{"tier":"gold"}}`, ignored: ignoredNobody},
		"customer":              {kind: SyncCustomer, item: `{"key":"` + task + `","data":{"tier":"gold"}}`, fact: fact.Key{Kind: fact.Task, SID: task}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := Decode(record.Record{Type: c.kind, Via: record.Poll, At: at, Body: []byte(`{"object":"o","item":` + c.item + `}`)})
			if err != nil || d.Ignored != c.ignored {
				t.Fatalf("ignored %q, %v; want %q", d.Ignored, err, c.ignored)
			}
			if c.ignored != "" {
				return
			}
			f := d.Facts[0]
			if f.Key() != c.fact || f.Values[fact.Score].V != c.score || f.Attributes[fact.Nested("conversations", "outcome")].V != c.outcome {
				t.Errorf("fact %v with score %v and outcome %v", f.Key(), f.Values[fact.Score].V, f.Attributes[fact.Nested("conversations", "outcome")].V)
			}
		})
	}
	if _, err := Decode(record.Record{Type: SyncSurvey, Via: record.Poll, Body: []byte(`[]`)}); err == nil {
		t.Error("a body that is no object is taken")
	}
}

// TestWhatExpiresTakesNothingBack lets an item vanish, and then its map: nothing is
// handed over, and nothing fails.
func TestWhatExpiresTakesNothingBack(t *testing.T) {
	t.Parallel()
	item := func(n int) string {
		return fmt.Sprintf(`{"key":%q,"revision":"1","date_updated":"2026-11-20T12:00:00Z","data":{"disposition":"Refund"}}`, sid("WT", n))
	}
	answers := [][]string{{item(1), item(2)}, {item(2)}, {}, nil}
	n := 0
	source := sourceAt(t, stub{answer: func(w http.ResponseWriter, _ *http.Request) {
		if answers[n] == nil {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":20404,"status":404}`)
			return
		}
		list(w, "items", 100, "", answers[n]...)
	}}, nil, Options{SyncObjects: []SyncObject{{Service: "default", Map: "m", Type: SyncDisposition}}}, time.Now)
	k := newKept()
	for n = range answers {
		k.fetch(t, source, SyncStream)
		if len(k.records) != 2 || k.again != 0 {
			t.Errorf("after answer %d: %d records, %d of them again", n+1, len(k.records), k.again)
		}
	}
}
