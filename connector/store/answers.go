package store

import (
	"context"
	"time"
)

// Learner keeps what was found out about a destination account that its
// documentation leaves open.
type Learner interface {
	// SaveAnswers puts answers in the place of earlier ones to the same questions;
	// answers to other questions stay. Any process may call it.
	SaveAnswers(ctx context.Context, account string, answers []Answer) error
	// LoadAnswers returns all answers of an account, by question.
	LoadAnswers(ctx context.Context, account string) ([]Answer, error)
}

// Answer is what was found out about one question.
type Answer struct {
	Question, Answer string
	// SeenAt is when it was first seen.
	SeenAt time.Time
}
