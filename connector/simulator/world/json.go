package world

import "time"

// JSON writes an object field by field, for who makes so many that a Fields in between would cost more than all the
// rest. It writes what Fields.AppendJSON writes.
type JSON struct {
	// Bytes is what was written so far, after what was there before.
	Bytes []byte
}

// Begin begins an object by itself or in a list. Objects in an object are begun with Open.
func (j *JSON) Begin() {
	if n := len(j.Bytes); n > 0 && j.Bytes[n-1] == '}' {
		j.Bytes = append(j.Bytes, ',')
	}
	j.Bytes = append(j.Bytes, '{')
}

// End ends the object that was begun last.
func (j *JSON) End() { j.Bytes = append(j.Bytes, '}') }

// Open begins an object in the object, and returns where that was.
func (j *JSON) Open(name string) (mark int) {
	mark = len(j.Bytes)
	j.name(name)
	j.Begin()
	return mark
}

// EndOrDrop ends the object that was begun at a mark, or takes it back, name and all, where nothing was put into it.
func (j *JSON) EndOrDrop(mark int) {
	if j.Bytes[len(j.Bytes)-1] == '{' {
		j.Bytes = j.Bytes[:mark]
		return
	}
	j.End()
}

// OpenList begins a list of objects, which EndList ends.
func (j *JSON) OpenList(name string) {
	j.name(name)
	j.Bytes = append(j.Bytes, '[')
}

// EndList ends the list that was begun last.
func (j *JSON) EndList() { j.Bytes = append(j.Bytes, ']') }

// name writes a field's name, which is one of this program's and needs no escapes.
func (j *JSON) name(name string) {
	if j.Bytes[len(j.Bytes)-1] != '{' {
		j.Bytes = append(j.Bytes, ',')
	}
	j.Bytes = append(append(append(j.Bytes, '"'), name...), '"', ':')
}

// Text writes a text.
func (j *JSON) Text(name, value string) {
	j.name(name)
	j.Bytes = appendText(j.Bytes, value)
}

// Texts writes a text that has several parts.
func (j *JSON) Texts(name string, parts ...string) {
	j.name(name)
	j.Bytes = append(j.Bytes, '"')
	for _, part := range parts {
		j.Bytes = appendEscaped(j.Bytes, part)
	}
	j.Bytes = append(j.Bytes, '"')
}

// TextUnlessEmpty writes a text, and nothing where it is empty.
func (j *JSON) TextUnlessEmpty(name, value string) {
	if value != "" {
		j.Text(name, value)
	}
}

// Nested writes an object as a text.
func (j *JSON) Nested(name string, object []byte) {
	j.name(name)
	j.Bytes = append(appendEscaped(append(j.Bytes, '"'), object), '"')
}

// Int writes a number.
func (j *JSON) Int(name string, value int) {
	j.name(name)
	j.Bytes = appendValue(j.Bytes, value)
}

// Moment writes a moment as Fields.AppendJSON does.
func (j *JSON) Moment(name string, at time.Time) { j.Time(name, at, StampLayout) }

// Time writes a moment in a layout, in UTC.
func (j *JSON) Time(name string, at time.Time, layout string) {
	j.name(name)
	j.Bytes = append(at.UTC().AppendFormat(append(j.Bytes, '"'), layout), '"')
}

// Other writes a value of any kind that a Field may have.
func (j *JSON) Other(name string, value any) {
	j.name(name)
	j.Bytes = appendValue(j.Bytes, value)
}

// sid writes the SID of the n-th thing of a kind.
func (j *JSON) sid(name string, sids sids, prefix string, n uint64) {
	sid := sids.bytes(prefix, n)
	j.name(name)
	j.Bytes = append(append(append(j.Bytes, '"'), sid[:]...), '"')
}
