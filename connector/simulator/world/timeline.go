package world

import (
	"slices"
	"time"
)

// step is one moment of a task's life that TaskRouter tells of.
type step struct {
	kind        string
	at          time.Time
	reservation int // index into the task's reservations, or -1
}

// timeline lists the events of a task; the place in it is part of an event's SID, so its order is that
// of the code below, not of time. Events that carry a fact happen at the very moment of the fact, the rest
// anywhere in the same second; facts/twilio.md 1.3. What is in room is overwritten.
func (w *World) timeline(t *Task, room []step) []step {
	l := line{world: w, task: t, steps: slices.Grow(room[:0], 16)}
	second := t.CreatedAt.Truncate(time.Second)
	l.add("task.created", t.CreatedAt, -1)
	l.add("task-queue.entered", t.QueuedAt, -1)
	l.add("workflow.entered", l.within(second), -1)
	l.add("workflow.target-matched", l.within(second), -1)
	for i := range t.Reservations {
		l.reservation(i)
	}
	if t.Scored && t.Survey {
		l.add("task.updated", t.ScoredAt, -1)
	}
	if t.Outcome != "" {
		l.add("task.updated", t.DisposedAt, -1)
	}
	if t.Odd == OddUnknownEvents {
		l.add("task.sentiment-scored", l.within(t.EndedAt), -1)
		l.add("sentiment.model.updated", l.within(t.EndedAt), -1)
	}
	l.end()
	return l.steps
}

type line struct {
	world *World
	task  *Task
	steps []step
}

func (l *line) add(kind string, at time.Time, reservation int) {
	l.steps = append(l.steps, step{kind: kind, at: at, reservation: reservation})
}

// within returns some moment from at to the end of its second, the same one each time.
func (l *line) within(at time.Time) time.Time {
	left := 1000 - at.Nanosecond()/int(time.Millisecond)
	draw := mix(l.world.options.Seed ^ uint64(l.task.ID)<<16 ^ uint64(len(l.steps)))
	return at.Add(time.Duration(draw%uint64(left)) * time.Millisecond)
}

func (l *line) reservation(i int) {
	r := &l.task.Reservations[i]
	if r.Transfer {
		l.add("task.transfer-initiated", r.CreatedAt.Add(-500*time.Millisecond), i)
		if before := &l.task.Reservations[i-1]; before.Queue != r.Queue {
			l.add("task-queue.moved", r.CreatedAt.Add(-400*time.Millisecond), i)
			l.add("task-queue.entered", r.CreatedAt.Add(-300*time.Millisecond), i)
		}
	}
	l.add("reservation.created", r.CreatedAt, i)
	if !r.Accepted() {
		l.add("reservation."+r.Outcome, r.AnsweredAt, i)
		return
	}
	l.add("reservation.accepted", r.AnsweredAt, i)
	if r.Transfer {
		l.add("task.transfer-completed", l.within(r.AnsweredAt), i)
	}
	if l.task.Channel == ChannelVoice {
		l.add("task.updated", l.within(r.AnsweredAt), -1)
	}
	if !r.WrapupAt.IsZero() {
		l.add("reservation.wrapup", r.WrapupAt, i)
		if i == len(l.task.Reservations)-1 {
			l.add("task.wrapup", l.within(r.WrapupAt), -1)
		}
	}
	if !r.EndedAt.IsZero() {
		l.add("reservation.completed", r.EndedAt, i)
	}
}

func (l *line) end() {
	t := l.task
	if t.Reason == ReasonWorkflowTimeout {
		l.add("task-queue.timeout", t.EndedAt.Add(-2*time.Millisecond), -1)
		l.add("workflow.timeout", t.EndedAt.Add(-time.Millisecond), -1)
	}
	l.add("task."+t.End, t.EndedAt, -1)
	if t.End == EndCompleted && t.ID%2 == 0 {
		// Twilio lists an update after the completion, in the same second.
		l.add("task.updated", l.within(t.EndedAt), -1)
	}
	if !t.BlankedAt.IsZero() {
		l.add("task.updated", t.BlankedAt, -1)
	}
}
