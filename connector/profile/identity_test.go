package profile_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
)

const (
	zoe    = "+33612345671"
	yan    = "+33612345672"
	office = "+33187000000"
)

func TestEmail(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"zoe@example.com": "zoe@example.com", "  Zoe@Example.COM\n": "zoe@example.com", "o'neil+x@mail.example.co.uk": "o'neil+x@mail.example.co.uk",
		"": "", "zoe": "", "zoe@localhost": "", "Zoe <zoe@example.com>": "", "a@b@example.com": "", "zoe@[192.0.2.1]": "",
		"zoe@example.com, yan@example.com": "", "mailto:zoe@example.com": "", "zo\uFFFD@example.com": "", "z\x00e@example.com": "",
		strings.Repeat("a", 250) + "@example.com": "",
	} {
		got, ok := profile.Email(s)
		if got != want || ok != (want != "") {
			t.Errorf("Email(%q) = %q, %v", s, got, ok)
		}
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ s, region, want string }{
		{"+33612345678", "", "+33612345678"}, {" +33 6 12 34 56 78 ", "", "+33612345678"}, {"0033612345678", "FR", "+33612345678"},
		{"06 12 34 56 78", "FR", "+33612345678"}, {"06 12 34 56 78", "", ""}, {"33612345678", "FR", "+33612345678"},
		{"whatsapp:+33612345678", "", "+33612345678"}, {"WhatsApp: +33612345678", "", "+33612345678"}, {"rcs:+33612345678", "", "+33612345678"},
		{"messenger:1234567890", "US", ""}, {"client:ana", "FR", ""}, {"sip:33612345678@example.com", "FR", ""},
		{"anonymous", "US", ""}, {"+266696687", "US", ""}, {"266696687", "US", ""}, {"+7378742833", "US", ""}, {"+86282452253", "US", ""},
		{"1-800-FLOWERS", "US", ""}, {"12", "FR", ""}, {"+", "FR", ""}, {"", "FR", ""}, {strings.Repeat("3", 5000), "FR", ""},
		{"+390612345678", "", "+390612345678"}, {"(555) 867-5310", "US", "+15558675310"},
	} {
		got, ok := profile.Phone(c.s, c.region)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Phone(%.30q, %q) = %q, %v; want %q", c.s, c.region, got, ok, c.want)
		}
	}
}

func TestNormalFormsAreTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`(whatsapp:)?\+?[0-9 ()-]{3,16}`), rapid.StringMatching(`\+(33|1|39|44|49|55|81)0?[0-9]{7,11}`), rapid.String(),
			rapid.StringMatching(`[A-Za-z.+]{1,5}@[a-zA-Z-]{1,5}\.[a-z]{1,3}`),
		).Draw(t, "s")
		for _, region := range []string{"", "FR", "US"} {
			if p, ok := profile.Phone(s, region); ok {
				if again, ok := profile.Phone(p, ""); !ok || again != p {
					t.Fatalf("Phone(%q) = %q, whose own is %q, %v", s, p, again, ok)
				}
			}
		}
		if e, ok := profile.Email(s); ok {
			if again, ok := profile.Email(e); !ok || again != e {
				t.Fatalf("Email(%q) = %q, whose own is %q, %v", s, e, again, ok)
			}
		}
	})
}

