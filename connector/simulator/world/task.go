package world

import (
	"slices"
	"time"
)

// How a task ends.
const (
	EndCompleted     = "completed"
	EndCanceled      = "canceled"
	EndSystemDeleted = "system-deleted"
)

// Reasons that tasks end for; facts/twilio.md 1.5 and 4.
const (
	ReasonCompleted       = "All reservations were completed"
	ReasonConference      = "Conference ended"
	ReasonHangup          = "hangup"
	ReasonWorkflowTimeout = "Task canceled on Workflow timeout."
	ReasonTTL             = "Task TTL Exceeded"
	ReasonCustomerLeft    = "customer left the chat"
	ReasonSurveyCompleted = "Survey completed"
	ReasonCSATSaved       = "CSAT saved"
)

// Task is one TaskRouter task. Its times are those of the events that tell them, in milliseconds, so
// that a calculation from the events must come to the very same numbers.
type Task struct {
	ID        int
	SID       string
	Contact   int // index into World.Contacts
	Customer  int // as its contact's
	Channel   string
	Direction string
	Queue     int // of the first task-queue.entered; index into World.Queues
	Workflow  int
	Later     bool // the contact has an earlier contact task, as after a transfer in writing
	Survey    bool
	Surveyed  int // of a survey: the task that it asks about; else -1

	CreatedAt time.Time // task.created
	QueuedAt  time.Time // the first task-queue.entered
	EndedAt   time.Time // task.completed, task.canceled or task.system-deleted
	End       string
	Reason    string
	Timeout   int // seconds that it may wait

	Reservations []Reservation

	Shown      Shown
	Links      bool      // attributes.conversations.conversation_id is set
	Tier       string    // attributes.customer_tier, if shown
	AccountID  string    // attributes.account_id, if shown
	Outcome    string    // attributes.conversations.outcome; "" for none
	DisposedAt time.Time // when Outcome and a Score on a contact task are written
	BlankedAt  time.Time // when a plugin empties attributes.conversations; zero for never
	Score      float64   // a CSAT answer, 1 to 5; see Scored
	Scored     bool
	ScoredAt   time.Time // of a survey: when the score was given
	Finished   bool      // of a survey: all questions were answered
	Odd        Oddity
}

// Outcomes of reservations.
const (
	ReservationCompleted = "completed"
	ReservationRejected  = "rejected"
	ReservationTimeout   = "timeout"
	ReservationCanceled  = "canceled"
	ReservationRescinded = "rescinded"
	ReservationOpen      = "open" // accepted and never finished
)

// Reservation is one offer of a task to an agent.
type Reservation struct {
	SID        string
	Agent      int // index into World.Agents
	Queue      int
	CreatedAt  time.Time
	AnsweredAt time.Time // accepted, rejected, timed out, canceled or rescinded
	WrapupAt   time.Time // zero when there was no wrap-up
	EndedAt    time.Time // reservation.completed
	Outcome    string
	Transfer   bool // came by a transfer from the reservation before
}

// Accepted tells whether the agent took the task.
func (r *Reservation) Accepted() bool {
	return r.Outcome == ReservationCompleted || r.Outcome == ReservationOpen
}

// seconds is the distance of two moments with the milliseconds dropped first, as Flex Insights counts;
// facts/twilio.md 1.8.
func seconds(from, to time.Time) int {
	return int(to.Unix() - from.Unix())
}

// AcceptedAt returns when an agent first took the task, and false if none did.
func (t *Task) AcceptedAt() (time.Time, bool) {
	for i := range t.Reservations {
		if t.Reservations[i].Accepted() {
			return t.Reservations[i].AnsweredAt, true
		}
	}
	return time.Time{}, false
}

// WaitSeconds is the time from the first queue entry to the first acceptance, or to the end of a task
// that nobody accepted.
func (t *Task) WaitSeconds() int {
	until, ok := t.AcceptedAt()
	if !ok {
		until = t.EndedAt
	}
	return seconds(t.QueuedAt, until)
}

