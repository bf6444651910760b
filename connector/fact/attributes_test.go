package fact_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flexbrevo/connector/fact"
)

// someAttributes are few, so that facts often have the same; of some, one holds all of
// another.
func someAttributes() []map[string]any {
	return []map[string]any{
		nil,
		{"tier": "gold"},
		{"tier": "gold", "conversations": map[string]any{"outcome": "sold"}},
		{"tier": []any{1, "x"}, "conversations": map[string]any{"outcome": "lost", "blank": " "}, "none": nil},
		{"conversations": "text", "customers": map[string]any{"email": "z@example.com"}},
		{"conversations\x00outcome": "said", "conversations": map[string]any{"outcome": "sold"}},
		{"conversations\x00outcome": "said", "conversations": "text"},
	}
}

// TestSharedAttributesAreAttributes: facts that share attributes made ready, are merged in
// whatever order, and are asked in between, tell what facts tell that have maps of their
// own and were never asked.
func TestSharedAttributesAreAttributes(t *testing.T) {
	t.Parallel()
	var ready []*fact.Attributes
	for _, decoded := range someAttributes() {
		ready = append(ready, fact.ReadAttributes(decoded))
	}
	rapid.Check(t, func(t *rapid.T) {
		var shared, own [3]*fact.Fact
		for i := range shared {
			shared[i], own[i] = &fact.Fact{Kind: fact.Task, SID: "WT1"}, &fact.Fact{Kind: fact.Task, SID: "WT1"}
		}
		one := func(name string) int { return rapid.IntRange(0, len(shared)-1).Draw(t, name) }
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			i, at := one("fact"), time.UnixMilli(rapid.Int64Range(1, 4).Draw(t, "at"))
			n := rapid.IntRange(0, len(ready)-1).Draw(t, "attributes")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				shared[i].AddAttributes(ready[n], at)
				own[i].SetAttributes(someAttributes()[n], at)
			case 2:
				shared[i].SetAttributes(someAttributes()[n], at)
				own[i].SetAttributes(someAttributes()[n], at)
			case 3:
				j := one("other")
				shared[i].Merge(shared[j])
				own[i].Merge(own[j])
			case 4:
				fact.Newest(shared[i])
			}
		}
		for i := range shared {
			same(t, "the fact", text(t, shared[i]), text(t, own[i]))
			same(t, "its newest", fact.Newest(shared[i]), fact.Newest(own[i]))
			same(t, "its newest as it is loaded", fact.Newest(shared[i]), fact.Newest(loaded(t, own[i])))
			for j := range shared {
				if only := shared[i].Only(); only != nil && only == shared[j].Only() {
					same(t, "the newest of facts with the same attributes", fact.Newest(loaded(t, own[i])), fact.Newest(loaded(t, own[j])))
				}
			}
		}
		same(t, "the newest of all", fact.Newest(shared[:]...), fact.Newest(own[:]...))
		for n, decoded := range someAttributes() {
			same(t, "what is shared", fact.Newest(with(ready[n])), fact.Newest(with(fact.ReadAttributes(decoded))))
		}
	})
}

// TestReadAttributesAreNotCopied: what was decoded is what a fact tells, but for what is
// empty.
func TestReadAttributesAreNotCopied(t *testing.T) {
	t.Parallel()
	decoded := map[string]any{
		"tier": "gold", "city": " ", "none": nil, "customers": map[string]any{"email": ""},
		"conversations": map[string]any{"outcome": "sold", "blank": ""}, "address": map[string]any{"zip": ""},
	}
	newest := fact.Newest(with(fact.ReadAttributes(decoded)))
	want := map[string]any{"tier": "gold", "conversations": map[string]any{"outcome": "sold"}, "address": map[string]any{"zip": ""}}
	if !reflect.DeepEqual(newest, want) || reflect.ValueOf(newest).Pointer() != reflect.ValueOf(decoded).Pointer() {
		t.Errorf("newest is %v, want %v, not copied", newest, want)
	}
}

// TestTheSameAttributesAreKnownAgain: most records about a task repeat its attributes, and
// nothing is made anew for them.
func TestTheSameAttributesAreKnownAgain(t *testing.T) {
	t.Parallel()
	a := fact.ReadAttributes(map[string]any{"tier": "gold", "conversations": map[string]any{"outcome": "sold"}})
	b := fact.ReadAttributes(map[string]any{"tier": "gold"})
	f := with(a)
	for _, c := range []struct {
		name  string
		other *fact.Fact
		want  *fact.Attributes
	}{
		{"the same", with(a), a},
		{"fewer", with(b), nil},
		{"all anew, and later", later(with(a)), a},
	} {
		if f.Merge(c.other); f.Only() != c.want {
			t.Errorf("after %s: only %p, want %p", c.name, f.Only(), c.want)
		}
	}
}

func with(a *fact.Attributes) *fact.Fact {
	f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	f.AddAttributes(a, time.UnixMilli(1))
	return f
}

// later is a fact of which all attributes are told again.
func later(f *fact.Fact) *fact.Fact {
	f.AddAttributes(f.Only(), time.UnixMilli(2))
	return f
}

// loaded is a fact as the store gives it back.
func loaded(t *rapid.T, f *fact.Fact) *fact.Fact {
	back := &fact.Fact{Kind: f.Kind, SID: f.SID}
	if err := back.Parse(text(t, f)); err != nil {
		t.Fatal(err)
	}
	return back
}
