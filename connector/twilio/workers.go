package twilio

import (
	"context"
	"net/url"
	"time"

	"flexbrevo/connector/record"
)

// The types of the records of the workers stream.
const (
	WorkerType        = "worker"
	WorkerChannelType = "worker_channel"
)

const (
	// ManyWorkers is how many agents a workspace has when its worker statistics are
	// refused by default (facts/twilio.md 1.9); from there on their channels, which cost
	// a call each, are not read either.
	ManyWorkers = 100
	// channelsEvery is how often the channels of agents are read: events tell of changes
	// in between.
	channelsEvery = 24 * time.Hour
)

// workersCursor says when agents, and when their channels, were last read whole.
type workersCursor struct {
	At       time.Time `json:"at"`
	Channels time.Time `json:"channels"`
}

// fetchWorkers reads all agents with their activity, skills and attributes, and once a
// day how much each may do at once.
func (s *Source) fetchWorkers(ctx context.Context, from record.Cursor, keep func(record.Page) error) error {
	var cur workersCursor
	if err := decodeCursor(from, &cur); err != nil {
		return err
	}
	agents := map[string]bool{}
	err := s.fetchList(ctx, fullList{stream: WorkersStream, key: "workers", kind: WorkerType, path: "/Workers"}, func(p record.Page) error {
		for _, r := range p.Records {
			var h listHead
			if readHead(r.Body, &h) && h.SID != "" {
				agents[string(h.SID)] = true
			}
		}
		if p.Cursor != "" {
			cur.At = p.Through
			p.Cursor = encodeCursor(cur)
		}
		return keep(p)
	})
	if err != nil || !s.o.WorkerChannels || len(agents) >= ManyWorkers || cur.At.Sub(cur.Channels) < channelsEvery {
		return err
	}
	return s.fetchChannels(ctx, agents, cur, keep)
}

// fetchChannels reads the channels of agents. Only when all are there the cursor says
// so; an agent who is gone by now has none.
func (s *Source) fetchChannels(ctx context.Context, agents map[string]bool, cur workersCursor, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	l := fullList{stream: WorkersStream, key: "channels", kind: WorkerChannelType}
	for sid := range agents {
		at := withQuery(taskrouterURL+segment(d.WorkspaceSID)+"/Workers/"+segment(sid)+"/Channels", url.Values{"PageSize": {pageSizeText}})
		err := s.client.walkAgain(ctx, at, l.key, func(p page) (bool, error) {
			out := record.Page{Stream: l.stream}
			for _, raw := range p.rows {
				out.Records = append(out.Records, s.listRecord(l, raw))
			}
			return true, keep(out)
		})
		if err != nil && !isGone(err) {
			return err
		}
	}
	cur.Channels = cur.At
	return keep(record.Page{Stream: l.stream, Cursor: encodeCursor(cur), Through: cur.At})
}
