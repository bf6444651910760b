package profile_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// telling is what one record tells of one thing, and can be told again.
type telling struct {
	Key        fact.Key
	At         time.Time
	Times      []string
	Values     map[string]any
	Attributes map[string]any
	Part       string
	PartTimes  []string
	PartValues map[string]any
	Raw        string
	Odd        bool
}

func (r telling) fact(o *profile.Options) *fact.Fact {
	f := &fact.Fact{Kind: r.Key.Kind, SID: r.Key.SID, Undecodable: r.Odd}
	for _, name := range r.Times {
		f.SetTime(name, r.At)
	}
	for name, v := range r.Values {
		f.SetValue(name, v, r.At)
	}
	f.SetAttributes(r.Attributes, r.At)
	for _, name := range r.PartTimes {
		f.SetPartTime(r.Part, name, r.At)
	}
	for name, v := range r.PartValues {
		f.SetPartValue(r.Part, name, v, r.At)
	}
	if r.Raw != "" {
		profile.NoteRaw(f, r.Raw, fmt.Sprint("EV", r.At.UnixMilli()), r.At)
	}
	profile.Note(f, o)
	return f
}

func told(o *profile.Options, records []telling) []*fact.Fact {
	out := make([]*fact.Fact, len(records))
	for i, r := range records {
		out[i] = r.fact(o)
	}
	return out
}

// sid makes one of Twilio's SIDs.
func sid(prefix string, n int) string { return fmt.Sprintf("%s%032d", prefix, n) }

var midnight = time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)

// Few values of each kind, so that records often share one.
var (
	someEmails = []any{"a@example.com", "B@example.com", " b@example.com ", "c@example.com", "none", "", 7}
	somePhones = []any{"+33612345671", "06 12 34 56 71", "whatsapp:+33612345672", "+33612345672", 33612345673, "+266696687", "client:ana", "12", ""}
	someNames  = []any{"Zoe", "+33612345671", "visitor-1", "Anonymous", "a@example.com", sid("CH", 1), "", []any{"Zoe"}}
	identities = []any{"visitor-1", "visitor-2", "+33612345671", "sip:ana@example.com", ""}
)

// attributes draws a few of the attributes that anything reads.
func attributes() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		out := map[string]any{}
		in := func(m map[string]any, key string, values ...any) {
			m[key] = rapid.SampledFrom(values).Draw(t, key)
		}
		conversations, customers := map[string]any{}, map[string]any{}
		for range rapid.IntRange(0, 5).Draw(t, "attributes") {
			switch rapid.IntRange(0, 17).Draw(t, "which") {
			case 0:
				in(out, "email", someEmails...)
			case 1:
				in(out, "phone", somePhones...)
			case 2:
				in(out, "customerAddress", slices.Concat(someEmails, somePhones, identities)...)
			case 3:
				in(out, "from", somePhones...)
			case 4:
				in(out, "outbound_to", somePhones...)
			case 5:
				in(out, "direction", "inbound", "outbound", "outbound-api", "")
			case 6:
				in(out, "channelType", "sms", "web", "whatsapp", "")
			case 7:
				in(out, "name", someNames...)
			case 8:
				in(out, "identity", identities...)
			case 9:
				in(out, "conversationSid", sid("CH", 1), sid("CH", 2), "")
			case 10:
				in(out, "flexInteractionSid", sid("KD", 1), sid("KD", 2))
			case 11:
				in(conversations, "conversation_id", sid("WT", 1), sid("KD", 1), "free text")
			case 12:
				in(conversations, "kind", "Survey", "")
				in(conversations, "conversation_measure_1", 4, "5", "NaN", " ")
			case 13:
				in(conversations, "outcome", "Refund", "Sold", "", " ")
			case 14:
				in(customers, "email", someEmails...)
				in(customers, "name", someNames...)
			case 15:
				in(out, "csat", 3, "4", nil, true)
			case 16:
				in(out, "mail_user", "a", "b")
			case 17:
				in(out, "mail_host", "example.com", "example.org")
			}
		}
		if len(conversations) > 0 {
			out["conversations"] = conversations
		}
		if len(customers) > 0 {
			out["customers"] = customers
		}
		return out
	})
}

