package profile

import (
	"strings"
	"sync"

	"flexbrevo/connector/fact"
)

// Memo remembers what phone numbers were read as: parsing one costs more than all
// else that is read of a record, and the events of a task repeat it. It remembers whom
// the last attributes named, too, which most events repeat as a whole. It may be used
// by several goroutines. The nil Memo remembers nothing.
type Memo struct {
	mu     sync.Mutex
	phones map[phoneText]phoneRead
	given  map[givenBy]noted
}

// givenBy is all that says who the customer of a task is, in one record.
type givenBy struct {
	options                                  *Options
	attributes                               *fact.Attributes
	channel, channelType, interactionChannel string
}

// noted are the names of the parts that Note adds.
type noted []string

// givenSize bounds what is remembered of attributes, which are whole pages.
const givenSize = 256

// noted returns what is to be noted on a task as one record tells it.
func (m *Memo) noted(f *fact.Fact, o *Options) noted {
	if m == nil || f.Kind != fact.Task || f.Only() == nil {
		return toNote(f, o)
	}
	key := givenBy{o, f.Only(), f.Text(fact.Channel), f.Text(fact.ChannelType), f.Text(fact.InteractionChannel)}
	if parts, known := m.knows(key); known {
		return parts
	}
	parts := toNote(f, o)
	key.channel, key.channelType, key.interactionChannel = strings.Clone(key.channel), strings.Clone(key.channelType), strings.Clone(key.interactionChannel)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.given == nil || len(m.given) >= givenSize {
		m.given = make(map[givenBy]noted, givenSize)
	}
	m.given[key] = parts
	return parts
}

func (m *Memo) knows(key givenBy) (noted, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	parts, known := m.given[key]
	return parts, known
}

type phoneText struct{ text, region string }

type phoneRead struct {
	e164 string
	ok   bool
}

// memoSize bounds a Memo; one that is full begins anew.
const memoSize = 4096

// phone is Phone, from memory where it can be.
func (m *Memo) phone(s, region string) (string, bool) {
	if m == nil {
		return Phone(s, region)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := phoneText{s, region}
	read, known := m.phones[key]
	if !known {
		read.e164, read.ok = Phone(s, region)
		if m.phones == nil || len(m.phones) >= memoSize {
			m.phones = make(map[phoneText]phoneRead)
		}
		m.phones[phoneText{strings.Clone(s), region}] = read
	}
	return read.e164, read.ok
}
