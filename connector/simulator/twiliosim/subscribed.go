package twiliosim

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// taskRouterSchema is the schema of all TaskRouter events; facts/twilio.md 6.2.
const taskRouterSchema = "TaskRouter.WDSEvent"

// routeSubscribed serves the types of a subscription and the versions of a schema.
func (s *Server) routeSubscribed(base string) {
	const events = "/Subscriptions/{sid}/SubscribedEvents"
	s.get(base+events, s.listSubscribed)
	s.change("POST "+base+events, http.StatusCreated, func(r *http.Request) (world.Fields, error) {
		return s.subscribe(r, r.PostForm.Get("Type"))
	})
	s.change("POST "+base+events+"/{type}", http.StatusOK, func(r *http.Request) (world.Fields, error) {
		return s.subscribe(r, r.PathValue("type"))
	})
	s.get(base+"/Schemas/{id}/Versions", func(q *request) (world.Fields, error) {
		if q.PathValue("id") != taskRouterSchema {
			return nil, notFound(q.Request)
		}
		var rows []row
		for v := 1; v <= 5; v++ {
			rows = append(rows, row{strconv.Itoa(v), func() world.Fields {
				self := address(base + "/Schemas/" + taskRouterSchema + "/Versions/" + strconv.Itoa(v))
				return object("id", taskRouterSchema, "schema_version", v, "date_created", iso(s.founded()), "url", self, "raw", self+".json")
			}})
		}
		return s.list(q, "schema_versions", 1000, rows)
	})
}

// subscribe notes a type, or another version of it.
func (k *Subscription) subscribe(kind string, version int) {
	if k.Versions == nil {
		k.Versions = map[string]int{}
	}
	if _, known := k.Versions[kind]; !known {
		k.Types = append(k.Types, kind)
	}
	k.Versions[kind] = version
}

func (s *Server) listSubscribed(q *request) (world.Fields, error) {
	subscriptions := s.Subscriptions()
	at := slices.IndexFunc(subscriptions, func(k Subscription) bool { return k.SID == q.PathValue("sid") })
	if at < 0 {
		return nil, notFound(q.Request)
	}
	var rows []row
	for _, kind := range subscriptions[at].Types {
		rows = append(rows, row{kind, func() world.Fields { return s.showSubscribed(&subscriptions[at], kind) }})
	}
	return s.list(q, "types", 1000, rows)
}

func (s *Server) showSubscribed(k *Subscription, kind string) world.Fields {
	return object("account_sid", s.world.AccountSID, "type", kind, "schema_version", k.Versions[kind], "subscription_sid", k.SID,
		"url", address("/events/v1/Subscriptions/"+k.SID+"/SubscribedEvents/"+kind))
}

func (s *Server) subscribe(r *http.Request, kind string) (world.Fields, error) {
	at := slices.IndexFunc(s.streams.subscriptions, func(k Subscription) bool { return k.SID == r.PathValue("sid") })
	if at < 0 {
		return nil, notFound(r)
	}
	version, err := strconv.Atoi(r.PostForm.Get("SchemaVersion"))
	if err != nil || !strings.HasPrefix(kind, "com.twilio.") {
		return nil, badRequest(20001, "Type or SchemaVersion is missing or invalid")
	}
	k := &s.streams.subscriptions[at]
	k.Versions = maps.Clone(k.Versions) // copies were handed out
	k.subscribe(kind, version)
	return s.showSubscribed(k, kind), nil
}

// testID is the id of a sink's latest test event.
func testID(k *Sink) string { return fmt.Sprintf("test-%d-of-%s", k.tests, k.SID) }

// sendTestEvent posts the test event to a sink, as Twilio does after it has answered.
func (s *Server) sendTestEvent(k Sink) {
	if k.Type == "kinesis" && s.options.PutKinesis == nil || k.Type == "webhook" && s.options.Deliver == nil {
		return
	}
	event := object("specversion", "1.0", "type", "com.twilio.eventstreams.test-event", "source", k.SID, "id", "EZ"+k.SID[2:],
		"time", s.Now().Format(world.StampLayout), "datacontenttype", "application/json", "data", object("test_id", testID(&k)))
	if k.Type == "kinesis" {
		go s.options.PutKinesis(k.Destination, event.AppendJSON(nil))
		return
	}
	body := []byte(formText([]any{event}))
	to, signature := s.SignJSON(k.Destination, body)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		// That it does not arrive is for the client to find out.
		_, _ = deliver(ctx, s.options.Deliver, post{to, "application/json", signature, body})
	}()
}
