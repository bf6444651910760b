package objects

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"flexbrevo/connector/figures"
	"flexbrevo/connector/part"
)

// The kinds, as the configuration calls them.
const (
	agentDays  = "agent_days"
	queueHours = "queue_hours"
)

// hourLayout is how an hour is written as a period; a day is a date.
const hourLayout = "2006-01-02T15"

// kind is one of the two things that are told. A period is a day or an hour: texts of
// one form, which sort as time does.
type kind struct {
	name string
	// object is the type in Brevo.
	object string
	layout string
	// rows are the records of the periods from one up to, not including, another, in
	// order of period.
	rows func(ctx context.Context, from, until string) ([]row, error)
}

// row is one record of a custom object.
type row struct {
	period, id string
	body       json.RawMessage
	// sum is a fingerprint of all rows of the period, on the last of them.
	sum string
}

// period is the one that a moment is in.
func (k *kind) period(t time.Time, location *time.Location) string {
	m := figures.MarkAt(t, location)
	if k.name == agentDays {
		return m.Agents
	}
	return m.Queues.Format(hourLayout)
}

// step is the period so many days later.
func (k *kind) step(period string, days int) string {
	at, _ := time.Parse(k.layout, period) // periods are our own
	return at.AddDate(0, 0, days).Format(k.layout)
}

// next is the period after one.
func (k *kind) next(period string) string {
	if k.name == agentDays {
		return k.step(period, 1)
	}
	at, _ := time.Parse(k.layout, period)
	return at.Add(time.Hour).Format(k.layout)
}

func newAgentDays(site part.Site) *kind {
	c := site.Config
	return &kind{name: agentDays, object: c.CustomObjects.AgentDays, layout: time.DateOnly,
		rows: func(ctx context.Context, from, until string) ([]row, error) {
			days, err := figures.LoadAgentDays(ctx, site.Store, c.Name, from, until)
			var rows []row
			for _, d := range days {
				rows = append(rows, rowOf(d.Day, d.Worker+"-"+d.Day, agentDay(d, c.Location)))
			}
			return rows, err
		}}
}

// agentDay has one attribute for each activity, because an attribute holds no object.
func agentDay(d figures.AgentDay, location *time.Location) map[string]any {
	p := d.Properties()
	if location == nil {
		location = time.UTC
	}
	if begin, err := time.ParseInLocation(time.DateOnly, d.Day, location); err == nil {
		p["starts_at"] = begin.UTC().Format(time.RFC3339)
	}
	for name, seconds := range d.Activities {
		p["activity_"+strings.ToLower(figures.PropertyName(name))] = seconds
	}
	return p
}

func newQueueHours(site part.Site) *kind {
	c := site.Config
	return &kind{name: queueHours, object: c.CustomObjects.QueueHours, layout: hourLayout,
		rows: func(ctx context.Context, from, until string) ([]row, error) {
			since, err := time.Parse(hourLayout, from)
			if err != nil {
				return nil, err
			}
			end, err := time.Parse(hourLayout, until)
			if err != nil {
				return nil, err
			}
			hours, err := figures.LoadQueueHours(ctx, site.Store, c.Name, since, end)
			var rows []row
			for _, h := range hours {
				period := h.Hour.UTC().Format(hourLayout)
				p := h.Properties()
				p["starts_at"] = p["hour"]
				rows = append(rows, rowOf(period, h.Queue+"-"+figures.PropertyName(h.Channel)+"-"+period, p))
			}
			return rows, err
		}}
}

// rowOf writes a record as an upsert has it. The ext_id is of letters, digits, - and _,
// since what else Brevo takes is not documented (facts/brevo.md 12).
func rowOf(period, extID string, attributes map[string]any) row {
	body, err := json.Marshal(map[string]any{"identifiers": map[string]string{"ext_id": extID}, "attributes": attributes})
	if err != nil {
		panic("objects: " + err.Error()) // texts and numbers only
	}
	return row{period: period, id: extID, body: body}
}
