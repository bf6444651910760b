package world

import "time"

// task begins a task of a contact within the second of at. TaskRouter's first events all fall into that
// second, in no order; facts/twilio.md 1.3. The pointer holds until the next task begins.
func (g *life) task(c *Contact, at time.Time, shown Shown) *Task {
	id := len(g.Tasks)
	second := at.Truncate(time.Second)
	t := Task{
		ID: id, SID: g.sids.of(prefixTask, uint64(id)), Contact: c.ID, Customer: c.Customer, Channel: c.Channel,
		Direction: c.Direction, Queue: g.random.IntN(g.options.Queues), Later: len(c.Tasks) > 0, Surveyed: -1,
		CreatedAt: second.Add(randomDuration(g.random, 0, 999*time.Millisecond)),
		QueuedAt:  second.Add(randomDuration(g.random, 0, 999*time.Millisecond)),
		Timeout:   86400, Shown: shown, Links: c.Channel != ChannelVoice || chance(g.random, 30), Odd: c.Odd,
	}
	if c.Customer != Unknown && c.Odd == "" && chance(g.random, 60) {
		t.Tier, t.AccountID = g.Customers[c.Customer].Tier, g.Customers[c.Customer].AccountID
	}
	g.Tasks = append(g.Tasks, t)
	c.Tasks = append(c.Tasks, id)
	return &g.Tasks[id]
}

func last(t *Task) *Reservation { return &t.Reservations[len(t.Reservations)-1] }

// offer rings an agent of the queue, the one who has been free the longest.
func (g *life) offer(t *Task, queue int, at time.Time, rings time.Duration, outcome string) *Reservation {
	n := len(t.Reservations)
	t.Reservations = append(t.Reservations, Reservation{
		SID: g.sids.of(prefixReservation, uint64(t.ID)<<6|uint64(n)), Agent: g.agent(queue, t), Queue: queue,
		CreatedAt: at, AnsweredAt: at.Add(rings), Outcome: outcome,
	})
	r := last(t)
	g.busy[r.Agent] = r.AnsweredAt
	return r
}

func (g *life) agent(queue int, t *Task) int {
	candidates := g.byQueue[queue]
	if len(candidates) == 0 {
		return t.ID % len(g.Agents)
	}
	best := candidates[0]
	for _, agent := range candidates[1:] {
		if g.busy[agent].Before(g.busy[best]) {
			best = agent
		}
	}
	return best
}

// answer offers the task until an agent takes it; one offer in six is rejected or not answered.
func (g *life) answer(t *Task) {
	at := t.QueuedAt.Add(longTailed(g.random, time.Second, 3*time.Minute))
	if t.Direction == "outbound" {
		at = t.QueuedAt.Add(time.Second)
	}
	for len(t.Reservations) < 3 && t.Direction == "inbound" && chance(g.random, 16) {
		rings, outcome := randomDuration(g.random, 2*time.Second, 20*time.Second), ReservationRejected
		if chance(g.random, 35) {
			rings, outcome = 30*time.Second, ReservationTimeout
		}
		at = g.offer(t, t.Queue, at, rings, outcome).AnsweredAt.Add(randomDuration(g.random, time.Second, 3*time.Second))
	}
	g.offer(t, t.Queue, at, randomDuration(g.random, time.Second, 12*time.Second), ReservationCompleted)
}

// talk lets the last reservation run to its end; one in eight has no wrap-up.
func (g *life) talk(t *Task, low, high time.Duration) {
	r := last(t)
	hungUp := r.AnsweredAt.Add(longTailed(g.random, low, high))
	r.EndedAt = hungUp
	if !chance(g.random, 12) {
		r.WrapupAt = hungUp
		r.EndedAt = hungUp.Add(longTailed(g.random, 2*time.Second, 2*time.Minute))
	}
	g.busy[r.Agent] = r.EndedAt
}

// passOn transfers a call: a second reservation on the same task, in a queue that may be another.
func (g *life) passOn(t *Task) {
	first := len(t.Reservations) - 1
	asked := t.Reservations[first].AnsweredAt.Add(longTailed(g.random, 20*time.Second, 5*time.Minute))
	queue := g.random.IntN(g.options.Queues)
	second := g.offer(t, queue, asked.Add(time.Second), randomDuration(g.random, 2*time.Second, 15*time.Second), ReservationCompleted)
	second.Transfer = true
	r := &t.Reservations[first]
	r.WrapupAt = second.AnsweredAt.Add(randomDuration(g.random, time.Second, 5*time.Second))
	r.EndedAt = r.WrapupAt.Add(longTailed(g.random, 2*time.Second, time.Minute))
	g.talk(t, time.Minute, 10*time.Minute)
}

