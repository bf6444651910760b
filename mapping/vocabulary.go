package mapping

import (
	"slices"
	"strings"
)

// Metric is a figure that the connector computes for each customer.
type Metric struct {
	// Name is how a rule calls it.
	Name string
	// Type is the Brevo attribute type that suits it: TypeDate, TypeFloat or TypeText.
	Type string
}

// KnownMetrics gives the metrics of design section 3.2, in its order.
func KnownMetrics() []Metric {
	return []Metric{
		{"total_conversations", TypeFloat},
		{"total_tasks", TypeFloat},
		{"first_conversation_date", TypeDate},
		{"last_conversation_date", TypeDate},
		{"last_wait_time", TypeFloat},
		{"avg_wait_time", TypeFloat},
		{"avg_handle_time", TypeFloat},
		{"abandoned_count", TypeFloat},
		{"last_csat_score", TypeFloat},
		{"avg_csat_score", TypeFloat},
		{"csat_count", TypeFloat},
		{"preferred_channel", TypeText},
		{"last_channel", TypeText},
		{"last_queue", TypeText},
		{"last_agent", TypeText},
		{"last_outcome", TypeText},
	}
}

// metricKinds is KnownMetrics by name; it is never written after construction.
var metricKinds = func() map[string]string {
	kinds := map[string]string{}
	for _, metric := range KnownMetrics() {
		kinds[metric.Name] = metric.Type
	}
	return kinds
}()

// isCount tells whether a metric is always a whole number.
func isCount(metric string) bool {
	return strings.HasPrefix(metric, "total_") || strings.HasSuffix(metric, "_count")
}

// The source event types that the connector itself makes of records (design section 3.1).
const (
	EventTaskCreated            = "task.created"
	EventTaskAssigned           = "task.assigned"
	EventTaskWrapup             = "task.wrapup"
	EventTaskCompleted          = "task.completed"
	EventTaskCanceled           = "task.canceled"
	EventTaskAbandoned          = "task.abandoned"
	EventConversationStarted    = "conversation.started"
	EventConversationEnded      = "conversation.ended"
	EventMessageReceived        = "message.received"
	EventMessageSent            = "message.sent"
	EventSurveyCompleted        = "survey.completed"
	EventInteractionTransferred = "interaction.transferred"
)

// EventTypes gives every key that event_mapping takes: the connector's own types, then TaskRouter's raw types
// (facts/twilio.md 1.5).
func EventTypes() []string {
	types := []string{
		EventTaskCreated, EventTaskAssigned, EventTaskWrapup, EventTaskCompleted, EventTaskCanceled, EventTaskAbandoned,
		EventConversationStarted, EventConversationEnded, EventMessageReceived, EventMessageSent, EventSurveyCompleted,
		EventInteractionTransferred,
	}
	for _, family := range taskRouterFamilies() {
		for _, verb := range family.verbs {
			if name := family.name + "." + verb; !slices.Contains(types, name) {
				types = append(types, name)
			}
		}
	}
	return types
}

type eventFamily struct {
	name  string
	verbs []string
}

func taskRouterFamilies() []eventFamily {
	return []eventFamily{
		{"activity", []string{"created", "updated", "deleted"}},
		{"reservation", []string{"created", "accepted", "rejected", "timeout", "canceled", "rescinded", "completed", "failed", "wrapup"}},
		{"task", []string{
			"created", "updated", "canceled", "wrapup", "completed", "deleted", "system-deleted", "transfer-initiated",
			"transfer-attempt-failed", "transfer-failed", "transfer-canceled", "transfer-completed",
		}},
		{"task-channel", []string{"created", "updated", "deleted"}},
		{"task-queue", []string{"created", "deleted", "entered", "timeout", "moved", "expression.updated"}},
		{"worker", []string{"created", "activity.update", "attributes.update", "capacity.update", "channel.availability.update", "deleted"}},
		{"workflow", []string{"created", "updated", "deleted", "target-matched", "entered", "timeout", "skipped"}},
		{"workspace", []string{"created", "updated", "deleted"}},
	}
}

// The targets of field rules that identify a contact (facts/brevo.md 1.1).
const (
	TargetEmail    = "email"
	TargetSMS      = "SMS"
	TargetWhatsApp = "WHATSAPP"
	TargetLandline = "LANDLINE_NUMBER"
	TargetExtID    = "ext_id"
)

// IsIdentifier tells whether a target of a field rule identifies the contact in Brevo.
func IsIdentifier(target string) bool {
	switch target {
	case TargetEmail, TargetSMS, TargetWhatsApp, TargetLandline, TargetExtID:
		return true
	}
	return false
}

// Nearest gives the candidate that word was probably meant to be, or "" when none is close: at most one edit away for
// words up to five letters, two for longer ones.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", 3
	if len(word) <= 5 {
		bestDistance = 2
	}
	for _, candidate := range candidates {
		if d := distance(word, candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	if gap := len(from) - len(to); gap > 2 || gap < -2 {
		return 3
	}
	before, last := []int(nil), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := range from {
		row := make([]int, len(to)+1)
		row[0] = i + 1
		for j := range to {
			cost := 1
			if from[i] == to[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(to)]
}
