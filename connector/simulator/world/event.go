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
	l := Telling{world: w, steps: w.timeline(t, nil)}
	events := make([]Event, len(l.steps))
	for n, s := range l.steps {
		l.mark = mark{owner: int32(task), n: uint16(n)}
		events[n] = w.taskEvent(t, n, s)
		events[n].Data = l.Fields()
	}
	return events
}

// taskEvent makes the event of a task's n-th step, but for its data.
func (w *World) taskEvent(t *Task, n int, s step) Event {
	e := Event{
		SID: w.sids.of(prefixEvent, uint64(t.ID)<<16|uint64(n)), Type: s.kind, At: s.at,
		ResourceType: "task", ResourceSID: t.SID, ActorType: "workspace", ActorSID: w.WorkspaceSID,
		Task: t.ID, Agent: -1, Customer: t.Customer,
	}
	named := "Task "
	if s.reservation >= 0 {
		r := &t.Reservations[s.reservation]
		e.Agent = r.Agent
		if strings.HasPrefix(s.kind, "reservation.") {
			named, e.ResourceType, e.ResourceSID = "Reservation ", "reservation", r.SID
			if r.Outcome != ReservationTimeout && s.kind != "reservation.created" {
				e.ActorType, e.ActorSID = "worker", w.Agents[r.Agent].SID
			}
		}
	}
	verb := s.kind[strings.LastIndexByte(s.kind, '.')+1:]
	e.Description = named + e.ResourceSID + " " + verb
	return e
}

func (l *Telling) taskEventData(t *Task, n int, to Data) {
	w, s := l.world, l.steps[n]
	l.taskData(t, s, version(l.steps, n), to)
	if s.reservation >= 0 {
		switch {
		case strings.HasPrefix(s.kind, "reservation."):
			w.reservationData(&t.Reservations[s.reservation], s, to)
		case strings.HasPrefix(s.kind, "task.transfer-"):
			w.transferData(t, s, to)
		}
	}
	if t.Odd == OddUnknownEvents {
		to.Other("sentiment_model", Fields{{"name", "tone-2"}, {"score", 0.25}})
		to.Other("sentiment_flags", []any{true, nil})
	}
}

