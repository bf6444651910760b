package brevosim

import "slices"

// Contacts returns all contacts by ascending id, visible or not.
func (s *Server) Contacts() []Contact { return s.contactSnapshots(0, 0) }

// contactSnapshots copies the contacts of a page; limit 0 means all.
func (s *Server) contactSnapshots(offset, limit int) []Contact {
	a, _ := s.enter()
	defer s.mu.Unlock()
	ids := make([]int64, 0, len(a.contacts))
	for id := range a.contacts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if limit == 0 {
		limit = len(ids)
	}
	from, to := page{limit: limit, offset: offset}.span(len(ids))
	out := make([]Contact, 0, to-from)
	for _, id := range ids[from:to] {
		out = append(out, a.contacts[id].snapshot())
	}
	return out
}

// Contact returns one contact.
func (s *Server) Contact(id int64) (Contact, bool) {
	a, _ := s.enter()
	defer s.mu.Unlock()
	c := a.contacts[id]
	if c == nil {
		return Contact{}, false
	}
	return c.snapshot(), true
}

// Events returns all events in the order of their arrival, visible or not, those of deleted contacts included.
func (s *Server) Events() []Event { return s.eventSnapshots(0, 0) }

func (s *Server) eventSnapshots(offset, limit int) []Event {
	a, _ := s.enter()
	defer s.mu.Unlock()
	if limit == 0 {
		limit = a.events.count
	}
	return a.events.snapshots(offset, limit)
}

// Attributes returns the definitions of all attributes.
func (s *Server) Attributes() []Attribute {
	a, _ := s.enter()
	defer s.mu.Unlock()
	return slices.Clone(a.attributes)
}

// Lists returns all lists by ascending id.
func (s *Server) Lists() []List {
	a, _ := s.enter()
	defer s.mu.Unlock()
	out := make([]List, 0, len(a.lists))
	for _, l := range a.lists {
		out = append(out, List{ID: l.id, FolderID: l.folder, Name: l.name, Members: len(l.members)})
	}
	slices.SortFunc(out, func(a, b List) int { return int(a.ID - b.ID) })
	return out
}

// Calls returns how often each endpoint answered with each status.
func (s *Server) Calls() map[Call]int { return s.calls.snapshot() }

// CallsTo counts the calls to one endpoint, named as in "POST /contacts", whatever the answer was.
func (s *Server) CallsTo(name string) int {
	total := 0
	for call, n := range s.calls.snapshot() {
		if call.Method+" "+call.Path == name {
			total += n
		}
	}
	return total
}

// ResetCalls forgets the calls counted so far.
func (s *Server) ResetCalls() { s.calls.reset() }

// Violations returns what the caller did and must not do, in order, without contact data.
func (s *Server) Violations() []string {
	a, _ := s.enter()
	defer s.mu.Unlock()
	return slices.Clone(a.violations)
}

// ResetViolations forgets the violations noted so far.
func (s *Server) ResetViolations() {
	a, _ := s.enter()
	defer s.mu.Unlock()
	a.violations = nil
}

// Summary returns the account in numbers.
func (s *Server) Summary() Summary {
	calls, limited, faults := s.calls.totals()
	a, _ := s.enter()
	defer s.mu.Unlock()
	return Summary{
		Contacts: len(a.contacts), Events: a.events.count, EventsIgnored: s.ignored, Attributes: len(a.attributes),
		Lists: len(a.lists), Calls: calls, RateLimited: limited, FaultsFired: faults, Merges: a.merges,
		Violations: len(a.violations),
	}
}

// ImportsDone reports whether every process has ended by the server's clock.
func (s *Server) ImportsDone() bool {
	a, _ := s.enter()
	defer s.mu.Unlock()
	return a.applied == len(a.processes)
}
