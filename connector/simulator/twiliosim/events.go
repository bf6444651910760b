package twiliosim

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"flexbrevo/connector/simulator/world"
)

// retention is how long TaskRouter keeps its events; facts/twilio.md 1.3.
const retention = 30 * 24 * time.Hour

// Latency is how long after its date an event is listed. Nothing official is known of it
// (facts/twilio.md 13), so the figures are knobs.
type Latency struct {
	Usual         time.Duration // every event is late by anything up to this
	Late          time.Duration // a LateShare of them by anything up to this
	LateShare     float64
	VeryLate      time.Duration // a VeryLateShare by anything up to this
	VeryLateShare float64
}

// RealisticLatency is a guess: three seconds mostly, minutes for one in a hundred, more than an hour for
// one in a thousand.
func RealisticLatency() Latency {
	return Latency{Usual: 3 * time.Second, Late: 4 * time.Minute, LateShare: 0.01, VeryLate: 100 * time.Minute, VeryLateShare: 0.001}
}

// of is the latency of the event at a position.
func (l Latency) of(seed uint64, position int) time.Duration {
	if l == (Latency{}) {
		return 0
	}
	draw := float64(scatter(seed+1, uint64(position))>>11) / (1 << 53)
	part := float64(scatter(seed+2, uint64(position))>>11) / (1 << 53)
	longest := l.Usual
	switch {
	case draw < l.VeryLateShare:
		longest = l.VeryLate
	case draw < l.VeryLateShare+l.LateShare:
		longest = l.Late
	}
	return time.Duration(part * float64(longest))
}

// eventQuery is what a list of events asks for.
type eventQuery struct {
	from, to   int // positions
	candidates []int
	wanted     map[string]string // field of event_data, or "type", to the value asked for
	channel    string
}

// listEvents renders rows as it finds them: a page has up to two megabytes, and they are read faster than anything else.
func (s *Server) listEvents(q *request, dst []byte) ([]byte, error) {
	p, err := s.readPage(q, 1000)
	if err != nil {
		return dst, err
	}
	query, err := s.readEventQuery(q)
	if err != nil {
		return dst, err
	}
	slot := 0
	if p.after != "" {
		position, ok := s.world.EventPosition(p.after)
		if !ok {
			return dst, invalidToken()
		}
		slot = s.slot(position) + 1
	}
	rows := world.JSON{Bytes: append(s.page(), '[')}
	last, more := s.appendEvents(&rows, &query, q, slot, p.size)
	rows.EndList()
	dst = envelope(q, "events", p, json.RawMessage(rows.Bytes), last, more).AppendJSON(dst)
	s.giveBack(rows.Bytes)
	return dst, nil
}

// appendEvents writes as many events as a page may have, from a slot on, and returns the SID of the last one and
// whether others follow it.
func (s *Server) appendEvents(rows *world.JSON, query *eventQuery, q *request, slot, size int) (last string, more bool) {
	count, telling := 0, s.world.Telling()
	for position := range s.positions(query, slot) {
		if s.listedAt(position).After(q.now) {
			continue
		}
		event := telling.Event(position)
		if query.asksForData() {
			event.Data = telling.Fields()
		}
		if !query.matches(&event) {
			continue
		}
		if count == size {
			return last, true
		}
		s.appendEvent(rows, &event, telling, q)
		count, last = count+1, event.SID
	}
	return last, false
}

func (s *Server) fetchEvent(q *request, dst []byte) ([]byte, error) {
	position, ok := s.world.EventPosition(q.PathValue("sid"))
	if !ok || s.listedAt(position).After(q.now) || s.world.EventTime(position).Before(q.now.Add(-retention)) && !s.options.KeepOld {
		return dst, notFound(q.Request)
	}
	telling := s.world.Telling()
	event := telling.Event(position)
	shown := world.JSON{Bytes: dst}
	s.appendEvent(&shown, &event, telling, q)
	return shown.Bytes, nil
}

// listedAt is when an event can be read.
func (s *Server) listedAt(position int) time.Time {
	return s.world.EventTime(position).Add(s.options.Latency.of(s.options.Seed, position))
}

func (s *Server) readEventQuery(q *request) (eventQuery, error) {
	from, to, err := eventWindow(q)
	if err != nil {
		return eventQuery{}, err
	}
	if oldest := q.now.Add(-retention); from.Before(oldest) && !s.options.KeepOld {
		from = oldest
	}
	query := eventQuery{wanted: map[string]string{}, channel: q.param("TaskChannel")}
	query.from, query.to = s.world.Span(from, to)
	for name, field := range map[string]string{
		"EventType": "type", "Sid": "sid", "TaskSid": "task_sid", "ReservationSid": "reservation_sid", "WorkerSid": "worker_sid",
		"TaskQueueSid": "task_queue_sid", "WorkflowSid": "workflow_sid",
	} {
		if value := q.param(name); value != "" {
			query.wanted[field] = value
		}
	}
	if sid := query.wanted["task_sid"]; sid != "" {
		query.candidates = []int{}
		if task, ok := s.world.TaskBySID(sid); ok {
			query.candidates = s.world.TaskPositions(task.ID)
		}
	}
	return query, nil
}