func (l *Telling) taskData(t *Task, s step, version int, to Data) {
	w := l.world
	channel := &w.TaskChannels[taskChannel(t)]
	flow := &w.Workflows[t.Workflow]
	to.Text("workspace_sid", w.WorkspaceSID)
	to.Text("workspace_name", w.WorkspaceName)
	to.Text("operating_unit_sid", w.operatingUnitSID)
	to.Text("workflow_sid", flow.SID)
	to.Text("workflow_name", flow.Name)
	if s.kind != "task.created" && !strings.HasPrefix(s.kind, "workflow.") {
		queue, entered := w.queueAt(t, s.at)
		to.Text("task_queue_sid", w.Queues[queue].SID)
		to.Text("task_queue_name", w.Queues[queue].Name)
		to.Moment("task_queue_entered_date", entered.Truncate(time.Second))
	}
	to.Text("task_channel_sid", channel.SID)
	to.Text("task_channel_unique_name", channel.UniqueName)
	to.Text("task_sid", t.SID)
	l.attributes.Bytes = l.attributes.Bytes[:0]
	w.writeAttributes(&l.attributes, t, s.at)
	to.Nested("task_attributes", l.attributes.Bytes)
	to.Int("task_age", max(0, seconds(t.CreatedAt, s.at)))
	to.Moment("task_date_created", t.CreatedAt)
	to.Int("task_priority", 0)
	to.Text("task_assignment_status", stepStatus(t, s))
	to.Int("task_timeout", t.Timeout)
	to.Int("task_version", version)
	if s.at.Before(t.EndedAt) {
		return
	}
	if t.End == EndCompleted {
		to.Text("task_completed_reason", t.Reason)
	} else {
		to.Text("task_canceled_reason", t.Reason)
	}
	to.Text("reason", t.Reason)
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

func (w *World) reservationData(r *Reservation, s step, to Data) {
	version := 1
	if s.kind == "reservation.created" {
		version = 0
	}
	to.Text("reservation_sid", r.SID)
	to.Text("reservation_status", strings.TrimPrefix(s.kind, "reservation."))
	to.Int("reservation_timeout", 30)
	to.Int("reservation_version", version)
	w.workerData(r.Agent, s.at, to)
}

func (w *World) transferData(t *Task, s step, to Data) {
	r, before := &t.Reservations[s.reservation], &t.Reservations[s.reservation-1]
	kind, target, status := "WORKER", w.Agents[r.Agent].SID, "initiated"
	if before.Queue != r.Queue {
		kind, target = "QUEUE", w.Queues[r.Queue].SID
	}
	if s.kind == "task.transfer-completed" {
		status = "completed"
	}
	to.Text("task_transfer_sid", w.sids.of(prefixTransfer, uint64(t.ID)<<6|uint64(s.reservation)))
	to.Text("transfer_type", kind)
	to.Text("transfer_mode", "COLD")
	to.Text("transfer_to", target)
	to.Text("transfer_status", status)
	to.Text("transfer_initiating_worker_sid", w.Agents[before.Agent].SID)
	to.Text("transfer_initiating_reservation_sid", before.SID)
	to.Moment("transfer_started", r.CreatedAt.Add(-500*time.Millisecond))
}

func (w *World) workerData(agent int, at time.Time, to Data) {
	a := &w.Agents[agent]
	activity := &w.Activities[a.ActivityAt(at).Activity]
	to.Text("worker_sid", a.SID)
	to.Text("worker_name", a.Name)
	to.Text("worker_attributes", a.attributes)
	to.Text("worker_activity_sid", activity.SID)
	to.Text("worker_activity_name", activity.Name)
	to.Int("worker_version", 3)
}

// WorkerAttributes returns an agent's attributes as JSON text; facts/twilio.md 1.1.
func (w *World) WorkerAttributes(agent int) string { return w.Agents[agent].attributes }

func workerAttributes(a *Agent) string {
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

// activityEvent makes the event of an agent's n-th change of activity, but for its data.
func (w *World) activityEvent(agent, n int) Event {
	a := &w.Agents[agent]
	change := &a.Shifts[n]
	return Event{
		SID: w.sids.of(prefixEvent, agentEvents|uint64(agent)<<16|uint64(n)), Type: "worker.activity.update", At: change.At,
		Description:  "Worker " + a.Name + " updated to " + w.Activities[change.Activity].Name + " Activity",
		ResourceType: "worker", ResourceSID: a.SID, ActorType: "worker", ActorSID: a.SID,
		Task: -1, Agent: agent, Customer: Unknown,
	}
}

func (w *World) activityData(agent, n int, to Data) {
	change := &w.Agents[agent].Shifts[n]
	to.Text("workspace_sid", w.WorkspaceSID)
	to.Text("workspace_name", w.WorkspaceName)
	w.workerData(agent, change.At, to)
	to.Int("worker_time_in_previous_activity", int(change.Lasted/time.Second))
	to.Int("worker_time_in_previous_activity_ms", int(change.Lasted.Milliseconds()))
	to.Text("worker_previous_activity_sid", w.Activities[change.Previous].SID)
	to.Text("worker_previous_activity_name", w.Activities[change.Previous].Name)
}

// OperatingUnitSID returns the account's operating unit, which callbacks mention.
func (w *World) OperatingUnitSID() string { return w.operatingUnitSID }

// EnvelopeSID returns the id of the CloudEvent that carries an event; repeats of it have the same.
func (w *World) EnvelopeSID(e *Event) string {
	n, _ := w.sids.number(prefixEvent, e.SID)
	return w.sids.of(prefixEnvelope, n)
}

// SourceSID returns the source of the world's CloudEvents.
func (w *World) SourceSID() string { return w.sids.of(prefixSource, 0) }

// RoleSID returns the role of a conversation's participants: 0 the customer's, 1 the agents'.
func (w *World) RoleSID(n int) string { return w.sids.of(prefixRole, uint64(n)) }