// RingSeconds is the ringing of all reservations together.
func (t *Task) RingSeconds() (sum int) {
	for i := range t.Reservations {
		sum += seconds(t.Reservations[i].CreatedAt, t.Reservations[i].AnsweredAt)
	}
	return sum
}

// TalkSeconds is the time from acceptance to wrap-up, or to the end where there was none, of all
// reservations together.
func (t *Task) TalkSeconds() (sum int) {
	for i := range t.Reservations {
		r := &t.Reservations[i]
		if r.Outcome != ReservationCompleted {
			continue
		}
		until := r.EndedAt
		if !r.WrapupAt.IsZero() {
			until = r.WrapupAt
		}
		sum += seconds(r.AnsweredAt, until)
	}
	return sum
}

// WrapupSeconds is the time from wrap-up to completion of all reservations together.
func (t *Task) WrapupSeconds() (sum int) {
	for i := range t.Reservations {
		if r := &t.Reservations[i]; r.Outcome == ReservationCompleted && !r.WrapupAt.IsZero() {
			sum += seconds(r.WrapupAt, r.EndedAt)
		}
	}
	return sum
}

// HandleSeconds is talk and wrap-up together.
func (t *Task) HandleSeconds() int { return t.TalkSeconds() + t.WrapupSeconds() }

// AbandonedFlag tells whether attributes.conversations.abandoned says "Yes" at the end.
func (t *Task) AbandonedFlag() bool {
	return t.Survey && !t.Finished && t.Channel == ChannelVoice || t.Reason == ReasonCustomerLeft
}

// Status is the assignment status at a moment, and "" before the task exists.
func (t *Task) Status(at time.Time) string {
	switch {
	case at.Before(t.CreatedAt) && at.Before(t.QueuedAt):
		return ""
	case !at.Before(t.EndedAt) && t.End == EndSystemDeleted:
		return EndCanceled
	case !at.Before(t.EndedAt):
		return t.End
	}
	status := "pending"
	for i := range t.Reservations {
		if now := assignment(t.Reservations[i].Status(at)); rank(now) > rank(status) {
			status = now
		}
	}
	return status
}

// assignment is what a reservation's status makes of the task.
func assignment(reservation string) string {
	switch reservation {
	case "pending":
		return "reserved"
	case "accepted":
		return "assigned"
	case "wrapping":
		return "wrapping"
	}
	return "pending"
}

// rank orders the open states: while one agent talks, another's wrap-up does not show.
func rank(status string) int {
	return slices.Index([]string{"pending", "reserved", "wrapping", "assigned"}, status)
}

// Status is the reservation's status at a moment, and "" before it exists.
func (r *Reservation) Status(at time.Time) string {
	switch {
	case at.Before(r.CreatedAt):
		return ""
	case at.Before(r.AnsweredAt):
		return "pending"
	case !r.Accepted():
		return r.Outcome
	case !r.EndedAt.IsZero() && !at.Before(r.EndedAt):
		return "completed"
	case !r.WrapupAt.IsZero() && !at.Before(r.WrapupAt):
		return "wrapping"
	}
	return "accepted"
}

// TaskBySID finds a task.
func (w *World) TaskBySID(sid string) (*Task, bool) {
	n, ok := w.sids.number(prefixTask, sid)
	if !ok || n >= uint64(len(w.Tasks)) {
		return nil, false
	}
	return &w.Tasks[n], true
}

// TaskChannelOf returns the TaskRouter channel that carries a task: WhatsApp, web chat and Messenger
// share "chat" and are told apart by the attribute channelType.
func (w *World) TaskChannelOf(t *Task) TaskChannel { return w.TaskChannels[taskChannel(t)] }

// taskChannel is an index into World.TaskChannels.
func taskChannel(t *Task) int {
	switch t.Channel {
	case ChannelVoice:
		return 1
	case ChannelSMS:
		return 3
	case ChannelEmail:
		return 5
	}
	return 2
}
