package twiliosim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"flexbrevo/connector/simulator/world"
)

// Sink is an Event Streams sink that a client made. The simulator sends nothing to it by itself: a test
// hands its Destination to Push.
type Sink struct {
	SID         string
	Description string
	// Type is webhook or kinesis.
	Type string
	// Destination is a webhook's URL, or a Kinesis stream's Amazon resource name.
	Destination string
	Batch       bool
	Validated   bool
	CreatedAt   time.Time
	raw         string // SinkConfiguration as it came
	tests       int    // how many test events were asked for
}

// Subscription sends event types to a sink.
type Subscription struct {
	SID         string
	Description string
	SinkSID     string
	Types       []string
	// Versions are the schema versions by type; 0 where none was asked for.
	Versions  map[string]int
	CreatedAt time.Time
}

// streams is what clients set up at Event Streams, guarded by Server.mu.
type streams struct {
	made          int
	sinks         []Sink
	subscriptions []Subscription
}

// Sinks returns the sinks that exist, in the order of creation.
func (s *Server) Sinks() []Sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams.sinks)
}

// Subscriptions returns the subscriptions that exist, in the order of creation.
func (s *Server) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams.subscriptions)
}

// routeStreams serves the set-up of Event Streams; facts/twilio.md 6.1.
func (s *Server) routeStreams() {
	const base = "/events/v1"
	s.get(base+"/Types", s.listTypes)
	s.get(base+"/Sinks", func(q *request) (world.Fields, error) {
		return s.list(q, "sinks", 1000, rowsOf(s.Sinks(), func(k *Sink) string { return k.SID }, showSink))
	})
	s.get(base+"/Sinks/{sid}", func(q *request) (world.Fields, error) {
		return one(q, s.Sinks(), func(k *Sink) string { return k.SID }, showSink)
	})
	s.get(base+"/Subscriptions", func(q *request) (world.Fields, error) {
		return s.list(q, "subscriptions", 1000, rowsOf(s.Subscriptions(), func(k *Subscription) string { return k.SID }, s.showSubscription))
	})
	s.get(base+"/Subscriptions/{sid}", func(q *request) (world.Fields, error) {
		return one(q, s.Subscriptions(), func(k *Subscription) string { return k.SID }, s.showSubscription)
	})
	s.routeSubscribed(base)
	s.change("POST "+base+"/Sinks", http.StatusCreated, s.createSink)
	s.change("POST "+base+"/Sinks/{sid}/Test", http.StatusCreated, s.testSink)
	s.change("POST "+base+"/Sinks/{sid}/Validate", http.StatusCreated, s.validateSink)
	s.change("DELETE "+base+"/Sinks/{sid}", http.StatusNoContent, s.deleteSink)
	s.change("POST "+base+"/Subscriptions", http.StatusCreated, s.createSubscription)
	s.change("DELETE "+base+"/Subscriptions/{sid}", http.StatusNoContent, s.deleteSubscription)
}

// change serves a request that changes something; the handler runs under the lock.
func (s *Server) change(pattern string, status int, handle func(*http.Request) (world.Fields, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			sendProblem(w, badRequest(20001, "The body is not the form expected"))
			return
		}
		s.mu.Lock()
		body, err := handle(r)
		s.mu.Unlock()
		switch {
		case err != nil:
			sendProblem(w, err)
		case status == http.StatusNoContent:
			w.WriteHeader(status)
		default:
			send(w, status, body.AppendJSON(nil))
		}
	})
}

func rowsOf[T any](items []T, sid func(*T) string, show func(*T) world.Fields) []row {
	rows := make([]row, len(items))
	for i := range items {
		rows[i] = row{sid(&items[i]), func() world.Fields { return show(&items[i]) }}
	}
	return rows
}

func one[T any](q *request, items []T, sid func(*T) string, show func(*T) world.Fields) (world.Fields, error) {
	for i := range items {
		if sid(&items[i]) == q.PathValue("sid") {
			return show(&items[i]), nil
		}
	}
	return nil, notFound(q.Request)
}

// newSID makes the SID of something that a client created.
func (s *Server) newSID(prefix string) string {
	s.streams.made++
	n := uint64(s.streams.made)
	return fmt.Sprintf("%s%016x%016x", prefix, scatter(s.options.Seed+3, n), scatter(s.options.Seed+4, n))
}

func (s *Server) createSink(r *http.Request) (world.Fields, error) {
	var configuration struct {
		Destination string `json:"destination"`
		Batch       bool   `json:"batch_events"`
		ARN         string `json:"arn"`
		RoleARN     string `json:"role_arn"`
		ExternalID  string `json:"external_id"`
	}
	raw, kind := r.PostForm.Get("SinkConfiguration"), r.PostForm.Get("SinkType")
	if kind != "webhook" && kind != "kinesis" {
		return nil, badRequest(20001, "Only sinks of the types webhook and kinesis are offered by this stand-in")
	}
	err := json.Unmarshal([]byte(raw), &configuration)
	if kind == "kinesis" && configuration.RoleARN != "" && configuration.ExternalID != "" {
		configuration.Destination = configuration.ARN
	}
	if err != nil || configuration.Destination == "" || r.PostForm.Get("Description") == "" {
		return nil, badRequest(20001, "Description or SinkConfiguration is missing or invalid")
	}
	s.streams.sinks = append(s.streams.sinks, Sink{
		SID: s.newSID("DG"), Description: r.PostForm.Get("Description"), Type: kind, Destination: configuration.Destination,
		Batch: configuration.Batch, CreatedAt: s.Now(), raw: raw,
	})
	return showSink(&s.streams.sinks[len(s.streams.sinks)-1]), nil
}

