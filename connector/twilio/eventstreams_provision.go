package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"flexbrevo/connector/failure"
)

// StreamsPlan is what Event Streams must be set up to send.
type StreamsPlan struct {
	// Destination is the complete URL of the webhook, or the Kinesis stream's Amazon
	// resource name.
	Destination string
	// Kinesis is set where events go to a Kinesis stream.
	Kinesis *KinesisAccess
	// Name marks what is ours: one flexbrevo and connector.
	Name string
	// Conversations asks for the types of Conversations too.
	Conversations bool
	// DryRun plans and changes nothing.
	DryRun bool
	// TestID waits for the test event that Twilio sends to a new sink and returns its
	// test_id; "" when none came. Nil leaves the sink unvalidated.
	TestID func(ctx context.Context) (string, error)
}

// KinesisAccess is how Twilio writes to a Kinesis stream: the role that it assumes, and
// the external id that the role asks for (CreateSink of the Events API).
type KinesisAccess struct{ RoleARN, ExternalID string }

// kind is the type of sink that the plan wants.
func (p StreamsPlan) kind() string {
	if p.Kinesis != nil {
		return kinesisSink
	}
	return webhookSink
}

// StreamsStep is one thing that was found, done, or in a dry run would be.
type StreamsStep struct {
	// Action is exists, create, created, update, updated, validate, validated,
	// remove, removed or warning.
	Action string
	// What names the thing, with its SID where it has one.
	What string
	// Note says more; may be empty.
	Note string
}

// streamsDescription marks sinks and subscriptions as ours.
func streamsDescription(name string) string { return "flexbrevo " + name }

// wantedTypes are the types that facts are made of (facts/twilio.md 1.5, 6.2).
func wantedTypes() []string {
	return []string{
		"task.created", "task.updated", "task.canceled", "task.wrapup", "task.completed", "task.deleted", "task.system-deleted",
		"task.transfer-initiated", "task.transfer-attempt-failed", "task.transfer-failed", "task.transfer-canceled", "task.transfer-completed",
		"task-queue.entered", "task-queue.timeout", "task-queue.moved",
		"reservation.created", "reservation.accepted", "reservation.rejected", "reservation.timeout", "reservation.canceled",
		"reservation.rescinded", "reservation.completed", "reservation.failed", "reservation.wrapup",
		"worker.activity.update",
	}
}

// conversationTypes leaves messages out: they are many, and polling reads those
// that a rule wants.
func conversationTypes() []string {
	return []string{
		"conversation.added", "conversation.updated", "conversation.removed", "conversation-state.updated",
		"participant.added", "participant.updated", "participant.removed",
	}
}

// ProvisionStreams makes sure that one sink and one subscription of ours send the
// wanted types to the destination, with pinned schema versions. It may be repeated:
// what is there already is found by its mark and its destination, also after a call
// whose outcome is unknown. Nothing that is not ours is changed. The steps tell what
// was done before an error, too.
func (s *Source) ProvisionStreams(ctx context.Context, plan StreamsPlan) ([]StreamsStep, error) {
	p := &streams{source: s, plan: plan}
	err := p.read(ctx)
	if err == nil {
		err = p.provision(ctx)
	}
	return p.steps, err
}

// RemoveStreams takes down the subscriptions and sinks that bear our mark and send
// to the destination; it leaves all others alone and names those that bear the mark.
func (s *Source) RemoveStreams(ctx context.Context, plan StreamsPlan) ([]StreamsStep, error) {
	p := &streams{source: s, plan: plan}
	err := p.read(ctx)
	if err == nil {
		err = p.remove(ctx)
	}
	return p.steps, err
}

// streams is one provisioning of Event Streams.
type streams struct {
	source        *Source
	plan          StreamsPlan
	sinks         []Sink
	subscriptions []Subscription
	steps         []StreamsStep
}

func (p *streams) step(action, what, note string) {
	p.steps = append(p.steps, StreamsStep{action, what, note})
}