// passOnInWriting transfers a conversation: a second task of the same interaction. It begins before the
// first one ends, or at most three seconds after.
func (g *life) passOnInWriting(c *Contact, t *Task, shown Shown) *Task {
	g.answer(t)
	g.talk(t, time.Minute, 15*time.Minute)
	g.complete(t, ReasonCompleted)
	next := t.EndedAt.Add(-randomDuration(g.random, 0, 5*time.Second))
	if chance(g.random, 30) {
		next = t.EndedAt.Add(randomDuration(g.random, time.Second, 3*time.Second))
	}
	second := g.task(c, next, shown)
	g.answer(second)
	g.talk(second, time.Minute, 15*time.Minute)
	g.complete(second, ReasonCompleted)
	return second
}

// complete ends a task with its last reservation, and mostly with a disposition: during wrap-up, or in
// the very second of the end, where it may be told before or after the completion; facts/twilio.md 4.6.
func (g *life) complete(t *Task, reason string) {
	t.End, t.Reason = EndCompleted, reason
	for i := range t.Reservations {
		if ended := t.Reservations[i].EndedAt; ended.After(t.EndedAt) {
			t.EndedAt = ended
		}
	}
	if t.Odd == OddNotJSON || t.Odd == OddEmptyAttributes || !chance(g.random, 75) && t.Odd != OddBlanked {
		return
	}
	t.Outcome = pick(g.random, []string{"Resolved", "Refund", "Order placed", "Callback", "Escalated"})
	t.DisposedAt = t.EndedAt.Truncate(time.Second).Add(randomDuration(g.random, 0, 999*time.Millisecond))
	if r := last(t); !r.WrapupAt.IsZero() && chance(g.random, 60) {
		t.DisposedAt = r.WrapupAt.Add(randomDuration(g.random, 0, r.EndedAt.Sub(r.WrapupAt)))
	}
	if accepted, _ := t.AcceptedAt(); t.DisposedAt.Before(accepted) {
		t.DisposedAt = accepted
	}
	if t.Odd == OddBlanked {
		t.BlankedAt = t.EndedAt.Add(randomDuration(g.random, time.Second, 5*time.Second))
	}
	if t.Odd == "" && t.Channel != ChannelVoice && chance(g.random, 8) {
		t.Score, t.Scored, t.ScoredAt = float64(1+g.random.IntN(5)), true, t.DisposedAt
	}
}

// abandon cancels a task that nobody took; one in three rings an agent at that moment.
func (g *life) abandon(t *Task, after time.Duration, reason string) {
	t.End, t.Reason, t.EndedAt = EndCanceled, reason, t.QueuedAt.Truncate(time.Second).Add(after+time.Second)
	if rings := 2 * time.Second; after > 2*rings && reason != ReasonTTL && chance(g.random, 33) {
		outcome := ReservationCanceled
		if reason == ReasonWorkflowTimeout {
			outcome = ReservationRescinded
		}
		g.offer(t, t.Queue, t.EndedAt.Add(-rings), rings, outcome)
	}
}

// voiceSurvey asks a caller after the call, as the survey of facts/twilio.md 4.3: a second task, canceled
// at its end, with the score where a text belongs. Some answer one question of two, some none at all.
func (g *life) voiceSurvey(c *Contact, about int) {
	asked := &g.Tasks[about]
	shown, at := asked.Shown, asked.EndedAt.Add(randomDuration(g.random, 2*time.Second, 8*time.Second))
	t := g.survey(c, about, at, shown)
	switch roll := g.random.IntN(100); {
	case roll < 65:
		t.Finished, t.Reason = true, ReasonSurveyCompleted
		g.score(t, randomDuration(g.random, 4*time.Second, 20*time.Second))
		t.EndedAt = t.ScoredAt.Add(randomDuration(g.random, 3*time.Second, 15*time.Second))
	case roll < 80:
		g.score(t, randomDuration(g.random, 4*time.Second, 20*time.Second))
	}
	if !t.Finished {
		t.Timeout, t.Reason = 300, ReasonTTL
		t.EndedAt = t.CreatedAt.Add(300 * time.Second)
	}
}

// messagingSurvey is the survey of facts/twilio.md 4.4: the answer comes up to four hours later, the task
// lives for a second or two.
func (g *life) messagingSurvey(c *Contact, about int) {
	asked := &g.Tasks[about]
	shown, at := asked.Shown, asked.EndedAt.Add(longTailed(g.random, 30*time.Second, 4*time.Hour))
	t := g.survey(c, about, at, shown)
	g.score(t, randomDuration(g.random, time.Second, 2*time.Second))
	t.Finished, t.Reason = true, ReasonCSATSaved
	t.EndedAt = t.ScoredAt.Add(randomDuration(g.random, 100*time.Millisecond, time.Second))
}

func (g *life) survey(c *Contact, about int, at time.Time, shown Shown) *Task {
	t := g.task(c, at, shown)
	t.Survey, t.Surveyed, t.Later, t.Links, t.End = true, about, false, true, EndCanceled
	t.Queue, t.Workflow = len(g.Queues)-1, 1
	t.Tier, t.AccountID = "", ""
	return t
}

func (g *life) score(t *Task, after time.Duration) {
	t.Score, t.Scored = float64(1+g.random.IntN(5)), true
	t.ScoredAt = t.CreatedAt.Truncate(time.Second).Add(after + time.Second)
}
