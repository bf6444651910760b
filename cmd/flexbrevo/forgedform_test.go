package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"flexbrevo/connector/simulator/twiliosim"
)

// forgedForm makes a post to a receiver beside that of Event Streams that must not be believed.
func (l *lab) forgedForm(random *rand.Rand) *http.Request {
	path := []string{"/webhooks/twilio/taskrouter", "/webhooks/twilio/conversations"}[random.IntN(2)]
	form := url.Values{
		"EventType": {"task.created"}, "Sid": {fmt.Sprintf("EV%032x", random.Uint64())}, "TaskSid": {fmt.Sprintf("WT%032x", random.Uint64())},
		"ConversationSid": {fmt.Sprintf("CH%032x", random.Uint64())}, "TaskAttributes": {`{"from":"+33612345678"}`},
	}
	signedPath, signedForm, token := path, maps.Clone(form), l.world.AuthToken
	switch random.IntN(7) {
	case 0: // tampered with
		form.Set("TaskSid", fmt.Sprintf("WT%032x", random.Uint64()))
	case 1: // a value more than was signed
		form["EventType"] = append(form["EventType"], "task.canceled")
	case 2: // truncated
		form.Del("TaskAttributes")
	case 3: // replayed to another receiver
		signedPath = eventsPath
	case 4: // signed for a stranger's address
		signedPath = "." + path
	case 5: // wrongly signed
		token = strings.Repeat(fmt.Sprintf("%08x", random.Uint32()), 4)
	case 6:
		return request("/webhooks/survey", "application/json", `{"task_sid":"WT00000000000000000000000000000001","score":1,"scale":5}`,
			bearer(surveyKey[:random.IntN(len(surveyKey))]))
	}
	signature := twiliosim.SignForm(token, publicURL+signedPath, signedForm)
	return request(path, "application/x-www-form-urlencoded", form.Encode(), http.Header{twiliosim.SignatureHeader: {signature}})
}

// request makes a post to a daemon, whose address is added when it is sent.
func request(path, media, body string, header http.Header) *http.Request {
	r, err := http.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header = header
	r.Header.Set("Content-Type", media)
	return r
}

// derived tells what became of records, as far as a task without a customer does not show in it: customers, what is
// owed, left out and given up on.
func (l *lab) derived() string {
	l.t.Helper()
	var status struct {
		CustomersLinked int
		Connectors      []struct {
			ConversationsTracked int
			Outbox               json.RawMessage
			Omissions            json.RawMessage
			DeadLetters          int
		}
	}
	if err := json.Unmarshal([]byte(l.must(0, "status", "--json").stdout), &status); err != nil {
		l.t.Fatal(err)
	}
	c := status.Connectors[0]
	return fmt.Sprintf("%d customers, %d conversations, outbox %s, omissions %s, %d dead letters",
		status.CustomersLinked, c.ConversationsTracked, compacted(c.Outbox), compacted(c.Omissions), c.DeadLetters)
}

func compacted(value json.RawMessage) string { return strings.Join(strings.Fields(string(value)), "") }
