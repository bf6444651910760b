package brevosim

import "fmt"

// DropEvent makes the events with a source_event_id vanish, as if they had never come, and returns
// ErrUnknown where there is none.
func (s *Server) DropEvent(sourceEventID string) error {
	var found []uint32
	for n, e := range s.Events() {
		if e.Property("source_event_id") == sourceEventID && !e.Gone {
			found = append(found, uint32(n))
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("drop event: %w", ErrUnknown)
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	a.events.forget(found)
	return nil
}