// eventWindow reads the time parameters: whole seconds, both bounds inclusive, the last 15 minutes when
// there are none; facts/twilio.md 1.3. The end that it returns is exclusive.
func eventWindow(q *request) (from, to time.Time, err error) {
	to = q.now.Add(time.Second)
	startText, endText, minutesText := q.param("StartDate"), q.param("EndDate"), q.param("Minutes")
	minutes := 15
	if minutesText != "" {
		if minutes, err = strconv.Atoi(minutesText); err != nil || minutes < 0 {
			return from, to, badRequest(20001, "Invalid Minutes %q", minutesText)
		}
	}
	if startText == "" && (endText == "" || minutesText != "") {
		from = q.now.Add(-time.Duration(minutes) * time.Minute).Truncate(time.Second)
	}
	if startText != "" {
		if from, err = time.Parse(time.RFC3339, startText); err != nil {
			return from, to, badRequest(20001, "Invalid StartDate %q", startText)
		}
		from = from.Truncate(time.Second)
	}
	if endText != "" {
		end, err := time.Parse(time.RFC3339, endText)
		if err != nil {
			return from, to, badRequest(20001, "Invalid EndDate %q", endText)
		}
		to = end.Truncate(time.Second).Add(time.Second)
	}
	return from, to, nil
}

// asksForData tells whether matches looks at an event's data.
func (query *eventQuery) asksForData() bool {
	for field := range query.wanted {
		if field != "type" && field != "sid" {
			return true
		}
	}
	return query.channel != ""
}

func (query *eventQuery) matches(e *world.Event) bool {
	for field, value := range query.wanted {
		switch field {
		case "type":
			if e.Type != value {
				return false
			}
		case "sid":
			if e.SID != value {
				return false
			}
		default:
			if e.Data.Text(field) != value {
				return false
			}
		}
	}
	return query.channel == "" || e.Data.Text("task_channel_sid") == query.channel || e.Data.Text("task_channel_unique_name") == query.channel
}

// blockSize is how far the order of rows strays from the order of time.
const blockSize = 256

// Rows come in an order that looks like none: the events are cut, by time, into blocks, and each block is
// shuffled in a way of its own. An event's place, its slot, hangs on nothing but the event, so a page token
// needs no memory, and rows that appear between two pages move no other.

// slot is the place of the event at a position.
func (s *Server) slot(position int) int {
	factor, shift := s.blockOrder(position / blockSize)
	return position - position%blockSize + (position%blockSize*factor+shift)%blockSize
}

// positionOf undoes slot.
func (s *Server) positionOf(slot int) int {
	factor, shift := s.blockOrder(slot / blockSize)
	inverse := factor
	for range 3 {
		// Newton's iteration doubles the number of correct low bits.
		inverse = inverse * (2 - factor*inverse) & (blockSize - 1)
	}
	inside := (slot%blockSize - shift + blockSize) % blockSize
	return slot - slot%blockSize + inside*inverse%blockSize
}

func (s *Server) blockOrder(block int) (factor, shift int) {
	draw := scatter(s.options.Seed, uint64(block))
	return int(draw%blockSize) | 1, int(draw >> 32 % blockSize)
}

// positions yields the positions that a query may want, in the order of slots, from a slot on.
func (s *Server) positions(query *eventQuery, slot int) func(yield func(int) bool) {
	if query.candidates != nil {
		return s.candidatePositions(query, slot)
	}
	return func(yield func(int) bool) {
		end := (query.to + blockSize - 1) / blockSize * blockSize
		for slot := max(slot, query.from/blockSize*blockSize); slot < end; slot++ {
			if position := s.positionOf(slot); position >= query.from && position < query.to && !yield(position) {
				return
			}
		}
	}
}

func (s *Server) candidatePositions(query *eventQuery, slot int) func(yield func(int) bool) {
	slots := make([]int, 0, len(query.candidates))
	for _, position := range query.candidates {
		if at := s.slot(position); position >= query.from && position < query.to && at >= slot {
			slots = append(slots, at)
		}
	}
	slices.Sort(slots)
	return func(yield func(int) bool) {
		for _, slot := range slots {
			if !yield(s.positionOf(slot)) {
				return
			}
		}
	}
}
