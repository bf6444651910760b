package world

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"
)

// Queue is a TaskQueue. The last queue of a world takes the surveys and no contacts.
type Queue struct {
	SID       string
	Name      string
	Survey    bool
	CreatedAt time.Time
}

// Workflow routes tasks to queues: the first is for contacts, the second for surveys.
type Workflow struct {
	SID       string
	Name      string
	CreatedAt time.Time
}

// TaskChannel is one of the channels that TaskRouter itself knows; WhatsApp and web chat share "chat".
type TaskChannel struct {
	SID        string
	UniqueName string
	Name       string
}

// Activity is what a worker may be doing.
type Activity struct {
	SID       string
	Name      string
	Available bool
}

// Indexes into World.Activities.
const (
	Offline = iota
	Available
	Break
)

// Agent is a worker.
type Agent struct {
	SID      string
	Name     string // the worker's friendly name
	Identity string // as in a Flex user token: "mia_2Emoreau_40example_2Ecom"
	FullName string
	Email    string
	Skills   []string
	Queues   []int // indexes into World.Queues
	Shifts   []ActivityChange

	attributes string // as JSON
}

// ActivityChange is one move of an agent to another activity, in the order of time.
type ActivityChange struct {
	At       time.Time
	Activity int // index into World.Activities
	Previous int
	Lasted   time.Duration // how long the previous activity lasted
}

// ActivityAt returns the agent's last change at a moment, and a zero change to Offline before the first.
func (a *Agent) ActivityAt(at time.Time) ActivityChange {
	next := sort.Search(len(a.Shifts), func(i int) bool { return a.Shifts[i].At.After(at) })
	if next == 0 {
		return ActivityChange{Activity: Offline, Previous: Offline}
	}
	return a.Shifts[next-1]
}

var (
	queueNames = []string{"Support FR", "Support EN", "Sales", "Billing", "Returns", "Delivery", "Technical", "Premium"}
	firstNames = []string{"Mia", "Noah", "Zoë", "Léo", "Emma", "Jules", "Anaïs", "Paul", "Inès", "Hugo", "Lou", "Sven", "Björn", "Aïcha", "Tom", "Nina"}
	lastNames  = []string{"Moreau", "Dupont", "Nguyen", "O'Brien", "García", "Smith", "Kowalski", "Øberg", "Rossi", "Lefèvre", "Diallo", "Weber", "Haddad", "Petit", "Novák", "Jansen"}
)

func (w *World) hireStaff(options Options) {
	founded := options.Start.Add(-90 * 24 * time.Hour).Truncate(time.Second)
	for i := range options.Queues {
		name := queueNames[i%len(queueNames)]
		if i >= len(queueNames) {
			name = fmt.Sprintf("%s %d", name, i/len(queueNames)+1)
		}
		w.Queues = append(w.Queues, Queue{SID: w.sids.of(prefixQueue, uint64(i)), Name: name, CreatedAt: founded})
	}
	w.Queues = append(w.Queues, Queue{SID: w.sids.of(prefixQueue, uint64(options.Queues)), Name: "Surveys", Survey: true, CreatedAt: founded})
	for i, name := range []string{"Assign to Anyone", "Surveys"} {
		w.Workflows = append(w.Workflows, Workflow{SID: w.sids.of(prefixWorkflow, uint64(i)), Name: name, CreatedAt: founded})
	}
	for i, name := range []string{"default", "voice", "chat", "sms", "video", "email"} {
		w.TaskChannels = append(w.TaskChannels, TaskChannel{SID: w.sids.of(prefixTaskChannel, uint64(i)), UniqueName: name, Name: strings.ToUpper(name[:1]) + name[1:]})
	}
	for i, name := range []string{"Offline", "Available", "Break"} {
		w.Activities = append(w.Activities, Activity{SID: w.sids.of(prefixActivity, uint64(i)), Name: name, Available: i == Available})
	}
	random := w.random(streamStaff, 0)
	for i := range options.Agents {
		w.Agents = append(w.Agents, w.hire(i, random, options))
	}
}

func (w *World) hire(i int, random *rand.Rand, options Options) Agent {
	first, last := firstNames[i%len(firstNames)], lastNames[(i*7+i/len(firstNames))%len(lastNames)]
	local := fmt.Sprintf("agent.%d", i+1)
	agent := Agent{
		SID: w.sids.of(prefixWorker, uint64(i)), Name: local + "@example.com", Email: local + "@example.com",
		Identity: fmt.Sprintf("agent_2E%d_40example_2Ecom", i+1), FullName: first + " " + last,
		Queues: []int{i % options.Queues}, Skills: []string{"support"},
	}
	if options.Queues > 1 && random.IntN(2) == 0 {
		agent.Queues = append(agent.Queues, (i+1)%options.Queues)
		agent.Skills = append(agent.Skills, "sales")
	}
	agent.Shifts = shifts(random, options.Start, options.End)
	agent.attributes = workerAttributes(&agent)
	return agent
}

// shifts is an agent's working days between two moments: on at seven to nine, a break, off after nine
// hours, by UTC. In a world shorter than a shift the agent comes in at its beginning.
func shifts(random *rand.Rand, start, end time.Time) []ActivityChange {
	var changes []ActivityChange
	add := func(at time.Time, activity int) {
		at = at.Truncate(time.Millisecond)
		if at.Before(start) || !at.Before(end) {
			return
		}
		change := ActivityChange{At: at, Activity: activity, Previous: Offline, Lasted: 14 * time.Hour}
		if n := len(changes); n > 0 {
			change.Previous, change.Lasted = changes[n-1].Activity, at.Sub(changes[n-1].At)
		}
		if change.Previous != activity {
			changes = append(changes, change)
		}
	}
	if end.Sub(start) < 12*time.Hour {
		add(start.Add(randomDuration(random, 0, time.Minute)), Available)
	}
	for day := start.Truncate(24 * time.Hour); day.Before(end); day = day.Add(24 * time.Hour) {
		on := day.Add(7*time.Hour + randomDuration(random, 0, 2*time.Hour))
		pause := on.Add(randomDuration(random, 3*time.Hour, 5*time.Hour))
		back := pause.Add(randomDuration(random, 15*time.Minute, 45*time.Minute))
		off := on.Add(9 * time.Hour)
		add(on, Available)
		add(pause, Break)
		add(back, Available)
		add(off, Offline)
	}
	return changes
}
