package sqlstore

import (
	"context"

	"flexbrevo/connector/store"
)

// SaveAnswers implements store.Learner.
func (s *Store) SaveAnswers(ctx context.Context, account string, answers []store.Answer) error {
	last := map[string]store.Answer{}
	for _, a := range answers {
		last[name(a.Question)] = a
	}
	var questions, said texts
	var seen ints
	for q, a := range last {
		questions, said, seen = append(questions, q), append(said, name(a.Answer)), append(seen, a.SeenAt.UnixMilli())
	}
	return s.write(ctx, "save answers", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO answers (account, question, answer, seen_at)
			SELECT $1, question, answer, seen_at FROM {rows question:text answer:text seen_at:bigint} AS r WHERE true
			ON CONFLICT (account, question) DO UPDATE SET answer = excluded.answer, seen_at = excluded.seen_at`,
			name(account), rows{questions, said, seen})
		return err
	})
}

// LoadAnswers implements store.Learner.
func (s *Store) LoadAnswers(ctx context.Context, account string) ([]store.Answer, error) {
	var found []store.Answer
	err := s.read(ctx, "load answers", func(t *tx) error {
		found = nil
		return t.query(`SELECT question, answer, seen_at FROM answers WHERE account = $1 ORDER BY question`, func(r row) error {
			var a store.Answer
			err := r.Scan(&a.Question, &a.Answer, clock{&a.SeenAt})
			found = append(found, a)
			return err
		}, name(account))
	})
	return found, err
}
