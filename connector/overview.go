package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"flexbrevo/connector/console"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// How much of what there may be very much of the console shows.
const (
	shownDead = 100
	shownRuns = 20
)

// overview is what the console's page shows.
type overview struct {
	Now      time.Time      `json:"now"`
	Status   overviewStatus `json:"status"`
	Flow     []FlowPoint    `json:"flow"`
	Dead     []deadLetter   `json:"dead"`
	DeadMore bool           `json:"deadMore"`
	Runs     []run          `json:"runs"`
}

// overviewStatus is Status with what only the page shows.
type overviewStatus struct {
	Status
	Connectors []overviewConnector `json:"connectors"`
}

type overviewConnector struct {
	ConnectorStatus
	// Used is calls a second now, by bucket.
	Used map[string]float64 `json:"used"`
	keptFigures
}

// deadLetter is one as an operator needs it, values masked.
type deadLetter struct {
	ID        string    `json:"id"`
	Connector string    `json:"connector"`
	Kind      string    `json:"kind"`
	What      string    `json:"what"`
	Reason    string    `json:"reason"`
	DiedAt    time.Time `json:"diedAt"`
}

type run struct {
	ID        int64           `json:"id"`
	Kind      string          `json:"kind"`
	Connector string          `json:"connector"`
	State     store.RunState  `json:"state"`
	CreatedAt *time.Time      `json:"createdAt"`
	StartedAt *time.Time      `json:"startedAt"`
	EndedAt   *time.Time      `json:"endedAt"`
	Progress  json.RawMessage `json:"progress"`
	Error     string          `json:"error"`
}

// overview reads what the page shows; the status in it may be a moment old.
func (s *Service) overview(ctx context.Context) (any, error) {
	status, err := s.status.get(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := s.figured.get(ctx)
	if err != nil {
		return nil, err
	}
	o := &overview{Now: s.o.Clock().UTC(), Status: overviewStatus{Status: *status}, Flow: s.history.all(), Dead: []deadLetter{}, Runs: []run{}}
	for i, c := range status.Connectors {
		o.Status.Connectors = append(o.Status.Connectors, overviewConnector{c, s.callsNow(s.flows[i].account.name, o.Flow), kept[i]})
		dead, err := s.o.Store.LoadDead(ctx, store.DeadFilter{Connector: c.Name}, shownDead+1)
		if err != nil {
			return nil, err
		}
		for _, d := range dead {
			o.Dead = append(o.Dead, asDeadLetter(c.Name, d))
		}
	}
	slices.SortStableFunc(o.Dead, func(a, b deadLetter) int { return b.DiedAt.Compare(a.DiedAt) })
	if o.DeadMore = len(o.Dead) > shownDead; o.DeadMore {
		o.Dead = o.Dead[:shownDead]
	}
	runs, err := s.o.Store.LoadRuns(ctx, shownRuns)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		o.Runs = append(o.Runs, asRun(r))
	}
	return o, nil
}

// callsNow are an account's calls a second in the last measurement.
func (s *Service) callsNow(account string, flow []FlowPoint) map[string]float64 {
	out := map[string]float64{}
	if len(flow) == 0 {
		return out
	}
	for k, v := range flow[len(flow)-1].calls {
		if k[0] == account {
			out[k[1]] = v
		}
	}
	return out
}

func asDeadLetter(connector string, l store.DeadLetter) deadLetter {
	d := deadLetter{Connector: connector, Kind: string(l.Kind), Reason: l.Reason, DiedAt: l.DiedAt.UTC(), ID: fmt.Sprint("d", l.ID)}
	switch {
	case l.Record != nil:
		d.ID, d.What = fmt.Sprint("r", l.ID), l.Record.Type
	case l.Delivery == nil:
	case l.Delivery.Event != nil:
		d.What = l.Delivery.Event.Name + " " + l.Delivery.Key
	case l.Delivery.Contact != nil:
		address := l.Delivery.Contact.Email
		if address == "" {
			address = l.Delivery.Contact.Phone
		}
		d.What = "contact " + record.Mask(address)
	}
	return d
}

func asRun(r store.Run) run {
	out := run{
		ID: r.ID, Kind: r.Kind, Connector: r.Connector, State: r.State, Error: r.Error,
		CreatedAt: timeOrNil(r.CreatedAt), StartedAt: timeOrNil(r.StartedAt), EndedAt: timeOrNil(r.EndedAt),
	}
	if json.Valid(r.Progress) {
		out.Progress = r.Progress
	}
	return out
}

// requeue makes dead letters wait again; the daemon goes on with them at once.
func (s *Service) requeue(ctx context.Context, connector string, ids []string) (int, error) {
	i := slices.IndexFunc(s.flows, func(f *flow) bool { return f.cfg.Name == connector })
	if i < 0 {
		return 0, fmt.Errorf("%w: there is no connector of this name", console.ErrBadRequest)
	}
	filter := store.DeadFilter{Connector: connector}
	for _, id := range ids {
		if id == "" {
			id = "?"
		}
		n, err := strconv.ParseInt(id[1:], 10, 64)
		switch {
		case err == nil && id[0] == 'd':
			filter.Deliveries = append(filter.Deliveries, n)
		case err == nil && id[0] == 'r':
			filter.Records = append(filter.Records, n)
		default:
			return 0, fmt.Errorf("%w: numbers of dead letters look like d12 or r7", console.ErrBadRequest)
		}
	}
	done := 0
	for {
		n, err := s.o.Store.RequeueDead(ctx, filter, s.o.Clock(), 500)
		done += n
		if err != nil || n == 0 {
			s.flows[i].Wake()
			s.flows[i].account.deliver.Wake()
			return done, err
		}
	}
}
