package oracle

import (
	"time"

	"flexbrevo/connector/simulator/world"
)

// Posted is an answer that a survey tool posted about a task, beside what its records hold. Its event is known by
// a source_event_id of the connector's own making.
type Posted struct {
	Score float64
	At    time.Time
}

// posted lists the answers that were posted about a task.
func (c *calculation) posted(t *world.Task) (answers []answer) {
	for _, p := range c.Posted[t.SID] {
		if c.CSAT && c.knows(p.At) {
			answers = append(answers, answer{sid: t.SID, score: p.Score, at: p.At, posted: true})
		}
	}
	return answers
}

// unnamed finds, among the events that are left, that of a moment whose identity is not laid down.
func unnamed(m *Moment, left map[string][]Event) string {
	for id, events := range left {
		for _, e := range events {
			if e.Name == m.Name && e.At.Equal(m.At) && same(m.Email, m.Phone, e.Email, e.Phone) {
				return id
			}
		}
	}
	return ""
}
