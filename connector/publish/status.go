package publish

import (
	"context"
	"encoding/json"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// statusEvery is how often the status document may change.
const statusEvery = time.Minute

// Standing is what the status document says of a connector. It names nobody.
type Standing struct {
	V             int    `json:"v"` // 1
	Connector     string `json:"connector"`
	Customers     int    `json:"customers"`
	Linked        int    `json:"customers_linked"`
	Conversations int    `json:"conversations"`
	// Records and Deliveries are counted by state.
	Records    map[store.RecordState]int   `json:"records"`
	Deliveries map[store.DeliveryState]int `json:"deliveries"`
	// ReadThrough is how far the streams were read, by stream.
	ReadThrough map[string]time.Time `json:"read_through"`
	// Published counts customers on the agents' screens, by state.
	Published map[store.PublishedState]int `json:"published"`
}

// standing is what a shift knows of the status document.
type standing struct {
	next     time.Time
	data     []byte
	revision string
}

// tellStatus writes the status document where it says something else than before, once a
// minute at most.
func (s *shift) tellStatus(ctx context.Context) error {
	now := s.clock()
	if s.cfg.Status == "" || now.Before(s.status.next) {
		return nil
	}
	said, err := s.standing(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(said)
	if err != nil {
		return err
	}
	at := twilio.SyncPlace{Service: s.cfg.Service, Key: s.cfg.Status}
	if s.status.data == nil { // whatever an earlier holder of the role left
		stands, err := s.sync.FetchSyncValue(ctx, at)
		if err != nil && failure.ReasonOf(err) != failure.Gone {
			return err
		}
		s.status.data, s.status.revision = stands.Data, stands.Revision
	}
	if !same(data, s.status.data) {
		v, err := s.put(ctx, at, data, s.status.revision)
		if err != nil {
			return err
		}
		s.status.data, s.status.revision = data, v.Revision
	}
	s.status.next = now.Add(statusEvery)
	return nil
}

// standing counts what the connector holds.
func (s *shift) standing(ctx context.Context) (*Standing, error) {
	sum, err := s.store.LoadSummary(ctx, s.connector, s.clock())
	if err != nil {
		return nil, err
	}
	out := &Standing{
		V: 1, Connector: s.connector, Customers: sum.Customers, Linked: sum.Linked, Conversations: sum.Conversations, Records: sum.Records,
		Deliveries: map[store.DeliveryState]int{}, ReadThrough: map[string]time.Time{}, Published: map[store.PublishedState]int{},
	}
	for _, states := range sum.Deliveries {
		for state, n := range states {
			out.Deliveries[state] += n
		}
	}
	for stream, cp := range sum.Checkpoints {
		if !cp.Through.IsZero() {
			out.ReadThrough[stream] = cp.Through
		}
	}
	counts, err := s.store.CountPublished(ctx, s.connector)
	for _, c := range counts {
		out.Published[c.State] += c.Count
	}
	return out, err
}
