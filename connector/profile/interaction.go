package profile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// interactionOf is the interaction that a task belongs to: the one that its attributes
// name, else the one that was found to hold it.
func interactionOf(f *fact.Fact, attributes map[string]any) string {
	return first(str(attributes, "flexInteractionSid"), f.Text(fact.InteractionSID))
}

// told says whether anything was told of a task itself. An interaction or a legacy chat
// may name one whose own records are too old to be read; it is no contact by that.
func told(f *fact.Fact) bool {
	if len(f.Times) > 0 || len(f.Attributes) > 0 {
		return true
	}
	for name := range f.Values {
		if !strings.HasPrefix(name, "interaction_") && name != fact.ConversationSID {
			return true
		}
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(f.Parts)), func(part string) bool { return !strings.HasPrefix(part, fact.Member) })
}

// memberOf is the agent who took part in a task's interaction for it, by SID, where no
// reservation tells of one: its events may be too old to be read.
func memberOf(f *fact.Fact) string {
	var workers []string
	for name, p := range f.Parts {
		if strings.HasPrefix(name, fact.Member) && p.Text(fact.MemberType) == "agent" {
			workers = append(workers, p.Text(fact.WorkerSID))
		}
	}
	if len(workers) == 0 {
		return ""
	}
	return slices.Max(workers)
}

// DueInteraction returns the interaction that a task names, where it is worth reading:
// once while the task goes on, and again when it has ended since. One that had ended
// before anything was read is worth it only where its own records tell of no agent, so
// that a backlog costs nothing.
func DueInteraction(f *fact.Fact) (sid string, due bool) {
	sid, _ = f.Attributes["flexInteractionSid"].V.(string)
	if !isSID(sid) || !strings.HasPrefix(sid, "KD") {
		return "", false
	}
	read, known := f.Values[fact.InteractionRead]
	ended := earliest(f.Time(fact.Completed), f.Time(fact.Canceled), f.Time(fact.Deleted))
	if known {
		return sid, ended.After(time.UnixMilli(read.T))
	}
	return sid, ended.IsZero() || !f.Time(fact.Completed).IsZero() && f.Time(fact.Assigned).IsZero()
}
