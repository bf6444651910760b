package world

import "time"

// Data takes the values of an event's data one after the other. JSON is one; those who write numbers and moments in
// a way of their own have others.
type Data interface {
	Text(name, value string)
	Int(name string, value int)
	Moment(name string, at time.Time)
	// Nested takes an object that is shown as a text, such as attributes. Its bytes hold for the call only.
	Nested(name string, object []byte)
	// Other takes a value of any kind that a Field may have.
	Other(name string, value any)
}

// Telling makes events one after the other and uses its buffers again, for who makes many. It is for one goroutine.
type Telling struct {
	world      *World
	mark       mark
	steps      []step
	attributes JSON
}

// Telling returns a new one.
func (w *World) Telling() *Telling { return &Telling{world: w} }

// Event returns the event at a position without its Data, which can be told until the next call.
func (l *Telling) Event(position int) Event {
	l.mark = l.world.marks[position]
	if l.mark.owner < 0 {
		return l.world.activityEvent(int(^l.mark.owner), int(l.mark.n))
	}
	t := &l.world.Tasks[l.mark.owner]
	l.steps = l.world.timeline(t, l.steps)
	return l.world.taskEvent(t, int(l.mark.n), l.steps[l.mark.n])
}

// Data tells the data of the event that was made last.
func (l *Telling) Data(to Data) {
	if l.mark.owner < 0 {
		l.world.activityData(int(^l.mark.owner), int(l.mark.n), to)
		return
	}
	l.taskEventData(&l.world.Tasks[l.mark.owner], int(l.mark.n), to)
}

// Fields returns the data of the event that was made last.
func (l *Telling) Fields() Fields {
	c := collector{fields: make(Fields, 0, 40)}
	l.Data(&c)
	return c.fields
}

// collector makes a Fields of an event's data.
type collector struct{ fields Fields }

func (c *collector) Text(name, value string)          { c.Other(name, value) }
func (c *collector) Int(name string, value int)       { c.Other(name, value) }
func (c *collector) Moment(name string, at time.Time) { c.Other(name, at) }
func (c *collector) Nested(name string, value []byte) { c.Other(name, string(value)) }
func (c *collector) Other(name string, value any)     { c.fields = append(c.fields, Field{name, value}) }
