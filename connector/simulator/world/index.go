package world

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"time"
)

// agentEvents marks the numbers of events that are an agent's and no task's.
const agentEvents = 1 << 60

// mark is all that is held of an event: when, whose (a task, or an agent as the complement of its index),
// and which of its owner's.
type mark struct {
	ms    int64
	owner int32
	n     uint16
}

func (m mark) compare(other mark) int {
	return cmp.Or(cmp.Compare(m.ms, other.ms), cmp.Compare(m.owner, other.owner), cmp.Compare(m.n, other.n))
}

func (w *World) buildIndex() {
	w.marks = make([]mark, 0, len(w.Tasks)*13)
	var steps []step
	for i := range w.Tasks {
		steps = w.timeline(&w.Tasks[i], steps)
		for n, s := range steps {
			w.marks = append(w.marks, mark{ms: s.at.UnixMilli(), owner: int32(i), n: uint16(n)})
		}
	}
	for i := range w.Agents {
		for n := range w.Agents[i].Shifts {
			w.marks = append(w.marks, mark{ms: w.Agents[i].Shifts[n].At.UnixMilli(), owner: ^int32(i), n: uint16(n)})
		}
	}
	slices.SortFunc(w.marks, mark.compare)
}

// EventCount is how many events there are. Their positions, from 0, are in the order of time.
func (w *World) EventCount() int { return len(w.marks) }

// EventTime returns the moment of the event at a position, without making the event.
func (w *World) EventTime(position int) time.Time { return time.UnixMilli(w.marks[position].ms).UTC() }

// EventAt makes the event at a position. A Telling makes many at less cost.
func (w *World) EventAt(position int) Event {
	l := w.Telling()
	event := l.Event(position)
	event.Data = l.Fields()
	return event
}

// Span returns the positions lo up to, not including, hi of the events from one moment up to, not
// including, another.
func (w *World) Span(from, to time.Time) (lo, hi int) {
	first := func(at time.Time) int {
		ms := at.UnixMilli()
		return sort.Search(len(w.marks), func(i int) bool { return w.marks[i].ms >= ms })
	}
	return first(from), first(to)
}

// Events yields the events from one moment up to, not including, another, in the order of time.
func (w *World) Events(from, to time.Time) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		lo, hi := w.Span(from, to)
		for i := lo; i < hi; i++ {
			if !yield(w.EventAt(i)) {
				return
			}
		}
	}
}

// TaskPositions returns the positions of a task's events, ascending.
func (w *World) TaskPositions(task int) []int {
	var positions []int
	for n, s := range w.timeline(&w.Tasks[task], nil) {
		positions = append(positions, w.position(mark{ms: s.at.UnixMilli(), owner: int32(task), n: uint16(n)}))
	}
	slices.Sort(positions)
	return positions
}

// TaskChanges counts the events of a task up to a moment and tells when the last of them was, which is
// the task's version and the date of its last update.
func (w *World) TaskChanges(task int, until time.Time) (count int, last time.Time) {
	for _, s := range w.timeline(&w.Tasks[task], nil) {
		if s.at.After(until) {
			continue
		}
		count++
		if s.at.After(last) {
			last = s.at
		}
	}
	return count, last
}

// EventPosition finds an event by its SID.
func (w *World) EventPosition(sid string) (position int, ok bool) {
	number, ok := w.sids.number(prefixEvent, sid)
	owner, n := number&^agentEvents>>16, int(number&0xffff)
	switch {
	case !ok:
		return 0, false
	case number&agentEvents != 0:
		if owner >= uint64(len(w.Agents)) || n >= len(w.Agents[owner].Shifts) {
			return 0, false
		}
		return w.position(mark{ms: w.Agents[owner].Shifts[n].At.UnixMilli(), owner: ^int32(owner), n: uint16(n)}), true
	case owner >= uint64(len(w.Tasks)):
		return 0, false
	}
	steps := w.timeline(&w.Tasks[owner], nil)
	if n >= len(steps) {
		return 0, false
	}
	return w.position(mark{ms: steps[n].at.UnixMilli(), owner: int32(owner), n: uint16(n)}), true
}

func (w *World) position(m mark) int {
	position, _ := slices.BinarySearchFunc(w.marks, m, mark.compare)
	return position
}