// act notes what is done, or in a dry run what would be, and does it.
func (p *streams) act(doing, done, what, note string, do func() error) error {
	if p.plan.DryRun {
		p.step(doing, what, note)
		return nil
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", doing, what, err)
	}
	p.step(done, what, note)
	return nil
}

func (p *streams) read(ctx context.Context) (err error) {
	if p.sinks, err = p.source.fetchSinks(ctx); err != nil {
		return fmt.Errorf("read Event Streams sinks: %w", err)
	}
	if p.subscriptions, err = p.source.fetchSubscriptions(ctx); err != nil {
		return fmt.Errorf("read Event Streams subscriptions: %w", err)
	}
	return nil
}

// ours says whether a sink bears our mark and sends to our destination.
func (p *streams) ours(k Sink) bool { return p.marked(k.Description) && p.toUs(k) }

func (p *streams) marked(description string) bool {
	return description == streamsDescription(p.plan.Name)
}

func (p *streams) toUs(k Sink) bool {
	return k.Type == p.plan.kind() && k.Destination == p.plan.Destination
}

func (p *streams) subscriptionTo(sink string) (Subscription, bool) {
	i := slices.IndexFunc(p.subscriptions, func(u Subscription) bool { return u.SinkSID == sink })
	if i < 0 {
		return Subscription{}, false
	}
	return p.subscriptions[i], true
}

func (p *streams) provision(ctx context.Context) error {
	wanted, err := p.wanted(ctx)
	if err != nil {
		return err
	}
	p.strangers(wanted)
	sink, subscription := p.chosen()
	if sink.SID == "" {
		if sink, err = p.createSink(ctx); err != nil {
			return err
		}
	} else {
		p.step("exists", "sink "+sink.SID, sink.Status)
	}
	if valid, err := p.validate(ctx, sink); err != nil || !valid && p.plan.Kinesis != nil {
		return err // a subscription wants an active sink; a webhook's was seen to do without
	}
	if subscription.SID == "" {
		return p.createSubscription(ctx, sink, wanted)
	}
	return p.amend(ctx, subscription, wanted)
}

// chosen is the sink of ours to use, the one with a subscription first; the others
// are orphans, which are named.
func (p *streams) chosen() (Sink, Subscription) {
	var sink Sink
	var subscription Subscription
	for _, k := range p.sinks {
		if !p.ours(k) || k.Status == "failed" {
			continue
		}
		if u, ok := p.subscriptionTo(k.SID); sink.SID == "" || ok && subscription.SID == "" {
			sink, subscription = k, u
		}
	}
	for _, k := range p.sinks {
		_, used := p.subscriptionTo(k.SID)
		switch {
		case k.SID == sink.SID:
		case p.ours(k) && !used:
			p.step("warning", "sink "+k.SID, "an orphan of ours: nothing is subscribed to it; --remove takes it down")
		case p.ours(k):
			p.step("warning", "sink "+k.SID, "a second one of ours: events come twice, which is harmless; --remove and a new provision make it one")
		}
	}
	return sink, subscription
}

// strangers names what is not ours and overlaps, or bears our mark and leads
// elsewhere.
func (p *streams) strangers(wanted map[string]int) {
	for _, k := range p.sinks {
		u, used := p.subscriptionTo(k.SID)
		switch {
		case p.ours(k):
		case p.toUs(k) && used:
			both := 0
			for t := range u.Types {
				if _, ok := wanted[t]; ok {
					both++
				}
			}
			p.step("warning", "subscription "+u.SID, fmt.Sprintf("not ours, sends %d of these types here as well: events come twice, which is harmless", both))
		case p.toUs(k):
			p.step("warning", "sink "+k.SID, "not ours, leads here, and nothing is subscribed to it")
		case p.marked(k.Description):
			p.step("warning", "sink "+k.SID, "bears our mark and leads elsewhere: another flexbrevo, or an older server.public_url; delete it at Twilio if nothing uses it")
		}
	}
}

