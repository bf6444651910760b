package world

import (
	"strings"
	"time"
)

// Event is one TaskRouter event. Its values are the facts; how they are written (numbers as text, times
// as epoch seconds) depends on the way by which they travel, which is the simulator's part.
type Event struct {
	SID          string
	Type         string
	At           time.Time // when it was sent, in milliseconds
	Description  string
	ResourceType string // "task", "reservation" or "worker"
	ResourceSID  string
	ActorType    string // "worker" or "workspace"
	ActorSID     string
	Data         Fields // snake_case, as in facts/twilio.md 1.5; times are time.Time
	Task         int    // index into World.Tasks, or -1
	Agent        int    // index into World.Agents, or -1
	Customer     int    // index into World.Customers, or Unknown
}

// TaskEvents returns all events of a task.
func (w *World) TaskEvents(task int) []Event {
	t := &w.Tasks[task]
	steps := w.timeline(t)
	events := make([]Event, len(steps))
	for i, s := range steps {
		events[i] = w.taskEvent(t, i, s, steps)
	}
	return events
}

func (w *World) taskEvent(t *Task, n int, s step, steps []step) Event {
	e := Event{
		SID: w.sids.of(prefixEvent, uint64(t.ID)<<16|uint64(n)), Type: s.kind, At: s.at,
		ResourceType: "task", ResourceSID: t.SID, ActorType: "workspace", ActorSID: w.WorkspaceSID,
		Task: t.ID, Agent: -1, Customer: t.Customer,
	}
	e.Data = w.taskData(t, s, version(steps, n))
	if s.reservation >= 0 {
		r := &t.Reservations[s.reservation]
		e.Agent = r.Agent
		switch family, _, _ := strings.Cut(s.kind, "."); {
		case family == "reservation":
			e.ResourceType, e.ResourceSID = "reservation", r.SID
			e.Data = append(e.Data, w.reservationData(r, s)...)
			if r.Outcome != ReservationTimeout && s.kind != "reservation.created" {
				e.ActorType, e.ActorSID = "worker", w.Agents[r.Agent].SID
			}
		case strings.HasPrefix(s.kind, "task.transfer-"):
			e.Data = append(e.Data, w.transferData(t, s)...)
		}
	}
	if t.Odd == OddUnknownEvents {
		e.Data = append(e.Data, Field{"sentiment_model", Fields{{"name", "tone-2"}, {"score", 0.25}}}, Field{"sentiment_flags", []any{true, nil}})
	}
	verb := s.kind[strings.LastIndexByte(s.kind, '.')+1:]
	e.Description = strings.ToUpper(e.ResourceType[:1]) + e.ResourceType[1:] + " " + e.ResourceSID + " " + verb
	return e
}

func (w *World) taskData(t *Task, s step, version int) Fields {
	channel := w.TaskChannelOf(t)
	flow := &w.Workflows[t.Workflow]
	data := make(Fields, 0, 40)
	data = append(data,
		Field{"workspace_sid", w.WorkspaceSID}, Field{"workspace_name", w.WorkspaceName},
		Field{"operating_unit_sid", w.OperatingUnitSID()},
		Field{"workflow_sid", flow.SID}, Field{"workflow_name", flow.Name})
	if s.kind != "task.created" && !strings.HasPrefix(s.kind, "workflow.") {
		queue, entered := w.queueAt(t, s.at)
		data = append(data,
			Field{"task_queue_sid", w.Queues[queue].SID}, Field{"task_queue_name", w.Queues[queue].Name},
			Field{"task_queue_entered_date", entered.Truncate(time.Second)})
	}
	data = append(data,
		Field{"task_channel_sid", channel.SID}, Field{"task_channel_unique_name", channel.UniqueName},
		Field{"task_sid", t.SID}, Field{"task_attributes", w.Attributes(t, s.at)},
		Field{"task_age", max(0, seconds(t.CreatedAt, s.at))}, Field{"task_date_created", t.CreatedAt},
		Field{"task_priority", 0}, Field{"task_assignment_status", stepStatus(t, s)},
		Field{"task_timeout", t.Timeout}, Field{"task_version", version})
	if s.at.Before(t.EndedAt) {
		return data
	}
	if t.End == EndCompleted {
		return append(data, Field{"task_completed_reason", t.Reason}, Field{"reason", t.Reason})
	}
	return append(data, Field{"task_canceled_reason", t.Reason}, Field{"reason", t.Reason})
}

// version counts the steps before one, by time: whoever orders by version must find the order of time.
func version(steps []step, n int) (count int) {
	for i := range steps {
		if order := steps[i].at.Compare(steps[n].at); order < 0 || order == 0 && i < n {
			count++
		}
	}
	return count
}

// stepStatus is the task's status in an event, which is pending from the first on, even when the event
// was sent a few milliseconds before the creation.
func stepStatus(t *Task, s step) string {
	if status := t.Status(s.at); status != "" {
		return status
	}
	return "pending"
}

