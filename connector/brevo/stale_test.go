package brevo_test

import (
	"testing"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// What was empty when it was read is filled in without a reading, and with one
// where it may have been filled since.
func TestStaleKnowledgeIsReadAgain(t *testing.T) {
	t.Parallel()
	note := record.Attribute{Name: "NOTE", Value: "from Flex", Type: "text", Overwrite: record.Never}
	for stale, want := range map[bool]string{false: "from Flex", true: "by hand"} {
		w := newWorld(t, brevosim.Options{})
		id := w.add(brevosim.Contact{Email: "zoe@example.com"})
		held := record.Held{ID: id, Identifiers: map[string]string{"email": "zoe@example.com", "SMS": ""}, Attributes: map[string]any{"NOTE": nil}}
		if err := w.sim.EditContact(id, map[string]any{"NOTE": "by hand"}); err != nil {
			t.Fatal(err)
		}
		c := zoe(number(1), note)
		expect(t, w.Deliver(t.Context(), record.Change{Contact: &c, Held: held, Stale: stale}), "")
		if got := w.only(); got.Attributes["NOTE"] != want || got.Attributes["TICKETS"] != 1.0 {
			t.Errorf("stale %t: contact %+v", stale, got)
		}
	}
}
