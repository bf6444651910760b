package brevo

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Question is something that Brevo's documentation leaves open and that the
// account's own answers show (facts/brevo.md 12).
type Question string

// The questions, by their words in status and store.
const (
	QuestionLimits       Question = "limits"
	QuestionBatch        Question = "batch_price"
	QuestionBatchRefusal Question = "batch_refusal"
	QuestionEventAge     Question = "event_age"
	QuestionEventMissing Question = "event_of_missing_contact"
	QuestionConflict     Question = "conflict"
	QuestionTooEarly     Question = "too_early"
	QuestionClear        Question = "clear"
)

// Open is a question with what is done while its answer is not known.
type Open struct {
	Question  Question
	Text      string
	Meanwhile string
}

// Questions are all that are looked out for, in the order in which they are told.
func Questions() []Open {
	return []Open{
		{QuestionLimits, "which limits the account has", "those of brevo.tier"},
		{QuestionBatch, "what a batch of events costs", "single calls, until 20 events wait together and one batch is tried"},
		{QuestionBatchRefusal, "how a batch is refused", "refused positions, a whole batch and 413 are all understood"},
		{QuestionEventAge, "how old an event may be dated", "any age is sent that events.max_age lets through"},
		{QuestionEventMissing, "what becomes of an event whose contact is gone", "events go by the contact's number, after the contact"},
		{QuestionConflict, "how a conflict of identifiers is told", "every spelling known is understood"},
		{QuestionTooEarly, "when Brevo says 425 Too Early", "it is tried again after some seconds"},
		{QuestionClear, "what empties an attribute", `"" is sent; flexbrevo provision --canary finds out`},
	}
}

// Answer is what was found.
type Answer struct {
	Question Question  `json:"question"`
	Answer   string    `json:"answer"`
	SeenAt   time.Time `json:"seenAt"` // first
}

// answers are what was found so far.
type answers struct {
	mu    sync.Mutex
	clock func() time.Time
	found map[Question]Answer
	// oldest is the greatest age of an event that was taken, in whole hours.
	oldest int
	// null is set where null empties an attribute, and "" does not.
	null bool
}

// clearsBy are the answers to QuestionClear.
const (
	clearsByEmpty = `"" empties it`
	clearsByNull  = `null empties it, "" does not`
	clearsByNone  = `neither "" nor null empties it`
)

// countedIn begins the answers to QuestionBatch.
const countedIn = "counted in the bucket "

// note keeps an answer, with the moment when it was first seen.
func (a *answers) note(q Question, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keep(q, text, a.clock())
}

func (a *answers) keep(q Question, text string, at time.Time) {
	if a.found[q].Answer == text {
		return
	}
	if a.found == nil {
		a.found = map[Question]Answer{}
	}
	a.found[q] = Answer{Question: q, Answer: text, SeenAt: at.UTC()}
	if q == QuestionClear {
		a.null = text == clearsByNull
	}
}

// noteTaken keeps how old the oldest event was that Brevo took.
func (a *answers) noteTaken(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hours := int(a.clock().Sub(at) / time.Hour)
	if _, known := a.found[QuestionEventAge]; known && hours <= a.oldest {
		return
	}
	a.oldest = hours
	a.keep(QuestionEventAge, fmt.Sprintf("taken, dated up to %d h back", hours), a.clock())
}

// noteConflict keeps how a conflict was told: code and spellings are open words of
// Brevo's, which are known to hold no value where they name an identifier.
func (a *answers) noteConflict(e *apiError) {
	var names []string
	for _, word := range e.Metadata.Duplicates {
		if _, ok := identifierNamed(word); ok {
			names = append(names, word)
		}
	}
	slices.Sort(names)
	told := "no identifier is named"
	if len(names) > 0 {
		told = "named " + strings.Join(names, ", ")
	}
	a.note(QuestionConflict, "code "+openCode(e.Code)+", "+told)
}

// noteAnswer keeps what the headers and status of any answer tell.
func (a *answers) noteAnswer(r route, method string, status int, told limits) {
	if r.bucket == bucketContacts && told.limit > 0 {
		window := "an hour"
		if told.limit < 1000 && told.reset <= time.Minute {
			window = "a second"
		}
		a.note(QuestionLimits, fmt.Sprintf("%d calls %s for contacts", told.limit, window))
	}
	if r.batch && told.limit > 0 {
		a.note(QuestionBatch, countedIn+string(r.bucket))
	}
	if status == http.StatusTooEarly {
		a.note(QuestionTooEarly, "on "+method+" "+r.template)
	}
}

// clearing is what is sent to empty an attribute.
func (a *answers) clearing() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.null {
		return nil
	}
	return ""
}

// Answers are the answers found so far, by question.
func (d *Destination) Answers() []Answer {
	d.answers.mu.Lock()
	defer d.answers.mu.Unlock()
	return slices.SortedFunc(maps.Values(d.answers.found), func(a, b Answer) int { return strings.Compare(string(a.Question), string(b.Question)) })
}

// Remember takes over answers that an earlier process found. It is called before
// the first call is made.
func (d *Destination) Remember(found []Answer) {
	d.answers.mu.Lock()
	for _, a := range found {
		d.answers.keep(a.Question, a.Answer, a.SeenAt)
	}
	d.answers.mu.Unlock()
	for _, a := range found {
		if bucket, ok := strings.CutPrefix(a.Answer, countedIn); ok && a.Question == QuestionBatch {
			d.batches.remember(bucketName(bucket))
		}
	}
}