// queueAt is the queue that a task is in at a moment, and since when.
func (w *World) queueAt(t *Task, at time.Time) (queue int, entered time.Time) {
	queue, entered = t.Queue, t.QueuedAt
	for i := range t.Reservations {
		r := &t.Reservations[i]
		if moved := r.CreatedAt.Add(-400 * time.Millisecond); r.Transfer && r.Queue != queue && !at.Before(moved) {
			queue, entered = r.Queue, moved
		}
	}
	return queue, entered
}

func (w *World) reservationData(r *Reservation, s step) Fields {
	data := Fields{
		{"reservation_sid", r.SID}, {"reservation_status", strings.TrimPrefix(s.kind, "reservation.")},
		{"reservation_timeout", 30}, {"reservation_version", 0},
	}
	if s.kind != "reservation.created" {
		data[3].Value = 1
	}
	return append(data, w.workerData(r.Agent, s.at)...)
}

func (w *World) transferData(t *Task, s step) Fields {
	r, before := &t.Reservations[s.reservation], &t.Reservations[s.reservation-1]
	kind, to, status := "WORKER", w.Agents[r.Agent].SID, "initiated"
	if before.Queue != r.Queue {
		kind, to = "QUEUE", w.Queues[r.Queue].SID
	}
	if s.kind == "task.transfer-completed" {
		status = "completed"
	}
	return Fields{
		{"task_transfer_sid", w.sids.of(prefixTransfer, uint64(t.ID)<<6|uint64(s.reservation))},
		{"transfer_type", kind}, {"transfer_mode", "COLD"}, {"transfer_to", to}, {"transfer_status", status},
		{"transfer_initiating_worker_sid", w.Agents[before.Agent].SID}, {"transfer_initiating_reservation_sid", before.SID},
		{"transfer_started", r.CreatedAt.Add(-500 * time.Millisecond)},
	}
}

func (w *World) workerData(agent int, at time.Time) Fields {
	a := &w.Agents[agent]
	activity := &w.Activities[a.ActivityAt(at).Activity]
	return Fields{
		{"worker_sid", a.SID}, {"worker_name", a.Name}, {"worker_attributes", w.WorkerAttributes(agent)},
		{"worker_activity_sid", activity.SID}, {"worker_activity_name", activity.Name}, {"worker_version", 3},
	}
}

// WorkerAttributes returns an agent's attributes as JSON text; facts/twilio.md 1.1.
func (w *World) WorkerAttributes(agent int) string {
	a := &w.Agents[agent]
	skills := make([]any, len(a.Skills))
	for i, skill := range a.Skills {
		skills[i] = skill
	}
	attributes := Fields{
		{"contact_uri", "client:" + a.Identity}, {"full_name", a.FullName}, {"email", a.Email}, {"roles", []any{"agent"}},
		{"routing", Fields{{"skills", skills}, {"levels", Fields{}}}},
	}
	return string(attributes.AppendJSON(make([]byte, 0, 256)))
}

func (w *World) activityEvent(agent, n int) Event {
	a := &w.Agents[agent]
	change := &a.Shifts[n]
	data := append(Fields{{"workspace_sid", w.WorkspaceSID}, {"workspace_name", w.WorkspaceName}}, w.workerData(agent, change.At)...)
	data = append(data,
		Field{"worker_time_in_previous_activity", int(change.Lasted / time.Second)},
		Field{"worker_time_in_previous_activity_ms", change.Lasted.Milliseconds()},
		Field{"worker_previous_activity_sid", w.Activities[change.Previous].SID},
		Field{"worker_previous_activity_name", w.Activities[change.Previous].Name})
	return Event{
		SID: w.sids.of(prefixEvent, agentEvents|uint64(agent)<<16|uint64(n)), Type: "worker.activity.update", At: change.At,
		Description:  "Worker " + a.Name + " updated to " + w.Activities[change.Activity].Name + " Activity",
		ResourceType: "worker", ResourceSID: a.SID, ActorType: "worker", ActorSID: a.SID,
		Data: data, Task: -1, Agent: agent, Customer: Unknown,
	}
}

// OperatingUnitSID returns the account's operating unit, which callbacks mention.
func (w *World) OperatingUnitSID() string { return w.sids.of(prefixUnit, 0) }

// EnvelopeSID returns the id of the CloudEvent that carries an event; repeats of it have the same.
func (w *World) EnvelopeSID(e *Event) string {
	n, _ := w.sids.number(prefixEvent, e.SID)
	return w.sids.of(prefixEnvelope, n)
}

// SourceSID returns the source of the world's CloudEvents.
func (w *World) SourceSID() string { return w.sids.of(prefixSource, 0) }

// RoleSID returns the role of a conversation's participants: 0 the customer's, 1 the agents'.
func (w *World) RoleSID(n int) string { return w.sids.of(prefixRole, uint64(n)) }
