package oracle

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Compare tells how Brevo differs from what it must hold, one readable line for each difference; none means that
// they are equal. The addresses in the lines are those of a simulated world.
//
// A customer whose addresses were linked late may have left more than one contact: then one of them must have the
// profile, and the others are let be.
func Compare(want Expected, contacts []Contact, events []Event) []string {
	d := differences{want: want, contacts: contacts, taken: make([]bool, len(contacts))}
	for i := range want.Customers {
		d.customer(&want.Customers[i])
	}
	for i, c := range contacts {
		if !d.taken[i] {
			d.note("contact %s is one too many", who(c.Email, c.Phone))
		}
	}
	d.moments(events)
	return d.lines
}

// differences is one Compare on its way.
type differences struct {
	want     Expected
	contacts []Contact
	taken    []bool
	lines    []string
}

func (d *differences) note(format string, values ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, values...))
}

func who(email, phone string) string { return fmt.Sprintf("<%s %s>", email, phone) }

func (d *differences) customer(want *Customer) {
	var found []Contact
	for i, c := range d.contacts {
		if !d.taken[i] && same(want.Email, want.Phone, c.Email, c.Phone) {
			found = append(found, c)
			d.taken[i] = true
		}
	}
	switch {
	case len(found) == 0:
		d.note("contact %s is missing", who(want.Email, want.Phone))
	case want.Split:
		if !slices.ContainsFunc(found, func(c Contact) bool { return len(profileDifferences(want, &c)) == 0 }) {
			d.note("contact %s, linked late: none of %d contacts has the profile: %v", who(want.Email, want.Phone), len(found), profileDifferences(want, &found[0]))
		}
	case len(found) > 1:
		d.note("contact %s is there %d times", who(want.Email, want.Phone), len(found))
	default:
		d.contact(want, &found[0])
	}
}

func (d *differences) contact(want *Customer, got *Contact) {
	if want.Email != got.Email || want.Phone != got.Phone {
		d.note("contact %s has the addresses %s", who(want.Email, want.Phone), who(got.Email, got.Phone))
	}
	for _, line := range profileDifferences(want, got) {
		d.note("contact %s: %s", who(want.Email, want.Phone), line)
	}
}

// profileDifferences compares all of a contact but its addresses.
func profileDifferences(want *Customer, got *Contact) (lines []string) {
	names := slices.Collect(maps.Keys(want.Attributes))
	for name := range got.Attributes {
		if _, ok := want.Attributes[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains(want.Open, name) {
			if text, ok := got.Attributes[name].(string); ok && !isClean(text) {
				lines = append(lines, fmt.Sprintf("%s is no clean text: %q", name, text))
			}
			continue
		}
		if !equal(want.Attributes[name], got.Attributes[name]) {
			lines = append(lines, fmt.Sprintf("%s is %v, want %v", name, got.Attributes[name], want.Attributes[name]))
		}
	}
	if !slices.Equal(want.Lists, got.Lists) {
		lines = append(lines, fmt.Sprintf("is on the lists %q, want %q", got.Lists, want.Lists))
	}
	return lines
}

// equal compares two attribute values; numbers to the hundredth, since no rounding is laid down.
func equal(want, got any) bool {
	w, isNumber := want.(float64)
	g, alike := got.(float64)
	if isNumber && alike {
		return math.Abs(w-g) <= 0.01
	}
	return want == got
}

func (d *differences) moments(events []Event) {
	byID := map[string][]Event{}
	for _, e := range events {
		byID[e.ID] = append(byID[e.ID], e)
	}
	var missing []*Moment
	for i := range d.want.Moments {
		if m := &d.want.Moments[i]; !d.takes(m, byID, m.ID) {
			missing = append(missing, m)
		}
	}
	for _, m := range missing {
		if m.ID == "" && d.takes(m, byID, unnamed(m, byID)) {
			continue
		}
		if !slices.ContainsFunc(m.Also, func(id string) bool { return d.takes(m, byID, id) }) {
			d.note("event %s %s is missing", m.Name, m.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		for _, e := range byID[id] {
			d.note("event %s %q is one too many", e.Name, id)
		}
	}
}

// takes tells whether an event with an identity is left, and takes it for the moment.
func (d *differences) takes(m *Moment, byID map[string][]Event, id string) bool {
	left := byID[id]
	if len(left) == 0 {
		return false
	}
	d.moment(m, &left[0])
	byID[id] = left[1:]
	return true
}

func (d *differences) moment(want *Moment, got *Event) {
	if want.Name != got.Name {
		d.note("event %s is called %s, want %s", want.ID, got.Name, want.Name)
	}
	if off := got.At.Sub(want.At).Abs(); off > want.Within {
		d.note("event %s %s is dated %s, want %s", want.Name, want.ID, got.At.UTC().Format(time.RFC3339Nano), want.At.UTC().Format(time.RFC3339Nano))
	}
	if !same(want.Email, want.Phone, got.Email, got.Phone) {
		d.note("event %s belongs to %s, want %s", want.ID, who(got.Email, got.Phone), who(want.Email, want.Phone))
	}
}
