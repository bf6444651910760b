package twiliosim

import (
	"strconv"
	"time"

	"flexbrevo/connector/simulator/world"
)

// appendEvent writes the event that was told last as the Events API shows it; facts/twilio.md 1.4.
func (s *Server) appendEvent(j *world.JSON, e *world.Event, telling *world.Telling, q *request) {
	j.Begin()
	j.Text("account_sid", s.world.AccountSID)
	j.Text("actor_sid", e.ActorSID)
	j.Text("actor_type", e.ActorType)
	s.appendURL(j, "actor_url", e.ActorType, e.ActorSID, "")
	j.Text("description", e.Description)
	j.Open("event_data")
	telling.Data(&restData{
		JSON: j, numbers: s.world.Options().Odd && e.At.UnixMilli()%8 == 0,
		redacted: q.redact || e.At.Before(q.now.Add(-retention)),
	})
	j.End()
	j.Time("event_date", e.At, time.RFC3339)
	j.Int("event_date_ms", int(e.At.UnixMilli()))
	j.Text("event_type", e.Type)
	j.Text("resource_sid", e.ResourceSID)
	j.Text("resource_type", e.ResourceType)
	task := ""
	if e.Task >= 0 {
		task = s.world.Tasks[e.Task].SID
	}
	s.appendURL(j, "resource_url", e.ResourceType, e.ResourceSID, task)
	j.Text("sid", e.SID)
	j.Text("source", "twilio")
	j.Text("source_ip_address", "192.0.2.10")
	j.Texts("url", workspaceURL, s.world.WorkspaceSID, "/Events/", e.SID)
	j.Text("workspace_sid", s.world.WorkspaceSID)
	j.End()
}

const workspaceURL = "https://taskrouter.twilio.com/v1/Workspaces/"

// appendURL writes the address of what an event is about, or of who did it.
func (s *Server) appendURL(j *world.JSON, name, kind, sid, task string) {
	workspace := s.world.WorkspaceSID
	switch kind {
	case "worker":
		j.Texts(name, workspaceURL, workspace, "/Workers/", sid)
	case "reservation":
		j.Texts(name, workspaceURL, workspace, "/Tasks/", task, "/Reservations/", sid)
	case "task":
		j.Texts(name, workspaceURL, workspace, "/Tasks/", sid)
	default:
		j.Texts(name, workspaceURL, workspace)
	}
}

// restData writes every scalar of event_data as text, as the documented example does, moments as epoch
// seconds. In an odd world one event in eight has its numbers as numbers, since the real types are not
// known for sure; facts/twilio.md 13.
type restData struct {
	*world.JSON
	numbers, redacted bool
}

// Int implements world.Data.
func (d *restData) Int(name string, value int) {
	if d.numbers {
		d.JSON.Int(name, value)
		return
	}
	d.digits(name, int64(value))
}

// Moment implements world.Data.
func (d *restData) Moment(name string, at time.Time) { d.digits(name, at.Unix()) }

// Nested implements world.Data.
func (d *restData) Nested(name string, object []byte) {
	if d.redacted && name == "task_attributes" {
		object = nil
	}
	d.JSON.Nested(name, object)
}

// digits writes a number as a text.
func (d *restData) digits(name string, value int64) {
	var room [20]byte
	d.JSON.Nested(name, strconv.AppendInt(room[:0], value, 10))
}
