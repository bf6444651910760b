package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/twilio"
	"flexbrevo/mapping"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

var quiet = slog.New(slog.DiscardHandler)

// TestOrderDoesNotShow is promise 2: the same records in any order, any number
// of times, in any batches and by whatever way each came in leave the same
// customers and owe the same.
func TestOrderDoesNotShow(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 7, Start: now.Add(-20 * time.Hour), End: now.Add(-3 * time.Hour), Contacts: 90, Customers: 25, Odd: true})
	sim := twiliosim.New(twiliosim.Options{World: w, Clock: clock})
	records := fetchAll(t, sim)
	want := digestAll(t, records, len(records)) // in order, at once
	if len(want) < 60 {
		t.Fatalf("only %d things owed; the world is too small to prove anything", len(want))
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			shuffled := anyWay(sim, records, r)
			got := digestAll(t, shuffled, 1+r.IntN(200))
			compare(t, want, got)
		})
	}
}

// anyWay shuffles and repeats records and lets events come in as callbacks and by
// Event Streams too.
func anyWay(sim *twiliosim.Server, records []record.Record, r *rand.Rand) []record.Record {
	var out []record.Record
	for _, rec := range records {
		for range 1 + r.IntN(2) {
			out = append(out, rec)
		}
		position, isEvent := sim.World().EventPosition(rec.Key)
		if !isEvent {
			continue
		}
		e := sim.World().EventAt(position)
		other := rec
		switch r.IntN(3) {
		case 0:
			other.Via, other.Body = record.Callback, []byte(sim.Callback(&e).Encode())
		case 1:
			other.Via, other.Body = record.EventStreams, sim.CloudEvent(&e).AppendJSON(nil)
		default:
			continue
		}
		out = append(out, other)
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// fetchAll reads the whole world through the source.
func fetchAll(t *testing.T, sim *twiliosim.Server) []record.Record {
	t.Helper()
	server := httptest.NewServer(sim)
	defer server.Close()
	source, err := twilio.New(twilio.Options{
		AccountSID: sim.World().AccountSID, AuthToken: sim.World().AuthToken, BaseURL: server.URL,
		InitialLookback: 48 * time.Hour, Clock: clock, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var records []record.Record
	for _, stream := range source.Streams() {
		err := source.Fetch(t.Context(), stream, "", func(p record.Page) error {
			records = append(records, p.Records...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return records
}

// digestAll captures and digests records batch by batch in a fresh store and
// returns what is owed in the end, as text that does not depend on ids.
func digestAll(t *testing.T, records []record.Record, batch int) []string {
	t.Helper()
	st := openStore(t)
	lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	d := newDigest(t, st)
	for len(records) > 0 {
		n := min(batch, len(records))
		capture(t, st, records[:n])
		records = records[n:]
		untilDigested(t, d, lease)
	}
	return owed(t, st)
}

// untilDigested digests until nothing waits.
func untilDigested(t *testing.T, d *pipeline.Digest, lease store.Lease) {
	t.Helper()
	for {
		done, err := d.Once(t.Context(), lease)
		if err != nil {
			t.Fatal(err)
		}
		if done.Records == 0 {
			return
		}
	}
}

func openStore(t *testing.T) store.Store {
	t.Helper()
	st, err := sqlstore.Open(context.Background(), "sqlite://"+filepath.Join(t.TempDir(), "flexbrevo.db"),
		sqlstore.Options{Pipeline: true, Logger: quiet, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func capture(t *testing.T, st store.Store, records []record.Record) {
	t.Helper()
	_, err := st.Capture(t.Context(), []store.Batch{{Connector: "c", At: now, Pages: []record.Page{{Records: records}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// newDigest has the rules of the original page's configuration, and an event for
// everything; more identifiers may be read.
func newDigest(t *testing.T, st store.Store, emailFrom ...func(map[string]any) string) *pipeline.Digest {
	t.Helper()
	return newDigestOf(t, st, 97, emailFrom...)
}

// newDigestOf digests so many records at once.
func newDigestOf(t *testing.T, st store.Store, batch int, emailFrom ...func(map[string]any) string) *pipeline.Digest {
	t.Helper()
	spec := mapping.Spec{}
	for source, to := range map[string]string{
		"attributes.email": "email", "attributes.phone": "SMS", "friendly_name": "FIRSTNAME", "identity": "FLEX_IDENTITY",
		"last_conversation_date": "LAST_SUPPORT_DATE", "total_conversations": "TICKETS", "avg_wait_time": "AVG_WAIT",
		"avg_handle_time": "AVG_HANDLE", "last_csat_score": "CSAT", "preferred_channel": "CHANNEL", "last_agent": "AGENT",
		"last_queue": "QUEUE", "last_outcome": "OUTCOME", "customer_tier": "TIER", "account_id": "ACCOUNT", "abandoned_count": "ABANDONED",
	} {
		spec.Fields = append(spec.Fields, mapping.FieldSpec{Source: source, To: to})
	}
	sort.Slice(spec.Fields, func(i, j int) bool { return spec.Fields[i].To < spec.Fields[j].To })
	for _, on := range []string{"task.created", "task.assigned", "task.completed", "task.canceled", "task.abandoned", "conversation.started",
		"conversation.ended", "survey.completed", "interaction.transferred", "reservation.rejected"} {
		spec.Events = append(spec.Events, mapping.EventSpec{On: on, Event: strings.ReplaceAll(on, ".", "_")})
	}
	rules, problems := mapping.Compile(spec)
	if problems.Failed() {
		t.Fatal(problems)
	}
	o := profile.Options{Region: "FR", EmailFrom: emailFrom}
	for _, f := range rules.IdentifierFields("email") {
		o.EmailFrom = append(o.EmailFrom, reader(f))
	}
	return pipeline.NewDigest(pipeline.DigestOptions{
		Connector: "c", Account: "a", Store: st, Source: decoder{}, Rules: rules, Profile: o,
		SupportList: "1", SurveyList: "2", Create: true, Batch: batch, Clock: clock, Logger: quiet,
	})
}

func reader(f *mapping.Field) func(map[string]any) string {
	return func(attributes map[string]any) string {
		v, err := f.Apply(&mapping.Env{Attributes: attributes})
		if err != nil || v.Empty {
			return ""
		}
		s, _ := v.Data.(string)
		return s
	}
}

// decoder is Twilio's, as the service adapts it.
type decoder struct{}

func (decoder) Decode(r record.Record) (pipeline.Decoded, error) {
	d, err := twilio.Decode(r)
	out := pipeline.Decoded{Facts: d.Facts, Ignored: d.Ignored, Omissions: d.Omissions}
	for _, e := range d.Raw {
		out.Raw = append(out.Raw, pipeline.RawEvent(e))
	}
	return out, err
}

// owed describes every pending delivery by what it says and to whom.
func owed(t *testing.T, st store.Store) []string {
	t.Helper()
	pending, err := st.LoadDeliveries(t.Context(), "c", store.Pending, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	whom := map[int64]string{}
	for _, d := range pending {
		if d.Contact != nil {
			whom[d.CustomerID] = d.Contact.Email + "/" + d.Contact.Phone
		}
	}
	var out []string
	for _, d := range pending {
		body, err := json.Marshal(d.Contact)
		if d.Event != nil {
			body, err = json.Marshal(d.Event)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s for %s: %s", d.Kind, whom[d.CustomerID], body))
	}
	sort.Strings(out)
	return out
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	have := map[string]int{}
	for _, g := range got {
		have[g]++
	}
	for _, w := range want {
		if have[w]--; have[w] < 0 {
			t.Errorf("missing: %s", w)
		}
	}
	for g, n := range have {
		if n > 0 {
			t.Errorf("extra: %s", g)
		}
	}
}
