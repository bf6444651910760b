package connector

import (
	"context"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/part"
	"flexbrevo/connector/store"
)

// Status is what status shows: the five figures of the original page, summed,
// and then each connector's own.
type Status struct {
	Figures
	Version    string            `json:"version,omitempty"`
	Running    bool              `json:"running"` // a daemon answered
	Connectors []ConnectorStatus `json:"connectors"`
}

// Figures are the five figures that the original page promised.
type Figures struct {
	Connected            bool       `json:"connected"`
	LastSync             *time.Time `json:"lastSync"`
	ConversationsTracked int        `json:"conversationsTracked"`
	CustomersLinked      int        `json:"customersLinked"`
	AgentsMonitored      int        `json:"agentsMonitored"`
}

// ConnectorStatus is one connector's state.
type ConnectorStatus struct {
	Name string `json:"name"`
	Figures
	Streams     map[string]StreamStatus                            `json:"streams"`
	Records     map[store.RecordState]int                          `json:"records"`
	Outbox      map[store.DeliveryKind]map[store.DeliveryState]int `json:"outbox"`
	OldestOwed  *time.Time                                         `json:"oldestOwed"`
	Budgets     []brevo.Budget                                     `json:"budgets"`
	Omissions   []store.OmissionCount                              `json:"omissions"`
	DeadLetters int                                                `json:"deadLetters"`
	// EventBatches says in which budget Brevo counts batches of events: events, other,
	// or empty while none was sent.
	EventBatches string `json:"eventBatches,omitempty"`
	// Backlog is of the account, all connectors that write to it together.
	Backlog Backlog `json:"backlog"`
	// Webhooks are those who posted, by sender; PluginPosts what of the plugin's posts
	// nothing confirmed, as the running service knows it.
	Webhooks    map[string]SenderStatus `json:"webhooks"`
	PluginPosts PluginPosts             `json:"pluginPosts"`
	// Gaps are spans of TaskRouter events that can no longer be read; Backfill is the
	// one that is not done, nil for none.
	Gaps     []Gap           `json:"gaps"`
	Backfill *BackfillStatus `json:"backfill,omitempty"`
	// QueueNumbers are Twilio's own of each queue, AgentsCheck its worker statistics
	// beside ours; nil where they are not read.
	QueueNumbers []QueueNumbers `json:"queueNumbers,omitempty"`
	AgentsCheck  *AgentsCheck   `json:"agentsCheck,omitempty"`
	// Parts are those that the configuration asks for, as the running service knows them.
	Parts []part.State `json:"parts,omitempty"`
	// Problems say, for the operator, what is wrong now and what to do.
	Problems []string `json:"problems"`
}

// StreamStatus is how far a stream was read.
type StreamStatus struct {
	// Through is how far it was read completely, by Twilio's clock.
	Through *time.Time `json:"through"`
	SavedAt *time.Time `json:"savedAt"`
	// LagSeconds is how far Through is behind, 0 when unknown.
	LagSeconds int    `json:"lagSeconds"`
	Problem    string `json:"problem,omitempty"`
}

// Status reads the state of a running service.
func (s *Service) Status(ctx context.Context) (*Status, error) {
	st := &Status{Version: s.o.Version, Running: true}
	for _, f := range s.flows {
		c, err := readConnector(ctx, s.o.Store, f.cfg.Name, s.o.Clock())
		if err != nil {
			return nil, err
		}
		f.live(c, s.o.Clock())
		if err := f.liveParts(ctx, c); err != nil {
			return nil, err
		}
		st.Connectors = append(st.Connectors, *c)
	}
	s.forecast(st)
	st.sum()
	return st, nil
}

// ReadStatus reads what the store knows, without a running service. A connector
// counts as connected when its last sync ended well.
func ReadStatus(ctx context.Context, c *config.Config, s store.Store, only string, now time.Time) (*Status, error) {
	runs, err := s.LoadRuns(ctx, 20)
	if err != nil {
		return nil, err
	}
	st := &Status{}
	for _, connector := range c.Connectors {
		if !connector.Enabled || (only != "" && only != connector.Name) {
			continue
		}
		cs, err := readConnector(ctx, s, connector.Name, now)
		if err != nil {
			return nil, err
		}
		if run, ok := lastSync(runs, connector.Name); ok {
			cs.Connected = run.State == store.RunDone
			if run.Error != "" {
				cs.Problems = append(cs.Problems, "last sync: "+run.Error)
			}
		}
		st.Connectors = append(st.Connectors, *cs)
	}
	st.sum()
	return st, nil
}

