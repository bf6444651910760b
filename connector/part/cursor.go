package part

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// StreamPrefix begins the names of the checkpoints that parts keep for themselves:
// they are no streams of the source, and are shown by the part.
const StreamPrefix = "part:"

// LoadCursor reads into a pointer what a part has noted of a connector under a name, and
// says whether there was anything.
func LoadCursor(ctx context.Context, s store.Capturer, connector, name string, into any) (bool, error) {
	checkpoints, err := s.LoadCheckpoints(ctx, connector)
	if err != nil {
		return false, err
	}
	cursor := checkpoints[StreamPrefix+name].Cursor
	if cursor == "" {
		return false, nil
	}
	if err := json.Unmarshal([]byte(cursor), into); err != nil {
		return false, fmt.Errorf("the checkpoint of %s cannot be read", name) // the error would quote it
	}
	return true, nil
}

// SaveCursor notes something of a connector under a name.
func SaveCursor(ctx context.Context, s store.Capturer, connector, name string, at time.Time, value any) error {
	cursor, err := json.Marshal(value)
	if err != nil {
		return err
	}
	page := record.Page{Stream: StreamPrefix + name, Cursor: record.Cursor(cursor)}
	if _, err := s.Capture(ctx, []store.Batch{{Connector: connector, At: at, Pages: []record.Page{page}}}); err != nil {
		return fmt.Errorf("save the checkpoint of %s: %w", name, err)
	}
	return nil
}
