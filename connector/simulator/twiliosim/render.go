package twiliosim

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// Callback is an event as TaskRouter posts it to the workspace's callback URL; facts/twilio.md 1.5, 1.6.
// The names are those of event_data in camel case, every value is text, moments are epoch seconds.
func (s *Server) Callback(e *world.Event) url.Values {
	form := url.Values{}
	for _, field := range e.Data {
		form.Set(camel(field.Name), formText(field.Value))
	}
	if form.Has("TaskCanceledReason") != form.Has("TaskCompletedReason") {
		// The callback always has both, one of them empty.
		form.Set("TaskCanceledReason", form.Get("TaskCanceledReason"))
		form.Set("TaskCompletedReason", form.Get("TaskCompletedReason"))
	}
	for name, value := range map[string]string{
		"EventType": e.Type, "Sid": e.SID, "AccountSid": s.world.AccountSID, "WorkspaceSid": s.world.WorkspaceSID,
		"WorkspaceName": s.world.WorkspaceName, "EventDescription": e.Description, "ResourceType": e.ResourceType, "ResourceSid": e.ResourceSID,
		"Timestamp": strconv.FormatInt(e.At.Unix(), 10), "TimestampMs": strconv.FormatInt(e.At.UnixMilli(), 10),
		"OperatingUnitSid": s.world.OperatingUnitSID(),
	} {
		form.Set(name, value)
	}
	return form
}

func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func formText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		return strconv.FormatInt(v.Unix(), 10)
	}
	wrapped := string(object("v", value).AppendJSON(nil))
	return strings.TrimSuffix(strings.TrimPrefix(wrapped, `{"v":`), "}")
}

// CloudEvent is an event as Event Streams sends it; facts/twilio.md 6.2. Numbers are numbers, moments ISO
// 8601 with milliseconds, attributes still a JSON text.
func (s *Server) CloudEvent(e *world.Event) world.Fields {
	family, _, _ := strings.Cut(e.Type, ".")
	payload := object("sid", e.SID, "eventtype", e.Type, "account_sid", s.world.AccountSID, "timestamp", e.At)
	payload = append(payload, e.Data...)
	payload = append(payload, object("event_description", e.Description, "resource_type", e.ResourceType, "resource_sid", e.ResourceSID)...)
	return object(
		"specversion", "1.0", "type", "com.twilio.taskrouter."+e.Type, "source", s.world.SourceSID(), "id", s.world.EnvelopeSID(e),
		"time", e.At, "dataschema", "https://events-schemas.twilio.com/TaskRouter.WDSEvent/4", "datacontenttype", "application/json",
		"data", object(
			"sid", e.SID, "name", e.Type, "account_sid", s.world.AccountSID, "account_friendly_name", "Simulated", "parent_account_sid", nil,
			"timestamp", e.At, "level", "INFO", "group", family, "product_name", "TaskRouter", "publisher", s.world.WorkspaceName,
			"publisher_metadata", "{}", "payload_type", "application/json", "payload", payload))
}