// TestIdentifiers follows facts/twilio.md 3.5 and design 3.3.
func TestIdentifiers(t *testing.T) {
	t.Parallel()
	type given = profile.Given
	refused := func(what, value, reason string) []record.Omission {
		return []record.Omission{{What: what, Value: record.Mask(value), Reason: reason}}
	}
	for _, c := range []struct {
		name string
		f    *fact.Fact
		want given
	}{
		{"inbound voice: from", task(1, channel("voice"), with(0, map[string]any{"direction": "inbound", "from": zoe, "to": office})), given{Phones: []string{zoe}}},
		{"inbound voice: caller", task(1, channel("voice"), with(0, map[string]any{"caller": zoe, "called": office})), given{Phones: []string{zoe}}},
		{"outbound voice: outbound_to, never from", task(1, channel("voice"), with(0, map[string]any{"direction": "outbound", "from": office, "outbound_to": zoe})), given{Phones: []string{zoe}}},
		{"outbound messaging: customerAddress", task(1, channel("chat"), with(0, map[string]any{"direction": "outbound", "from": office, "customerAddress": "whatsapp:" + zoe})), given{Phones: []string{zoe}}},
		{"inbound messaging: customerAddress", task(1, channel("chat"), with(0, map[string]any{"customerAddress": zoe, "from": "Zoe A"})), given{Phones: []string{zoe}}},
		{"web chat: an identity", task(1, channel("chat"), with(0, map[string]any{"customerAddress": "visitor-1"})), given{Identities: []string{"visitor-1"}}},
		{"an email address as address", task(1, channel("email"), with(0, map[string]any{"customerAddress": "Zoe@example.com"})), given{Emails: []string{"zoe@example.com"}}},
		{"attributes before addresses", task(1, channel("voice"), with(0, map[string]any{
			"email": "zoe@example.com", "phone": "06 12 34 56 71", "from": yan,
			"customers": map[string]any{"email": "z@example.com", "phone": yan},
		})), given{Emails: []string{"zoe@example.com", "z@example.com"}, Phones: []string{zoe, yan}}},
		{"the web chat's form", task(1, channel("chat"), with(0, map[string]any{"pre_engagement_data": map[string]any{"email": "zoe@example.com"}})), given{Emails: []string{"zoe@example.com"}}},
		{"the web chat's form as text", task(1, channel("chat"), with(0, map[string]any{"pre_engagement_data": `{"email":"zoe@example.com"}`})), given{Emails: []string{"zoe@example.com"}}},
		{"a phone that is a number", task(1, with(0, map[string]any{"phone": 33612345671})), given{Phones: []string{zoe}}},
		{"an identity that is a number is a phone", task(1, with(0, map[string]any{"identity": zoe})), given{Phones: []string{zoe}}},
		{"withheld", task(1, channel("voice"), with(0, map[string]any{"from": "+266696687"})), given{}},
		{"withheld by word", task(1, channel("voice"), with(0, map[string]any{"from": "Anonymous", "customerAddress": "anonymous", "identity": "RESTRICTED"})), given{}},
		{"our own agents", task(1, channel("voice"), with(0, map[string]any{"from": "client:ana", "customerAddress": "sip:ana@example.com", "identity": "Client:bo"})), given{}},
		{"an identity that only looks withheld", task(1, with(0, map[string]any{"identity": "visitor-2562533"})), given{Identities: []string{"visitor-2562533"}}},
		{"no email", task(1, with(0, map[string]any{"email": "zoe at example"})), given{Refused: refused("email", "zoe at example", "not an e-mail address")}},
		{"no phone", task(1, with(0, map[string]any{"phone": "ask Zoe"})), given{Refused: refused("phone", "ask Zoe", "not a phone number")}},
		{"a participant's address, but nobody's identity", thread(1, participant(1, "whatsapp:"+zoe, "whatsapp"), func(f *fact.Fact) {
			f.SetPartValue(fact.Participant+"MB2", fact.Identity, "ana", noon)
		}), given{Phones: []string{zoe}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			equal(t, "given", profile.Identifiers(c.f, &profile.Options{Region: "FR"}), c.want)
		})
	}
}

func TestRulesNameIdentifiersFirst(t *testing.T) {
	t.Parallel()
	o := &profile.Options{Region: "FR",
		EmailFrom: []func(map[string]any) string{func(a map[string]any) string { s, _ := a["mail"].(string); return s }},
		PhoneFrom: []func(map[string]any) string{func(a map[string]any) string { s, _ := a["mobile"].(string); return s }},
	}
	p := build(o, task(1, with(0, map[string]any{"mail": "zoe@example.com", "email": "z@example.com", "mobile": zoe, "phone": yan})))
	equal(t, "email", p.Email, "zoe@example.com")
	equal(t, "phone", p.Phone, zoe)
}

// groups gives the SIDs of each customer's facts, shortened.
func groups(o *profile.Options, facts ...*fact.Fact) string {
	var out []string
	for _, c := range atOnce(o, facts...) {
		var own []string
		for _, k := range c.facts {
			own = append(own, k.SID[:2]+strings.TrimLeft(k.SID[2:], "0"))
		}
		out = append(out, strings.Join(own, "+"))
	}
	return strings.Join(out, " ")
}

