package webhook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"time"

	"flexbrevo/connector/record"
)

// answer is a posted survey answer (design section 6).
type answer struct {
	task, conversation string
	score, scale       float64 // scale is 0 where none was given
	submittedAt        time.Time
}

// proveSurveySecret accepts the configured secret as the proof of a post.
func proveSurveySecret(_ context.Context, c Connector, _ *request, credential string) *problem {
	if c.SurveySecret == nil {
		return forbidden("no survey secret is configured")
	}
	secret := c.SurveySecret()
	if secret == "" {
		return forbidden("no survey secret is configured")
	}
	// Hashed first, so that the time taken does not tell the length either.
	want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(credential))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return forbidden("survey secret does not match")
	}
	return nil
}

// surveyRecords makes the record of a posted survey answer. Here alone the input
// is checked strictly: people write these posts by hand, and no other way in
// would correct a wrong one.
func surveyRecords(_ Connector, r *request) ([]record.Record, error) {
	a, err := readAnswer(r.body)
	if err != nil {
		return nil, err
	}
	at := a.submittedAt
	if at.IsZero() {
		at = r.at
	}
	return []record.Record{{
		Key:    a.key(),
		Stream: "surveys",
		Type:   "survey.posted",
		At:     at.UTC(),
		Via:    record.Post,
		Body:   r.body,
	}}, nil
}

// key is the same for the same answer: to the same task or conversation, at the
// same moment, or where the tool tells none, with the same score.
func (a answer) key() string {
	about, which := a.task, strconv.FormatFloat(a.score, 'g', -1, 64)
	if about == "" {
		about = a.conversation
	}
	if !a.submittedAt.IsZero() {
		which = a.submittedAt.UTC().Format(time.RFC3339Nano)
	}
	return "survey:" + hashOf([]byte(about+"\n"+which))
}