func lastSync(runs []store.Run, connector string) (store.Run, bool) {
	for _, r := range runs { // newest first
		if r.Kind == runSync && (r.Connector == "" || r.Connector == connector) && !r.EndedAt.IsZero() {
			return r, true
		}
	}
	return store.Run{}, false
}

func readConnector(ctx context.Context, s store.Store, name string, now time.Time) (*ConnectorStatus, error) {
	sum, err := s.LoadSummary(ctx, name, now)
	if err != nil {
		return nil, err
	}
	c := &ConnectorStatus{
		Name: name, Records: sum.Records, Outbox: sum.Deliveries, Omissions: sum.Omissions,
		OldestOwed: timeOrNil(sum.OldestPending), Streams: map[string]StreamStatus{},
	}
	c.ConversationsTracked = sum.Conversations
	c.CustomersLinked = sum.Linked
	c.AgentsMonitored = sum.Facts[fact.Worker]
	for _, states := range sum.Deliveries {
		c.DeadLetters += states[store.Dead]
	}
	c.DeadLetters += sum.Records[store.Failed]
	for stream, cp := range sum.Checkpoints {
		if strings.HasPrefix(stream, backfillStream("")) {
			continue // shown as Backfill
		}
		if strings.HasPrefix(stream, part.StreamPrefix) {
			continue // shown by the part
		}
		ss := StreamStatus{Through: timeOrNil(cp.Through), SavedAt: timeOrNil(cp.At)}
		if !cp.Through.IsZero() {
			ss.LagSeconds = max(0, int(now.Sub(cp.Through).Seconds()))
		}
		c.Streams[stream] = ss
		if c.LastSync == nil || cp.At.After(*c.LastSync) {
			c.LastSync = timeOrNil(cp.At)
		}
	}
	if err := readPast(ctx, s, c, sum); err != nil {
		return nil, err
	}
	if err := readStatistics(ctx, s, c, now); err != nil {
		return nil, err
	}
	if err := readHorizon(ctx, s, c); err != nil {
		return nil, err
	}
	return c, readSenders(ctx, s, c, now)
}

// live adds what only the running service knows.
func (f *flow) live(c *ConnectorStatus, now time.Time) {
	c.Connected = true
	f.livePosts(c)
	for stream, p := range f.pulls {
		p.mu.Lock()
		err, okAt := p.err, p.okAt
		p.mu.Unlock()
		ss := c.Streams[stream]
		if err != nil {
			ss.Problem = err.Error()
			c.Problems = append(c.Problems, "pull "+stream+": "+err.Error())
		}
		if err != nil || okAt.IsZero() {
			c.Connected = false
		}
		c.Streams[stream] = ss
	}
	if err := f.account.preparation(); err != nil {
		c.Connected = false
		c.Problems = append(c.Problems, err.Error())
	}
	if since, remedy := f.account.deliver.Circuit(); !since.IsZero() {
		c.Connected = false
		c.Problems = append(c.Problems, "Brevo refuses us since "+since.UTC().Format(time.RFC3339)+": "+remedy)
	}
	if skew := f.source.Health().Skew; skew > 30*time.Second || skew < -30*time.Second {
		c.Problems = append(c.Problems, "this machine's clock differs from Twilio's by "+skew.Round(time.Second).String())
	}
	c.Budgets = f.account.destination.Budgets()
	c.EventBatches = f.account.destination.BatchPrice()
}

func (st *Status) sum() {
	st.Connected = len(st.Connectors) > 0
	for _, c := range st.Connectors {
		st.Connected = st.Connected && c.Connected
		st.ConversationsTracked += c.ConversationsTracked
		st.CustomersLinked += c.CustomersLinked
		st.AgentsMonitored += c.AgentsMonitored
		if c.LastSync != nil && (st.LastSync == nil || c.LastSync.After(*st.LastSync)) {
			st.LastSync = c.LastSync
		}
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
