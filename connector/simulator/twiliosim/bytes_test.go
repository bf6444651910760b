package twiliosim_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestAnswersOfASeedStayTheSame holds what a seed tells to the byte: whoever finds a mistake in one world must find it
// again in another build. Where an answer is changed on purpose, the digest that the test prints is the new one.
func TestAnswersOfASeedStayTheSame(t *testing.T) {
	t.Parallel()
	odd := world.Options{Seed: 4, Contacts: 400, Odd: true}
	cases := []struct {
		name    string
		world   world.Options
		options twiliosim.Options
		after   time.Duration // how long after the world's beginning it is
		want    string
	}{
		{"odd", odd, twiliosim.Options{Seed: 1}, 30 * time.Hour, "eb64d767bc84907c9362796779323aac3508484efadb02c7198f9d30a52f4e4d"},
		{"in the middle of a day, with late events", odd, twiliosim.Options{Latency: twiliosim.RealisticLatency()}, 14 * time.Hour, "b2254338694dbcf9baebf351b5f527020d820639db2ebece8e1dc8ad3725ae7e"},
		{"redacted, with fields that nobody documents", odd, twiliosim.Options{Faults: twiliosim.Faults{Redact: 0.5, UnknownFields: 0.5}}, 30 * time.Hour, "a4ebf3973a42e4e8f088b264c3f797e9207f645d0fb2f2038aabe5eec97eaad8"},
		{"older than thirty days", odd, twiliosim.Options{KeepOld: true}, 30*24*time.Hour + 12*time.Hour, "e16fb4c8db5cfca3dee54c82c72c8fc750d0bcfa5789baa1622a72a437350f9c"},
		{"plain, few agents", world.Options{Seed: 9, Contacts: 500, Agents: 3, Queues: 2}, twiliosim.Options{Seed: 7}, 40 * time.Hour, "d4af7d81a8073b1eeab90cf1365716f93152cd4ff671b912a4bece07cd361dde"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(c.world)
			c.options.World = w
			f := newFixture(c.options)
			f.clock.Set(w.Options().Start.Add(c.after))
			sum := sha256.New()
			hashAnswers(f, sum)
			hashPosts(f, sum)
			if got := hex.EncodeToString(sum.Sum(nil)); got != c.want {
				t.Errorf("answers have the digest %s, want %s", got, c.want)
			}
		})
	}
}

// hashAnswers reads all lists of events that a client may ask for, page by page, some events one by one, and what
// else tells of a task's and an agent's attributes.
func hashAnswers(f fixture, sum hash.Hash) {
	events := f.workspace() + "/Events"
	offered := slices.IndexFunc(f.w.Tasks, func(t world.Task) bool { return len(t.Reservations) > 1 })
	whole := url.Values{"StartDate": {f.w.Options().Start.Format(time.RFC3339)}, "PageSize": {"1000"}}
	for _, filter := range []string{
		"", "EventType=task.completed", "EventType=worker.activity.update", "TaskSid=" + f.w.Tasks[7].SID, "WorkerSid=" + f.w.Agents[0].SID,
		"TaskQueueSid=" + f.w.Queues[0].SID, "WorkflowSid=" + f.w.Workflows[1].SID, "TaskChannel=chat", "TaskChannel=" + f.w.TaskChannels[1].SID,
		"ReservationSid=" + f.w.Tasks[offered].Reservations[1].SID, "Sid=" + f.w.TaskEvents(2)[0].SID, "PageSize=37",
	} {
		query := url.Values{}
		for name, values := range whole {
			query[name] = values
		}
		name, value, _ := strings.Cut(filter, "=")
		if name != "" {
			query.Set(name, value)
		}
		hashPages(f, events+"?"+query.Encode(), sum)
	}
	for i := 0; i < f.w.EventCount(); i += 41 {
		hashPages(f, events+"/"+f.w.EventAt(i).SID, sum)
	}
	for _, path := range []string{"/Tasks", "/Workers"} {
		hashPages(f, f.workspace()+path+"?PageSize=1000", sum)
	}
}

func hashPages(f fixture, path string, sum hash.Hash) {
	for path != "" {
		answer := f.do(path)
		var page struct{ Meta meta }
		path = ""
		if answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &page) == nil && page.Meta.Next != nil {
			path = *page.Meta.Next
		}
		sum.Write([]byte{byte(answer.Code >> 8), byte(answer.Code)})
		sum.Write(answer.Body.Bytes())
	}
}

// hashPosts makes what is posted of every event, and the attributes of every task at its beginning and end.
func hashPosts(f fixture, sum hash.Hash) {
	for i := range f.w.EventCount() {
		e := f.w.EventAt(i)
		sum.Write([]byte(f.Callback(&e).Encode()))
		sum.Write(f.CloudEvent(&e).AppendJSON(nil))
	}
	for i := range f.w.Tasks {
		task := &f.w.Tasks[i]
		sum.Write([]byte(f.w.Attributes(task, task.CreatedAt)))
		sum.Write([]byte(f.w.Attributes(task, task.EndedAt.Add(time.Minute))))
	}
}
