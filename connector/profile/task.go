package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// Task is one task as rules and metrics see it. Durations are whole seconds,
// computed after milliseconds were dropped, to match Flex Insights
// (facts/twilio.md 1.8).
type Task struct {
	Fact       *fact.Fact
	SID        string
	Attributes map[string]any
	Channel    string // normalised
	Direction  string // "inbound", "outbound", "" or what else the source calls it
	Survey     bool   // it carries a survey, and is no contact
	InScope    bool

	CreatedAt, AcceptedAt, WrapupAt, EndedAt time.Time
	Completed, Canceled                      bool
	Abandoned                                bool
	// Transfer says that its group has an earlier task.
	Transfer bool

	Queue, Worker, Outcome, ConversationSID string

	// Wait is known when Waited: until the first acceptance, or until the cancel of
	// one that nobody accepted. Handle = Talk + Wrap is known when Handled.
	Wait, Ring, Talk, Wrap, Handle int
	Waited, Handled                bool

	reservations []reservation
	// startedAt is when it began, as far as is known; groupKey what its group is
	// called.
	startedAt time.Time
	groupKey  string
	group     *Group
}

type reservation struct {
	sid                                           string
	worker, workerSID, queueSID                   string
	created, accepted, wrapup, completed, refused time.Time
}

func newTask(r *Reading, o *Options) *Task {
	f := r.Fact
	t := &Task{Fact: f, SID: f.SID, Attributes: r.attributes}
	t.Channel = channelOf(f, t.Attributes)
	t.Direction = directionOf(t.Attributes)
	t.Survey = isSurvey(f, t.Attributes, o)
	t.InScope = o.inScope(t.Channel)
	t.Queue = first(f.Text(fact.QueueName), f.Text(fact.QueueSID))
	t.Outcome = str(t.Attributes, "conversations", "outcome")
	t.ConversationSID = first(str(t.Attributes, "conversationSid"), f.Text(fact.ConversationSID))
	t.CreatedAt = f.Time(fact.Created)
	if t.startedAt = t.CreatedAt; t.startedAt.IsZero() {
		t.startedAt = firstTime(f)
	}
	t.groupKey = groupKey(t)
	t.reserve()
	t.life()
	t.durations()
	// Last, because the operator's own condition may ask for the durations.
	t.Abandoned = t.Canceled && t.AcceptedAt.IsZero() && !t.Survey && abandoned(t, o)
	return t
}

// groupKey is what the task's group is called: the first of these that it has.
func groupKey(t *Task) string {
	return first(
		str(t.Attributes, "conversations", "conversation_id"),
		interactionOf(t.Fact, t.Attributes),
		t.ConversationSID,
		str(t.Attributes, "call_sid"),
		t.SID,
	)
}

// IsSurvey says whether a task carries a survey, and is no contact with the centre.
func IsSurvey(f *fact.Fact, o *Options) bool { return isSurvey(f, fact.Newest(f), o) }

// isSurvey follows facts/twilio.md 4.6.
func isSurvey(f *fact.Fact, attributes map[string]any, o *Options) bool {
	return isOneOf(o.SurveyQueues, f, fact.QueueName, fact.QueueSID) || isOneOf(o.SurveyWorkflows, f, fact.Workflow, fact.WorkflowSID) ||
		strings.EqualFold(str(attributes, "conversations", "kind"), "survey") ||
		strings.EqualFold(str(attributes, "conversations", "virtual"), "yes")
}

// isOneOf says whether one of the fact's values is on the list.
func isOneOf(list []string, f *fact.Fact, values ...string) bool {
	if len(list) == 0 {
		return false
	}
	return slices.ContainsFunc(values, func(name string) bool {
		v := f.Text(name)
		return v != "" && slices.Contains(list, v)
	})
}

func abandoned(t *Task, o *Options) bool {
	if o.Abandoned != nil {
		return o.Abandoned(t)
	}
	return t.Fact.Text(fact.CanceledReason) == "hangup" ||
		strings.EqualFold(str(t.Attributes, "conversations", "abandoned"), "yes")
}

func (t *Task) reserve() {
	for name, p := range t.Fact.Parts {
		sid, ok := strings.CutPrefix(name, fact.Reservation)
		if !ok {
			continue
		}
		t.reservations = append(t.reservations, reservation{
			sid:       sid,
			worker:    first(p.Text(fact.WorkerName), p.Text(fact.WorkerSID)),
			workerSID: p.Text(fact.WorkerSID),
			queueSID:  p.Text(fact.QueueSID),
			created:   p.Time(fact.Created),
			accepted:  p.Time(fact.Accepted),
			wrapup:    p.Time(fact.Wrapup),
			completed: p.Time(fact.Completed),
			refused:   earliest(p.Time(fact.Rejected), p.Time(fact.TimedOut), p.Time(fact.Canceled), p.Time(fact.Rescinded)),
		})
	}
	slices.SortFunc(t.reservations, func(a, b reservation) int {
		x, y := latest(a.accepted, a.created), latest(b.accepted, b.created)
		return cmp.Or(x.Compare(y), strings.Compare(a.sid, b.sid))
	})
}

