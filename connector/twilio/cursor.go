package twilio

import (
	"encoding/json"
	"fmt"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// Gap is a span of time that can no longer be read: it is older than Twilio keeps
// TaskRouter events (facts/twilio.md 1.3).
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// maxGaps is how many gaps a cursor remembers; the oldest go first.
const maxGaps = 20

// Gaps returns the gaps that a cursor of the events stream has recorded.
func Gaps(c record.Cursor) ([]Gap, error) {
	var cur eventsCursor
	if err := decodeCursor(c, &cur); err != nil {
		return nil, err
	}
	return cur.Gaps, nil
}

// eventsCursor is a place in the events stream. Times are whole seconds UTC.
type eventsCursor struct {
	// At is the end of the last window that was handed over whole. It is never the
	// date of an event: a row may be listed late (facts/twilio.md 12).
	At time.Time `json:"at"`
	// Window is how long a window lately had to be to hold a good number of rows.
	Window int `json:"window_seconds,omitempty"`
	// Hourly and Daily are the ends of the last complete re-reads.
	Hourly time.Time `json:"hourly"`
	Daily  time.Time `json:"daily"`
	// Reread is the re-read under way.
	Reread *reread `json:"reread,omitempty"`
	Gaps   []Gap   `json:"gaps,omitempty"`
}

// reread is a second reading of a span, for rows that were listed late.
type reread struct {
	From  time.Time `json:"from"` // what is before has been read
	To    time.Time `json:"to"`
	Daily bool      `json:"daily,omitempty"`
}

// encode returns the cursor as others keep it.
func (c eventsCursor) encode() record.Cursor { return encodeCursor(c) }

func encodeCursor(v any) record.Cursor {
	b, err := json.Marshal(v)
	if err != nil {
		panic("twilio: cursor is not JSON: " + err.Error()) // times and numbers only
	}
	return record.Cursor(b)
}

// decodeCursor reads a cursor; the empty one leaves v as it is.
func decodeCursor(c record.Cursor, v any) error {
	if c == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(c), v); err != nil {
		return &failure.Error{Op: "read cursor", Reason: failure.Invalid, Err: fmt.Errorf("not a cursor of this stream: %w", err)}
	}
	return nil
}
