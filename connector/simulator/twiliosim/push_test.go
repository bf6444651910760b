package twiliosim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

// The vectors of facts/twilio.md 7.1.
func TestSignatures(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	form, err := url.ParseQuery("EventType=task.canceled&Sid=EV00000000000000000000000000000001&TaskAttributes=%7B%22from%22%3A%22%2B33612345678%22%2C%22name%22%3A%22Zo%C3%AB+A%22%7D&TaskCanceledReason=hangup&Timestamp=1767323045&TimestampMs=1767323045123")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url, want string
		form            url.Values
	}{
		{"form", "https://connector.example.com/webhooks/taskrouter?tenant=acme", "5En1WTkvimGHSpJDTYJDZC2J0wA=", form},
		{"form with port", "https://connector.example.com:443/webhooks/taskrouter?tenant=acme", "HNbGRsUah9i5kIh2WYOzGt6TaYU=", form},
		{"get", "https://connector.example.com/webhooks/conv?EventType=onMessageAdded&ConversationSid=CH00000000000000000000000000000001", "lSUcazVP6M83gcq8f5iUiFSRo+k=", nil},
	} {
		if got := twiliosim.SignForm(token, c.url, c.form); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	body := `[{"specversion":"1.0","id":"EZ00000000000000000000000000000001","type":"com.twilio.taskrouter.task.completed"}]`
	address, signature := twiliosim.SignJSON(token, "https://connector.example.com/webhooks/event-streams", []byte(body))
	if want := "https://connector.example.com/webhooks/event-streams?bodySHA256=719f1cfd04ed0a2244e0fa0151fdb192fe7692ce763cab6ba5341df9177bd878"; address != want {
		t.Errorf("address %s, want %s", address, want)
	}
	if signature != "Mah1ornS7qsbdbvJJvpjREIDNWs=" {
		t.Errorf("JSON: %s", signature)
	}
}

// TestPushTellsTheSame pushes both ways and checks that an event has the same facts by REST, callback and
// stream.
func TestPushTellsTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Seed: 9})
	from := f.clock.Now().Add(-time.Hour)
	rest := map[string]eventRow{}
	for _, row := range allEvents(t, f, window(from, f.clock.Now(), 1000)) {
		rest[row.SID] = row
	}
	var address string
	posts := 0
	check := func(sid, kind string, ms int64, attributes any) {
		row, ok := rest[sid]
		if !ok || row.Type != kind || row.MS != ms {
			t.Errorf("event %s (%s, %d) is by REST %+v", sid, kind, ms, row)
		}
		// Form encoding keeps bytes that are not UTF-8; JSON decoders put U+FFFD for them.
		if want, ok := row.Data["task_attributes"].(string); ok && strings.ToValidUTF8(want, "") == want && !strings.Contains(want, "\ufffd") && want != attributes {
			t.Errorf("attributes of %s: %v, by REST %v", sid, attributes, want)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts++
		if posts == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			if want := twiliosim.SignForm(f.w.AuthToken, "http://"+r.Host+r.URL.RequestURI(), nil); r.Header.Get(twiliosim.SignatureHeader) != want {
				t.Error("signature of a stream's post")
			}
			var list []struct {
				Data struct{ Payload map[string]any }
			}
			if err := json.Unmarshal(body, &list); err != nil {
				t.Error(err)
			}
			for _, e := range list {
				at, err := time.Parse(time.RFC3339, e.Data.Payload["timestamp"].(string))
				if err != nil {
					t.Error(err)
				}
				check(e.Data.Payload["sid"].(string), e.Data.Payload["eventtype"].(string), at.UnixMilli(), e.Data.Payload["task_attributes"])
			}
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		if r.Header.Get(twiliosim.SignatureHeader) != f.SignForm(address, form) {
			t.Error("signature of a callback")
		}
		ms, err := strconv.ParseInt(form.Get("TimestampMs"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		check(form.Get("Sid"), form.Get("EventType"), ms, form.Get("TaskAttributes"))
	}))
	defer server.Close()
	address = server.URL + "/webhooks"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	stream, err := f.Push(context.Background(), twiliosim.Push{URL: address, Kind: twiliosim.PushStream, From: from, Batch: 10, Duplicates: 0.3, Reorder: true, Attempts: 2, Client: client})
	if err != nil || stream.GivenUp != 0 || stream.Discarded != 0 || stream.Posts != stream.Accepted+1 || stream.Events != len(rest) {
		t.Errorf("stream: %+v, %v; %d events by REST", stream, err, len(rest))
	}
	callback, err := f.Push(context.Background(), twiliosim.Push{URL: address, Kind: twiliosim.PushCallback, From: from, Client: client})
	if err != nil || callback.Accepted != len(rest) {
		t.Errorf("callback: %+v, %v", callback, err)
	}
}