// wanted are the types to subscribe to that the account offers, with their pinned
// versions.
func (p *streams) wanted(ctx context.Context) (map[string]int, error) {
	offered, err := p.source.fetchTypes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read Event Streams types: %w", err)
	}
	var names, missing []string
	for _, t := range wantedTypes() {
		names = append(names, "com.twilio.taskrouter."+t)
	}
	if p.plan.Conversations {
		for _, t := range conversationTypes() {
			names = append(names, "com.twilio.conversations."+t)
		}
	}
	versions, out := map[string]int{}, map[string]int{}
	for _, name := range names {
		schema, ok := offered[name]
		if !ok {
			missing = append(missing, strings.TrimPrefix(name, "com.twilio."))
			continue
		}
		if _, known := versions[schema]; !known {
			if versions[schema], err = p.source.fetchVersion(ctx, schema); err != nil {
				return nil, fmt.Errorf("read versions of schema %s: %w", schema, err)
			}
		}
		out[name] = versions[schema]
	}
	if len(missing) > 0 {
		p.step("warning", "types", "not offered to this account, polling reads them: "+strings.Join(missing, ", "))
	}
	if len(out) == 0 {
		return nil, &failure.Error{Op: "provision Event Streams", Reason: failure.Invalid, Err: errors.New("the account offers none of the types")}
	}
	return out, nil
}

func (p *streams) createSink(ctx context.Context) (Sink, error) {
	kind, settings := p.plan.kind(), map[string]any{"destination": p.plan.Destination, "method": "POST", "batch_events": true}
	if k := p.plan.Kinesis; k != nil {
		settings = map[string]any{"arn": p.plan.Destination, "role_arn": k.RoleARN, "external_id": k.ExternalID}
	}
	configuration, err := json.Marshal(settings)
	if err != nil {
		return Sink{}, fmt.Errorf("encode the sink: %w", err)
	}
	sink := Sink{Description: streamsDescription(p.plan.Name), Type: kind, Status: "initialized", Destination: p.plan.Destination}
	err = p.act("create", "created", "sink", p.plan.Destination, func() error {
		body, err := p.source.write(ctx, "POST", "/Sinks", url.Values{
			"Description": {sink.Description}, "SinkType": {kind}, "SinkConfiguration": {string(configuration)},
		})
		if err != nil {
			return err
		}
		sink.SID, sink.Status, err = sidAndStatus(body)
		return err
	})
	return sink, err
}

func sidAndStatus(body []byte) (sid, status string, err error) {
	var made struct {
		SID    scalar `json:"sid"`
		Status scalar `json:"status"`
	}
	if json.Unmarshal(body, &made) != nil || made.SID == "" {
		return "", "", &failure.Error{Op: "read the answer", Reason: failure.Unknown, Err: errors.New("it names no SID")}
	}
	return string(made.SID), string(made.Status), nil
}

// validate sends the test event and confirms it, and says whether the sink is valid. A
// webhook's that stays unvalidated was seen to work (facts/twilio.md 6.1), so that is a
// warning.
func (p *streams) validate(ctx context.Context, sink Sink) (bool, error) {
	if sink.Status == "active" || p.plan.TestID == nil {
		return true, nil
	}
	if p.plan.DryRun {
		p.step("validate", "sink", "")
		return true, nil
	}
	if _, err := p.source.write(ctx, "POST", "/Sinks/"+segment(sink.SID)+"/Test", nil); err != nil {
		return false, fmt.Errorf("test sink %s: %w", sink.SID, err)
	}
	id, err := p.plan.TestID(ctx)
	if err != nil {
		return false, fmt.Errorf("wait for the test event: %w", err)
	}
	if id == "" {
		p.step("warning", "sink "+sink.SID, p.notArrived())
		return false, nil
	}
	return true, p.act("validate", "validated", "sink "+sink.SID, "", func() error {
		_, err := p.source.write(ctx, "POST", "/Sinks/"+segment(sink.SID)+"/Validate", url.Values{"TestId": {id}})
		return err
	})
}

