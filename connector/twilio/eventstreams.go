package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"flexbrevo/connector/failure"
)

const eventsURL = "https://events.twilio.com/v1"

// pinnedTaskRouter is the version of TaskRouter's schema that is decoded and
// subscribed to (facts/twilio.md 6.2).
const pinnedTaskRouter = 4

// The types of sink that are made here.
const (
	webhookSink = "webhook"
	kinesisSink = "kinesis"
)

// maxStreamsPage is the largest page of Event Streams' lists.
const maxStreamsPage = "1000"

// Sink is an Event Streams sink as the account has it (facts/twilio.md 6.1).
type Sink struct {
	SID, Description string
	// Type is webhook, kinesis, segment or email; Status initialized, validating,
	// active or failed.
	Type, Status string
	// Destination is a webhook sink's URL without user and password, a Kinesis sink's
	// stream by its Amazon resource name.
	Destination string
}

// Subscription sends types of events to a sink.
type Subscription struct {
	SID, Description, SinkSID string
	// Types are the versions of the types subscribed to, by type.
	Types map[string]int
}

// sinkRow is a row of the Sinks list.
type sinkRow struct {
	SID           scalar `json:"sid"`
	Description   scalar `json:"description"`
	Type          scalar `json:"sink_type"`
	Status        scalar `json:"status"`
	Configuration fields `json:"sink_configuration"`
}

// fetchSinks lists the account's sinks.
func (s *Source) fetchSinks(ctx context.Context) ([]Sink, error) {
	var out []Sink
	err := s.walkStreams(ctx, "/Sinks", "sinks", func(row json.RawMessage) error {
		var r sinkRow
		if err := json.Unmarshal(row, &r); err != nil {
			return err
		}
		k := Sink{
			SID: string(r.SID), Description: string(r.Description), Type: string(r.Type), Status: string(r.Status),
			Destination: withoutUser(r.Configuration.text("destination")),
		}
		if k.Type == kinesisSink {
			k.Destination = r.Configuration.text("arn")
		}
		out = append(out, k)
		return nil
	})
	return out, err
}

// withoutUser removes the password that a sink's URL may carry.
func withoutUser(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	u.User = nil
	return u.String()
}

// fetchSubscriptions lists the account's subscriptions, with their types.
func (s *Source) fetchSubscriptions(ctx context.Context) ([]Subscription, error) {
	var out []Subscription
	err := s.walkStreams(ctx, "/Subscriptions", "subscriptions", func(row json.RawMessage) error {
		var r struct {
			SID         scalar `json:"sid"`
			Description scalar `json:"description"`
			SinkSID     scalar `json:"sink_sid"`
		}
		if err := json.Unmarshal(row, &r); err != nil {
			return err
		}
		out = append(out, Subscription{SID: string(r.SID), Description: string(r.Description), SinkSID: string(r.SinkSID)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Types, err = s.fetchSubscribed(ctx, out[i].SID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Source) fetchSubscribed(ctx context.Context, subscription string) (map[string]int, error) {
	out := map[string]int{}
	err := s.walkStreams(ctx, "/Subscriptions/"+segment(subscription)+"/SubscribedEvents", "types", func(row json.RawMessage) error {
		var r struct {
			Type    scalar `json:"type"`
			Version scalar `json:"schema_version"`
		}
		if err := json.Unmarshal(row, &r); err != nil {
			return err
		}
		version, err := strconv.Atoi(string(r.Version))
		out[string(r.Type)] = version
		return err
	})
	return out, err
}

// fetchTypes lists the types that the account may use, each with its schema.
func (s *Source) fetchTypes(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := s.walkStreams(ctx, "/Types", "types", func(row json.RawMessage) error {
		var r struct {
			Type   scalar `json:"type"`
			Schema scalar `json:"schema_id"`
			Status scalar `json:"status"`
		}
		if err := json.Unmarshal(row, &r); err != nil {
			return err
		}
		if r.Status != "discontinued" {
			out[string(r.Type)] = string(r.Schema)
		}
		return nil
	})
	return out, err
}

// fetchVersion returns the version of a schema to pin: the one that is decoded, or
// where the account has not that, its latest.
func (s *Source) fetchVersion(ctx context.Context, schema string) (int, error) {
	var versions []int
	err := s.walkStreams(ctx, "/Schemas/"+segment(schema)+"/Versions", "schema_versions", func(row json.RawMessage) error {
		var r struct {
			Version scalar `json:"schema_version"`
		}
		if err := json.Unmarshal(row, &r); err != nil {
			return err
		}
		v, err := strconv.Atoi(string(r.Version))
		versions = append(versions, v)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case len(versions) == 0:
		return 0, &failure.Error{Op: "GET events /v1/Schemas/{sid}/Versions", Reason: failure.Invalid, Err: errors.New("the schema has no version")}
	case strings.HasPrefix(schema, "TaskRouter.") && slices.Contains(versions, pinnedTaskRouter):
		return pinnedTaskRouter, nil
	}
	return slices.Max(versions), nil
}

// walkStreams reads a list of Event Streams to its end.
func (s *Source) walkStreams(ctx context.Context, path, key string, each func(json.RawMessage) error) error {
	at := eventsURL + path + "?PageSize=" + maxStreamsPage
	for seen := map[string]bool{}; at != ""; {
		a, err := s.client.get(ctx, at)
		if err != nil {
			return err
		}
		var list map[string]json.RawMessage
		var meta struct {
			Next string `json:"next_page_url"`
		}
		var rows []json.RawMessage
		if json.Unmarshal(a.body, &list) != nil || json.Unmarshal(list["meta"], &meta) != nil || json.Unmarshal(list[key], &rows) != nil {
			return s.client.misread(at, errors.New("the answer is not the JSON of a list"))
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return s.client.misread(at, errors.New("a row is not as expected"))
			}
		}
		seen[at] = true
		if seen[meta.Next] {
			return s.client.misread(at, errors.New("paging does not advance"))
		}
		at = meta.Next
	}
	return nil
}

// write makes one call that changes the set-up, once: whether to make it again is
// for whoever reads what is there then. The body of the answer is returned.
func (s *Source) write(ctx context.Context, method, path string, form url.Values) ([]byte, error) {
	return s.writeTo(ctx, method, eventsURL+path, form)
}

// writeTo makes one call that changes something at any address.
func (s *Source) writeTo(ctx context.Context, method, rawURL string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, rawURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &failure.Error{Op: method, Reason: failure.Invalid, Err: errors.New("the URL cannot be parsed")}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.change(req)
}

// change makes a call that changes something, once.
func (s *Source) change(req *http.Request) ([]byte, error) {
	resp, err := s.client.once.RoundTrip(req)
	if err == nil && resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return bodyOf(resp)
	}
	fail := classify(req, resp, err, s.o.Clock())
	if err != nil && fail.Reason == failure.Transient {
		fail.Reason = failure.Unknown // it may have happened
	}
	return nil, fail
}
