package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// place puts lines into the connector's block.
func (l *lab) place(lines string) {
	l.t.Helper()
	text := l.configuration("connector.yaml")
	const before = "    region: FR\n"
	if !strings.Contains(text, before) {
		l.t.Fatal("the configuration has no region")
	}
	l.write("connector.yaml", strings.Replace(text, before, before+lines, 1))
}

// TestSurveysByPolling reads the two public surveys by their presets and the scores of threads, brings them to one
// scale, and compares with a calculation: each answer is told once, also hours after its task, and no survey counts
// as a contact or as abandoned.
func TestSurveysByPolling(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(51, 250, false), twilio: twiliosim.Options{Faults: everyTwilioFault()}})
	l.place(`    csat_scale: 100
    csat:
      - {preset: post_task_survey, scale: 5}
      - {preset: post_call_survey, scale: 5}
      - {from: conversation.attributes.survey.score, scale: 5}
`)
	s := settings(today().Add(-10 * time.Second))
	s.SurveysOnly, s.ThreadScores, s.ScoreFactor = true, true, 20
	l.must(0, "sync")
	l.mustEqual(s)
	l.mustJoinAnswers()
	l.mustSendNothing()
}

func everyTwilioFault() twiliosim.Faults {
	return twiliosim.Faults{TooManyRequests: 0.03, BadGateway: 0.03, Redirect: 0.02, Reset: 0.03, UnknownFields: 0.2}
}

// mustJoinAnswers fails the test where an answer is not joined to the task that it is about, or has another score.
func (l *lab) mustJoinAnswers() {
	l.t.Helper()
	voice, written, threads, late := 0, 0, 0, 0
	for _, e := range l.brevo.Events() {
		if e.Name != "CSAT_SUBMITTED" {
			continue
		}
		id, _ := e.Property("source_event_id").(string)
		_, sid, _ := strings.Cut(id, ":")
		var about *world.Task
		score := 0.0
		if v, ok := l.world.ConversationBySID(sid); ok {
			given, _, _ := l.world.Rated(v.ID)
			score = float64(given)
			for _, task := range l.world.Contacts[v.Talks[len(v.Talks)-1].Contact].Tasks {
				if t := &l.world.Tasks[task]; !t.Survey {
					about = t
				}
			}
			threads++
		} else if survey, ok := l.world.TaskBySID(sid); ok && survey.Survey {
			about, score = &l.world.Tasks[survey.Surveyed], survey.Score
			if survey.Channel == world.ChannelVoice {
				voice++
			} else {
				written++
			}
			if survey.EndedAt.Sub(about.EndedAt) > 30*time.Minute {
				late++
			}
		}
		if about == nil || e.Property("task_sid") != about.SID || fmt.Sprint(e.Property("score")) != fmt.Sprint(20*score) || fmt.Sprint(e.Property("scale")) != "100" {
			l.t.Errorf("answer %s is about %v, %v of %v", id, e.Property("task_sid"), e.Property("score"), e.Property("scale"))
		}
	}
	if voice < 3 || written < 3 || threads < 5 || late < 2 {
		l.t.Errorf("%d answers by voice, %d in writing, %d of them late, %d of threads: the test tells nothing", voice, written, late, threads)
	}
}

