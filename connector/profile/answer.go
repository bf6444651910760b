package profile

import (
	"sort"
	"strconv"
	"strings"

	"flexbrevo/connector/fact"
)

// join finds the survey answers and the contact tasks they are about.
func (b *builder) join() {
	places := b.o.CSAT
	if places == nil {
		places = usualPlaces
	}
	for _, t := range b.tasks {
		if t.EndedAt.IsZero() {
			continue // an answer may still change while its task lives
		}
		for _, p := range places {
			if score, ok := p.Read(t); ok {
				a := &Answer{Fact: t.Fact, Score: score, Scale: p.Scale, At: t.EndedAt, Channel: t.Channel}
				a.Task = t
				if t.Survey {
					a.Task = b.aboutTask(t)
				}
				b.answer(a)
				break
			}
		}
	}
	sort.SliceStable(b.Answers, func(i, j int) bool {
		return before(b.Answers[i].At, b.Answers[i].Fact.SID, b.Answers[j].At, b.Answers[j].Fact.SID)
	})
}

// posted adds answers that survey tools posted.
func (b *builder) posted(facts []*fact.Fact) {
	for _, f := range facts {
		if f.Kind != fact.Survey {
			continue
		}
		score, ok := Number(f.Values[fact.Score].V)
		if !ok {
			continue
		}
		scale, _ := Number(f.Values[fact.Scale].V)
		a := &Answer{Fact: f, Score: score, Scale: scale, Comment: f.Text(fact.Comment), At: f.Time(fact.Submitted)}
		a.Task = b.lastTask(func(t *Task) bool {
			return t.SID == f.Text(fact.TaskSID) || (t.ConversationSID != "" && t.ConversationSID == f.Text(fact.ConversationSID))
		}, a)
		b.answer(a)
	}
}

func (b *builder) answer(a *Answer) {
	if a.Task != nil {
		a.Channel = a.Task.Channel
	}
	a.InScope = a.Channel == "" || b.o.inScope(a.Channel)
	if b.o.CSATScale > 0 && a.Scale > 0 {
		a.Score, a.Scale = a.Score*b.o.CSATScale/a.Scale, b.o.CSATScale
	}
	if a.InScope {
		b.Answers = append(b.Answers, a)
	}
}

// aboutTask finds the contact task that a survey task asks about: the one it
// names, else the latest of the same group that began before it.
func (b *builder) aboutTask(s *Task) *Task {
	key := groupKey(s)
	var found *Task
	for _, t := range b.tasks {
		if t.Survey {
			continue
		}
		if t.SID == key {
			return t
		}
		if groupKey(t) == key && !t.startedAt().After(s.startedAt()) {
			found = t
		}
	}
	return found
}

func (b *builder) lastTask(match func(*Task) bool, a *Answer) *Task {
	var found *Task
	for _, t := range b.tasks {
		if !t.Survey && match(t) && (found == nil || !t.startedAt().After(a.At)) {
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
// (facts/twilio.md 4.3).
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil
	}
	return 0, false
}
