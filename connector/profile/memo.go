package profile

import (
	"strings"
	"sync"
)

// Memo remembers what phone numbers were read as: parsing one costs more than all
// else that is read of a record, and the events of a task repeat it. It may be used
// by several goroutines. The nil Memo remembers nothing.
type Memo struct {
	mu     sync.Mutex
	phones map[phoneText]phoneRead
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
