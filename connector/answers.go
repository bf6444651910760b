package connector

import (
	"context"
	"slices"
	"sync"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// answersEvery is how often what was found out about an account is kept.
const answersEvery = time.Minute

// remember takes over what earlier processes found out about the account. It is
// worth no failure: all of it can be found out again.
func (a *account) remember(ctx context.Context, s store.Learner) {
	found, err := s.LoadAnswers(ctx, a.name)
	if err != nil {
		a.logger.Warn("what was found out about brevo cannot be read", "err", err)
		return
	}
	a.destination.Remember(answersOf(found))
}

func answersOf(found []store.Answer) []brevo.Answer {
	out := make([]brevo.Answer, len(found))
	for i, f := range found {
		out[i] = brevo.Answer{Question: brevo.Question(f.Question), Answer: f.Answer, SeenAt: f.SeenAt}
	}
	return out
}

// keepAnswers keeps what is found out while deliveries are made, until ctx ends, and
// once more then.
func (a *account) keepAnswers(ctx context.Context, s store.Learner) {
	kept := a.destination.Answers()
	for more := true; more; {
		more = schedule.Pause(ctx, answersEvery)
		found := a.destination.Answers()
		if slices.Equal(found, kept) {
			continue
		}
		if a.saveAnswers(context.WithoutCancel(ctx), s) {
			kept = found
		}
	}
}

// saveAnswers keeps what the destination found out.
func (a *account) saveAnswers(ctx context.Context, s store.Learner) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var out []store.Answer
	for _, f := range a.destination.Answers() {
		out = append(out, store.Answer{Question: string(f.Question), Answer: f.Answer, SeenAt: f.SeenAt})
	}
	if err := s.SaveAnswers(ctx, a.name, out); err != nil {
		a.logger.Warn("what was found out about brevo is not kept yet", "err", err)
		return false
	}
	return true
}

// run delivers until ctx ends, with what was found out about the account.
func (a *account) run(ctx, hard context.Context, lease store.Lease) error {
	a.remember(ctx, a.store)
	working, done := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { a.keepAnswers(working, a.store) })
	defer keeping.Wait()
	defer done()
	return a.deliver.Run(ctx, hard, lease)
}

// OpenQuestions tells, for each Brevo account, what was found out of what Brevo's
// documentation leaves open: by earlier runs, as the store has it, and by the
// answers to this process. st may be nil.
func (s *Service) OpenQuestions(ctx context.Context, st store.Learner) []Capability {
	var out []Capability
	for _, name := range s.accountNames() {
		a := s.accounts[name]
		found := map[brevo.Question]brevo.Answer{}
		if st != nil {
			stored, err := st.LoadAnswers(ctx, name)
			if err != nil {
				a.logger.Warn("what was found out about brevo cannot be read", "err", err)
			}
			for _, f := range answersOf(stored) {
				found[f.Question] = f
			}
		}
		for _, f := range a.destination.Answers() {
			found[f.Question] = f
		}
		for _, q := range brevo.Questions() {
			out = append(out, a.told(q, found[q.Question]))
		}
	}
	return out
}

// told is the line about one question.
func (a *account) told(q brevo.Open, f brevo.Answer) Capability {
	c := Capability{Connector: a.flows[0].cfg.Name, Name: q.Text, Question: string(q.Question), Verdict: Works}
	if f.Answer == "" {
		c.Verdict, c.Detail = Skipped, "not met yet: "+q.Meanwhile
		return c
	}
	c.Detail = f.Answer + " (seen " + f.SeenAt.UTC().Format(time.DateOnly) + ")"
	return c
}