// TestComponents follows design 3.3.
func TestComponents(t *testing.T) {
	t.Parallel()
	calls := func(n int, attributes map[string]any) *fact.Fact {
		return task(n, channel("voice"), created(float64(n)), with(float64(n), attributes))
	}
	type m = map[string]any
	for _, c := range []struct {
		name  string
		o     profile.Options
		facts []*fact.Fact
		want  string
	}{
		{"nothing in common", profile.Options{}, []*fact.Fact{calls(1, m{"from": zoe}), calls(2, m{"from": yan}), calls(3, nil)}, "WT1 WT2 WT3"},
		{"one email", profile.Options{}, []*fact.Fact{calls(1, m{"email": "z@example.com"}), calls(2, m{"email": "Z@EXAMPLE.com "})}, "WT1+WT2"},
		{"one phone", profile.Options{}, []*fact.Fact{calls(1, m{"from": zoe}), thread(1, participant(1, "whatsapp:"+zoe, "whatsapp"))}, "CH1+WT1"},
		{"one identity", profile.Options{}, []*fact.Fact{calls(1, m{"identity": "visitor-1"}), calls(2, m{"customerAddress": "visitor-1"})}, "WT1+WT2"},
		{"linked by a third", profile.Options{}, []*fact.Fact{calls(1, m{"from": zoe}), calls(2, m{"email": "z@example.com"}), calls(3, m{"from": zoe, "email": "z@example.com"})}, "WT1+WT2+WT3"},
		{"the same interaction, conversation or call", profile.Options{}, []*fact.Fact{
			task(1, inInteraction(1)), task(2, inInteraction(1), inThread(1)), thread(1), calls(3, m{"call_sid": sid("CA", 1)}), calls(4, m{"call_sid": sid("CA", 1)}),
		}, "CH1+WT1+WT2 WT3+WT4"},
		{"a survey names its task, and free text links nobody", profile.Options{}, []*fact.Fact{
			task(1), task(2, survey(), conversations(1, m{"conversation_id": sid("WT", 1)})),
			task(3, conversations(1, m{"conversation_id": "order 4711"})), task(4, conversations(1, m{"conversation_id": "order 4711"})),
			posted(4, 5, 1, value(fact.TaskSID, sid("WT", 3))),
		}, "survey1+WT3 WT1+WT2 WT4"},
		{"withheld callers are strangers", profile.Options{}, []*fact.Fact{calls(1, m{"from": "+266696687"}), calls(2, m{"from": "+266696687"}), calls(3, m{"from": "anonymous"}), calls(4, m{"from": "anonymous"})}, "WT1 WT2 WT3 WT4"},
		{"an agent's identity links nobody", profile.Options{}, []*fact.Fact{
			thread(1, func(f *fact.Fact) { f.SetPartValue(fact.Participant+"MB1", fact.Identity, "ana", noon) }),
			thread(2, func(f *fact.Fact) { f.SetPartValue(fact.Participant+"MB1", fact.Identity, "ana", noon) }),
		}, "CH1 CH2"},
		{"a declared shared phone", profile.Options{SharedPhones: []string{office}}, []*fact.Fact{
			calls(1, m{"from": office, "email": "z@example.com"}), calls(2, m{"from": office, "email": "y@example.com"}),
			calls(3, m{"from": office}), calls(4, m{"from": office}), calls(5, m{"from": office, "identity": "visitor-1"}),
		}, "WT1 WT2 WT3+WT4 WT5"},
		{"a phone seen with two emails", profile.Options{}, []*fact.Fact{
			calls(1, m{"from": office, "email": "z@example.com"}), calls(2, m{"from": office}),
			calls(3, m{"from": office, "email": "y@example.com"}), calls(4, m{"from": office}),
		}, "WT1 WT2+WT4 WT3"},
		{"a shared phone, but another of one's own", profile.Options{SharedPhones: []string{office}}, []*fact.Fact{
			calls(1, m{"from": office, "phone": zoe}), calls(2, m{"from": office}), calls(3, m{"from": zoe}),
		}, "WT1+WT3 WT2"},
		{"two shared phones: the first", profile.Options{SharedPhones: []string{office, zoe}}, []*fact.Fact{
			calls(1, m{"from": office}), calls(2, m{"from": zoe}), calls(3, m{"from": zoe, "phone": office}),
		}, "WT1+WT3 WT2"},
		{"an email that was corrected links no more", profile.Options{}, []*fact.Fact{
			calls(1, m{"email": "typo@example.com"}), task(2, with(1, m{"email": "typo@example.com"})), task(2, with(2, m{"email": "z@example.com"})), calls(3, m{"email": "z@example.com"}),
		}, "WT1 WT2+WT3"},
		{"a phone that was replaced still links", profile.Options{}, []*fact.Fact{
			task(1, with(1, m{"phone": zoe})), task(1, with(2, m{"phone": yan})), calls(2, m{"from": zoe}), calls(3, m{"from": yan}),
		}, "WT1+WT2+WT3"},
		{"a phone that was replaced still is seen to be shared", profile.Options{}, []*fact.Fact{
			task(1, with(1, m{"email": "z@example.com", "phone": office})), task(1, with(2, m{"phone": zoe})),
			calls(2, m{"email": "y@example.com", "from": office}), calls(3, m{"from": office}),
		}, "WT1 WT2 WT3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.o.Region = "FR"
			equal(t, "customers", groups(&c.o, c.facts...), c.want)
		})
	}
	for _, kind := range []fact.Kind{fact.Worker, fact.Queue} {
		l := profile.LinksOf(story(kind, sid("WK", 1), with(0, m{"email": "z@example.com"})), &profile.Options{})
		equal(t, "links of a "+string(kind), l, profile.Links{})
	}
}