// TestSurveysInSync reads answers of a Sync map, days after Twilio forgot their tasks, on the scale of each.
func TestSurveysInSync(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(52, 80, false)})
	rated := map[string]bool{}
	var items []string
	for i := range l.world.Tasks {
		task := &l.world.Tasks[i]
		if task.Survey || task.End != world.EndCompleted || i%3 != 0 {
			continue
		}
		rated[task.SID] = true
		items = append(items, fmt.Sprintf(`{"key":%q,"revision":"1","date_created":"%[2]s","date_updated":"%[2]s","data":{"csat":"4","scale":10,"submittedAt":"%[2]s"}}`,
			task.SID, task.EndedAt.Add(5*time.Hour).Format(time.RFC3339)))
	}
	sync := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sync/v1/Services/default/Maps/surveys/Items" {
			l.twilio.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Date", today().Format(http.TimeFormat))
		fmt.Fprintf(w, `{"meta":{"next_page_url":null,"page_size":100},"items":[%s]}`, strings.Join(items, ","))
	})
	l.env["TWILIO_URL"] = serve(t, sync)
	l.place("    csat: [{preset: post_task_survey}]\n    sync_objects: [{service: default, map: surveys, as: survey, key: task_sid}]\n")
	l.must(0, "sync")
	told := map[string]int{}
	for _, e := range l.brevo.Events() {
		task, _ := e.Property("task_sid").(string)
		if e.Name != "CSAT_SUBMITTED" || !rated[task] || fmt.Sprint(e.Property("scale")) != "10" {
			continue
		}
		if told[task]++; fmt.Sprint(e.Property("score")) != "4" || told[task] > 1 {
			t.Errorf("the answer about %s is %v, told %d times", task, e.Property("score"), told[task])
		}
	}
	if len(told) < len(rated)/2 || len(rated) < 10 {
		t.Errorf("%d answers of %d were told", len(told), len(rated))
	}
	l.mustSendNothing()
}

// TestDispositions says that a plugin which empties the disposition after completion takes nothing back.
func TestDispositions(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(53, 250, true)})
	text := l.configuration("connector.yaml")
	l.write("connector.yaml", strings.Replace(text, "      task.completed: SUPPORT_RESOLVED\n", "      task.completed: {event: SUPPORT_RESOLVED, properties: {outcome: task.outcome}}\n", 1))
	l.must(0, "sync")
	blanked := 0
	for _, e := range l.brevo.Events() {
		id, _ := e.Property("source_event_id").(string)
		sid, ok := strings.CutPrefix(id, "task.completed:")
		if !ok {
			continue
		}
		task, _ := l.world.TaskBySID(sid)
		if got, _ := e.Property("outcome").(string); got != task.Outcome {
			t.Errorf("outcome %q, want %q; blanked at %s", got, task.Outcome, task.BlankedAt)
		}
		if !task.BlankedAt.IsZero() {
			blanked++
		}
	}
	if blanked == 0 {
		t.Error("nothing was blanked: the test tells nothing")
	}
}

// TestFiguresOfAnswers finds every score of a day by its local day, whoever took the task.
func TestFiguresOfAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(64, 150, false)})
	l.must(0, "sync")
	var figures map[string][]struct {
		Day, Channel, Name string
		Answers            int
		Mean               float64
		Scores             map[string]int
	}
	if err := json.Unmarshal([]byte(l.must(0, "figures", "csat", "--json", "--since", "4d").stdout), &figures); err != nil {
		t.Fatal(err)
	}
	counts, got := map[string]int{}, map[string]string{}
	for _, d := range figures["twilio_flex"] {
		answers, sum := 0, 0.0
		for score, n := range d.Scores {
			value, err := strconv.ParseFloat(score, 64)
			if err != nil {
				t.Fatal(err)
			}
			counts[d.Day+" "+score] += n
			answers, sum = answers+n, sum+value*float64(n)
		}
		if answers != d.Answers || math.Abs(sum/float64(answers)-d.Mean) > 0.001 || d.Channel == "" || d.Name == "" {
			t.Errorf("the answers of a day do not add up: %+v", d)
		}
	}
	for key, n := range counts {
		got[key] = fmt.Sprint(n)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	if want := oracle.CSATDays(l.world, paris); !maps.Equal(got, want) || len(want) < 5 {
		t.Errorf("%v, want %v", got, want)
	}
	mustSay(t, l.must(0, "figures", "csat").stdout, "day", "answers", "mean", "5: ")
	l.must(2, "figures", "scores")
}
