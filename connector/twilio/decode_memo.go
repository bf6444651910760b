package twilio

import (
	"strings"
	"sync"
)

// attributesMemo remembers attributes that were decoded: most of a task's dozen events
// carry the same text. It may be used by several goroutines at once, and what it
// gives is shared, so that nobody may change it. The nil memo remembers nothing.
type attributesMemo struct {
	mu    sync.Mutex
	known map[string]attributesRead
}

type attributesRead struct {
	decoded map[string]any
	ok      bool
}

// memoSize is how many texts are remembered; a full memo begins anew.
const memoSize = 256

// read is attributes, from memory where it can be.
func (m *attributesMemo) read(text string) (map[string]any, bool) {
	if m == nil {
		return attributes(text)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	read, known := m.known[text]
	if !known {
		// Of its own, because values of the decoded are parts of the text.
		text = strings.Clone(text)
		read.decoded, read.ok = attributes(text)
		if m.known == nil || len(m.known) >= memoSize {
			m.known = make(map[string]attributesRead, memoSize)
		}
		m.known[text] = read
	}
	return read.decoded, read.ok
}
