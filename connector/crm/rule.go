package crm

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"flexbrevo/config"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
	"flexbrevo/mapping"
)

// mostText is the longest text of a note (facts/brevo.md 5); of the name of a task no
// limit is documented, and this is short enough to be read in a list.
const (
	mostText = 3000
	mostName = 250
)

// The kinds of what is written.
const (
	noteKind = "note"
	taskKind = "task"
)

// rule is one rule of the configuration.
type rule struct {
	*mapping.Case
	task config.CRMTask
}

func rulesOf(c *config.Connector) []*rule {
	var rules []*rule
	for i, compiled := range c.Rules.Cases {
		rules = append(rules, &rule{Case: compiled, task: c.CRM[i].Task})
	}
	return rules
}

// content is the body of a case.
type content struct {
	Kind string `json:"kind"`
	// Text is that of a note, or the name of a task.
	Text     string    `json:"text"`
	Type     string    `json:"type,omitempty"` // title of a task's type
	Date     time.Time `json:"date,omitzero"`  // when a task is due
	AssignTo string    `json:"assign_to,omitempty"`
}

// casesOf are the cases that a rule finds in a customer's life, those before a moment
// left out. names gives each the other keys under which it may be known. failed counts
// evaluations that gave an error.
func (r *rule) casesOf(l *pipeline.Customer, oldest time.Time) (cases []store.Case, names [][]string, failed int) {
	for i := range l.Moments {
		m := &l.Moments[i]
		if m.Type != r.On || m.At.Before(oldest) {
			continue
		}
		w, holds, err := r.Apply(l.EnvOf(m))
		if err != nil {
			failed++
		}
		if !holds {
			continue
		}
		for _, c := range [...]content{
			{Kind: noteKind, Text: shorten(w.Note, mostText)},
			{Kind: taskKind, Text: shorten(oneLine(w.Task), mostName), Type: r.task.Type, Date: m.At.Add(r.task.Due).UTC().Truncate(time.Millisecond), AssignTo: r.task.AssignTo},
		} {
			if strings.TrimSpace(c.Text) == "" {
				continue
			}
			cases = append(cases, store.Case{
				Key: r.key(c.Kind, m.Key), CustomerID: l.ID, State: store.CaseWaiting, Body: c.body(),
				EventAt: m.At, DueAt: later(m.At, m.NotBefore),
			})
			names = append(names, r.otherKeys(c.Kind, m))
		}
	}
	return cases, names, failed
}

// key is a case's identity for ever.
func (r *rule) key(kind, moment string) string { return kind + ":" + r.Name + ":" + moment }

// otherKeys are those that a moment has had while the contact with the centre was known
// by another of its facts.
func (r *rule) otherKeys(kind string, m *profile.Moment) (keys []string) {
	for _, f := range append([]fact.Key{m.Fact}, m.Members...) {
		if key := r.key(kind, m.Type+":"+f.SID); key != r.key(kind, m.Key) && m.Key == m.Type+":"+m.Fact.SID {
			keys = append(keys, key)
		}
	}
	return keys
}

func (c content) body() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("crm: " + err.Error()) // our own plain struct
	}
	return b
}

// oneLine puts a text into one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// shorten cuts a text to so many characters, the last of which says so.
func shorten(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
