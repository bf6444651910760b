package pipeline

import (
	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/profile"
)

// spells adds what agents did to their days.
func (w *worker) spells() {
	o := &w.d.o.Figures
	if !o.Agents {
		return
	}
	for i := range w.b.tellers {
		t := &w.b.tellers[i]
		for _, s := range t.spells {
			w.out.Figured = append(w.out.Figured, t.record.Key)
			w.out.AgentParts = append(w.out.AgentParts, figures.OfSpell(t.record.Key, s.Worker, s.Activity, s.From, s.To, o)...)
		}
	}
}

// figures replaces what a person's tasks and answers add to the figures, as far as
// something new was told of them.
func (w *worker) figures(p *profile.Profile) {
	o := &w.d.o.Figures
	if !o.Agents && !o.Queues && !o.Scores {
		return
	}
	for _, t := range p.AllTasks() {
		if !o.Agents && !o.Queues || !w.hears(t.Fact) {
			continue
		}
		w.out.Figured = append(w.out.Figured, t.SID)
		if o.Agents {
			w.out.AgentParts = append(w.out.AgentParts, figures.OfTask(t, o)...)
		}
		if o.Queues {
			w.out.QueueParts = append(w.out.QueueParts, figures.OfQueues(t, o)...)
		}
	}
	for _, a := range p.Answers {
		if !o.Agents && !o.Scores || !w.hears(a.Fact) && (a.Task == nil || !w.hears(a.Task.Fact)) {
			continue
		}
		w.out.Figured = append(w.out.Figured, figures.AnswerSource(a))
		if o.Agents {
			w.out.AgentParts = append(w.out.AgentParts, figures.OfAnswer(a, o)...)
		}
		if o.Scores {
			w.out.CSATParts = append(w.out.CSATParts, figures.OfScore(a, o)...)
		}
	}
}

// hears says whether the batch tells something of a fact; a sweep does of all.
func (w *worker) hears(f *fact.Fact) bool {
	_, told := w.b.deltas[f.Key()]
	return told
}