func TestSharedPhoneOfAProfile(t *testing.T) {
	t.Parallel()
	shared := map[string]bool{office: true}
	known := profile.Build([]*fact.Fact{task(1, channel("voice"), created(0), with(0, map[string]any{"from": office, "email": "z@example.com"}))}, shared, &profile.Options{})
	equal(t, "phone of who has an email", known.Phone, "")
	equal(t, "noted", known.Omissions, []record.Omission{{What: "phone", Value: record.Mask(office), Reason: "phone shared by several customers"}})
	equal(t, "not to be sent", known.SharedPhones, map[string]bool{office: true})
	board := profile.Build([]*fact.Fact{task(1, channel("voice"), created(0), with(0, map[string]any{"from": office}))}, shared, &profile.Options{})
	equal(t, "phone of the switchboard", board.Phone, office)
	equal(t, "noted of the switchboard", board.Omissions, []record.Omission(nil))
	equal(t, "may be sent", board.SharedPhones, map[string]bool{})
}

func TestResolvedCustomerIsTheNewest(t *testing.T) {
	t.Parallel()
	p := build(&profile.Options{Region: "FR"},
		task(1, created(0), with(5, map[string]any{"email": "new@example.com", "phone": zoe, "identity": "visitor-2", "name": "Zoe Martin", "tier": "gold"})),
		task(2, created(1), with(4, map[string]any{"email": "old@example.com", "phone": yan, "identity": "visitor-1", "name": "Z", "tier": "silver", "plan": "B"})),
		task(3, created(2), with(6, map[string]any{"email": "", "tier": "", "conversations": map[string]any{"outcome": "Sold"}})),
		task(4, survey(), created(3), with(9, map[string]any{"tier": "of a survey"})),
	)
	equal(t, "email", p.Email, "new@example.com")
	equal(t, "phone", p.Phone, zoe)
	equal(t, "identity", p.Identity, "visitor-2")
	equal(t, "name", p.FriendlyName, "Zoe Martin")
	equal(t, "tier", p.Attributes["tier"], "gold")
	equal(t, "plan", p.Attributes["plan"], "B")
	equal(t, "outcome", p.Attributes["conversations"], map[string]any{"outcome": "Sold"})
}

