package connector

import (
	"context"
	"strings"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/store"
)

// Agent is one agent as Twilio tells it now.
type Agent struct {
	SID      string   `json:"sid"`
	Name     string   `json:"name"`
	Activity string   `json:"activity"`
	Skills   []string `json:"skills"`
	// Channels are those of which something is known, by unique name.
	Channels map[string]AgentChannel `json:"channels"`
	// Gone says that the agent was deleted in Twilio.
	Gone bool `json:"gone,omitempty"`
}

// AgentChannel is how many tasks of a channel an agent may have at once, 0 when that is
// not known, and whether the agent takes any.
type AgentChannel struct {
	Capacity  int  `json:"capacity"`
	Available bool `json:"available"`
}

// LoadAgents reads all agents, in order of their SIDs.
func LoadAgents(ctx context.Context, s store.Store, connector string) ([]Agent, error) {
	const page = 500
	var out []Agent
	for after := ""; ; {
		facts, err := s.LoadKind(ctx, connector, fact.Worker, after, page)
		if err != nil || len(facts) == 0 {
			return out, err
		}
		for _, f := range facts {
			out = append(out, agentOf(f))
			after = f.SID
		}
	}
}

func agentOf(f *fact.Fact) Agent {
	a := Agent{
		SID: f.SID, Name: figures.NameOf(f), Activity: f.Text(fact.State), Skills: []string{}, Channels: map[string]AgentChannel{},
		Gone: !f.Time(fact.Deleted).IsZero(),
	}
	if routing, ok := f.Attributes["routing"].V.(map[string]any); ok {
		skills, _ := routing["skills"].([]any)
		for _, skill := range skills {
			if name, ok := skill.(string); ok {
				a.Skills = append(a.Skills, name)
			}
		}
	}
	for name, part := range f.Parts {
		if channel, ok := strings.CutPrefix(name, fact.WorkerChannel); ok {
			capacity, _ := part.Values[fact.Capacity].V.(int)
			available, _ := part.Values[fact.Available].V.(bool)
			a.Channels[channel] = AgentChannel{capacity, available}
		}
	}
	return a
}
