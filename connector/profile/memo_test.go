package profile_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

func TestMemoChangesNothing(t *testing.T) {
	memo := &profile.Memo{}
	for round := range 2 { // the second is answered from memory
		for n := range 5000 { // more than it remembers
			for _, text := range [...]string{fmt.Sprintf("+336%08d", n), fmt.Sprintf("06 %08d", n), "junk", "anonymous", ""} {
				f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
				f.SetAttributes(map[string]any{"phone": text}, time.UnixMilli(1))
				for _, region := range [...]string{"FR", "US"} {
					want := profile.Identifiers(f, &profile.Options{Region: region})
					if got := profile.Identifiers(f, &profile.Options{Region: region, Memo: memo}); !reflect.DeepEqual(got, want) {
						t.Fatalf("round %d: %q in %s gives %v, without memory %v", round, text, region, got, want)
					}
				}
			}
			if round == 1 && n > 50 {
				break
			}
		}
	}
}

// TestNoteFromMemory: whom the attributes of a task name is remembered with all that it
// depends on.
func TestNoteFromMemory(t *testing.T) {
	t.Parallel()
	attributes := []*fact.Attributes{
		fact.ReadAttributes(map[string]any{"from": "0612345678", "email": "z@example.com"}),
		fact.ReadAttributes(map[string]any{"customerAddress": "whatsapp:+33612345679"}),
		fact.ReadAttributes(map[string]any{"from": "Zoë"}),
		fact.ReadAttributes(nil),
	}
	memo := &profile.Memo{}
	options := []*profile.Options{{Region: "FR", Memo: memo}, {Region: "US", Memo: memo}, {Region: "FR", Memo: memo, PhoneFrom: []func(map[string]any) string{
		func(map[string]any) string { return "+33612345670" },
	}}}
	for round := range 2 {
		for i, o := range options {
			bare := *o
			bare.Memo = nil
			for j, a := range attributes {
				for _, kind := range []fact.Kind{fact.Task, fact.Conversation, fact.Customer, fact.Worker} {
					for _, name := range []string{fact.Channel, fact.ChannelType, fact.InteractionChannel} {
						for _, channel := range []string{"voice", "chat", ""} {
							notes := func(o *profile.Options) *fact.Fact {
								f := &fact.Fact{Kind: kind, SID: "WT1"}
								f.AddAttributes(a, time.UnixMilli(1))
								f.SetValue(name, channel, time.UnixMilli(1))
								profile.Note(f, o)
								return f
							}
							if got, want := notes(o), notes(&bare); !reflect.DeepEqual(got, want) {
								t.Fatalf("round %d: %s with options %d, attributes %d, %s %q: %v, want %v", round, kind, i, j, name, channel, got.Parts, want.Parts)
							}
						}
					}
				}
			}
		}
	}
}