// TestFriendlyName follows design 3.2: what counts as no name.
func TestFriendlyName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Zoe Martin": "Zoe Martin", " Zoe ": "Zoe", "Z\x00oe": "Zoe", "Łukasz": "Łukasz", "R2-D2": "R2-D2",
		"+33612345678": "", "06 12 34 56 78": "", "12": "", "whatsapp:+33612345678": "", "zoe@example.com": "", "zoe_40example_2Ecom": "",
		sid("CH", 1): "", "Anonymous": "", "unknown": "", "N/A": "", "-": "", "visitor-1": "", "visitor-2": "",
		"8f14e45fceea167a5a36dedd4bea2543": "", "123e4567-e89b-12d3-a456-426614174000": "", "client:ana": "", " ": "",
	} {
		p := build(&profile.Options{Region: "FR"},
			task(1, created(0), with(0, map[string]any{"name": name, "identity": "visitor-1"})),
			task(2, created(1), with(-5, map[string]any{"identity": "visitor-2"})))
		equal(t, "name of "+name, p.FriendlyName, want)
	}
	for _, attributes := range []map[string]any{
		{"customerName": "Zoe", "customers": map[string]any{"name": "Yan"}}, {"name": zoe, "customerName": "Zoe"},
		{"customers": map[string]any{"name": "Zoe"}}, {"pre_engagement_data": map[string]any{"friendlyName": "Zoe"}},
	} {
		equal(t, "name", build(&profile.Options{}, task(1, with(0, attributes))).FriendlyName, "Zoe")
	}
}

func TestUndecodableAttributesAreNoted(t *testing.T) {
	t.Parallel()
	f := task(1, created(0), completed(10))
	f.Undecodable = true
	p := build(&profile.Options{}, f)
	equal(t, "omissions", p.Omissions, []record.Omission{{What: "attributes", Reason: "task attributes are not a JSON object"}})
	equal(t, "the rest counts", p.Metrics["total_tasks"], 1)
}

// TestNothingPanics gives anything in the places that are read, and fields that
// nobody expects.
func TestNothingPanics(t *testing.T) {
	names := []string{
		"email", "phone", "from", "caller", "outbound_to", "customerAddress", "customerName", "name", "identity", "direction",
		"channelType", "conversationSid", "flexInteractionSid", "call_sid", "csat", "pre_engagement_data", "conversations", "customers", "",
	}
	inner := []string{"email", "phone", "name", "friendlyName", "outcome", "kind", "virtual", "abandoned", "conversation_id", "direction", "conversation_measure_1"}
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Float64(), number), rapid.Map(rapid.Int(), func(i int) any { return i }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Just[any](strings.Repeat("9", 70000)), rapid.Just[any]("\x00:@+"), rapid.Just[any](`{"email":[1]}`),
	)
	anything := rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(scalar, 0, 3), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom(inner), scalar, 0, 5), func(m map[string]any) any { return m }))
	parts := rapid.OneOf(rapid.SampledFrom([]string{fact.Reservation, fact.Participant, fact.Transfer, "raw:", "raw:task.updated", "email:", "phone:", ""}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		o := options().Draw(t, "options")
		var deltas []*fact.Fact
		for range rapid.IntRange(1, 3).Draw(t, "facts") {
			kind := rapid.SampledFrom([]fact.Kind{fact.Task, fact.Conversation, fact.Survey}).Draw(t, "kind")
			f := &fact.Fact{Kind: kind, SID: rapid.SampledFrom([]string{sid("WT", 1), sid("CH", 1), "x", ""}).Draw(t, "sid")}
			at := after(rapid.Float64Range(-1e9, 1e9).Draw(t, "at"))
			f.SetAttributes(rapid.MapOfN(rapid.SampledFrom(names), anything, 0, 8).Draw(t, "attributes"), at)
			for name, v := range rapid.MapOfN(rapid.SampledFrom([]string{fact.Channel, fact.QueueName, fact.Score, fact.Scale, fact.TaskSID, "email"}), anything, 0, 3).Draw(t, "values") {
				f.SetValue(name, v, at)
			}
			part := parts.Draw(t, "part")
			f.SetPartTime(part, rapid.SampledFrom([]string{fact.Created, fact.Accepted, "?"}).Draw(t, "moment"), at)
			f.SetPartValue(part, fact.Address, anything.Draw(t, "address"), at)
			f.SetTime(rapid.SampledFrom([]string{fact.Completed, fact.Canceled, fact.Submitted, "?"}).Draw(t, "moment"), at)
			profile.Note(f, o)
			deltas = append(deltas, f)
		}
		for _, c := range atOnce(o, deltas...) {
			if _, err := json.Marshal([]any{c.profile.Metrics, c.profile.Attributes, c.profile.Omissions, scenes(c.moments)}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// number is a float as JSON would give it.
func number(f float64) any {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	v, err := fact.DecodeJSON(b)
	if err != nil {
		panic(err)
	}
	return v
}
