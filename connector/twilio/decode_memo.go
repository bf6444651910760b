package twilio

import (
	"strings"
	"sync"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/rawjson"
)

// memo remembers what was decoded: most of a task's dozen events carry the same
// attributes, and an agent's always the agent's. Texts are known by how they came, so
// that a known one is not even unescaped. It may be used by several goroutines at once.
// The nil memo remembers nothing.
type memo struct {
	mu         sync.Mutex
	attributes map[memoKey]attributesRead
	names      map[memoKey]string
	texts      map[string]any

	rows  sync.Pool // of *fields, empty
	facts fact.Pool
}

// memoKey is a text: a JSON value, or what one stands for.
type memoKey struct {
	text   string
	isJSON bool
}

// attributesRead is what a text of attributes was decoded to.
type attributesRead struct {
	attributes  *fact.Attributes // nil for none
	channelType string           // of attributes, where it is a text
	ok          bool
}

// memoSize is how many texts of a kind are remembered; a full memo begins anew.
const memoSize = 256

// decode decodes attributes, from memory where it can be.
func (m *memo) decode(text memoKey) attributesRead {
	if m == nil {
		return readAttributes(text)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	read, known := m.attributes[text]
	if !known {
		text.text = strings.Clone(text.text) // of its own, because values of the decoded are parts of it
		read = readAttributes(text)
		if m.attributes == nil || len(m.attributes) >= memoSize {
			m.attributes = make(map[memoKey]attributesRead, memoSize)
		}
		m.attributes[text] = read
	}
	return read
}

func readAttributes(text memoKey) attributesRead {
	decoded, ok := attributes(text.plain())
	read := attributesRead{ok: ok}
	if len(decoded) > 0 {
		read.attributes = fact.ReadAttributes(decoded)
		read.channelType, _ = decoded["channelType"].(string)
	}
	return read
}

// plain is the text itself, see textOf.
func (k memoKey) plain() string {
	if k.isJSON {
		return textOf(k.text)
	}
	return k.text
}

// fullName is the agent's name in worker attributes, where it is there, from memory
// where it can be.
func (m *memo) fullName(text memoKey) string {
	if m == nil {
		return fullName(text.plain())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name, known := m.names[text]
	if !known {
		text.text = strings.Clone(text.text)
		name = fullName(text.plain())
		if m.names == nil || len(m.names) >= memoSize {
			m.names = make(map[memoKey]string)
		}
		m.names[text] = name
	}
	return name
}

func fullName(text string) string {
	if !strings.Contains(text, "full_name") {
		return ""
	}
	if members, err := rawjson.Members(text, nil); err == nil {
		name, _ := rawjson.Text(rawjson.Find(members, "full_name"))
		return name
	}
	decoded, _ := attributes(text)
	name, _ := decoded["full_name"].(string)
	return name
}

const (
	// textsSize is how many texts are remembered.
	textsSize = 2048
	// textMost is how long one is at most: names and SIDs are shorter.
	textMost = 128
)

// text returns a text of its own, one for all that are the same, as the value that a
// fact has of it: it holds nothing of the body that it was read from.
func (m *memo) text(s string) any {
	switch {
	case m == nil || s == "":
		return s
	case len(s) > textMost:
		return strings.Clone(s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	own, known := m.texts[s]
	if !known {
		s = strings.Clone(s)
		if own = s; m.texts == nil || len(m.texts) >= textsSize {
			m.texts = make(map[string]any)
		}
		m.texts[s] = own
	}
	return own
}

// own is text as a string.
func (m *memo) own(s string) string { return m.text(s).(string) }

// fact returns a fact that tells nothing yet.
func (m *memo) fact(kind fact.Kind, sid string) *fact.Fact {
	sid = m.own(sid)
	if m == nil {
		return &fact.Fact{Kind: kind, SID: sid}
	}
	return m.facts.New(kind, sid)
}

// row returns empty fields, with room for those of an event. They are given back with
// forget.
func (m *memo) row() fields {
	if m != nil {
		if f, ok := m.rows.Get().(*fields); ok {
			return *f
		}
	}
	return make(fields, 0, 40) // an event about a reservation has 32
}

// forget takes fields back that nobody will ask any more. The texts that they gave stay
// good.
func (m *memo) forget(f fields) {
	if m == nil || cap(f) == 0 {
		return
	}
	clear(f)
	f = f[:0]
	m.rows.Put(&f)
}