func (p *streams) notArrived() string {
	if p.plan.Kinesis != nil {
		return "its test event did not arrive, so nothing is subscribed yet: may Twilio's role write to the stream, and is flexbrevo running and reading it? Provision again then"
	}
	return "its test event did not arrive: is flexbrevo running, and reachable at that URL? Provision again when it is"
}

func (p *streams) createSubscription(ctx context.Context, sink Sink, wanted map[string]int) error {
	form := url.Values{"Description": {streamsDescription(p.plan.Name)}, "SinkSid": {sink.SID}}
	for _, t := range slices.Sorted(maps.Keys(wanted)) {
		b, err := json.Marshal(map[string]any{"type": t, "schema_version": wanted[t]})
		if err != nil {
			return fmt.Errorf("encode type %s: %w", t, err)
		}
		form.Add("Types", string(b))
	}
	return p.act("create", "created", "subscription", fmt.Sprintf("%d types", len(wanted)), func() error {
		_, err := p.source.write(ctx, "POST", "/Subscriptions", form)
		return err
	})
}

// amend gives an existing subscription the types it lacks, and the pinned versions.
func (p *streams) amend(ctx context.Context, u Subscription, wanted map[string]int) error {
	path := "/Subscriptions/" + segment(u.SID) + "/SubscribedEvents"
	changed := false
	for _, t := range slices.Sorted(maps.Keys(wanted)) {
		has, ok := u.Types[t]
		if has == wanted[t] {
			continue
		}
		changed = true
		to, form := path, url.Values{"SchemaVersion": {fmt.Sprint(wanted[t])}}
		if ok {
			to += "/" + segment(t)
		} else {
			form.Set("Type", t)
		}
		err := p.act("update", "updated", "subscription "+u.SID, fmt.Sprintf("%s, version %d", t, wanted[t]), func() error {
			_, err := p.source.write(ctx, "POST", to, form)
			return err
		})
		if err != nil {
			return err
		}
	}
	if !changed {
		p.step("exists", "subscription "+u.SID, fmt.Sprintf("%d types", len(u.Types)))
	}
	return nil
}

func (p *streams) remove(ctx context.Context) error {
	for _, k := range p.sinks {
		switch {
		case p.marked(k.Description) && !p.toUs(k):
			p.step("warning", "sink "+k.SID, "bears our mark and leads elsewhere: left alone")
			continue
		case !p.ours(k):
			continue
		}
		if u, ok := p.subscriptionTo(k.SID); ok {
			if !p.marked(u.Description) {
				p.step("warning", "subscription "+u.SID, "somebody else's, on a sink of ours: both are left alone")
				continue
			}
			if err := p.drop(ctx, "subscription "+u.SID, "/Subscriptions/"+segment(u.SID)); err != nil {
				return err
			}
		}
		if err := p.drop(ctx, "sink "+k.SID, "/Sinks/"+segment(k.SID)); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes one thing; that it is gone already is what was wanted.
func (p *streams) drop(ctx context.Context, what, path string) error {
	return p.act("remove", "removed", what, "", func() error {
		_, err := p.source.write(ctx, "DELETE", path, nil)
		if failure.ReasonOf(err) == failure.Gone {
			return nil
		}
		return err
	})
}

// FetchCallback returns the workspace's event callback URL, which belongs to whoever
// set it: it is read and never written. "" means that none is set.
func (s *Source) FetchCallback(ctx context.Context) (string, error) {
	d, err := s.Discover(ctx)
	if err != nil {
		return "", err
	}
	a, err := s.client.get(ctx, taskrouterURL+segment(d.WorkspaceSID))
	if err != nil {
		return "", err
	}
	var w struct {
		URL scalar `json:"event_callback_url"`
	}
	if json.Unmarshal(a.body, &w) != nil {
		return "", s.client.misread(taskrouterURL, errors.New("the answer is not as expected"))
	}
	return withoutUser(string(w.URL)), nil
}
