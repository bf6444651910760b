package main_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

const (
	pluginPath = "/webhooks/flex/task-complete"
	publicURL  = "https://connector.example.com"
)

// post sends a body to the plugin's path and returns the status.
func (d *daemon) post(query, media, body string, header http.Header) int {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, "http://"+d.listen+pluginPath+query, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", media)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	return response.StatusCode
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// aDayUntilNow is a world whose present is the real one, by which tokens run out.
func aDayUntilNow(seed uint64, contacts int) world.Options {
	now := time.Now().UTC().Truncate(time.Second)
	return world.Options{Seed: seed, Start: now.Add(-24 * time.Hour), End: now.Add(-2 * time.Hour), Contacts: contacts, Customers: contacts * 2 / 5}
}

// endedBetween finds contact tasks of known customers that ran their whole course between two moments.
func endedBetween(w *world.World, from, to time.Time) (tasks []*world.Task) {
	for i := range w.Tasks {
		t := &w.Tasks[i]
		if !t.Survey && t.End == world.EndCompleted && t.CreatedAt.After(from) && t.EndedAt.Before(to) && (t.Shown.Phone != "" || t.Shown.Email != "") {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// TestPluginPost posts the bodies that plugins send, each about another task, to a daemon that would not poll for
// hours: the task's events are read at once, and again by polling without a second event.
func TestPluginPost(t *testing.T) {
	t.Parallel()
	options := aDayUntilNow(12, 150)
	w := world.New(options)
	half := quiet(w, options.End.Add(-6*time.Hour))
	for lonelyThreadOpen(w, half) {
		half = quiet(w, half.Add(-10*time.Minute))
	}
	later := quiet(w, options.End.Add(110*time.Minute))
	var clock handClock
	clock.set(half)
	l := newLab(t, setup{world: options, clock: clock.now, env: map[string]string{"EVENTS": "@every 9h", "CONVERSATIONS": "@every 9h"}})
	d := l.run()
	l.must(0, "sync")
	clock.set(later)
	tasks := endedBetween(l.world, half.Add(time.Minute), later.Add(-time.Minute))
	if len(tasks) < 6 {
		t.Fatalf("only %d tasks to post about", len(tasks))
	}
	agent := func(task *world.Task) string {
		return l.world.Agents[task.Reservations[len(task.Reservations)-1].Agent].SID
	}
	for i, body := range []func(*world.Task) string{
		func(task *world.Task) string { // the plugin of the original page
			return fmt.Sprintf(`{"TaskSid":%q,"TaskAttributes":{"channelType":"web"},"TaskChannelUniqueName":"chat","Age":140}`, task.SID)
		},
		func(task *world.Task) string { // the same with attributes as text, and what its backend reads
			return fmt.Sprintf(`{"TaskSid":%q,"TaskAttributes":"{\"email\":\"not@believed.example\"}","TaskChannelUniqueName":"voice","Age":"7","TaskQueueFriendlyName":"Support"}`, task.SID)
		},
		func(task *world.Task) string { // the plugin API's trap: a reservation where the task belongs
			return fmt.Sprintf(`{"TaskSid":%q,"TaskAttributes":{}}`, task.Reservations[len(task.Reservations)-1].SID)
		},
		func(task *world.Task) string { // handleEvent of the original page
			return fmt.Sprintf(`{"type":"task.completed","payload":{"taskSid":%q,"customerEmail":"not@believed.example","channel":"sms","duration":12,"queueName":"Support"}}`, task.SID)
		},
	} {
		task := tasks[i]
		token := bearer(l.twilio.IssueToken(agent(task)))
		if status := d.post("", "application/json", body(task), token); status/100 != 2 {
			t.Fatalf("body %d: status %d", i, status)
		}
		if status := d.post("", "application/json", body(task), token); status/100 != 2 {
			t.Fatalf("body %d again: status %d", i, status)
		}
		l.mustTellOf(task)
	}
	body := fmt.Sprintf(`{"TaskSid":%q,"TaskAttributes":{}}`, tasks[4].SID)
	address, signature := l.twilio.SignJSON(publicURL+pluginPath, []byte(body))
	query := strings.TrimPrefix(address, publicURL+pluginPath)
	if status := d.post(query, "application/json", body, http.Header{twiliosim.SignatureHeader: {signature}}); status/100 != 2 {
		t.Fatalf("signed body: status %d", status)
	}
	l.mustTellOf(tasks[4])
	if n := l.told("task.completed:" + tasks[5].SID); n != 0 {
		t.Error("a task that nobody posted about was told of: something polls")
	}
	l.must(0, "sync")
	l.eventuallyEqual(liveSettings(later.Add(-10*time.Second)), 30*time.Second, d)
}

// told counts the events with a source_event_id.
func (l *lab) told(id string) (count int) {
	for _, e := range l.brevo.Events() {
		if e.Property("source_event_id") == id {
			count++
		}
	}
	return count
}

// mustTellOf waits until the completion of a task is in Brevo.
func (l *lab) mustTellOf(task *world.Task) {
	l.t.Helper()
	eventually(l.t, 15*time.Second, "the completion of a posted task is in Brevo", func() bool {
		return l.told("task.completed:"+task.SID) == 1
	})
}

// TestPluginPostRefused gives the posts that must not be believed or can never be read.
func TestPluginPostRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDayUntilNow(3, 20), clock: time.Now})
	d := l.run()
	good := `{"TaskSid":"` + l.world.Tasks[0].SID + `"}`
	token := bearer(l.twilio.IssueToken(l.world.Agents[0].SID))
	_, unhashed := l.twilio.SignJSON(publicURL+pluginPath, []byte(good))
	for name, c := range map[string]struct {
		body   string
		header http.Header
		status int
	}{
		"no proof":              {good, nil, 403},
		"a stranger's token":    {good, bearer("eyJhbGciOiJkaXIifQ..a.b.c"), 403},
		"wrong signature":       {good, http.Header{twiliosim.SignatureHeader: {"bm90aGluZw=="}}, 403},
		"JSON without its hash": {good, http.Header{twiliosim.SignatureHeader: {unhashed}}, 403},
		"no JSON":               {`{"TaskSid":`, token, 400},
		"no task":               {`{"TaskAttributes":{}}`, token, 400},
		"too large":             {`{"TaskSid":"` + strings.Repeat("x", 1<<20) + `"}`, token, 413},
	} {
		if status := d.post("", "application/json", c.body, c.header); status != c.status {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
	}
}

// TestPluginPostIsKept kills the daemon right after it has answered 2xx.
func TestPluginPostIsKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDayUntilNow(13, 30), clock: time.Now, env: map[string]string{"EVENTS": "@every 9h", "CONVERSATIONS": "@every 9h"}})
	l.must(0, "sync")
	d := l.run()
	eventually(t, 15*time.Second, "the daemon is idle", func() bool { before, _ := d.status(); after, _ := d.status(); return before == after && before > 0 })
	before, _ := d.status()
	token := bearer(l.twilio.IssueToken(l.world.Agents[0].SID))
	const posts = 20
	for i := range posts {
		if status := d.post("", "application/json", fmt.Sprintf(`{"TaskSid":"WT%032x"}`, i), token); status/100 != 2 {
			t.Fatalf("status %d", status)
		}
	}
	d.kill()
	after, _ := l.run().status()
	if after < before+posts {
		t.Errorf("%d records after %d posts were accepted, want %d at least", after, posts, before+posts)
	}
}
