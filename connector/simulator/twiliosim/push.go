package twiliosim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"flexbrevo/connector/simulator/world"
)

// PushKind is a way by which Twilio brings events.
type PushKind string

// The kinds of push.
const (
	PushCallback PushKind = "callback" // the workspace's event callback: a signed form, one event, one try
	PushStream   PushKind = "stream"   // an Event Streams webhook sink: signed JSON, at least once
)

// Push is one delivery of a range of events.
type Push struct {
	// URL is the receiver, exactly as it would be configured at Twilio: it is part of what is signed.
	URL  string
	Kind PushKind
	// From and To bound the events by date, To not included; a zero To, or one ahead of the account's clock,
	// means the present.
	From, To time.Time
	// Types are the event types wanted; none means all.
	Types []string
	// Batch is how many CloudEvents come in one array; 0 sends each alone, without an array.
	Batch int
	// Duplicates is the share of events that come twice.
	Duplicates float64
	// Reorder shuffles the events, as Event Streams may.
	Reorder bool
	// Attempts is how often a stream's post is tried while it is answered with 429, 5xx or not at all. Default
	// 1. Between the tries come the other posts, no pauses. A callback is tried once whatever this says.
	Attempts int
	// Client posts. Default http.DefaultClient.
	Client *http.Client
}

// PushReport counts posts, not events.
type PushReport struct {
	Events    int // that were to be delivered, repeats not counted
	Posts     int
	Accepted  int // answered with 2xx
	Discarded int // answered with another 4xx than 429: Twilio forgets them; facts/twilio.md 6.4
	GivenUp   int // neither after all attempts
}

// post is a body to deliver.
type post struct {
	address   string
	media     string
	signature string
	body      []byte
}

// Push delivers the events of a range, one post after the other. It returns an error only for an ended
// context or a URL that no request can be made of; what receivers answered is in the report.
func (s *Server) Push(ctx context.Context, p Push) (PushReport, error) {
	var report PushReport
	events := s.eventsToPush(&p)
	report.Events = len(events)
	random := rand.New(rand.NewPCG(s.options.Seed, uint64(p.From.UnixMilli())))
	for _, e := range events[:report.Events:report.Events] {
		if random.Float64() < p.Duplicates {
			events = append(events, e)
		}
	}
	if p.Reorder {
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	}
	attempts := max(p.Attempts, 1)
	if p.Kind == PushCallback {
		attempts = 1
	}
	return report, deliverAll(ctx, p.Client, s.posts(&p, events), attempts, &report)
}

// deliverAll delivers posts, one after the other, and counts what became of them.
func deliverAll(ctx context.Context, client *http.Client, waiting []post, attempts int, report *PushReport) error {
	for range attempts {
		var again []post
		for _, one := range waiting {
			report.Posts++
			status, err := deliver(ctx, client, one)
			if err != nil {
				return fmt.Errorf("push events: %w", err)
			}
			switch {
			case status >= 200 && status < 300:
				report.Accepted++
			case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
				report.Discarded++
			default:
				again = append(again, one)
			}
		}
		waiting = again
	}
	report.GivenUp = len(waiting)
	return nil
}

func (s *Server) eventsToPush(p *Push) []world.Event {
	to := s.Now().Add(time.Millisecond)
	if !p.To.IsZero() && p.To.Before(to) {
		to = p.To
	}
	var events []world.Event
	for e := range s.world.Events(p.From, to) {
		if len(p.Types) == 0 || slices.Contains(p.Types, e.Type) {
			events = append(events, e)
		}
	}
	return events
}

func (s *Server) posts(p *Push, events []world.Event) []post {
	var posts []post
	if p.Kind == PushCallback {
		for i := range events {
			posts = append(posts, s.formPost(p.URL, s.Callback(&events[i])))
		}
		return posts
	}
	for chunk := range slices.Chunk(events, max(p.Batch, 1)) {
		list := make([]any, len(chunk))
		for i := range chunk {
			list[i] = s.CloudEvent(&chunk[i])
		}
		body := []byte(formText(list))
		if p.Batch == 0 {
			body = list[0].(world.Fields).AppendJSON(nil)
		}
		address, signature := s.SignJSON(p.URL, body)
		posts = append(posts, post{address, "application/json", signature, body})
	}
	return posts
}

func (s *Server) formPost(address string, form url.Values) post {
	return post{address, "application/x-www-form-urlencoded; charset=UTF-8", s.SignForm(address, form), []byte(form.Encode())}
}

// deliver posts once. An answer that never came is status 0; the error is for what no retry can mend.
func deliver(ctx context.Context, client *http.Client, p post) (status int, err error) {
	if client == nil {
		client = http.DefaultClient
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address, bytes.NewReader(p.body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", p.media)
	request.Header.Set(SignatureHeader, p.signature)
	request.Header.Set("User-Agent", "TwilioProxy/1.1")
	response, err := client.Do(request)
	if err != nil {
		return 0, context.Cause(ctx)
	}
	defer response.Body.Close()
	// Reading to the end lets the connection be used again; what is in the body does not matter to Twilio.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return response.StatusCode, nil
}
