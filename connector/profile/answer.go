package profile

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// answers finds the survey answers and the contact tasks they are about.
func (b *builder) answers() {
	if b.o.CSAT != nil && len(b.o.CSAT) == 0 {
		return
	}
	b.posted()
	b.kept()
	b.threaded()
	slices.SortFunc(b.Answers, func(x, y *Answer) int { return order(x.At, x.Fact.SID, y.At, y.Fact.SID) })
	for _, a := range b.Answers {
		if a.Task != nil && a.Task.group != nil {
			a.Task.group.answer = a
		}
	}
}

// posted adds answers that survey tools posted.
func (b *builder) posted() {
	for _, r := range b.readings {
		score, ok := Number(r.Values[fact.Score].V)
		if r.Kind != fact.Survey || !ok {
			continue
		}
		scale, _ := Number(r.Values[fact.Scale].V)
		a := &Answer{Fact: r.Fact, Score: score, Scale: scale, Comment: r.Text(fact.Comment), At: r.Time(fact.Submitted)}
		a.Task = b.namedBy(r.Text(fact.TaskSID), r.Text(fact.ConversationSID), a.At)
		b.answer(a)
	}
}

// kept adds answers that were written into the attributes of a task.
func (b *builder) kept() {
	places := b.o.CSAT
	if places == nil {
		places = usualPlaces
	}
	for _, t := range b.tasks {
		if t.EndedAt.IsZero() {
			continue // an answer may still change while its task lives
		}
		score, scale, ok := read(places, t)
		if !ok {
			continue
		}
		a := &Answer{Fact: t.Fact, Score: score, Scale: scale, At: t.EndedAt, Channel: t.Channel, Task: t}
		if t.Survey {
			a.Task = b.aboutTask(t)
		}
		b.answer(a)
	}
}

// threaded adds answers that were written into the attributes of a thread: one for each,
// since later ones replace earlier ones there. It counts once nobody works in the thread,
// and is dated by its last change.
func (b *builder) threaded() {
	for _, th := range b.threads {
		for _, p := range b.o.CSAT {
			if p.ReadThread == nil {
				continue
			}
			score, ok := p.ReadThread(th)
			if !ok || !sane(score) {
				continue
			}
			if at := b.answeredAt(th); !at.IsZero() {
				a := &Answer{Fact: th.Fact, Score: score, Scale: p.Scale, At: at, Channel: th.Channel}
				a.Task = b.namedBy("", th.SID, at)
				b.answer(a)
			}
			break
		}
	}
}

// answeredAt is when a thread's attributes were last changed; zero while a task goes on
// in it that is no survey.
func (b *builder) answeredAt(th *Thread) time.Time {
	for _, t := range b.tasks {
		if t.ConversationSID == th.SID && t.EndedAt.IsZero() && !t.Survey {
			return time.Time{}
		}
	}
	var at int64
	for _, v := range th.Fact.Attributes {
		at = max(at, v.T)
	}
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at).UTC()
}

// read gives the score of the first place that has one, and its scale.
func read(places []CSATPlace, t *Task) (score, scale float64, ok bool) {
	for _, p := range places {
		if p.Read == nil {
			continue
		}
		if score, ok := p.Read(t); ok && sane(score) {
			return score, p.Scale, true
		}
	}
	return 0, 0, false
}

func (b *builder) answer(a *Answer) {
	if a.Task != nil {
		a.Channel = a.Task.Channel
	}
	if a.InScope = a.Channel == "" || b.o.inScope(a.Channel); !a.InScope {
		return
	}
	if b.o.CSATScale > 0 && a.Scale > 0 {
		if scaled := a.Score * b.o.CSATScale / a.Scale; sane(scaled) {
			a.Score, a.Scale = scaled, b.o.CSATScale
		}
	}
	b.Answers = append(b.Answers, a)
}

// aboutTask finds the contact task that a survey task asks about: the one it
// names, else the latest of the same group that began before it.
func (b *builder) aboutTask(s *Task) *Task {
	var found *Task
	for _, t := range b.tasks {
		if t.Survey {
			continue
		}
		if t.SID == s.groupKey {
			return t
		}
		if t.groupKey == s.groupKey && !t.startedAt.After(s.startedAt) {
			found = t
		}
	}
	return found
}

// namedBy finds the contact task that an answer is about: the one it names, else the
// latest that was held in its conversation before it, else the first.
func (b *builder) namedBy(task, conversation string, at time.Time) *Task {
	var found *Task
	for _, t := range b.tasks {
		switch {
		case t.Survey:
		case t.SID == task:
			return t
		case t.ConversationSID == "" || t.ConversationSID != conversation:
		case found == nil || !t.startedAt.After(at):
			found = t
		}
	}
	return found
}

// usualPlaces are tried without a csat block (design 3.2, facts/twilio.md 4).
var usualPlaces = []CSATPlace{
	{Read: func(t *Task) (float64, bool) { return surveyNumber(t, "conversation_measure_1") }},
	{Read: func(t *Task) (float64, bool) { return surveyNumber(t, "conversation_attribute_1") }},
	{Read: func(t *Task) (float64, bool) { return Number(t.Attributes["csat"]) }},
}

func surveyNumber(t *Task, name string) (float64, bool) {
	if !t.Survey {
		return 0, false
	}
	conversations, _ := t.Attributes["conversations"].(map[string]any)
	return Number(conversations[name])
}

// Number reads a number or text that is one: answers are stored either way
// (facts/twilio.md 4.3). What no survey asks for, such as the NaN that text may
// spell, is none: metrics must stay numbers.
func Number(v any) (float64, bool) {
	var f float64
	switch v := v.(type) {
	case int:
		f = float64(v)
	case float64:
		f = v
	case string:
		var err error
		if f, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	if !sane(f) {
		return 0, false
	}
	return f, true
}

func sane(f float64) bool { return math.Abs(f) <= 1e15 }