func tellings() *rapid.Generator[telling] {
	return rapid.Custom(func(t *rapid.T) telling {
		r := telling{At: midnight.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "at")) * 997 * time.Millisecond)}
		switch rapid.IntRange(0, 9).Draw(t, "of") {
		case 0:
			r.Key = fact.Key{Kind: fact.Survey, SID: fmt.Sprint("survey", rapid.IntRange(1, 2).Draw(t, "survey"))}
			r.Times = []string{fact.Submitted}
			r.Values = map[string]any{fact.Score: rapid.IntRange(1, 5).Draw(t, "score"), fact.Scale: 5}
			r.Values[fact.TaskSID] = rapid.SampledFrom([]string{sid("WT", 1), sid("WT", 2), ""}).Draw(t, "task")
			r.Values[fact.ConversationSID] = rapid.SampledFrom([]string{sid("CH", 1), ""}).Draw(t, "thread")
		case 1, 2:
			r.Key = fact.Key{Kind: fact.Conversation, SID: sid("CH", rapid.IntRange(1, 2).Draw(t, "thread"))}
			r.Times = []string{rapid.SampledFrom([]string{fact.Created, fact.Created, fact.Closed}).Draw(t, "moment")}
			r.Part = fact.Participant + fmt.Sprint("MB", rapid.IntRange(1, 2).Draw(t, "participant"))
			r.PartValues = map[string]any{
				fact.Address:     rapid.SampledFrom(slices.Concat(somePhones, someEmails)).Draw(t, "address"),
				fact.AddressType: rapid.SampledFrom([]string{"sms", "whatsapp", ""}).Draw(t, "type"),
				fact.Identity:    "agent",
			}
			r.Raw = rapid.SampledFrom([]string{"", "", "message.received"}).Draw(t, "raw")
		default:
			r.Key = fact.Key{Kind: fact.Task, SID: sid("WT", rapid.IntRange(1, 4).Draw(t, "task"))}
			r.Attributes = attributes().Draw(t, "attributes")
			r.Odd = rapid.IntRange(0, 19).Draw(t, "odd") == 0
			taskEvent(t, &r)
		}
		return r
	})
}

func taskEvent(t *rapid.T, r *telling) {
	r.Values = map[string]any{fact.Channel: rapid.SampledFrom([]string{"voice", "chat"}).Draw(t, "channel")}
	r.Part = fact.Reservation + sid("WR", rapid.IntRange(1, 2).Draw(t, "reservation"))
	switch rapid.IntRange(0, 8).Draw(t, "event") {
	case 0:
		r.Times = []string{fact.Created}
	case 1:
		r.Times, r.Values[fact.QueueName] = []string{fact.Queued}, rapid.SampledFrom([]string{"Sales", "Support"}).Draw(t, "queue")
	case 2:
		r.PartTimes = []string{fact.Created}
	case 3:
		r.Times, r.PartTimes = []string{fact.Assigned}, []string{fact.Accepted}
		r.PartValues = map[string]any{fact.WorkerName: rapid.SampledFrom([]string{"ana", "bo"}).Draw(t, "worker")}
	case 4:
		r.Times, r.PartTimes = []string{fact.Wrapup}, []string{fact.Wrapup}
	case 5:
		r.Times, r.PartTimes = []string{fact.Completed}, []string{fact.Completed}
	case 6:
		r.Times, r.Values[fact.CanceledReason] = []string{fact.Canceled}, rapid.SampledFrom([]string{"hangup", "CSAT saved"}).Draw(t, "reason")
	case 7:
		r.Raw, r.PartTimes = "reservation.rejected", []string{fact.Rejected}
	case 8: // an update of attributes alone
	}
}