func showSink(k *Sink) world.Fields {
	status := "initialized"
	if k.Validated {
		status = "active"
	}
	self := address("/events/v1/Sinks/" + k.SID)
	return object(
		"date_created", iso(k.CreatedAt), "date_updated", iso(k.CreatedAt), "description", k.Description, "sid", k.SID,
		"sink_configuration", json.RawMessage(k.raw), "sink_type", k.Type, "status", status, "url", self,
		"links", object("sink_test", self+"/Test", "sink_validate", self+"/Validate"))
}

func (s *Server) sink(sid string) int {
	return slices.IndexFunc(s.streams.sinks, func(k Sink) bool { return k.SID == sid })
}

func (s *Server) testSink(r *http.Request) (world.Fields, error) {
	if s.sink(r.PathValue("sid")) < 0 {
		return nil, notFound(r)
	}
	k := &s.streams.sinks[s.sink(r.PathValue("sid"))]
	k.tests++
	s.sendTestEvent(*k)
	return object("result", "submitted"), nil
}

func (s *Server) validateSink(r *http.Request) (world.Fields, error) {
	at := s.sink(r.PathValue("sid"))
	if at < 0 {
		return nil, notFound(r)
	}
	if id := r.PostForm.Get("TestId"); id == "" || (s.options.Deliver != nil || s.options.PutKinesis != nil) && id != testID(&s.streams.sinks[at]) {
		return nil, badRequest(20001, "TestId is missing or is not that of the test event")
	}
	s.streams.sinks[at].Validated = true
	return object("result", "valid"), nil
}

func (s *Server) deleteSink(r *http.Request) (world.Fields, error) {
	at := s.sink(r.PathValue("sid"))
	if at < 0 {
		return nil, notFound(r)
	}
	if s.inUse(r.PathValue("sid")) {
		return nil, badRequest(20001, "Sink %s is in use", r.PathValue("sid"))
	}
	s.streams.sinks = slices.Delete(s.streams.sinks, at, at+1)
	return nil, nil
}

func (s *Server) inUse(sink string) bool {
	return slices.ContainsFunc(s.streams.subscriptions, func(k Subscription) bool { return k.SinkSID == sink })
}

// createSubscription takes any sink that exists and serves no other subscription: a webhook sink was seen
// to work without validation, others must be active, as the API's own description says.
func (s *Server) createSubscription(r *http.Request) (world.Fields, error) {
	sink := r.PostForm.Get("SinkSid")
	if s.sink(sink) < 0 || s.inUse(sink) {
		return nil, badRequest(20001, "Sink %s does not exist or is in use", sink)
	}
	if k := s.streams.sinks[s.sink(sink)]; k.Type == "kinesis" && !k.Validated {
		return nil, badRequest(20001, "Sink %s is not active", sink)
	}
	subscription := Subscription{SID: s.newSID("DF"), Description: r.PostForm.Get("Description"), SinkSID: sink, CreatedAt: s.Now()}
	for _, text := range r.PostForm["Types"] {
		var kind struct {
			Type    string `json:"type"`
			Version int    `json:"schema_version"`
		}
		if err := json.Unmarshal([]byte(text), &kind); err != nil || kind.Type == "" {
			return nil, badRequest(20001, "Types must be objects with a type")
		}
		subscription.subscribe(kind.Type, kind.Version)
	}
	if len(subscription.Types) == 0 {
		return nil, badRequest(20001, "Types is missing")
	}
	s.streams.subscriptions = append(s.streams.subscriptions, subscription)
	return s.showSubscription(&subscription), nil
}

func (s *Server) showSubscription(k *Subscription) world.Fields {
	self := address("/events/v1/Subscriptions/" + k.SID)
	return object(
		"account_sid", s.world.AccountSID, "sid", k.SID, "date_created", iso(k.CreatedAt), "date_updated", iso(k.CreatedAt),
		"description", k.Description, "sink_sid", k.SinkSID, "url", self, "links", object("subscribed_events", self+"/SubscribedEvents"))
}

// deleteSubscription leaves the sink, as Twilio does.
func (s *Server) deleteSubscription(r *http.Request) (world.Fields, error) {
	at := slices.IndexFunc(s.streams.subscriptions, func(k Subscription) bool { return k.SID == r.PathValue("sid") })
	if at < 0 {
		return nil, notFound(r)
	}
	s.streams.subscriptions = slices.Delete(s.streams.subscriptions, at, at+1)
	return nil, nil
}

// listTypes offers the TaskRouter types that the world makes.
func (s *Server) listTypes(q *request) (world.Fields, error) {
	var rows []row
	for _, name := range []string{
		"reservation.accepted", "reservation.canceled", "reservation.completed", "reservation.created", "reservation.rejected",
		"reservation.rescinded", "reservation.timeout", "reservation.wrapup", "task-queue.entered", "task-queue.moved", "task-queue.timeout",
		"task.canceled", "task.completed", "task.created", "task.system-deleted", "task.transfer-completed", "task.transfer-initiated",
		"task.updated", "task.wrapup", "worker.activity.update", "workflow.entered", "workflow.target-matched", "workflow.timeout",
	} {
		kind := "com.twilio.taskrouter." + name
		rows = append(rows, row{kind, func() world.Fields {
			return object(
				"type", kind, "schema_id", "TaskRouter.WDSEvent", "date_created", iso(s.founded()), "date_updated", iso(s.founded()),
				"description", name, "status", "available", "documentation_url", nil, "url", address("/events/v1/Types/"+kind),
				"links", object("schema", address("/events/v1/Schemas/TaskRouter.WDSEvent/Versions")))
		}})
	}
	return s.list(q, "types", 1000, rows)
}