// accepted are the reservations that an agent took, in order.
func (t *Task) accepted() []reservation {
	var out []reservation
	for _, r := range t.reservations {
		if !r.accepted.IsZero() {
			out = append(out, r)
		}
	}
	return out
}

// movedFrom says whether taking r after p moved the task: to another agent, or to
// another queue, whose agent may be the same.
func (r reservation) movedFrom(p reservation) bool {
	return differ(r.queueSID, p.queueSID) || differ(r.workerSID, p.workerSID) || r.worker != p.worker
}

// differ says whether two SIDs are known and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// life finds the task's moments. A task that was completed stays so, whatever
// else is told of it.
func (t *Task) life() {
	f := t.Fact
	t.AcceptedAt = f.Time(fact.Assigned)
	t.WrapupAt = f.Time(fact.Wrapup)
	for _, r := range t.accepted() {
		t.AcceptedAt = earliest(t.AcceptedAt, r.accepted)
		t.Worker = first(r.worker, t.Worker) // the last one who accepted
	}
	t.Worker = first(t.Worker, memberOf(f))
	switch completed, canceled := f.Time(fact.Completed), f.Time(fact.Canceled); {
	case !completed.IsZero():
		t.Completed, t.EndedAt = true, completed
	case !canceled.IsZero():
		t.Canceled, t.EndedAt = true, canceled
	default:
		t.EndedAt = f.Time(fact.Deleted)
	}
}

func (t *Task) durations() {
	from := first2(t.Fact.Time(fact.Queued), t.CreatedAt)
	until := t.AcceptedAt
	if until.IsZero() && t.Canceled {
		until = t.EndedAt
	}
	if !from.IsZero() && !until.IsZero() {
		t.Wait, t.Waited = seconds(from, until), true
	}
	for _, r := range t.reservations {
		if !r.created.IsZero() {
			if end := first2(r.accepted, r.refused); !end.IsZero() {
				t.Ring += seconds(r.created, end)
			}
		}
		if r.accepted.IsZero() || (r.wrapup.IsZero() && r.completed.IsZero()) {
			continue
		}
		t.Handled = true
		t.Talk += seconds(r.accepted, first2(r.wrapup, r.completed))
		if !r.wrapup.IsZero() && !r.completed.IsZero() {
			t.Wrap += seconds(r.wrapup, r.completed)
		}
	}
	t.Handle = t.Talk + t.Wrap
}

// firstTime is the earliest moment known of a fact or its parts.
func firstTime(f *fact.Fact) time.Time {
	var at time.Time
	for name := range f.Times {
		at = earliest(at, f.Time(name))
	}
	for _, p := range f.Parts {
		for name := range p.Times {
			at = earliest(at, p.Time(name))
		}
	}
	return at
}

func seconds(from, until time.Time) int { return int(max(0, until.Unix()-from.Unix())) }

func earliest(times ...time.Time) time.Time {
	var min time.Time
	for _, t := range times {
		if !t.IsZero() && (min.IsZero() || t.Before(min)) {
			min = t
		}
	}
	return min
}

func latest(times ...time.Time) time.Time {
	var max time.Time
	for _, t := range times {
		if t.After(max) {
			max = t
		}
	}
	return max
}

func first2(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// channelOf is the normalised channel of a task (design 3.2): what the
// attributes say for messaging, else the task channel.
func channelOf(f *fact.Fact, attributes map[string]any) string {
	return NormalChannel(first(
		str(attributes, "channelType"), f.Text(fact.ChannelType), f.Text(fact.InteractionChannel),
		addressChannel(str(attributes, "customerAddress")), addressChannel(str(attributes, "from")), f.Text(fact.Channel)))
}

// addressChannel is the channel that an address names by its prefix: TaskRouter carries
// such contacts on its channel "chat".
func addressChannel(address string) string {
	switch prefix, _, _ := strings.Cut(address, ":"); strings.ToLower(prefix) {
	case "whatsapp", "messenger":
		return prefix
	}
	return ""
}

// NormalChannel gives a channel its normal name.
func NormalChannel(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	switch s {
	case "web", "chat", "webchat":
		return "webchat"
	}
	return s
}

// outbound is the direction of a contact that the centre began.
const outbound = "outbound"

// directionOf is what the attributes call the direction; Twilio's own words for
// calls ("outbound-api") count as outbound. Where they do not say, who was called and
// who began it does (facts/twilio.md 3.5).
func directionOf(attributes map[string]any) string {
	d := strings.ToLower(first(str(attributes, "direction"), str(attributes, "conversations", "direction")))
	switch {
	case strings.HasPrefix(d, outbound):
		return outbound
	case d != "":
		return d
	case str(attributes, "outbound_to") != "" || strings.EqualFold(str(attributes, "initiatedBy"), "agent"):
		return outbound
	}
	return ""
}
