package fact_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flexbrevo/connector/fact"
)

// values draws what JSON can hold, from few enough that facts often disagree.
func values() *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.SampledFrom([]string{"", " ", "a", "b", "5", "é", "<b>", "\uFFFD", "\x00"}), func(s string) any { return s }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.SampledFrom([]string{
			"0", "-0", "5", "5.0", "5.5", "1e16", "1e17", "9007199254740993", "12345678901234567",
			"9223372036854775807", "9223372036854775808", "1e300", "1e999",
		}), decoded),
	)
	return rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(scalar, 0, 2), func(list []any) any { return list }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"x", "y"}), scalar, 0, 2), func(m map[string]any) any { return m }),
	)
}

func decoded(text string) any {
	v, err := fact.DecodeJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	return v
}

// facts draws what one record may tell about the same task.
func facts() *rapid.Generator[*fact.Fact] {
	return rapid.Custom(func(t *rapid.T) *fact.Fact {
		f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
		for range rapid.IntRange(0, 4).Draw(t, "things") {
			at := time.UnixMilli(rapid.Int64Range(1, 3).Draw(t, "at"))
			v := values().Draw(t, "value")
			part := rapid.SampledFrom([]string{fact.Reservation + "WR1", fact.Participant + "MB1"}).Draw(t, "part")
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				f.SetTime(rapid.SampledFrom([]string{fact.Created, fact.Completed}).Draw(t, "time"), at)
			case 1:
				f.SetValue(rapid.SampledFrom([]string{fact.QueueName, fact.State}).Draw(t, "name"), v, at)
			case 2:
				f.SetPartTime(part, fact.Accepted, at)
			case 3:
				f.SetPartValue(part, fact.WorkerName, v, at)
			case 4:
				f.SetPart(part, fact.Part{})
			case 5:
				key := rapid.SampledFrom([]string{"tier", "conversations", "customers"}).Draw(t, "key")
				f.SetAttributes(map[string]any{key: v}, at)
			case 6:
				f.Undecodable = true
			}
		}
		return f
	})
}

// merged joins facts in the given order, leaving them as they are.
func merged(facts ...*fact.Fact) *fact.Fact {
	f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	for _, other := range facts {
		f.Merge(other)
	}
	return f
}

func same(t *rapid.T, what string, a, b any) {
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%s:\n%s\n%s", what, text(t, a), text(t, b))
	}
}

func text(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := facts().Draw(t, "a"), facts().Draw(t, "b"), facts().Draw(t, "c")
		same(t, "commutative", merged(a, b), merged(b, a))
		same(t, "associative", merged(a, merged(b, c)), merged(merged(a, b), c))
		same(t, "idempotent", merged(a, a), merged(a))
		same(t, "newest attributes of one", fact.Newest(merged(a, b)), fact.Newest(merged(b, a)))
		same(t, "newest attributes of several", fact.Newest(a, b, c), fact.Newest(c, a, b))
	})
}

func TestMergeReportsChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := facts().Draw(t, "a"), facts().Draw(t, "b")
		before := merged(a)
		after := merged(a)
		changed := after.Merge(b)
		if unchanged := reflect.DeepEqual(before, after); changed == unchanged {
			t.Fatalf("Merge said %v; before %s, after %s", changed, text(t, before), text(t, after))
		}
		if after.Merge(b) {
			t.Fatalf("a second Merge of the same changed something")
		}
	})
}

func TestMergeLeavesTheOtherAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := facts().Draw(t, "a"), facts().Draw(t, "b"), facts().Draw(t, "c")
		before := text(t, b)
		merged(b, a, c)
		merged(a, b, c)
		if after := text(t, b); after != before {
			t.Fatalf("merging changed its argument: %s became %s", before, after)
		}
	})
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := merged(facts().Draw(t, "a"), facts().Draw(t, "b"))
		var back fact.Fact
		if err := json.Unmarshal([]byte(text(t, f)), &back); err != nil {
			t.Fatal(err)
		}
		back.Kind, back.SID = f.Kind, f.SID
		same(t, "round trip", f, &back)
	})
}

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		json string
		want any
	}{
		{`17`, 17},
		{`5.0`, 5},
		{`-0`, 0},
		{`12345678901234567`, 12345678901234567},
		{`1e17`, 100000000000000000},
		{`2.5`, 2.5},
		{`1e19`, 1e19},
		{`1e999`, "1e999"},
		{`"a\u0000b"`, "a\x00b"},
		{`"\ud800"`, "\uFFFD"},
		{"\"\xff\"", "\uFFFD"},
		{`{"a":[1,null,{"b":1.0}]}`, map[string]any{"a": []any{1, nil, map[string]any{"b": 1}}}},
		{` null `, nil},
	} {
		got, err := fact.DecodeJSON([]byte(c.json))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("DecodeJSON(%s) = %#v, %v; want %#v", c.json, got, err, c.want)
		}
	}
	for _, bad := range []string{``, `{`, `1 2`, `{"a":1}]`, strings.Repeat("[", 20000)} {
		if v, err := fact.DecodeJSON([]byte(bad)); err == nil {
			t.Errorf("DecodeJSON(%.20q) = %#v, want an error", bad, v)
		}
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    any
		want bool
	}{
		{nil, true}, {"", true}, {" \t\n", true}, {map[string]any{}, true}, {[]any{}, true},
		{0, false}, {0.0, false}, {false, false}, {"x", false}, {[]any{nil}, false},
	} {
		if got := fact.Empty(c.v); got != c.want {
			t.Errorf("Empty(%#v) = %v", c.v, got)
		}
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestTimes(t *testing.T) {
	t.Parallel()
	var f fact.Fact
	if !f.Time(fact.Created).IsZero() {
		t.Error("an unknown moment is not zero")
	}
	f.SetTime(fact.Created, noon)
	f.SetTime(fact.Created, noon.Add(-time.Millisecond))
	f.SetTime(fact.Created, noon.Add(time.Hour))
	f.SetTime(fact.Created, time.Time{})
	if got, want := f.Time(fact.Created), noon.Add(-time.Millisecond); !got.Equal(want) {
		t.Errorf("created = %v, want the earliest that is known, %v", got, want)
	}
	f.SetPartTime(fact.Reservation+"WR1", fact.Accepted, time.Time{})
	if got := f.Parts[fact.Reservation+"WR1"].Time(fact.Accepted); !got.IsZero() {
		t.Errorf("a missing time became the moment %v", got)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	var f fact.Fact
	f.SetValue(fact.QueueName, "Sales", noon)
	f.SetValue(fact.QueueName, "Support", noon.Add(time.Second))
	f.SetValue(fact.QueueName, "  ", noon.Add(time.Minute))
	f.SetValue(fact.QueueName, "Billing", noon.Add(-time.Second))
	if got := f.Text(fact.QueueName); got != "Support" {
		t.Errorf("queue = %q, want the newest that is not empty", got)
	}
	f.SetValue(fact.Priority, 3, noon)
	if got := f.Text(fact.Priority); got != "" {
		t.Errorf("a number read as text gave %q", got)
	}
}

func TestNewestByKeyAndNestedKey(t *testing.T) {
	t.Parallel()
	older, newer := &fact.Fact{SID: "WT1"}, &fact.Fact{SID: "WT2"}
	older.SetAttributes(map[string]any{
		"tier": "gold", "phone": "+33612345678",
		"conversations":         map[string]any{"outcome": "Refund", "case": "4711"},
		"conversations.outcome": "a key with a dot",
		"customers":             "not an object",
		"address":               map[string]any{"city": "Lyon", "zip": "69001"},
	}, noon)
	newer.SetAttributes(map[string]any{
		"tier": "", "phone": nil,
		"conversations": map[string]any{"outcome": " ", "case": "4712"},
		"customers":     map[string]any{"name": "Zoe"},
		"address":       map[string]any{"city": "Paris"},
	}, noon.Add(time.Hour))
	want := map[string]any{
		"tier": "gold", "phone": "+33612345678",
		"conversations":         map[string]any{"outcome": "Refund", "case": "4712"},
		"conversations.outcome": "a key with a dot",
		"customers":             map[string]any{"name": "Zoe"},
		"address":               map[string]any{"city": "Paris"},
	}
	for _, got := range []map[string]any{fact.Newest(older, newer), fact.Newest(newer, older), fact.Newest(merged(newer, older))} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("newest = %#v\nwant %#v", got, want)
		}
	}
	if got := fact.Newest(); len(got) != 0 {
		t.Errorf("newest of nothing = %v", got)
	}
}

func BenchmarkMergeOneEvent(b *testing.B) {
	stored := benchFact("Sales", noon)
	event := benchFact("Support", noon.Add(time.Second))
	b.ReportAllocs()
	for b.Loop() {
		f := fact.Fact{Kind: fact.Task, SID: "WT1"}
		f.Merge(stored)
		f.Merge(event)
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	body, err := json.Marshal(benchFact("Sales", noon))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var f fact.Fact
		if err := json.Unmarshal(body, &f); err != nil {
			b.Fatal(err)
		}
	}
}

func benchFact(queue string, at time.Time) *fact.Fact {
	f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	f.SetTime(fact.Created, at)
	f.SetTime(fact.Queued, at)
	f.SetValue(fact.QueueName, queue, at)
	f.SetValue(fact.Channel, "sms", at)
	f.SetPartTime(fact.Reservation+"WR1", fact.Accepted, at)
	f.SetPartValue(fact.Reservation+"WR1", fact.WorkerName, "ana", at)
	f.SetAttributes(map[string]any{
		"channelType": "sms", "customerAddress": "+33612345678", "customerName": "Zoe A", "direction": "inbound",
		"conversationSid": "CH00000000000000000000000000000001", "email": "zoe@example.com", "tier": 3,
		"conversations": map[string]any{"outcome": "Refund", "conversation_measure_1": 4},
	}, at)
	return f
}