// options draws settings, one with a rule that reads an email from two attributes
// which may come with different records.
func options() *rapid.Generator[*profile.Options] {
	return rapid.Custom(func(t *rapid.T) *profile.Options {
		o := &profile.Options{Region: "FR", Location: time.FixedZone("", 3600)}
		if rapid.Bool().Draw(t, "channels") {
			o.Channels = []string{"voice", "sms"}
		}
		if rapid.Bool().Draw(t, "declared") {
			o.SharedPhones = []string{"+33612345672"}
		}
		if rapid.Bool().Draw(t, "rule") {
			o.EmailFrom = append(o.EmailFrom, func(attributes map[string]any) string {
				user, _ := attributes["mail_user"].(string)
				host, _ := attributes["mail_host"].(string)
				if user == "" || host == "" {
					return ""
				}
				return user + "@" + host
			})
		}
		return o
	})
}

// batches draws the records in another order, some of them twice, and split.
func batches(t *rapid.T, records []telling) [][]telling {
	again := slices.Clone(records)
	for range rapid.IntRange(0, 3).Draw(t, "repetitions") {
		again = append(again, rapid.SampledFrom(records).Draw(t, "again"))
	}
	again = rapid.Permutation(again).Draw(t, "order")
	var out [][]telling
	for len(again) > 0 {
		n := rapid.IntRange(1, len(again)).Draw(t, "batch")
		out = append(out, again[:n])
		again = again[n:]
	}
	return out
}

func TestOrderRepetitionAndSplitDoNotShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := options().Draw(t, "options")
		records := rapid.SliceOfN(tellings(), 1, 14).Draw(t, "records")
		want := atOnce(o, told(o, records)...)
		n := newIncremental(o)
		for _, b := range batches(t, records) {
			n.digest(told(o, b)...)
		}
		got := n.all()
		if len(got) != len(want) {
			t.Fatalf("%d customers, at once %d:\n%s\n%s", len(got), len(want), members(got), members(want))
		}
		for i := range want {
			compare(t, got[i], want[i])
		}
	})
}

func members(customers []customer) string {
	var out [][]fact.Key
	for _, c := range customers {
		out = append(out, c.facts)
	}
	return fmt.Sprint(out)
}

func compare(t *rapid.T, got, want customer) {
	if !reflect.DeepEqual(got.facts, want.facts) {
		t.Fatalf("customer of %v, at once of %v", got.facts, want.facts)
	}
	if g, w := essence(got.profile), essence(want.profile); !reflect.DeepEqual(g, w) {
		t.Fatalf("profile of %v:\n%+v\nat once:\n%+v", want.facts, g, w)
	}
	if g, w := scenes(got.moments), scenes(want.moments); !reflect.DeepEqual(g, w) {
		t.Fatalf("moments of %v:\n%+v\nat once:\n%+v", want.facts, g, w)
	}
	if _, err := json.Marshal(want.profile.Metrics); err != nil {
		t.Fatalf("metrics of %v: %v", want.facts, err)
	}
}

// essence is a profile without the facts it was made of.
func essence(p *profile.Profile) profile.Profile {
	e := *p
	e.Tasks, e.Threads, e.Answers, e.Groups = nil, nil, nil, nil
	return e
}

// scene is all that can be known of a moment.
type scene struct {
	Type, Key, Mark string
	Fact            fact.Key
	Members         []fact.Key
	At, NotBefore   time.Time
	Scene           profile.Scene
	Usual           map[string]any
}

func scenes(moments []profile.Moment) []scene {
	var out []scene
	for _, m := range moments {
		out = append(out, scene{m.Type, m.Key, m.Mark, m.Fact, m.Members, m.At, m.NotBefore, m.Scene(), m.Usual()})
	}
	return out
}
